"""The checks of exported models: each passes on a good model and fails on one with its fault."""

import re

import ase
import ase.build
import models
import numpy as np
import pytest
import torch
from pet_models import pet_checkpoint

from md_bridge.export import export_file, export_module, pair_vectors, run_checks
from md_bridge.export.checks.checks import check_agreement, check_corner_cases
from md_bridge.export.checks.derivatives import check_forces, check_stress
from md_bridge.export.checks.invariances import check_invariance, check_scripted
from md_bridge.export.checks.locality import check_isolated_atoms, check_locality
from md_bridge.export.checks.rotation import check_rotation
from md_bridge.export.checks.runner import Runner
from md_bridge.export.checks.smoothness import check_smoothness_of_bulk, check_smoothness_of_dimers
from md_bridge.export.checks.structures import cluster, lattice
from md_bridge.export.errors import ExportError
from md_bridge.export.options import ModuleOptions
from md_bridge.export.torch_module.module import build_module_model
from md_bridge.model_options import ModelOptions

CUTOFF = 4.0
ARGON = [18]


class Pairwise(torch.nn.Module):
    """A smooth pair potential; each fault of the subclasses below goes into one of its steps."""

    def vectors(self, positions, cell, pairs, shifts, structure):
        return pair_vectors(positions, cell, pairs, shifts, structure)

    def pair_energy(self, r2):
        return torch.relu(1.0 - r2 / 16.0) ** 3

    def atom_energy(self, energy, positions, structure):
        return energy

    def forward(self, types, positions, cell, pairs, shifts, structure):
        r2 = self.vectors(positions, cell, pairs, shifts, structure).square().sum(dim=1)
        energy = torch.zeros_like(positions[:, 0])
        energy = energy.index_add(0, pairs[:, 0], self.pair_energy(r2))
        return {"energy": self.atom_energy(energy, positions, structure)}


class DetachedPositions(Pairwise):
    """A part of the energy does not know that it depends on the positions."""

    def pair_energy(self, r2):
        return torch.relu(1.0 - r2 / 16.0) ** 3 * (1.0 + 0.1 * r2.detach())


class DetachedCell(Pairwise):
    """Forces are right, the stress is not."""

    def vectors(self, positions, cell, pairs, shifts, structure):
        return pair_vectors(positions, cell.detach(), pairs, shifts, structure)


class HiddenJump(Pairwise):
    """The energy of a pair jumps by 1 meV at 3 Å, inside the cutoff."""

    def pair_energy(self, r2):
        return torch.relu(1.0 - r2 / 16.0) ** 3 + 0.5e-3 * (r2 < 9.0).to(r2.dtype)


class HiddenForceJump(Pairwise):
    """The force of a pair jumps by 0.1 eV/Å at 3 Å, its energy does not."""

    def pair_energy(self, r2):
        return torch.relu(1.0 - r2 / 16.0) ** 3 + 0.05 * torch.relu(3.0 - r2.sqrt())


class OrderMatters(Pairwise):
    """The first atoms of the list weigh more."""

    def atom_energy(self, energy, positions, structure):
        rank = torch.arange(len(energy), dtype=energy.dtype)
        return energy * (1.0 + 0.1 * rank)


class PlaceMatters(Pairwise):
    """An external field."""

    def atom_energy(self, energy, positions, structure):
        return energy + 0.1 * positions[:, 0]


class BatchMatters(Pairwise):
    """Structures of a batch see each other."""

    def atom_energy(self, energy, positions, structure):
        return energy + energy.mean()


class CompanyMatters(Pairwise):
    """An atom without neighbours has another energy when there are many atoms."""

    def atom_energy(self, energy, positions, structure):
        return energy + 1e-3 * (energy == 0.0).to(energy.dtype) * float(len(energy) > 1)


class NeedsPairs(Pairwise):
    """Crashes without a pair."""

    def pair_energy(self, r2):
        return torch.relu(1.0 - r2 / 16.0) ** 3 + 0.0 * r2.min()


class NotANumber(Pairwise):
    """NaN for every pair; numbers for atoms without neighbours."""

    def pair_energy(self, r2):
        return torch.relu(1.0 - r2 / 16.0) ** 3 * float("nan")


