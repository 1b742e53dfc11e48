"""One forward pass gives what is wanted, and it is right."""

import re
import subprocess
import sys

import models
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from md_bridge import _core
from md_bridge.engine import (
    Engine,
    EngineError,
    ModelError,
    NonFiniteError,
    Pairs,
    Structure,
    Wanted,
    structure_from_ase,
)
from md_bridge.errors import MDBridgeError
from md_bridge.export import pair_vectors


@pytest.fixture
def argon() -> Atoms:
    """A rattled and sheared crystal of 32 atoms, whose cell is smaller than twice the cutoff."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
    atoms.rattle(0.15, seed=3)
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.08, 1, 0], [-0.05, 0.1, 1]], scale_atoms=True)
    return atoms


def numerical_forces(engine, atoms, which, step=1e-4):
    forces = np.zeros((len(which), 3))
    for n, i in enumerate(which):
        for k in range(3):
            energies = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[i, k] += sign * step
                energies.append(engine.evaluate(structure_from_ase(moved)).energy)
            forces[n, k] = -(energies[0] - energies[1]) / (2 * step)
    return forces


def numerical_virial(engine, atoms, step=1e-5):
    virial = np.zeros((3, 3))
    for a in range(3):
        for b in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * step
                strained = atoms.copy()
                strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
                energies.append(engine.evaluate(structure_from_ase(strained)).energy)
            virial[a, b] = -(energies[0] - energies[1]) / (2 * step)
    return virial


def test_forces_and_virial_are_derivatives_of_the_energy(model_file, argon):
    engine = Engine(model_file("two_layers"))
    result = engine.evaluate(
        structure_from_ase(argon), conservative_forces=True, conservative_virial=True
    )
    which = [0, 7, 31]
    expected = numerical_forces(engine, argon, which)
    np.testing.assert_allclose(result.conservative_forces[which], expected, atol=1e-7)
    np.testing.assert_allclose(
        result.conservative_virial, numerical_virial(engine, argon), atol=1e-6
    )


def test_what_is_not_wanted_does_not_change_what_is(model_file, argon):
    engine = Engine(model_file("curl"))
    structure = structure_from_ase(argon)
    everything = engine.evaluate(
        structure,
        conservative_forces=True,
        conservative_virial=True,
        direct_forces=True,
        direct_virial=True,
        atomic_energies=True,
    )
    assert everything.energy == pytest.approx(everything.atomic_energies.sum(), abs=1e-12)
    for name in ("conservative_forces", "direct_forces", "conservative_virial", "direct_virial"):
        alone = engine.evaluate(structure, **{name: True})
        np.testing.assert_allclose(getattr(alone, name), getattr(everything, name), atol=1e-12)
        assert alone.energy == pytest.approx(everything.energy, abs=1e-12)
    direct_only = engine.evaluate(structure, direct_forces=True, energy=False)
    assert direct_only.direct_forces.shape == (32, 3)
    for name in ("energy", "conservative_forces", "conservative_virial", "uncertainty"):
        assert getattr(direct_only, name) is None


def test_batch_equals_one_by_one(model_file, argon):
    engine = Engine(model_file("curl"))
    rng = np.random.default_rng(0)
    images = [argon, argon * (1, 1, 2), argon[:5]]
    for image in images:
        image.positions += rng.normal(0, 0.02, image.positions.shape)
    images[2].pbc = False
    structures = [structure_from_ase(image) for image in images]
    empty = Structure(np.zeros(0), np.zeros((0, 3)), np.zeros((3, 3)), [False] * 3)
    structures.insert(1, empty)
    wanted = {"conservative_forces": True, "conservative_virial": True, "direct_forces": True}
    batch = engine.evaluate(structures, **wanted)
    assert batch[1].energy == 0.0
    for structure, result in zip(structures, batch, strict=True):
        alone = engine.evaluate(structure, **wanted)
        assert result.energy == pytest.approx(alone.energy, abs=1e-11)
        for name in ("conservative_forces", "direct_forces", "conservative_virial"):
            np.testing.assert_allclose(getattr(result, name), getattr(alone, name), atol=1e-11)


def test_skin_does_not_change_results_along_a_trajectory(model_file, argon):
    engine = Engine(model_file("lennard_jones"))
    pairs = Pairs(skin=0.6)
    rng = np.random.default_rng(2)
    for _ in range(20):
        argon.positions += rng.normal(0, 0.03, argon.positions.shape)
        structure = structure_from_ase(argon)
        kept = engine.evaluate(structure, pairs, conservative_forces=True)
        fresh = engine.evaluate(structure, conservative_forces=True)
        np.testing.assert_allclose(kept.conservative_forces, fresh.conservative_forces, atol=1e-13)
    assert 1 <= pairs.builds < 20


@pytest.mark.parametrize("periodic", [[1, 1, 1], [1, 1, 0], [0, 0, 1], [0, 0, 0]])
def test_open_directions(model_file, argon, periodic):
    """Along an open direction nothing is repeated: ASE's own Lennard-Jones agrees."""
    from ase.calculators.lj import LennardJones

    argon.pbc = periodic
    result = Engine(model_file("lennard_jones")).evaluate(
        structure_from_ase(argon), conservative_forces=True
    )
    argon.calc = LennardJones(epsilon=0.0104, sigma=3.4, rc=8.5, ro=8.5, smooth=False)
    np.testing.assert_allclose(result.conservative_forces, argon.get_forces(), atol=1e-12)


