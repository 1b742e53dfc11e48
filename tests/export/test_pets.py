"""Kinds of PET, from checkpoint to LAMMPS and i-PI, against metatomic's own ASE calculator.

Untrained and a few atoms each: one of the published size, one with variants of the outputs, one
with uncertainty, one without direct forces.
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import ase.build
import ase.io
import lammps_tools
import numpy as np
import pytest
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from click.testing import CliRunner
from ipi.pes.metatomic import MetatomicDriver
from ipi.utils.units import unit_to_internal
from metatomic_ase import MetatomicCalculator
from pet_models import pet_checkpoint, uncertain_pet_checkpoint

from md_bridge.cli.energy.drift import drift
from md_bridge.cli.ipi.run import ipi_run
from md_bridge.cli.models.info import info
from md_bridge.drift.records.csv import read_csv
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import export_file
from md_bridge.export.checks.checks import check_corner_cases
from md_bridge.export.checks.derivatives import check_forces, check_stress
from md_bridge.export.checks.invariances import check_invariance
from md_bridge.export.checks.locality import check_locality
from md_bridge.export.checks.runner import Runner
from md_bridge.export.checks.structures import cluster, lattice
from md_bridge.export.errors import ExportError
from md_bridge.ipi.driver import MDBridgeDriver
from md_bridge.ipi.input import write_input
from md_bridge.ipi.plan import make_plan
from md_bridge.model_options import ModelOptions

ANGSTROM = unit_to_internal("length", "angstrom", 1.0)
EV = unit_to_internal("energy", "electronvolt", 1.0)
VARIANTS = [f"{name}/{v}" for v in ("pbe", "scan") for name in ("energy", "non_conservative_force")]


@dataclass
class Kind:
    """How to make a PET, and how to address it."""

    make: object
    variant: str = ""
    has_direct: bool = True
    lammps: str = ""
    ipi: dict = field(default_factory=dict)


KINDS = {
    "published size": Kind(lambda path: pet_checkpoint(path, default_size=True)),
    "variants": Kind(
        lambda path: pet_checkpoint(path, outputs=VARIANTS), "scan", True, "variant scan"
    ),
    "uncertainty": Kind(
        uncertain_pet_checkpoint, lammps="uncertainty 1e6", ipi={"uncertainty": "True"}
    ),
    "conservative": Kind(lambda path: pet_checkpoint(path, outputs=["energy"]), has_direct=False),
}


def water():
    """Four molecules in a periodic box."""
    atoms = ase.build.molecule("H2O")
    atoms.set_cell([4.0, 4.2, 4.4])
    atoms.pbc = True
    atoms = atoms * (2, 2, 1)
    atoms.rattle(0.1, seed=0)
    atoms.wrap()
    return atoms


@pytest.fixture(scope="module", params=KINDS)
def pet(request, tmp_path_factory):
    """A kind of PET and its exported file."""
    folder = tmp_path_factory.mktemp("pet")
    kind = KINDS[request.param]
    return kind, export_file(kind.make(folder / "m.ckpt"), folder / "m.pt")


def reference(pet, direct):
    """Energy and forces of metatomic's own ASE calculator, eV and Å."""
    kind, path = pet
    atoms = water()
    atoms.calc = MetatomicCalculator(
        path,
        variants={"energy": kind.variant} if kind.variant else None,
        non_conservative="forces" if direct else False,
        uncertainty_threshold=None,
    )
    return atoms.get_potential_energy(), atoms.get_forces()


def kinds_of_forces(pet):
    return [False, True] if pet[0].has_direct else [False]


def test_info(pet):
    kind, path = pet
    facts = json.loads(CliRunner().invoke(info, [str(path), "--json"]).stdout)
    used = {output["name"] for output in facts["outputs"] if output["used"]}
    suffix = f"/{kind.variant}" if kind.variant else ""
    assert f"energy{suffix}" in used
    assert (f"non_conservative_force{suffix}" in used) == kind.has_direct
    assert ("energy_uncertainty" in used) == ("uncertainty" in kind.lammps)
    assert (facts["parameters"] > 2e6) == (kind is KINDS["published size"])
    assert facts["interaction_range_A"] == pytest.approx(3 * facts["cutoffs_A"][0])


