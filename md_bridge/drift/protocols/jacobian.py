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

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

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

Array = NDArray[np.float64]

EXACT_ATOMS = 200
"""Largest system whose whole Jacobian is computed."""
PROBES = 16
"""Random vectors for a global λ."""
ATOM_PROBES = 32
"""Atoms probed one by one, for λ by distance and elements, in systems too large for all."""
BIN_WIDTH = 1.0
"""Å."""

_PROBES_OF_HESSIAN = 4
_NOTHING = 1e-6
"""λ of conservative forces that counts as zero, however exact the differences."""
_SAME_ATOM = "the atom itself"


@dataclass(frozen=True)
class Asymmetry:
    """λ with its standard error: zero where no probing was needed, infinite from one probe."""

    value: float
    stderr: float


@dataclass(frozen=True)
class Part:
    """λ of some blocks of the Jacobian, and their share of the whole."""

    name: str
    asymmetry: Asymmetry
    norm_share: float
    """Share of ‖J‖²."""
    asymmetry_share: float
    """Share of ‖J - Jᵀ‖²."""


@dataclass(frozen=True)
class Blocks:
    """Squared Frobenius norms of the 3 x 3 blocks of J: row i any atom, column j a probed one.

    From random signs they are unbiased estimates.
    """

    atoms: NDArray[np.int64]
    """The probed atoms, shape (P,)."""
    norms: Array
    """(‖J_ij‖² + ‖J_ji‖²)/2, shape (N, P)."""
    asymmetries: Array
    """‖J_ij - J_jiᵀ‖², shape (N, P)."""
    exact: bool


def jacobian_asymmetry(jacobian: ArrayLike) -> float:
    """λ of a square matrix; zero if it is zero.

    :param jacobian: shape (n, n), in any unit
    :returns: λ, a number without unit
    :raises ValueError: the matrix is not square, or has a number that is not finite
    """
    j = np.asarray(jacobian, dtype=np.float64)
    if j.ndim != 2 or j.shape[0] != j.shape[1]:
        raise ValueError(f"a Jacobian is a square matrix, found shape {j.shape}")
    if not np.isfinite(j).all():
        raise ValueError("the Jacobian has a number that is not finite")
    return _ratio(float(np.sum((j - j.T) ** 2)), float(np.sum(j**2)))


def probed_asymmetry(products: ArrayLike, transposed_products: ArrayLike) -> Asymmetry:
    """λ from products with random vectors of independent signs.

    :param products: Jv, shape (probes, n)
    :param transposed_products: Jᵀv for the same v, shape (probes, n)
    """
    jv = np.asarray(products, dtype=np.float64)
    jtv = np.asarray(transposed_products, dtype=np.float64)
    if jv.ndim != 2 or jv.shape != jtv.shape or len(jv) < 1:
        raise ValueError(f"products must be of shape (probes, n), found {jv.shape}, {jtv.shape}")
    antisymmetric = np.sum((jv - jtv) ** 2, axis=1)
    whole = 0.5 * (np.sum(jv**2, axis=1) + np.sum(jtv**2, axis=1))
    return _jackknife(antisymmetric, whole)


def jacobian_blocks(jacobian: ArrayLike) -> Blocks:
    """Squared norms of all 3 x 3 blocks of a Jacobian of shape (3N, 3N).

    :param jacobian: shape (3N, 3N), eV/Å²
    :returns: squared norms of the blocks and of their antisymmetric parts, (eV/Å²)²
    """
    j = np.asarray(jacobian, dtype=np.float64)
    n = len(j) // 3
    norms = np.sum(j.reshape(n, 3, n, 3) ** 2, axis=(1, 3))
    asymmetries = np.sum((j - j.T).reshape(n, 3, n, 3) ** 2, axis=(1, 3))
    return Blocks(np.arange(n), 0.5 * (norms + norms.T), asymmetries, True)


