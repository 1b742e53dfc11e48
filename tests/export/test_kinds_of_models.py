"""Models of every kind that metatomic engines read: the same numbers in every host, in float64.

Each is exported, described, checked, and run in ASE, LAMMPS (1 and 2 ranks) and i-PI, against
metatomic's own ASE calculator on the same file. In a bulk, a cluster with an atom that has no
neighbours, and far from the origin. The published models are among them: their sizes, with random
weights. tests/export/test_pets.py has more of PET.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import ase
import ase.build
import ase.io
import lammps_tools
import numpy as np
import pytest
from click.testing import CliRunner
from ipi.utils.units import unit_to_internal
from metatomic_ase import MetatomicCalculator
from odd_models import pair_energy_file
from pet_models import (
    LONG_RANGE,
    PUBLISHED,
    architecture_checkpoint,
    charged_pet_checkpoint,
    loaded_extensions_forgotten,
    pet_checkpoint,
    uncertain_pet_checkpoint,
)

from md_bridge.ase import MDBridgeCalculator
from md_bridge.cli.models.evaluate import evaluate
from md_bridge.cli.models.info import info
from md_bridge.export import export_file
from md_bridge.export.checks.checks import check_corner_cases
from md_bridge.export.checks.invariances import check_invariance
from md_bridge.export.checks.runner import Runner
from md_bridge.ipi.driver import MDBridgeDriver
from md_bridge.model_options import ModelOptions

ANGSTROM = unit_to_internal("length", "angstrom", 1.0)
EV = unit_to_internal("energy", "electronvolt", 1.0)
VARIANTS = [f"{name}/{v}" for v in ("pbe", "scan") for name in ("energy", "non_conservative_force")]


@dataclass
class Kind:
    """How to make the file, what it needs, and what is special about its results."""

    make: Callable[[Path], Path]
    needs: tuple[str, ...] = ()
    variant: str = ""
    direct: bool = False
    infinite: bool = False
    empty: bool = True  # whether it can be asked for a structure without atoms
    python_only: str = ""  # why LAMMPS cannot run it, in its words
    tolerance: float = 1e-8  # eV, eV/Å
    from_origin: float = 1e-8  # the same, moved by 10⁴ Å
    marks: list = field(default_factory=list)


def pet(**options):
    return lambda folder: exported(pet_checkpoint(folder / "m.ckpt", **options))


def exported(checkpoint, **options):
    return export_file(checkpoint, checkpoint.with_suffix(".pt"), dtype="float64", **options)


def conditioned(folder):
    """PET with charge and spin."""
    return exported(charged_pet_checkpoint(folder / "m.ckpt"))


def published(size, method="solver"):
    """PET-MAD in one of its sizes, for its 102 elements, with its uncertainty."""
    hypers = {**PUBLISHED[size], "adaptive_cutoff_method": method, "elements": range(1, 103)}
    return lambda folder: exported(uncertain_pet_checkpoint(folder / "m.ckpt", **hypers))


def architecture(name, *outputs):
    def make(folder):
        with loaded_extensions_forgotten():
            checkpoint = architecture_checkpoint(folder / "m.ckpt", name, outputs)
            return exported(checkpoint, extensions=folder / "extensions")

    return make


def with_lists(*lists, per="atom"):
    return lambda folder: pair_energy_file(folder / "m.pt", list(lists), per)


BOTH = ("energy", "non_conservative_force")
KINDS = {
    "pet": Kind(pet(), direct=True),
    "pet, residual": Kind(pet(featurizer_type="residual"), direct=True),
    "pet, adaptive cutoff": Kind(pet(num_neighbors_adaptive=6), direct=True),
    "pet, plural name": Kind(pet(outputs=("energy", "non_conservative_forces")), direct=True),
    "pet, variants": Kind(pet(outputs=VARIANTS), variant="scan", direct=True),
    "pet, conditioned": Kind(conditioned, direct=True),
    "pet, zbl": Kind(pet(zbl=True), direct=True, empty=False),  # metatrain's ZBL
    "pet, long range": Kind(
        pet(long_range=LONG_RANGE),
        needs=("torchpme",),
        direct=True,
        infinite=True,
        tolerance=1e-6,  # where its mesh lies matters
        from_origin=1e-5,
    ),
    "pet, uncertainty": Kind(
        lambda folder: exported(uncertain_pet_checkpoint(folder / "m.ckpt")), direct=True
    ),
    "PET-MAD XS 1.5": Kind(published("XS", "grid"), direct=True, marks=[pytest.mark.slow]),
    "PET-MAD XS 1.6": Kind(published("XS"), direct=True),
    "PET-MAD S 1.6": Kind(published("S"), direct=True, marks=[pytest.mark.slow]),
    "PET-MAD M 1.6": Kind(published("M"), direct=True, marks=[pytest.mark.slow]),
    "soap_bpnn": Kind(
        architecture("soap_bpnn", "energy"),
        needs=("spex", "sphericart"),
        empty=False,
        python_only="such a model cannot be used",
    ),
    "space": Kind(
        architecture("experimental.space", *BOTH),
        needs=("physical_basis",),
        direct=True,
        empty=False,
    ),
    "mace": Kind(
        architecture("experimental.mace", *BOTH),
        needs=("mace",),
        direct=True,
        marks=[pytest.mark.slow],
    ),
    "no pairs": Kind(with_lists()),
    "energies of structures": Kind(with_lists((3.5, True), per="system")),
    "half list": Kind(with_lists((3.5, False))),
    "two lists": Kind(with_lists((3.5, True), (2.5, False))),
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


def cluster():
    """Two molecules and an atom that has no neighbours."""
    atoms = ase.build.molecule("H2O") + ase.build.molecule("H2O")
    atoms.positions[3:] += [0.3, 2.6, 0.4]
    return atoms + ase.Atoms("O", [[40.0, 0.0, 0.0]])


@dataclass
class Made:
    """A kind, its file, and its numbers by metatomic's calculator."""

    kind: Kind
    path: Path

    @property
    def options(self):
        """What a host has to be told: which variant, where compiled extensions are."""
        variant = {"variant": self.kind.variant} if self.kind.variant else {}
        folder = self.path.parent / "extensions"
        return {**variant, "extensions": str(folder)} if folder.exists() else variant

    @property
    def flags(self):
        """The same for commands."""
        return [word for name, value in self.options.items() for word in (f"--{name}", value)]

    def reference(self, atoms, direct=False):
        if self.kind is KINDS["no pairs"]:  # metatomic's calculator wants a gradient
            return 0.1 * atoms.numbers.sum(), np.zeros((len(atoms), 3))
        atoms = atoms.copy()
        atoms.calc = self.calculators[direct]
        return atoms.get_potential_energy(), atoms.get_forces()

    @cached_property
    def calculators(self):
        """Of metatomic, by whether its forces are the direct ones."""
        return {
            direct: MetatomicCalculator(
                self.path,
                variants={"energy": self.kind.variant} if self.kind.variant else None,
                extensions_directory=self.options.get("extensions"),
                non_conservative="forces" if direct else False,
                uncertainty_threshold=None,
                device="cpu",
            )
            for direct in ([False, True] if self.kind.direct else [False])
        }