def test_owned_atoms_alone_have_energies(model_file, argon):
    """Atoms beyond the owned ones are surroundings: two halves add up to the whole."""
    engine = Engine(model_file("two_layers"))
    argon.pbc = False
    whole = engine.evaluate(structure_from_ase(argon), conservative_forces=True)
    energy, forces = 0.0, np.zeros((32, 3))
    for order in (np.arange(32), np.r_[16:32, 0:16]):
        half = Structure(
            argon.numbers[order], argon.positions[order], np.zeros((3, 3)), [False] * 3, owned=16
        )
        result = engine.evaluate(half, conservative_forces=True)
        energy += result.energy
        forces[order] += result.conservative_forces
    assert energy == pytest.approx(whole.energy, abs=1e-12)
    np.testing.assert_allclose(forces, whole.conservative_forces, atol=1e-12)


def test_net_force_and_torque_of_direct_forces(model_file, argon):
    kept = Engine(model_file("two_layers"), remove_net_force=False)
    removed = Engine(model_file("two_layers"))
    structure = structure_from_ase(argon)
    raw = kept.evaluate(structure, direct_forces=True).direct_forces
    clean = removed.evaluate(structure, direct_forces=True).direct_forces
    assert np.abs(raw.sum(axis=0)).max() > 1e-4
    np.testing.assert_allclose(clean, raw - raw.mean(axis=0), atol=1e-14)

    argon.pbc = False
    molecule = removed.evaluate(structure_from_ase(argon), direct_forces=True).direct_forces
    raw = kept.evaluate(structure_from_ase(argon), direct_forces=True).direct_forces
    assert np.abs(np.cross(argon.positions, raw - raw.mean(axis=0)).sum(axis=0)).max() > 1e-4
    assert np.abs(molecule.sum(axis=0)).max() < 1e-13
    assert np.abs(np.cross(argon.positions, molecule).sum(axis=0)).max() < 1e-11


def test_uncertainty(model_file, argon):
    result = Engine(model_file("uncertain")).evaluate(structure_from_ase(argon), uncertainty=True)
    from ase.neighborlist import neighbor_list

    neighbors = np.bincount(neighbor_list("i", argon, 8.5), minlength=len(argon))
    np.testing.assert_allclose(result.uncertainty, 0.01 * neighbors, atol=1e-12)


def test_engines_share_one_copy_of_a_model(model_file):
    first, second = Engine(model_file("curl")), Engine(str(model_file("curl")))
    assert first.model is second.model
    assert Engine(model_file("curl"), device="cpu").model.info.device == "cpu"
    if first.info.device == "cpu":
        assert first.model is Engine(model_file("curl"), device="cpu").model
    assert first.model is not Engine(model_file("lennard_jones")).model