class NaNGradient(Pairwise):
    """Finite energies whose derivative is NaN: the square root of zero."""

    def pair_energy(self, r2):
        return torch.relu(1.0 - r2 / 16.0) ** 3 + torch.sqrt(0.0 * r2)


class OtherWhenCompiled(Pairwise):
    """TorchScript takes another branch than Python."""

    def pair_energy(self, r2):
        factor = 1.001 if torch.jit.is_scripting() else 1.0
        return factor * torch.relu(1.0 - r2 / 16.0) ** 3


def exported(module, folder, dtype="float64", layers=1):
    return Runner(
        export_module(
            module,
            folder / "m.pt",
            elements=["Ar"],
            cutoff=CUTOFF,
            layers=layers,
            dtype=dtype,
        )
    )


def two(runner):
    return [lattice(ARGON), cluster(ARGON)]


CHECKS = {
    "forces": lambda r: check_forces(r, two(r)),
    "stress": lambda r: check_stress(r, two(r)),
    "translation": lambda r: check_invariance("translation", r, two(r)),
    "permutation": lambda r: check_invariance("permutation", r, two(r)),
    "batches": lambda r: check_invariance("batches", r, two(r)),
    "locality": lambda r: check_locality(r, ARGON),
    "dimers": lambda r: check_smoothness_of_dimers(r, ARGON),
    "bulk": lambda r: check_smoothness_of_bulk(r, lattice(ARGON)),
    "isolated": lambda r: check_isolated_atoms(r, ARGON),
    "corner": lambda r: check_corner_cases(r, ARGON),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_good_model_passes_every_check(tmp_path, dtype):
    runner = exported(Pairwise(), tmp_path, dtype)
    for name, check in CHECKS.items():
        result = check(runner)
        # jumps are sought in double precision only
        expected = None if dtype == "float32" and name in ("dimers", "bulk") else True
        assert result.passed is expected, (name, result)


@pytest.mark.parametrize(
    ("module", "failing", "passing"),
    [
        (DetachedPositions, ["forces"], ["permutation", "translation"]),
        (DetachedCell, ["stress"], ["forces"]),
        (HiddenJump, ["dimers", "bulk"], ["stress", "permutation"]),
        (HiddenForceJump, ["dimers", "bulk"], ["forces", "stress"]),
        (OrderMatters, ["permutation"], ["translation", "forces"]),
        (PlaceMatters, ["translation"], ["permutation", "forces"]),
        (BatchMatters, ["batches"], ["forces"]),
        (CompanyMatters, ["isolated"], ["forces", "batches"]),
        (NeedsPairs, ["corner"], ["forces"]),
        (
            NotANumber,
            ["forces", "stress", "translation", "permutation", "batches", "dimers", "bulk"],
            [],
        ),
        (
            NaNGradient,
            ["forces", "stress", "translation", "permutation", "batches", "dimers", "bulk"],
            [],
        ),
    ],
)
def test_a_fault_fails_its_check(tmp_path, module, failing, passing):
    runner = exported(module(), tmp_path)
    for name in failing:
        result = CHECKS[name](runner)
        assert result.passed is False, (name, result)
    for name in passing:
        result = CHECKS[name](runner)
        assert result.passed, (name, result)


def test_the_jump_is_measured_and_placed(tmp_path):
    """1 meV at 3 Å, found between the points of a grid, and nothing else."""
    result = CHECKS["dimers"](exported(HiddenJump(), tmp_path))
    assert "energy 1 meV (Ar-Ar at 3.000 Å)" in result.detail
    result = CHECKS["dimers"](exported(HiddenForceJump(), tmp_path))
    assert "force 1e+02 meV/Å (Ar-Ar at 3.000 Å)" in result.detail


def test_plain_cutoff_of_lennard_jones_is_a_jump(tmp_path):
    path = models.lennard_jones().export(tmp_path / "lj.pt")
    result = CHECKS["dimers"](Runner(path))
    height = 4 * 0.0104 * ((3.4 / 8.5) ** 6 - (3.4 / 8.5) ** 12)
    assert result.passed is False
    assert f"energy {1e3 * height:.2g} meV (Ar-Ar at 8.500 Å)" in result.detail


def test_too_short_a_range_is_found(tmp_path):
    model = models.two_layers()
    assert check_locality(Runner(model.export(tmp_path / "right.pt")), ARGON).passed
    result = check_locality(Runner(model.export(tmp_path / "wrong.pt", layers=1)), ARGON)
    assert result.passed is False
    assert "declared range of 4.00 Å" in result.detail


def test_scripted_equals_eager(tmp_path):
    options = ModuleOptions(["Ar"], CUTOFF, layers=1, dtype="float64")
    for module, good in [(Pairwise(), True), (OtherWhenCompiled(), False)]:
        eager = Runner(build_module_model(module, options))
        scripted = exported(module, tmp_path)
        assert check_scripted(eager, scripted, two(scripted)).passed is good


def test_stress_without_a_periodic_structure_is_not_checked(tmp_path):
    slab = lattice(ARGON)
    slab.pbc = (True, True, False)
    result = check_stress(exported(Pairwise(), tmp_path), [cluster(ARGON), slab])
    assert result.passed is None
    assert np.isnan(result.value)
    assert result.detail == "not checked: no structure is periodic in all directions"


def test_rotation_is_measured(tmp_path):
    """A force along z only, of a model that is not equivariant, against one that is."""
    invariant = check_rotation(exported(Pairwise(), tmp_path), [cluster(ARGON)])
    assert invariant.passed is None
    assert invariant.value < 1e-10

    class AlongZ(Pairwise):
        def forward(self, types, positions, cell, pairs, shifts, structure):
            vectors = self.vectors(positions, cell, pairs, shifts, structure)
            energy = torch.zeros_like(positions[:, 0])
            energy = energy.index_add(0, pairs[:, 0], self.pair_energy(vectors.square().sum(1)))
            z = torch.tensor([0.0, 0.0, 1.0], dtype=positions.dtype)
            return {"energy": energy, "forces": energy.unsqueeze(1) * z}

    constrained = check_rotation(exported(AlongZ(), tmp_path), [cluster(ARGON)])
    assert constrained.value > 0.1


@pytest.mark.parametrize(("seconds", "orientations"), [(60.0, 364), (0.0, 36)])
def test_rotation_in_numbers(tmp_path, seconds, orientations):
    """Of a pair along a known direction, with energies up to l = 1 and direct forces up to l = 2,
    which the coarsest quadrature has exactly for the former, and the finest for both."""
    runner = Runner(models.anisotropic({1: 0.02}).export(tmp_path / "m.pt"))
    r = np.array([1.1, -2.3, 2.9])
    pair = ase.Atoms("ArKr", [np.zeros(3), r], cell=[20] * 3, pbc=True)
    result = check_rotation(runner, [cluster(ARGON), pair], seconds)
    assert f"Of {orientations} orientations" in result.detail
    found = {name: float(x) for name, x in re.findall(r"([a-z ]+?) ([\d.]+) meV", result.detail)}
    found = {name.strip(): value for name, value in found.items()}
    assert set(found) == {
        *("energy", "conservative forces", "direct forces"),
        *("conservative stress", "direct stress"),
    }
    w = (1 - r @ r / 36) ** 3
    assert found["energy"] == pytest.approx(1e3 * 0.02 * w / 2 / 3**0.5, rel=0.06)
    if orientations == 364:
        assert found["direct forces"] == pytest.approx(100 * w * (2 / 27) ** 0.5, rel=0.06)
    # in the unit of the forces themselves: less than all, which is more than the mean
    assert 0.1 < result.value < 1.0


def test_rotation_sees_mirror_images(tmp_path):
    """An energy that a mirror turns round and no rotation changes: a volume."""

    class Handed(Pairwise):
        def forward(self, types, positions, cell, pairs, shifts, structure):
            vectors = self.vectors(positions, cell, pairs, shifts, structure)
            r2 = vectors.square().sum(1, keepdim=True)
            rows = [
                torch.zeros_like(positions).index_add(
                    0, pairs[:, 0], (1 - r2 / 16) ** 2 * vectors * w
                )
                for w in (torch.ones_like(r2), r2.sqrt(), r2)
            ]
            return {"energy": 1e-3 * torch.det(torch.stack(rows, dim=1))}

    atoms = ase.Atoms("Ar4", [[0, 0, 0], [2.5, 0.2, 0], [0.3, 2.2, 0.1], [0.2, 0.1, 1.7]])
    runner = exported(Handed(), tmp_path)
    result = check_rotation(runner, [atoms])
    energy = float(re.search(r"energy ([\d.]+) meV/atom", result.detail)[1])
    assert energy == pytest.approx(1e3 * abs(runner.energy(atoms)) / 4, rel=0.06)
    assert result.value == pytest.approx(1.0)  # so do the forces: all of them is wrong


def test_agreement_of_direct_forces(tmp_path):
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.3, seed=0)
    exact = Runner(models.curl(0.0).export(tmp_path / "a.pt"))
    swirled = Runner(models.curl(0.01).export(tmp_path / "b.pt"))
    assert check_agreement(exact, [atoms]).value == pytest.approx(0.0, abs=1e-9)
    (prediction,) = swirled.evaluate([atoms])
    expected = 1e3 * np.abs(prediction.direct_forces - prediction.forces).mean()
    assert check_agreement(swirled, [atoms]).value == pytest.approx(expected, rel=1e-6)
    assert (
        check_agreement(Runner(models.lennard_jones().export(tmp_path / "c.pt")), [atoms]) is None
    )