def parameters():
    return [pytest.param(name, marks=kind.marks) for name, kind in KINDS.items()]


@pytest.fixture(scope="module", params=parameters())
def made(request, tmp_path_factory):
    kind = KINDS[request.param]
    for package in kind.needs:
        pytest.importorskip(package)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Made(kind, kind.make(tmp_path_factory.mktemp("kind")))


def compare(found, expected, tolerance=1e-8):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_info(made):
    flags = ["--extensions", made.options["extensions"]] if "extensions" in made.options else []
    facts = json.loads(CliRunner().invoke(info, [str(made.path), "--json", *flags]).stdout)
    assert any(output["name"].startswith("energy") for output in facts["outputs"])
    assert facts["dtype"] == "float64"
    assert (facts["interaction_range_A"] is None) == made.kind.infinite
    assert CliRunner().invoke(info, [str(made.path), *flags]).exit_code == 0


def test_file_holds_no_path_of_this_machine(made):
    assert str(made.path.parent).encode() not in made.path.read_bytes()


def test_checks(made):
    """Those that the kind may break: orders, company, structures without pairs or atoms."""
    runner = Runner(made.path, ModelOptions(**made.options))
    for name in ("permutation", "order of pairs", "batches"):
        found = check_invariance(name, runner, [water(), cluster()])
        assert found.passed, found
    if not made.kind.infinite:  # a mesh for 50 Å takes its time
        found = check_corner_cases(runner, [8, 1])
        assert found.passed or (found.value == 1 and not made.kind.empty), found