def test_same_as_metatomic_calculator_on_water(water_model, water):
    from metatomic_ase import MetatomicCalculator

    engine = Engine(water_model)
    result = engine.evaluate(
        structure_from_ase(water),
        conservative_forces=True,
        conservative_virial=True,
        direct_forces=True,
        direct_virial=True,
    )
    for direct in (False, True):
        # the water model exists in one precision: the same arithmetic, to the rounding of float32
        water.calc = MetatomicCalculator(water_model, non_conservative=direct)
        forces = result.direct_forces if direct else result.conservative_forces
        virial = result.direct_virial if direct else result.conservative_virial
        assert result.energy == pytest.approx(water.get_potential_energy(), abs=1e-3)
        np.testing.assert_allclose(forces, water.get_forces(), atol=5e-5)
        np.testing.assert_allclose(
            -virial / water.get_volume(), water.get_stress(voigt=False), atol=1e-6
        )


def test_nan_names_the_atom(tmp_path):
    import models

    path = models.nan_when_close(3.0, where="direct").export(tmp_path / "nan.pt")
    engine = Engine(path)
    atoms = Atoms("Ar3", [[0, 0, 0], [9, 0, 0], [11, 0, 0]])
    with pytest.raises(NonFiniteError, match=r"direct force that is not finite on atom 1 .*Ar"):
        engine.evaluate(structure_from_ase(atoms), direct_forces=True)
    engine = Engine(models.nan_when_close(3.0).export(tmp_path / "nan-energy.pt"))
    with pytest.raises(NonFiniteError, match=r"^the model returned an energy that is not finite"):
        engine.evaluate(structure_from_ase(atoms))


class Cramped(torch.nn.Module):
    """Half an eV for each pair; fails on more than 70 atoms, with these words."""

    def __init__(self, words: str):
        super().__init__()
        self.words = words

    def forward(self, types, positions, cell, pairs, shifts, structure):
        if positions.size(0) > 70:
            raise RuntimeError(self.words)
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        energies = (vectors**2).sum(1) / 36
        return {"energy": torch.zeros_like(positions[:, 0]).index_add(0, pairs[:, 0], energies)}


class TestLargeBatches:
    """Structures go through the model in parts that fit."""

    @pytest.fixture
    def batch(self, argon):
        structures = []
        for _ in range(7):
            argon.rattle(0.1, seed=len(structures))
            structures.append(structure_from_ase(argon))
        return structures

    @staticmethod
    def engine(folder, words, **options):
        path = models.AnalyticModel(Cramped(words), ["Ar"], 6.0).export(folder / "cramped.pt")
        return Engine(path, **options)

    def test_no_more_atoms_together_than_asked_for(self, tmp_path, batch):
        few = self.engine(tmp_path, "too many", atoms_per_forward=70)
        found = few.evaluate(batch, conservative_forces=True)
        for structure, result in zip(batch, found, strict=True):
            alone = few.evaluate(structure, conservative_forces=True)
            np.testing.assert_array_equal(result.conservative_forces, alone.conservative_forces)
        many = self.engine(tmp_path, "too many", atoms_per_forward=96)
        with pytest.raises(EngineError, match="too many"):
            many.evaluate(batch)

    @pytest.mark.parametrize("words", ["CUDA out of memory. Tried", "can't allocate memory: you"])
    def test_fewer_where_the_memory_is_full(self, tmp_path, batch, argon, words):
        engine = self.engine(tmp_path, words, atoms_per_forward=10000)
        found = engine.evaluate(batch, conservative_forces=True)
        for structure, result in zip(batch, found, strict=True):
            alone = engine.evaluate(structure, conservative_forces=True)
            np.testing.assert_array_equal(result.conservative_forces, alone.conservative_forces)
        with pytest.raises(EngineError, match=r"out of memory on (cpu|[a-z]+:0)"):
            engine.evaluate(structure_from_ase(argon * (3, 1, 1)))


def test_errors_name_the_structure_of_a_batch(tmp_path):
    import models

    engine = Engine(models.nan_when_close(3.0).export(tmp_path / "nan.pt"))
    fine, close = (Atoms("Ar2", [[0, 0, 0], [x, 0, 0]]) for x in (9.0, 2.0))
    # the structure without atoms never reaches the model, but counts
    batch = [structure_from_ase(atoms) for atoms in (fine, Atoms(), close)]
    with pytest.raises(NonFiniteError, match=r"structure 2 of a batch of 3 .*: .* not finite"):
        engine.evaluate(batch, conservative_forces=True)
    batch[1] = structure_from_ase(Atoms("Xe"))
    with pytest.raises(ModelError, match=r"structure 1 of a batch of 3 .* element Xe"):
        engine.evaluate(batch, conservative_forces=True)


