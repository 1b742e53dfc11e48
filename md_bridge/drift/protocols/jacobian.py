"""Protocol ``jacobian``: how far the direct forces are from any potential, to first order.

Forces are the gradient of a potential if and only if their Jacobian J = ∂F/∂x is symmetric. The
measure of what it lacks is

    λ = ‖J - Jᵀ‖ / (2 ‖J‖)     (Frobenius norms),

0 for a potential and 1 for a purely antisymmetric J (F. Bigi, M. F. Langer and M. Ceriotti,
arXiv:2412.11569). Up to 200 atoms the whole J is computed, row by row through autograd. Larger
systems are probed with random vectors v of independent signs, for which the mean of |Mv|² is ‖M‖²
(M. F. Hutchinson, Commun. Stat. Simul. Comput. 19, 433 (1990)): Jᵀv through autograd, Jv by central
differences. Of a model that Python evaluates there is no graph: the whole J by central differences,
and no larger systems.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from md_bridge.drift.protocols.asymmetry import (
    BIN_WIDTH,
    SAME_ATOM,
    Array,
    Asymmetry,
    Blocks,
    Part,
    jacobian_asymmetry,
    jacobian_blocks,
    per_block,
    probed_asymmetry,
    resolve,
)
from md_bridge.drift.protocols.base import (
    Curve,
    Plot,
    Progress,
    ProtocolRequest,
    ProtocolResult,
    Row,
)
from md_bridge.errors import ArgumentError
from md_bridge.model_names import is_python_model
from md_bridge.model_options import ModelOptions
from md_bridge.text import finite_or_none, with_error

if TYPE_CHECKING:
    from md_bridge.drift.protocols.differentiable import DifferentiableForces

__all__ = [
    "Array",
    "Asymmetry",
    "Blocks",
    "Part",
    "conservative_asymmetry",
    "full_jacobian",
    "jacobian_asymmetry",
    "jacobian_blocks",
    "probe",
    "probed_asymmetry",
    "random_signs",
    "resolve",
    "run",
]

EXACT_ATOMS = 200
"""Largest system whose whole Jacobian is computed."""
PROBES = 16
"""Random vectors for a global λ."""
ATOM_PROBES = 32
"""Atoms probed one by one, for λ by distance and elements, in systems too large for all."""

_PROBES_OF_HESSIAN = 4
_NOTHING = 1e-6
"""λ of conservative forces that counts as zero, however exact the differences."""


def full_jacobian(forces: DifferentiableForces, progress: Progress) -> Array:
    """J, shape (3N, 3N), eV/Å², one reverse pass a row.

    :param forces: the function of N atoms to be differentiated
    :param progress: called before the end of each row with a text and the share done
    """
    transposed = forces.transposed_products()
    rows = np.empty((forces.size, forces.size))
    for k, unit in enumerate(np.eye(forces.size)):
        rows[k] = transposed(unit)
        progress(f"row {k + 1} of {forces.size}", k / forces.size)
    return rows


def probe(
    forces: DifferentiableForces, vectors: Array, progress: Progress
) -> tuple[Array, Array, float]:
    """Jv and Jᵀv for each vector, and the error of the differences.

    :param forces: the function of N atoms to be differentiated
    :param vectors: shape (probes, 3N)
    :param progress: called for each vector with a text and the share done
    :returns: Jv, Jᵀv (eV/Å²) and the relative error of the Jv, estimated with twice the step
    """
    transposed = forces.transposed_products()
    jv, jtv = np.empty_like(vectors), np.empty_like(vectors)
    error = 0.0
    for k, v in enumerate(vectors):
        progress(f"probe {k + 1} of {len(vectors)}", k / len(vectors))
        jv[k], jtv[k] = forces.product(v), transposed(v)
        if k == 0:
            change = np.linalg.norm(forces.product(v, 2 * forces.step) - jv[k])
            error = float(change) / max(float(np.linalg.norm(jv[k])), 1e-300)
    return jv, jtv, error


def random_signs(count: int, size: int, seed: int) -> Array:
    """Vectors of independent signs, shape (count, size).

    :param count: number of vectors
    :param size: components of each
    :param seed: of the random numbers; the same seed gives the same vectors
    :returns: +1 or -1, each as likely
    """
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(count, size))


def _probe_blocks(
    forces: DifferentiableForces, count: int, seed: int, progress: Progress
) -> Blocks:
    """Blocks of some random atoms' columns, from one vector of random signs on each.

    :param forces: whose Jacobian is probed
    :param count: of atoms, chosen at random
    :param seed: of the choice and of the signs
    :param progress: called as the atoms are done
    """
    random = np.random.default_rng(seed)
    n = forces.size // 3
    atoms = np.sort(random.choice(n, size=min(count, n), replace=False))
    vectors = np.zeros((len(atoms), n, 3))
    vectors[np.arange(len(atoms)), atoms] = random.choice([-1.0, 1.0], size=(len(atoms), 3))
    jv, jtv, _ = probe(forces, vectors.reshape(len(atoms), -1), progress)
    norms = 0.5 * (per_block(jv) + per_block(jtv))
    return Blocks(atoms, norms, per_block(jv - jtv), False)


def run(
    request: ProtocolRequest, progress: Progress, exact_atoms: int = EXACT_ATOMS
) -> ProtocolResult:
    """λ of the direct forces at the start, resolved; and of the conservative ones, as a check.

    :param request: model, start and settings
    :param progress: called with a text and the share done, from 0 to 1
    :param exact_atoms: up to so many atoms the whole Jacobian is computed
    :raises ExportError: the model has no direct forces
    :raises md_bridge.engine.ModelError: the same, of one that Python evaluates
    :raises ArgumentError: the request wants the model symmetrized, or has more atoms than that of a
        model that Python evaluates
    """
    import torch

    torch.set_num_threads(request.threads)
    _refuse_averages(request.model_options)
    measure = _by_differences if is_python_model(request.model) else _by_autograd
    found = measure(request, progress, exact_atoms)
    progress("done", 1.0)
    atoms = request.start
    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
    return _result(found, resolve(found.blocks, distances, atoms.get_chemical_symbols()))


@dataclass(frozen=True)
class _Found:
    """What was measured."""

    whole: Asymmetry
    """Of the direct forces."""
    blocks: Blocks
    how: str
    """In words."""
    exact: bool
    is_double: bool
    conservative: float | None
    """λ of the conservative forces; None: there are none."""
    difference_error: float
    """What differences cannot tell from zero in it."""

    @property
    def limit(self) -> float:
        """The largest λ of the conservative forces that counts as zero."""
        return max(_NOTHING, self.difference_error)


def _by_autograd(request: ProtocolRequest, progress: Progress, exact_atoms: int) -> _Found:
    """Of an exported file."""
    from md_bridge.drift.protocols.differentiable import DifferentiableForces

    atoms, options = request.start, request.model_options
    direct = DifferentiableForces(request.model, atoms, "direct", options=options)
    exact = len(atoms) <= exact_atoms
    if exact:
        jacobian = full_jacobian(direct, _part_of(progress, 0.0, 0.8, "direct forces"))
        whole = Asymmetry(jacobian_asymmetry(jacobian), 0.0)
        blocks = jacobian_blocks(jacobian)
        how = "from the whole Jacobian, by autograd"
    else:
        vectors = random_signs(PROBES, direct.size, request.seed)
        jv, jtv, _ = probe(direct, vectors, _part_of(progress, 0.0, 0.3, "direct forces"))
        whole = probed_asymmetry(jv, jtv)
        step = _part_of(progress, 0.3, 0.8, "single atoms")
        blocks = _probe_blocks(direct, ATOM_PROBES, request.seed + 1, step)
        how = (
            f"from {PROBES} random probes, Jᵀv by autograd and Jv by central differences of "
            f"{direct.step:g} Å"
        )
    check = _part_of(progress, 0.8, 1.0, "conservative forces")
    conservative, error = _hessian_asymmetry(request, check)
    return _Found(whole, blocks, how, exact, direct.is_double, conservative.value, error)


def conservative_asymmetry(request: ProtocolRequest, progress: Progress) -> tuple[Asymmetry, float]:
    """λ of the conservative forces at the start, which have a potential: 0 within what can be told.

    :param request: model (an exported file), start and seed
    :param progress: called with a text and the share done, from 0 to 1
    :returns: λ, and the largest one that differences cannot tell from 0
    :raises ArgumentError: the request wants the model symmetrized
    """
    _refuse_averages(request.model_options)
    found, error = _hessian_asymmetry(request, progress)
    return found, max(_NOTHING, error)


def _hessian_asymmetry(request: ProtocolRequest, progress: Progress) -> tuple[Asymmetry, float]:
    """λ of the conservative forces, and the error of the differences."""
    from md_bridge.drift.protocols.differentiable import DifferentiableForces

    atoms, options = request.start, request.model_options
    forces = DifferentiableForces(request.model, atoms, "conservative", options=options)
    vectors = random_signs(_PROBES_OF_HESSIAN, forces.size, request.seed)
    jv, jtv, error = probe(forces, vectors, progress)
    return probed_asymmetry(jv, jtv), error


def _by_differences(request: ProtocolRequest, progress: Progress, exact_atoms: int) -> _Found:
    """Of a model that Python evaluates, as far as that is affordable."""
    from md_bridge.drift.protocols.by_differences import ForcesByDifferences
    from md_bridge.engine import ModelError

    atoms, options = request.start, request.model_options
    if len(atoms) > exact_atoms:
        raise ArgumentError(
            "start",
            f"has {len(atoms)} atoms, and the Jacobian of a model that Python evaluates is made by "
            f"6 evaluations for each: expected {exact_atoms} atoms at most. Name a smaller cell",
        )
    direct = ForcesByDifferences(request.model, atoms, "direct", options)
    jacobian = direct.jacobian(_part_of(progress, 0.0, 0.9, "direct forces"))
    value: float | None = None
    error = 0.0
    progress("conservative forces", 0.9)
    try:
        conservative = ForcesByDifferences(request.model, atoms, "conservative", options)
    except ModelError:
        pass  # of a model of direct forces alone
    else:
        vectors = random_signs(_PROBES_OF_HESSIAN, conservative.size, request.seed)
        value, error = conservative.asymmetry(vectors)
    whole = Asymmetry(jacobian_asymmetry(jacobian), 0.0)
    how = f"from the whole Jacobian, by central differences of {direct.step:g} Å"
    return _Found(whole, jacobian_blocks(jacobian), how, True, direct.is_double, value, error)


def _part_of(progress: Progress, first: float, last: float, what: str) -> Progress:
    return lambda detail, share: progress(f"{what}, {detail}", first + (last - first) * share)


def _refuse_averages(options: ModelOptions) -> None:
    """Refuse what would say something about another model.

    :raises ArgumentError: averages over copies are asked for
    """
    if options.symmetrize != "none":
        raise ArgumentError(
            "symmetrize",
            "has no meaning here, which looks at the model itself: leave it out, found "
            f"{options.symmetrize}",
        )


def _result(found: _Found, parts: tuple[list[Part], list[Part]]) -> ProtocolResult:
    by_distance, by_elements = parts
    cells = [("direct, all", _lambda(found.whole), "100", "100")]
    cells += [
        (f"direct, {part.name}", _lambda(part.asymmetry), *_shares(part))
        for part in [*by_distance, *by_elements]
    ]
    rows = [Row(each, "observed", None, observed=True) for each in cells]
    if found.conservative is not None:
        symmetric = found.conservative <= found.limit
        last = ("conservative, all", f"{100 * found.conservative:.1e}", "100", "100")
        rows.append(Row(last, "symmetric" if symmetric else "not symmetric", symmetric))
    return ProtocolResult(
        protocol="jacobian",
        title="Asymmetry of the Jacobian of the forces",
        lead="λ = ‖J − Jᵀ‖ / (2 ‖J‖) of J = ∂F/∂x: 0 for forces that have a potential, 1 for "
        "forces that have nothing of one (arXiv:2412.11569).",
        columns=(("part", ""), ("λ", "%"), ("share of ‖J‖²", "%"), ("share of ‖J − Jᵀ‖²", "%")),
        rows=tuple(rows),
        sentences=tuple(_sentences(found, by_distance)),
        summary={
            "lambda": found.whole.value,
            "lambda_stderr": finite_or_none(found.whole.stderr),
            "exact": found.exact,
            "double_precision": found.is_double,
            "by_distance": [_part_summary(part) for part in by_distance],
            "by_elements": [_part_summary(part) for part in by_elements],
            "conservative_lambda": found.conservative,
            "conservative_limit": found.limit,
        },
        plots=(_plot(by_distance),),
    )


def _lambda(asymmetry: Asymmetry) -> str:
    if asymmetry.stderr == 0:
        return f"{100 * asymmetry.value:.3g}"
    return with_error(100 * asymmetry.value, 100 * asymmetry.stderr)


def _shares(part: Part) -> tuple[str, str]:
    return f"{100 * part.norm_share:.2g}", f"{100 * part.asymmetry_share:.2g}"


def _sentences(found: _Found, by_distance: list[Part]) -> list[str]:
    most = max(by_distance, key=lambda part: part.asymmetry_share)
    precision = "double" if found.is_double else "single"
    error = "" if found.exact else f" ± {found.whole.stderr:.2g}"
    sentences = [
        f"The Jacobian of the direct forces is asymmetric by λ = {found.whole.value:.3g}{error} "
        f"({found.how}, in {precision} precision, net force removed).",
    ]
    if found.whole.value > 0:
        sentences.append(
            f"Most of the asymmetry, {100 * most.asymmetry_share:.0f} % of ‖J − Jᵀ‖², belongs to "
            + ("single atoms." if most.name == SAME_ATOM else f"pairs {most.name} apart.")
        )
    if found.conservative is None:
        return [*sentences, "The model has no conservative forces to check it with."]
    symmetric = found.conservative <= found.limit
    sentences.append(
        f"As a check, the conservative forces have λ = {found.conservative:.1e}: "
        + ("zero, as it must be." if symmetric else "not zero. Do not trust their gradient.")
    )
    return sentences


def _part_summary(part: Part) -> dict[str, object]:
    summary = asdict(part)
    summary["asymmetry"]["stderr"] = finite_or_none(part.asymmetry.stderr)
    return summary


def _plot(by_distance: list[Part]) -> Plot:
    inner = [part for part in by_distance if part.name != SAME_ATOM]
    x = np.array([float(part.name.split()[0]) + BIN_WIDTH / 2 for part in inner])
    curves = tuple(
        Curve(label, x, np.array(values), markers=True)
        for label, values in (
            ("λ", [part.asymmetry.value for part in inner]),
            ("share of ‖J − Jᵀ‖²", [part.asymmetry_share for part in inner]),
        )
    )
    return Plot("Asymmetry by distance", "distance (Å)", "", curves)