def test_ase(made):
    conservative = MDBridgeCalculator(made.path, **made.options)
    for atoms in (water(), cluster()):
        expected = made.reference(atoms)
        atoms.calc = conservative
        compare((atoms.get_potential_energy(), atoms.get_forces()), expected, made.kind.tolerance)
    assert np.abs(expected[1]).max() > 1e-3 or made.kind is KINDS["no pairs"]
    if made.kind.direct:
        atoms = water()
        atoms.calc = MDBridgeCalculator(made.path, forces="direct", **made.options)
        found = atoms.get_potential_energy(), atoms.get_forces()
        compare(found, made.reference(atoms, True), made.kind.tolerance)


def test_far_from_the_origin(made):
    """10⁴ Å away, where single precision would know positions to 1e-3 Å."""
    here, there = cluster(), cluster()
    there.positions += 1e4
    here.calc = there.calc = MDBridgeCalculator(made.path, **made.options)
    found = there.get_potential_energy(), there.get_forces()
    expected = here.get_potential_energy(), here.get_forces()
    compare(found, expected, made.kind.from_origin)


RANKS = """
{box}
pair_style mdbridge {path} threads 1 {keywords}
pair_coeff * * O H
thermo_style custom pe
thermo_modify format float %.16g norm no
run 0
write_dump all custom forces.dump id fx fy fz modify sort id format float %.16g
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps(made, tmp_path, ranks):
    box = lammps_tools.box_from_file(water(), ["O", "H"], tmp_path / "water.data")
    keywords = " ".join(f"{name} {value}" for name, value in made.options.items())
    text = RANKS.format(box=box, path=made.path, keywords=keywords)
    done = lammps_tools.run_input(text, tmp_path, ranks=ranks)
    reason = made.kind.python_only
    if made.kind.infinite and ranks > 1:
        reason = "run it on one rank"
    if reason:
        assert done.returncode != 0
        assert reason in " ".join((done.stdout + done.stderr).split())
        return
    assert done.returncode == 0, done.stdout + done.stderr
    forces = np.loadtxt(tmp_path / "forces.dump", skiprows=9)[:, 1:]
    energy = float(done.stdout.split("PotEng")[1].split()[0])
    compare((energy, forces), made.reference(water()), made.kind.tolerance)


def test_ipi(made, tmp_path):
    ase.io.write(tmp_path / "start.xyz", water())
    driver = MDBridgeDriver(
        model=made.path,
        template=tmp_path / "start.xyz",
        forces="conservative",
        **made.options,
    )
    cell, positions = water().cell.array.T * ANGSTROM, water().positions * ANGSTROM
    energy, forces, _, _ = driver(cell, positions)
    found = energy / EV, np.reshape(forces, (-1, 3)) / EV * ANGSTROM
    compare(found, made.reference(water()), max(2e-7, made.kind.tolerance))  # its units, rounded


def test_evaluate(made, tmp_path):
    """Errors against the model's own numbers: none."""
    labelled = water()
    energy, forces = made.reference(labelled)
    labelled.info["E"], labelled.arrays["F"] = energy, forces
    ase.io.write(tmp_path / "labelled.xyz", labelled)
    command = [str(made.path), str(tmp_path / "labelled.xyz"), "--json"]
    command += ["--energy-key", "E", "--force-key", "F"]
    done = CliRunner().invoke(evaluate, [*command, *made.flags])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    rows = rows["rows"] if isinstance(rows, dict) and "rows" in rows else rows
    assert "conservative force" in json.dumps(rows)