def resolve(
    blocks: Blocks, distances: ArrayLike, symbols: Sequence[str], width: float = BIN_WIDTH
) -> tuple[list[Part], list[Part]]:
    """λ by distance, and by pair of elements.

    :param blocks: of the Jacobian, see :class:`Blocks`
    :param distances: between all atoms, shape (N, N), Å
    :param symbols: element of each atom
    :param width: of the bins of the distance (Å)
    :returns: parts by distance, the first for the blocks of an atom with itself; parts by elements
    """
    chosen = np.asarray(distances, dtype=np.float64)[:, blocks.atoms]
    itself = np.arange(len(symbols))[:, None] == blocks.atoms[None, :]
    bins = np.where(itself, -1, np.floor(chosen / width).astype(int))
    by_distance = [
        _part(_SAME_ATOM if b < 0 else f"{b * width:g} to {(b + 1) * width:g} Å", blocks, bins == b)
        for b in np.unique(bins)
    ]
    pairs = np.array(
        [
            [
                f"{a}, {_SAME_ATOM}" if itself[i, k] else "-".join(sorted((a, symbols[j])))
                for k, j in enumerate(blocks.atoms)
            ]
            for i, a in enumerate(symbols)
        ]
    )
    by_elements = [_part(str(name), blocks, pairs == name) for name in np.unique(pairs)]
    return by_distance, by_elements


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
    norms = 0.5 * (_per_block(jv) + _per_block(jtv))
    return Blocks(atoms, norms, _per_block(jv - jtv), False)


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


def _ratio(antisymmetric: float, whole: float) -> float:
    return math.sqrt(antisymmetric / whole) / 2 if whole > 0 else 0.0


def _jackknife(antisymmetric: Array, whole: Array) -> Asymmetry:
    """λ from sums over probes; its error by leaving out one probe after the other."""
    total = float(antisymmetric.sum()), float(whole.sum())
    count = len(whole)
    if count < 2:
        return Asymmetry(_ratio(*total), math.inf)
    without = np.array(
        [_ratio(total[0] - a, total[1] - w) for a, w in zip(antisymmetric, whole, strict=True)]
    )
    variance = (count - 1) / count * float(np.sum((without - without.mean()) ** 2))
    return Asymmetry(_ratio(*total), math.sqrt(variance))


def _part(name: str, blocks: Blocks, mask: NDArray[np.bool_]) -> Part:
    antisymmetric = np.where(mask, blocks.asymmetries, 0.0).sum(axis=0)
    whole = np.where(mask, blocks.norms, 0.0).sum(axis=0)
    if blocks.exact:
        asymmetry = Asymmetry(_ratio(float(antisymmetric.sum()), float(whole.sum())), 0.0)
    else:
        present = mask.any(axis=0)
        asymmetry = _jackknife(antisymmetric[present], whole[present])
    return Part(
        name,
        asymmetry,
        _share(whole, blocks.norms),
        _share(antisymmetric, blocks.asymmetries),
    )


def _share(part: Array, whole: Array) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() > 0 else 0.0


def _per_block(vectors: Array) -> Array:
    """|(Mv)_i|² of each atom i, shape (N, probes)."""
    return np.sum(vectors.reshape(len(vectors), -1, 3) ** 2, axis=2).T


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
            + ("single atoms." if most.name == _SAME_ATOM else f"pairs {most.name} apart.")
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
    inner = [part for part in by_distance if part.name != _SAME_ATOM]
    x = np.array([float(part.name.split()[0]) + BIN_WIDTH / 2 for part in inner])
    curves = tuple(
        Curve(label, x, np.array(values), markers=True)
        for label, values in (
            ("λ", [part.asymmetry.value for part in inner]),
            ("share of ‖J − Jᵀ‖²", [part.asymmetry_share for part in inner]),
        )
    )
    return Plot("Asymmetry by distance", "distance (Å)", "", curves)
