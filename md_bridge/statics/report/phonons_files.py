"""Force constants in files that phonopy reads."""

from __future__ import annotations

import warnings
from pathlib import Path

from md_bridge.statics.phonons.results import PhononReport

__all__ = ["write_force_constants"]


def write_force_constants(report: PhononReport, folder: Path) -> list[Path]:
    """For each result a folder with ``phonopy_params.yaml``, which ``phonopy-load`` takes as it is,
    and ``FORCE_CONSTANTS`` as phonopy has had it from the beginning.

    phonopy makes the dynamical matrix Hermitian when it reads them.

    :param report: with at least one result
    :param folder: made if missing
    :returns: the folders, in the order of the results
    :raises OSError: they cannot be written
    """
    from phonopy.file_IO import write_FORCE_CONSTANTS

    crystal = report.crystal
    written = []
    for result in report.results:
        place = folder / result.file_name
        place.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            crystal.phonopy.force_constants = result.force_constants
            crystal.phonopy.save(
                filename=str(place / "phonopy_params.yaml"),
                settings={"force_constants": True, "force_sets": False, "displacements": False},
            )
            write_FORCE_CONSTANTS(
                result.force_constants,
                filename=str(place / "FORCE_CONSTANTS"),
                p2s_map=crystal.phonopy.primitive.p2s_map,
            )
        written.append(place)
    return written