class TestBadInput:
    def test_missing_file(self, tmp_path):
        with pytest.raises(ModelError, match=r"there is no model file '.*absent.pt'"):
            Engine(tmp_path / "absent.pt")

    def test_folder(self, tmp_path):
        with pytest.raises(ModelError, match="is not a file"):
            Engine(tmp_path)

    def test_not_a_model(self, tmp_path):
        (tmp_path / "text.pt").write_text("hello")
        with pytest.raises(ModelError, match=r"could not load '.*text.pt': expected a model exp"):
            Engine(tmp_path / "text.pt")

    def test_truncated_model(self, tmp_path, model_file):
        whole = model_file("curl").read_bytes()
        (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError, match="could not load"):
            Engine(tmp_path / "half.pt")

    def test_torchscript_that_is_no_atomistic_model(self, tmp_path):
        import torch

        torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "linear.pt")
        with pytest.raises(ModelError, match=r"could not load '.*linear.pt': expected a model exp"):
            Engine(tmp_path / "linear.pt")

    def test_checkpoint(self, tmp_path):
        (tmp_path / "model.ckpt").write_bytes(b"")
        with pytest.raises(ModelError, match=r"is a training checkpoint: export it first"):
            Engine(tmp_path / "model.ckpt")

    def test_unknown_element(self, model_file):
        engine = Engine(model_file("lennard_jones"))
        with pytest.raises(
            ModelError, match=r"does not know the element Xe .* of atom 1 .* knows Ar"
        ):
            engine.evaluate(structure_from_ase(Atoms("ArXe", [[0, 0, 0], [4, 0, 0]])))

    def test_no_direct_forces(self, model_file):
        engine = Engine(model_file("lennard_jones"))
        with pytest.raises(ModelError, match=r"cannot give direct forces .*; it has energy"):
            engine.require(Wanted(direct_forces=True))

    def test_unknown_variant(self, model_file):
        engine = Engine(model_file("lennard_jones"), variant="pbe0")
        with pytest.raises(
            ModelError, match=r"cannot give the output 'energy/pbe0'; it has energy"
        ):
            engine.evaluate(structure_from_ase(Atoms("Ar")))

    def test_device(self, model_file):
        with pytest.raises(ModelError, match="unknown device 'gpu': expected auto, cpu, cuda"):
            Engine(model_file("lennard_jones"), device="gpu")
        import torch

        if not torch.cuda.is_available():
            with pytest.raises(ModelError, match="no CUDA device"):
                Engine(model_file("lennard_jones"), device="cuda")

    def test_direct_stress_of_a_molecule(self, model_file):
        engine = Engine(model_file("curl"))
        with pytest.raises(EngineError, match="defined for fully periodic structures only"):
            engine.evaluate(structure_from_ase(Atoms("Ar")), direct_virial=True)


def test_isolated_atom_and_dimer_on_top_of_each_other(model_file):
    engine = Engine(model_file("curl"))
    alone = engine.evaluate(
        structure_from_ase(Atoms("Ar")), conservative_forces=True, direct_forces=True
    )
    assert alone.energy == 0.0
    np.testing.assert_array_equal(alone.conservative_forces, np.zeros((1, 3)))
    with pytest.raises(NonFiniteError):
        engine.evaluate(
            structure_from_ase(Atoms("Ar2", np.zeros((2, 3)))), conservative_forces=True
        )