def test_checks(pet):
    """Those that take little time; test_export_checks runs all of them on one PET."""
    kind, path = pet
    if kind is KINDS["published size"]:
        runner = Runner(path)  # 5 times cheaper than in double precision
        assert check_invariance("batches", runner, [water(), water()[:6]]).passed
        assert check_invariance("permutation", runner, [water()]).passed
        assert check_corner_cases(runner, [8, 1]).passed
        return
    runner = Runner(path, ModelOptions(variant=kind.variant), double=True)
    structures = [lattice([8, 1], side=2), cluster([8, 1])]
    for check in (check_forces, check_stress):
        assert check(runner, structures).passed, check.__name__
    for invariance in ("permutation", "batches"):
        assert check_invariance(invariance, runner, structures).passed, invariance
    assert check_locality(runner, [8, 1]).passed
    assert check_corner_cases(runner, [8, 1]).passed


def test_lammps(pet):
    kind, path = pet
    for direct in kinds_of_forces(pet):
        energy, forces = reference(pet, direct)
        keywords = f"{kind.lammps} forces {'direct virial conservative' if direct else ''}"
        keywords = keywords.removesuffix("forces ")
        pair = f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * O H\n"
        found = lammps_tools.evaluate(water(), pair, ["O", "H"])
        assert found.energy == pytest.approx(energy, abs=1e-4)
        np.testing.assert_allclose(found.forces, forces, atol=2e-5)


def test_ipi(pet, tmp_path):
    """Our driver and i-PI's own read the same file and say the same."""
    kind, path = pet
    atoms = water()
    ase.io.write(tmp_path / "start.xyz", atoms)
    cell, positions = atoms.cell.array.T * ANGSTROM, atoms.positions * ANGSTROM
    for direct in kinds_of_forces(pet):
        energy, forces = reference(pet, direct)
        ours = MDBridgeDriver(
            model=path,
            template=tmp_path / "start.xyz",
            forces="direct" if direct else "conservative",
            stress="none",
            variant=kind.variant,
            **kind.ipi,
        )
        drivers = [ours]
        if not (kind.variant or direct):  # i-PI's cannot resolve variants; wants a direct stress
            drivers.append(MetatomicDriver(template=str(tmp_path / "start.xyz"), model=str(path)))
        for driver in drivers:
            found_energy, found_forces, _, _ = driver(cell, positions)
            assert found_energy / EV == pytest.approx(energy, abs=1e-4)
            np.testing.assert_allclose(
                np.reshape(found_forces, (-1, 3)) / EV * ANGSTROM, forces, atol=2e-5
            )


def test_variants_are_told_apart(tmp_path):
    """Each variant is its own model; without a name the first is taken, a wrong one is an error."""
    path = export_file(pet_checkpoint(tmp_path / "m.ckpt", outputs=VARIANTS), tmp_path / "m.pt")
    assert (Runner(path).energy_output, Runner(path).stress_output) == ("energy/pbe", None)
    scan = Runner(path, ModelOptions(variant="scan"))
    assert (scan.energy_output, scan.force_output) == ("energy/scan", "non_conservative_force/scan")
    assert scan.energy(water()) != Runner(path).energy(water())
    mixed = Runner(path, ModelOptions(variant="scan", direct_variant="pbe"))
    assert (mixed.energy_output, mixed.force_output) == (
        "energy/scan",
        "non_conservative_force/pbe",
    )
    with pytest.raises(ExportError, match=r"variant 'scn'; its variants: 'pbe', 'scan'.*'scan'\?"):
        Runner(path, ModelOptions(variant="scn"))


def test_direct_forces_of_the_old_name(tmp_path):
    """In the plural, as files of before 2026 have it: listed, checked and run."""
    old = pet_checkpoint(tmp_path / "m.ckpt", outputs=["energy", "non_conservative_forces"])
    path = export_file(old, tmp_path / "m.pt")
    facts = json.loads(CliRunner().invoke(info, [str(path), "--json"]).stdout)
    used = [output["name"] for output in facts["outputs"] if output["used"]]
    assert used == ["energy", "non_conservative_forces"]
    checked = Runner(path).evaluate([water()])[0].direct_forces
    run = Engine(path, remove_net_force=False).evaluate(
        structure_from_ase(water()), direct_forces=True
    )
    assert np.abs(run.direct_forces).max() > 1e-3
    np.testing.assert_allclose(checked, run.direct_forces, atol=1e-6)


