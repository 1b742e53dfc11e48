"""Whether direct forces, or those of an inner model, belong to the energy of the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from md_bridge.certify.findings import Finding, judged, skipped
from md_bridge.certify.subject import Subject
from md_bridge.engine import Engine, open_inner, structure_from_ase
from md_bridge.export.checks.checks import check_agreement
from md_bridge.forces import ForceAgreement

__all__ = ["direct"]

_NAME = "direct = conservative"


def direct(subject: Subject) -> Iterator[Finding]:
    """How far the forces of inner steps are from those that they stand in for.

    :param subject: the model
    """
    if not subject.request.starts:
        yield skipped(_NAME, subject.no_start)
    elif subject.has_direct:
        yield _judged(
            _NAME,
            "direct",
            subject,
            subject.engine,
            "direct",
            "the head of the direct forces is stale (the rest of the model was trained on without "
            "it), or of another variant: train it again, or choose the other with "
            "--direct-variant",
        )
    else:
        yield skipped(_NAME, "the model has no direct forces")
    if subject.options.inner:
        engine, kind = open_inner(subject.options)
        yield _judged(
            "inner = conservative",
            "inner",
            subject,
            engine,
            kind,
            "the inner model stands in for another one, or for another variant: choose another",
        )


def _judged(
    name: str, word: str, subject: Subject, inner: Engine, kind: str, advice: str
) -> Finding:
    conservative, other = [], []
    for atoms in subject.structures:
        structure = structure_from_ase(atoms)
        conservative.append(
            subject.engine.evaluate(structure, conservative_forces=True).conservative_forces
        )
        found = inner.evaluate(
            structure,
            energy=False,
            conservative_forces=kind == "conservative",
            direct_forces=kind == "direct",
        )
        other.append(getattr(found, f"{kind}_forces"))
    agreement = ForceAgreement.of(np.concatenate(conservative), np.concatenate(other))
    allowed = agreement.allowed(subject.options.max_correction)
    details = ""
    if word == "direct":
        check = check_agreement(subject.own, subject.structures)
        details = "" if check is None else f"; {check.value:.3g} meV/Å is the {check.detail}"
    return judged(
        name,
        bool(agreement.correction <= allowed),
        f"≤ {1e3 * allowed:.3g} meV/Å",
        f"{1e3 * agreement.correction:.3g} meV/Å",
        f"root mean square of conservative minus {word} forces, which are "
        f"{1e3 * agreement.conservative:.4g} meV/Å{details}. If it fails, they do not belong to "
        f"one potential energy surface, and no outer step corrects that: {advice}",
        correction_eV_per_angstrom=agreement.correction,
        conservative_eV_per_angstrom=agreement.conservative,
        allowed_eV_per_angstrom=allowed,
    )