class TestPythonFace:
    def test_unknown_keyword_names_the_nearest(self, model_file):
        engine = Engine(model_file("lennard_jones"))
        structure = structure_from_ase(Atoms("Ar"))
        with pytest.raises(TypeError, match=r"'conservative_force'; did you mean 'conservative_fo"):
            engine.evaluate(structure, conservative_force=True)
        with pytest.raises(TypeError, match=r"'qqq': expected one of .*uncertainty"):
            engine.evaluate(structure, qqq=True)
        for name in ("forces", "virial", "stress"):
            kind = "forces" if name == "forces" else "virial"
            both = f"'{name}'; did you mean 'conservative_{kind}' or 'direct_{kind}'"
            with pytest.raises(TypeError, match=re.escape(both)):
                engine.evaluate(structure, **{name: True})

    def test_unknown_keyword_of_the_engine_names_the_nearest(self):
        with pytest.raises(TypeError, match=r"Engine\(\) .* 'devise'; did you mean 'device'"):
            Engine("m.pt", devise="cpu")
        with pytest.raises(TypeError, match=r"'qqq': expected one of device, variant, "):
            Engine("m.pt", qqq=1)

    def test_all_errors_have_one_root(self):
        for error in (EngineError, ModelError, NonFiniteError):
            assert issubclass(error, MDBridgeError)
            assert issubclass(error, RuntimeError)

    def test_everything_shows_what_it_is(self, model_file, argon):
        engine = Engine(model_file("curl"), symmetrize="octahedral")
        structure = structure_from_ase(argon)
        result = engine.evaluate(structure, direct_forces=True)
        assert repr(structure) == "Structure(Ar32, periodic along a, b, c)"
        assert repr(structure_from_ase(Atoms("OH2"))) == "Structure(H2O, not periodic)"
        assert repr(result).startswith("Evaluation(energy=")
        assert repr(result).endswith(" eV, direct_forces)")
        assert re.match(r"Engine\('.*/curl.*pt' on \w+", repr(engine))
        assert "symmetrize=octahedral" in repr(engine)
        assert repr(Wanted(uncertainty=True)) == "Wanted(energy, uncertainty)"
        assert "cutoff" in repr(engine.info)
        assert repr(Pairs(0.5)) == "Pairs(skin=0.5 Å, 0 candidates, built 0 times)"

    def test_structures_have_the_names_of_ase(self, argon):
        argon.pbc = [True, False, True]
        structure = structure_from_ase(argon)
        np.testing.assert_array_equal(structure.numbers, argon.numbers)
        np.testing.assert_array_equal(structure.pbc, argon.pbc)
        assert structure.periodic == [True, False, True]

    def test_everything_compiled_has_a_docstring(self):
        for name, thing in vars(_core).items():
            if not name.startswith("_") and callable(thing):
                assert (thing.__doc__ or "").strip(), name

    def test_every_compiled_class_explains_itself(self):
        """A repr of its own, and a docstring for whatever it has."""
        classes = [thing for thing in vars(_core).values() if isinstance(thing, type)]
        ours = [c for c in classes if not issubclass(c, Exception)] + [_core.FusedForces.Counts]
        assert len(ours) >= 12
        for found in ours:
            assert "__repr__" in vars(found), found
            for name, member in vars(found).items():
                if not name.startswith("_") and not isinstance(member, type):
                    # the first line of a function is its signature
                    text = (member.__doc__ or "").partition("\n")
                    said = text[0] if isinstance(member, property) else text[2]
                    assert said.strip(), f"{found.__name__}.{name}"

    def test_old_name_of_the_rotation_counter(self, model_file):
        with pytest.warns(FutureWarning, match="set_rotation_counter"):
            Engine(model_file("curl"), symmetrize="random").set_draw(3)

    def test_nothing_in_place_of_a_structure(self, model_file, argon):
        engine = Engine(model_file("curl"))
        with pytest.raises(EngineError, match=r"pair list at place 1 .* found None"):
            engine.evaluate([structure_from_ase(argon)] * 2, [Pairs(), None])

    def test_pairs_of_atoms_that_are_not_there(self, model_file, argon):
        pairs = Pairs()
        with pytest.raises(EngineError, match="counted from 0, found the pair 0, -1"):
            pairs.provide([[0, -1, 0, 0, 0]])
        pairs.provide([[0, 40, 0, 0, 0], [40, 0, 0, 0, 0]])
        with pytest.raises(EngineError, match="at least 41 atoms, found one with 32"):
            Engine(model_file("curl")).evaluate(structure_from_ase(argon), pairs)


def test_an_engine_whose_model_is_missing_can_be_shown():
    """As a traceback with local variables does it; in a process of its own, which goes on."""
    code = """if True:
        from md_bridge.engine import Engine, ModelError
        try:
            Engine("none.pt")
        except ModelError as error:
            frame = error.__traceback__.tb_next.tb_frame
            print(repr(frame.f_locals["self"]))
        try:
            Engine.__repr__(3)
        except TypeError as error:
            print(error)
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    shown, refused = ended.stdout.splitlines()
    assert shown == "Engine(not loaded)"
    assert "expected an Engine, found <class 'int'>" in refused