def test_pet_passes_and_its_range_is_what_its_messages_travel(tmp_path):
    """PET's default featuriser reaches a cutoff further than it has layers; metatrain says less."""
    checkpoint = pet_checkpoint(tmp_path / "pet.ckpt")
    ours = export_file(checkpoint, tmp_path / "ours.pt", dtype="float64")
    runner = Runner(ours)
    assert runner.interaction_range == pytest.approx(3 * 3.5)
    assert check_locality(runner, [1, 8]).passed

    from metatrain.cli.export import export_model

    export_model(checkpoint, tmp_path / "theirs.pt", extensions=tmp_path / "extensions")
    theirs = Runner(tmp_path / "theirs.pt", double=True)
    assert theirs.interaction_range == pytest.approx(2 * 3.5)
    result = check_locality(theirs, [1, 8])
    assert result.passed is False
    assert "--layers 3, or --interaction-range 10.5" in result.detail
    mended = export_file(tmp_path / "theirs.pt", tmp_path / "mended.pt", layers=3)
    assert check_locality(Runner(mended, double=True), [1, 8]).passed


def test_a_crash_fails_the_check_in_which_it_happens(tmp_path):
    exported(NeedsPairs(), tmp_path)
    results = {result.name: result for result in run_checks(tmp_path / "m.pt")}
    assert len(results) == 13
    failed = {name for name, result in results.items() if result.passed is False}
    assert failed == {"smoothness of dimers", "isolated atoms", "corner cases"}
    assert results["isolated atoms"].detail.startswith("the model failed: ")


def test_run_checks_on_a_single_precision_pet(tmp_path):
    """All checks, in double precision although the file is in single."""
    path = export_file(pet_checkpoint(tmp_path / "pet.ckpt", elements=[8]), tmp_path / "m.pt")
    seen = []
    results = run_checks(path, progress=seen.append)
    assert [result.name for result in results if result.passed is False] == []
    assert len(results) == len(seen) == 13
    assert next(r for r in results if r.name == "forces = -dE/dx").tolerance == 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ModelOptions(device="gpu"), "unknown device 'gpu': expected auto, cpu, cuda or cuda:N"),
        (ModelOptions(device="cuda"), "was not exported for cuda: it supports cpu"),
        (ModelOptions(symmetrize="octahedral"), "expected symmetrize 'none', found 'octahedral'"),
        (ModelOptions(variant="pbe"), "no energy of variant 'pbe'"),
    ],
)
def test_model_options_that_cannot_be_checked(tmp_path, options, message):
    path = models.curl().export(tmp_path / "m.pt", devices=["cpu"])
    with pytest.raises(ExportError, match=message):
        run_checks(path, model_options=options)
