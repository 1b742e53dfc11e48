"""The tables of docs/statics.md and examples/silicon/README.md, from docs/statics.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from marked_tables import markdown, number

from md_bridge.statics.phonons.dynamical_matrix import WAVENUMBERS
from md_bridge.text import minus_sign, significant

__all__ = ["TABLES"]

Numbers = Mapping[str, Any]

_DIAMOND, _ICE = "Fd-3m", "Cmc2_1"
_TIGHT, _LOOSE = "1e-05", "0.01"
_ELASTIC = {"C₁₁": (0, 0), "C₁₂": (0, 1), "C₄₄": (3, 3)}


def relaxations(numbers: Numbers) -> list[str]:
    """Rattled starts, a row for each kind of forces and set, the truth last."""
    averaged = numbers.get("relax-average")
    rows = [
        *_relaxation_rows(numbers["relax"], _DIAMOND),
        *(_relaxation_rows(averaged, _DIAMOND, average=True) if averaged else ()),
        *_relaxation_rows(numbers["relax-truth"], _DIAMOND, "*Stillinger–Weber*"),
    ]
    return markdown(_relaxation_heading(_DIAMOND), rows)


def ice_relaxations(numbers: Numbers) -> list[str]:
    """One crystal of ice."""
    heading = [
        *("forces", "at rest", "steps", "evaluations", "residual work, meV/atom"),
        *(f"space group at {each} Å" for each in ("10⁻²", "10⁻⁵")),
        *("a, b, c, Å", "energy above the lowest, meV/atom"),
    ]
    found = numbers["ice-relax"]["rows"]
    lowest = min(row["energies_eV_per_atom"][0] for row in found.values())
    rows = []
    for label, row in found.items():
        groups = [next(iter(row["end_space_groups"][each])) for each in (_LOOSE, _TIGHT)]
        lengths = np.linalg.norm(row["cell_angstrom"], axis=1)
        above = 1e3 * (row["energies_eV_per_atom"][0] - lowest)
        rows.append(
            [
                label,
                "yes" if row["converged"] else "no",
                f"{row['steps']:g}",
                _evaluations(row["evaluations"]),
                number(row["residual_work_meV_per_atom"]),
                *map(_symbol, groups),
                ", ".join(f"{each:.3f}" for each in lengths),
                number(above),
            ]
        )
    return markdown(heading, rows)


def turned(numbers: Numbers) -> list[str]:
    """Perfect crystals in random orientations: how many keep their group, freely and projected."""
    heading = [
        *("forces", "free: kept at 10⁻² Å", "at 10⁻⁵ Å"),
        *("`--space-group project`: kept at 10⁻² Å", "at 10⁻⁵ Å", "evaluations, free", "projected"),
    ]
    free, projected = numbers["turned-free"]["rows"], numbers["turned-project"]["rows"]
    rows = []
    for label, row in free.items():
        other = projected[label]
        kept = [
            f"{each['verdicts'][symprec]['kept']} of {each['structures']}"
            for each in (row, other)
            for symprec in (_LOOSE, _TIGHT)
        ]
        counts = [_evaluations(each["evaluations"]) for each in (row, other)]
        rows.append([label, *kept, *counts])
    return markdown(heading, rows)


def gain(numbers: Numbers) -> list[str]:
    """Direct forces first, beside conservative ones alone, to two tolerances."""
    heading = [
        *("until no force is above", "conservative: evaluations", "time, s"),
        *("direct-then-conservative: evaluations", "time, s", "times less work"),
        "farthest from the same minimum, Å",
    ]
    measurements = ("relax-coarse", "relax")
    walks = [numbers[each]["rows"]["direct-then-conservative"].get("walk") for each in measurements]
    if all(walks):
        heading += ["the walk ends at, eV/Å", "both kinds differ there by, eV/Å"]
    rows = []
    for measured, walk in zip(measurements, walks, strict=True):
        found = numbers[measured]
        alone = found["rows"]["conservative"]
        both = found["rows"]["direct-then-conservative"]
        at_rest = min(alone["converged"], both["converged"]) == alone["structures"]
        gained = _work(alone, found["rows"]) / _work(both, found["rows"])
        rows.append(
            [
                f"{found['fmax_eV_per_angstrom']:g} eV/Å",
                _evaluations(alone["evaluations"]),
                significant(alone["seconds"], 3),
                _evaluations(both["evaluations"]),
                significant(both["seconds"], 3),
                f"{gained:.2f}" if at_rest else "-",
                number(max(each for each in both["rmsd_angstrom"] if each is not None)),
            ]
        )
        if all(walks):
            names = ("last_gradient", "difference")
            rows[-1] += [significant(walk[f"{name}_eV_per_angstrom"], 2) for name in names]
    return markdown(heading, rows)


def phonons(numbers: Numbers) -> list[str]:
    """Silicon: violations and what they do, the truth last."""
    truth = numbers["phonons-truth"]
    rows = [
        *_phonon_rows(numbers["phonons"], truth),
        *_phonon_rows(truth, truth, "*Stillinger–Weber*"),
    ]
    return markdown([*_phonon_heading(), "rms from the truth, cm⁻¹"], rows)


def ice_phonons(numbers: Numbers) -> list[str]:
    """Ice: the same, without a truth."""
    return markdown(_phonon_heading(), _phonon_rows(numbers["ice-phonons"], None))


def scan(numbers: Numbers) -> list[str]:
    """Slopes of what changes from one displacement to the next, in both precisions."""
    first = numbers["phonons-scan"]["scans"][0]
    sizes = np.array(first["displacements_angstrom"])
    shown = [int(np.abs(np.log(sizes / each)).argmin()) for each in (0.0003, 0.01, 0.1, 0.3)]
    heading = [
        *("forces", "precision", "slope below the smallest change", "above it"),
        *(f"ω_max at {sizes[place]:.2g} Å, THz" for place in shown),
    ]
    rows = []
    for measured, precision in (("phonons-scan", "double"), ("phonons-scan-single", "single")):
        for each in numbers[measured]["scans"]:
            slopes = [
                "-" if each[name] is None else minus_sign(f"{each[name]:.2f}")
                for name in ("slope_below", "slope_above")
            ]
            largest = [f"{each['largest_frequency_THz'][place]:.3f}" for place in shown]
            rows.append([_label(each), precision, *slopes, *largest])
    return markdown(heading, rows)


def elastic(numbers: Numbers) -> list[str]:
    """Constants of relaxed atoms, C₄₄ of clamped ones, and the part that projection removed."""
    heading = [
        *("forces", *(f"{name}, GPa" for name in _ELASTIC), "C₄₄ clamped, GPa"),
        *("K, GPa", "G, GPa", "removed by projection"),
    ]
    rows = []
    for measured, name in (("phonons", ""), ("phonons-truth", "*Stillinger–Weber*")):
        for each in numbers[measured]["elastic_GPa"]:
            best = each["relaxed"] or each["clamped"]
            constants = [f"{best['projected'][i][j]:.1f}" for i, j in _ELASTIC.values()]
            rows.append(
                [
                    name or each["row"],
                    *constants,
                    f"{each['clamped']['projected'][3][3]:.1f}",
                    f"{best['bulk']['hill']:.1f}",
                    f"{best['shear']['hill']:.1f}",
                    _percent(best["removed"]),
                ]
            )
    return markdown(heading, rows)


def _relaxation_heading(symbol: str) -> list[str]:
    group = _symbol(symbol)
    return [
        *("forces", "at rest", f"{group} at 10⁻² Å", "at 10⁻⁵ Å", "evaluations of a start"),
        *("residual work, meV/atom", "farthest from the first row, Å"),
    ]


def _relaxation_rows(
    found: Numbers, symbol: str, name: str = "", average: bool = False
) -> list[list[str]]:
    """Of rows with an average, or of those without."""
    rows = []
    for place, (label, row) in enumerate(found["rows"].items()):
        if (", " in label) != average:
            continue
        groups = [_count(row["end_space_groups"][each], symbol) for each in (_LOOSE, _TIGHT)]
        each_start = {
            kind: round(count / row["structures"]) for kind, count in row["evaluations"].items()
        }
        known = [each for each in row["rmsd_angstrom"] if each is not None]
        rows.append(
            [
                name or label,
                f"{row['converged']} of {row['structures']}",
                *map(str, groups),
                _evaluations(each_start),
                number(row["residual_work_meV_per_atom"]),
                number(max(known)) if place and known else "-",
            ]
        )
    return rows


def _work(row: Numbers, rows: Mapping[str, Numbers]) -> float:
    """Its evaluations, each with the mean time of its kind in the rows of one kind: what other
    programs did meanwhile weighs on all alike."""
    return float(
        sum(
            count * rows[kind]["seconds"] / sum(rows[kind]["evaluations"].values())
            for kind, count in row["evaluations"].items()
        )
    )


def _count(groups: Mapping[str, int], symbol: str) -> int:
    """Structures of a space group, whose names have its number behind them."""
    return sum(count for name, count in groups.items() if name.partition(" ")[0] == symbol)


def _phonon_heading() -> list[str]:
    return [
        *("forces: force constants", "π, %", "α, %", "γ, %", "acoustic at Γ, THz"),
        *("splitting, cm⁻¹", "imaginary", "ω_max, THz"),
    ]


def _phonon_rows(found: Numbers, truth: Numbers | None, name: str = "") -> list[list[str]]:
    rows = []
    for each in found["results"]:
        label = f"{_label(each)}: {each['correction']}"
        broken = each["violations"]
        acoustic = max(map(abs, each["gamma_acoustic_THz"]))
        row = [
            name or label,
            *(_percent(broken[kind])[:-2] for kind in ("permutation", "acoustic", "space_group")),
            number(acoustic) if acoustic > 1e-4 else "0",
            "-" if each["splitting_cm"] is None else _split(each["splitting_cm"]),
            "yes" if each["imaginary"]["any"] else "no",
            f"{each['largest_frequency_THz']:.3f}",
        ]
        if truth is not None:
            row.append(_from_truth(found, truth, label))
        rows.append(row)
    return rows


def _from_truth(found: Numbers, truth: Numbers, label: str) -> str:
    """Of bands on paths with the same wave vectors, in terms of each reciprocal cell."""
    (exact,) = truth["bands"].values()
    bands = found["bands"].get(label)
    if found is truth or bands is None or found["path"]["qpoints"] != truth["path"]["qpoints"]:
        return "-"
    return f"{WAVENUMBERS * np.sqrt(np.mean((np.array(bands) - np.array(exact)) ** 2)):.1f}"


def _label(result: Numbers) -> str:
    average = result["symmetrize"]
    return result["forces"] if average == "none" else f"{result['forces']}, {average}"


def _symbol(group: str) -> str:
    """``Cmc2_1`` as it is printed."""
    return group.replace("_1", "₁").replace("-3", "3̅").replace("none", "none found")


def _evaluations(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return str(*counts.values())
    return " + ".join(f"{count} {kind}" for kind, count in counts.items())


def _percent(value: float) -> str:
    return f"{number(100 * value)} %" if value > 1e-9 else "0 %"


def _split(value: float) -> str:
    return number(value) if value > 1e-3 else "0"


TABLES: Mapping[str, Callable[[Numbers], list[str]]] = {
    "relaxations": relaxations,
    "turned": turned,
    "gain": gain,
    "phonons": phonons,
    "scan": scan,
    "elastic": elastic,
    "ice-relaxations": ice_relaxations,
    "ice-phonons": ice_phonons,
}
"""What is between the markers of the pages, by name."""
