"""The network: its forces are the gradient of its energy, and turn with the structure."""

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy.spatial.transform import Rotation

from md_bridge.distil.harmonics import exponents, gradient_matrix, harmonic_matrix
from md_bridge.distil.student import LAYERS, Architecture, Student
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.errors import ArgumentError
from md_bridge.export import export_module, make_batch
from md_bridge.export.checks.checks import run_checks

ELEMENTS = (1, 6, 8)
CUTOFF = 4.0


def crystal(seed=0, count=24):
    """Random atoms of three elements, not too close, in a skewed cell."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)[:count]
    positions = 2.1 * grid + rng.uniform(-0.3, 0.3, (count, 3))
    cell = 6.3 * np.eye(3) + rng.uniform(-0.4, 0.4, (3, 3))
    return Atoms(rng.choice(ELEMENTS, count), positions, cell=cell, pbc=True)


def cluster(seed=1, count=7):
    atoms = crystal(seed, count)
    return Atoms(atoms.numbers, atoms.positions)


def network(degree=2, **sizes):
    """One that is normalised on a crystal, with weights that matter."""
    student = Student(Architecture(ELEMENTS, CUTOFF, degree=degree, **sizes), seed=3)
    student.normalise(make_batch([crystal(5)], CUTOFF, torch.float64).arguments(), 1.0)
    torch.manual_seed(1)
    with torch.no_grad():
        student.linear.normal_(std=0.1)
        student.bias_2.normal_()
        student.free_atom.normal_()
    return student.requires_grad_(False)


def evaluate(student, *structures, dtype=torch.float64):
    return student(*make_batch(list(structures), CUTOFF, dtype).arguments())


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_forces_and_stress_are_the_gradient_of_the_energy(degree):
    student = network(degree)
    batch = make_batch([crystal(), cluster()], CUTOFF, torch.float64)
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    batch.positions.requires_grad_(True)
    deformed = torch.eye(3, dtype=torch.float64) + strain
    types, positions, cell, *pairs = batch.arguments()
    result = student(types, positions @ deformed, cell @ deformed, *pairs)
    periodic = batch.structure == 0
    (gradient,) = torch.autograd.grad(result["energy"].sum(), positions, retain_graph=True)
    (by_strain,) = torch.autograd.grad(result["energy"][periodic].sum(), strain)
    assert gradient.abs().max() > 0.1
    assert torch.allclose(result["forces"], -gradient, rtol=0, atol=1e-12)
    stress = result["stress"][periodic].sum(0)
    assert torch.allclose(stress, by_strain / crystal().cell.volume, rtol=0, atol=1e-12)
    assert torch.equal(result["stress"][~periodic], torch.zeros(7, 3, 3, dtype=torch.float64))


def test_finite_differences():
    student, atoms = network(), crystal()
    forces = evaluate(student, atoms)["forces"]
    for atom, axis in ((0, 0), (5, 1), (11, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * 1e-5
            energies.append(float(evaluate(student, moved)["energy"].sum()))
        slope = (energies[0] - energies[1]) / 2e-5
        assert forces[atom, axis] == pytest.approx(-slope, abs=1e-6)


@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_turns_with_the_structure(degree, mirror):
    student, atoms = network(degree), crystal()
    matrix = mirror * Rotation.random(random_state=4).as_matrix()
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ matrix.T, scale_atoms=True)
    before, after = evaluate(student, atoms), evaluate(student, turned)
    q = torch.as_tensor(matrix)
    assert torch.allclose(after["energy"], before["energy"], rtol=0, atol=1e-12)
    assert torch.allclose(after["forces"], before["forces"] @ q.T, rtol=0, atol=1e-12)
    expected = q @ before["stress"].sum(0) @ q.T
    assert torch.allclose(after["stress"].sum(0), expected, rtol=0, atol=1e-12)


def test_permutation_net_force_and_elements():
    student, atoms = network(), crystal()
    result = evaluate(student, atoms)
    order = np.random.default_rng(2).permutation(len(atoms))
    permuted = evaluate(student, atoms[order])
    assert torch.allclose(permuted["forces"], result["forces"][order], rtol=0, atol=1e-12)
    assert result["forces"].sum(0).abs().max() < 1e-12
    exchanged = atoms.copy()
    exchanged.numbers[exchanged.numbers == 6] = 8
    assert (evaluate(student, exchanged)["forces"] - result["forces"]).abs().max() > 0.01


def test_structures_of_a_batch_are_apart():
    student = network()
    structures = [
        crystal(),
        cluster(),
        Atoms("O"),
        crystal(7, 5),
        Atoms("CH", [[0, 0, 0], [9, 0, 0]]),
    ]
    together = evaluate(student, *structures)
    alone = [evaluate(student, each) for each in structures]
    for name in ("energy", "forces", "stress"):
        expected = torch.cat([result[name] for result in alone])
        assert torch.allclose(together[name], expected, rtol=0, atol=1e-12)


def test_free_atoms_have_no_force():
    student = network()
    far = Atoms("CHO", [[0, 0, 0], [9, 0, 0], [0, 9, 0]])
    result = evaluate(student, far)
    assert torch.equal(result["forces"], torch.zeros(3, 3, dtype=torch.float64))
    single = torch.cat([evaluate(student, Atoms(s))["energy"] for s in "CHO"])
    assert torch.allclose(result["energy"], single)
    assert evaluate(student, Atoms())["forces"].shape == (0, 3)


def test_smooth_at_the_cutoff():
    student = network()
    energies = [
        float(evaluate(student, Atoms("CO", [[0, 0, 0], [CUTOFF - d, 0, 0]]))["energy"].sum())
        for d in (-1e-3, 1e-3)
    ]
    assert energies[1] == pytest.approx(energies[0], abs=1e-8)


def test_single_precision():
    atoms = crystal()
    exact, single = network(), network().float()
    forces = evaluate(single, atoms, dtype=torch.float32)["forces"]
    assert forces.dtype == torch.float32
    assert (forces - evaluate(exact, atoms)["forces"]).abs().max() < 2e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exported_direct_forces_are_conservative(tmp_path, dtype):
    path = export_module(
        network(), tmp_path / "s.pt", elements=ELEMENTS, cutoff=CUTOFF, layers=LAYERS, dtype=dtype
    )
    tolerance = {"float32": 2e-3, "float64": 1e-10}[dtype]
    engine = Engine(path, device="cpu", remove_net_force=False)
    for atoms in (crystal(), cluster()):
        periodic = bool(atoms.pbc.all())
        result = engine.evaluate(
            structure_from_ase(atoms),
            conservative_forces=True,
            direct_forces=True,
            conservative_virial=periodic,
            direct_virial=periodic,
        )
        difference = result.direct_forces - result.conservative_forces
        assert np.abs(difference).max() < tolerance
        if periodic:
            difference = np.array(result.direct_virial) - result.conservative_virial
            assert np.abs(difference).max() < 30 * tolerance
    if dtype == "float32":  # as students are
        checks = run_checks(path, [crystal()])
        assert [check.name for check in checks if check.passed is False] == []


def test_forces_reach_two_cutoffs():
    """The force on an atom changes with what its neighbours' neighbours do: LAYERS is 2."""
    student = network()
    chain = Atoms("OOO", [[0, 0, 0], [3.5, 0, 0], [7.0, 0, 0]])
    moved = chain.copy()
    moved.positions[2, 1] += 0.3
    before, after = (evaluate(student, each)["forces"][0] for each in (chain, moved))
    assert (after - before).abs().max() > 1e-6


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_harmonics(degree):
    """Orthonormal over the sphere, homogeneous, with the slopes that they say."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=(20, 3))

    def values(points, matrix, most):
        powers = np.array(exponents(most))
        return np.prod(points[:, None, :] ** powers[None], axis=2) @ matrix.numpy()

    y = harmonic_matrix(degree)
    below = max(degree - 1, 0)
    slopes = values(u, gradient_matrix(degree), below).reshape(20, 3, -1)
    for axis in range(3):
        step = 1e-5 * np.eye(3)[axis]
        difference = (values(u + step, y, degree) - values(u - step, y, degree)) / 2e-5
        assert np.allclose(slopes[:, axis], difference, atol=1e-7)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    angles = np.arange(16) * 2 * np.pi / 16
    z, phi = (grid.ravel() for grid in np.meshgrid(nodes, angles, indexing="ij"))
    sphere = np.stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z], 1)
    on_sphere = values(sphere, y, degree)
    mean = on_sphere.T @ (np.repeat(weights, 16)[:, None] * on_sphere) / (2 * 16)
    assert np.allclose(mean, np.eye((degree + 1) ** 2), atol=1e-12)


@pytest.mark.parametrize(
    ("values", "name"), [({"degree": 4}, "degree"), ({"closest": 5}, "cutoff")]
)
def test_an_architecture_that_cannot_be(values, name):
    with pytest.raises(ArgumentError, match=name):
        Architecture(ELEMENTS, CUTOFF, **values)