def test_mtt_export_and_ours_agree_in_all_hosts(tmp_path):
    """The same checkpoint by metatrain's own command and by us: the same numbers everywhere."""
    from metatrain.cli.export import export_model

    checkpoint = pet_checkpoint(tmp_path / "m.ckpt")
    export_model(checkpoint, tmp_path / "mtt.pt", extensions=tmp_path / "extensions")
    export_file(checkpoint, tmp_path / "ours.pt")
    ase.io.write(tmp_path / "start.xyz", water())
    for direct in (False, True):
        ase_results, lammps_results, ipi_results = [], [], []
        for name in ("mtt", "ours"):
            path = tmp_path / f"{name}.pt"
            ase_results.append(reference((Kind(None), path), direct))
            keywords = "forces direct" if direct else ""
            pair = f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * O H\n"
            found = lammps_tools.evaluate(water(), pair, ["O", "H"])
            lammps_results.append((found.energy, found.forces, found.pressure))
            driver = MDBridgeDriver(
                model=path,
                template=tmp_path / "start.xyz",
                forces="direct" if direct else "conservative",
            )
            ipi_results.append(
                driver(water().cell.array.T * ANGSTROM, water().positions * ANGSTROM)[:3]
            )
        for mtt, ours in (ase_results, lammps_results, ipi_results):
            for a, b in zip(mtt, ours, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    folder = tmp_path_factory.mktemp("variants")
    return KINDS["variants"], export_file(
        KINDS["variants"].make(folder / "m.ckpt"), folder / "m.pt"
    )


def moving_water(path):
    """A start with velocities; its kinetic energy, eV."""
    atoms = water()
    thermalize_momenta(atoms, temperature_K=50, rng=np.random.default_rng(0))
    Stationary(atoms)
    ase.io.write(path, atoms)
    return atoms.get_kinetic_energy()


@pytest.mark.parametrize("engine", ["lammps", "ipi"])
def test_drift_of_a_variant(variants, tmp_path, engine):
    kinetic = moving_water(tmp_path / "start.xyz")
    options = ["--forces", "conservative,direct,mts:2", "--ps", "0.004", "--timestep", "0.2"]
    options += ["--keep-velocities", "--host", engine, "--out", str(tmp_path / "out")]
    command = [str(variants[1]), str(tmp_path / "start.xyz"), *options]
    missing = CliRunner().invoke(drift, command)
    assert missing.exit_code == 1
    assert "energy/scan" in missing.output
    # the heads are untrained
    untrained = ["--variant", "scan", "--max-correction", "10"]
    done = CliRunner().invoke(drift, [*command, *untrained])
    assert done.exit_code == 3, done.output  # too short to tell
    expected = reference(variants, direct=False)[0] + kinetic
    series = sorted((tmp_path / "out" / "series").glob("*.csv"))
    assert len(series) == 3
    for path in series:
        assert read_csv(path).conserved_energy[0] == pytest.approx(expected, abs=2e-4)


def test_ipi_runs_a_variant(variants, tmp_path, monkeypatch):
    """Over sockets, so that the client must know it as well."""
    monkeypatch.chdir(tmp_path)
    moving_water(tmp_path / "start.xyz")
    plan = make_plan(
        forces="mts:2",
        steps=1,
        stride=1,
        temperature=50,
        model_options=ModelOptions(variant="scan"),
    )
    write_input(Path("direct.xml"), Path("start.xyz"), variants[1], plan)
    assert Path("direct.xml").read_text().count("variant: scan") == 2
    # the untrained heads of this model are too far apart for multiple time stepping
    options = ["--model", str(variants[1]), "--steps", "1", "--stride", "1", "--transport", "unix"]
    options += ["--address", f"variant-{os.getpid()}", "--variant", "scan"]
    done = CliRunner().invoke(ipi_run, ["start.xyz", *options, "--threads", "1"])
    assert done.exit_code == 0, done.output
    heading, *rows = Path("input.out").read_text().splitlines()
    column = next(
        int(re.search(r"column +(\d+)", line)[1])
        for line in [heading, *rows]
        if line.startswith("#") and "potential" in line
    )
    energy = float(next(row for row in rows if not row.startswith("#")).split()[column - 1])
    assert energy == pytest.approx(reference(variants, direct=False)[0], abs=2e-4)
