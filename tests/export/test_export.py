"""Export of plain torch modules: the numbers that come out of the file, every error going in."""

import os
import re
import subprocess
import sys
from pathlib import Path

import ase
import ase.build
import ase.io
import models
import numpy as np
import pytest
import torch
from metatensor.torch import Labels
from metatomic.torch import ModelOutput, load_atomistic_model
from metatomic_ase import MetatomicCalculator

from md_bridge.export import ExportError, export_module, pair_vectors

LMP = Path(sys.executable).with_name("lmp")


def rattled_argon(repeat=(2, 2, 2), seed=1):
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True) * repeat
    atoms.rattle(0.15, seed=seed)
    return atoms


def argon_krypton_triclinic():
    atoms = rattled_argon((3, 2, 2), seed=2)
    atoms.numbers[::3] = 36
    strain = np.eye(3) + np.array([[0.02, 0, 0], [0.08, -0.01, 0], [-0.05, 0.06, 0.03]])
    atoms.set_cell(atoms.cell[:] @ strain, scale_atoms=True)
    return atoms


def lammps_lj_cut(atoms, folder, coefficients):
    """Energy (eV), forces (eV/Å), pressure (bar; xx yy zz xy xz yz) of LAMMPS's lj/cut."""
    ase.io.write(
        folder / "start.data",
        atoms,
        format="lammps-data",
        atom_style="atomic",
        specorder=["Ar", "Kr"],
    )
    # what LAMMPS computes with is read back from its dump: the data file has fewer digits
    (folder / "in.lj").write_text(
        f"""
units metal
atom_style atomic
boundary p p p
read_data start.data
mass * 40.0
pair_style lj/cut 8.5
{coefficients}
compute p all pressure NULL virial
thermo_style custom pe c_p[*]
thermo_modify format float %.17g
dump 1 all custom 1 out.dump id type x y z fx fy fz
dump_modify 1 sort id format float %.17g
run 0
print "RESULT $(pe:%.17g) $(c_p[1]:%.17g) $(c_p[2]:%.17g) $(c_p[3]:%.17g) $(c_p[4]:%.17g) &
$(c_p[5]:%.17g) $(c_p[6]:%.17g)"
print "BOX $(xlo:%.17g) $(xhi:%.17g) $(ylo:%.17g) $(yhi:%.17g) $(zlo:%.17g) $(zhi:%.17g) &
$(xy:%.17g) $(xz:%.17g) $(yz:%.17g)"
"""
    )
    run = subprocess.run(
        [LMP, "-in", "in.lj", "-log", "none"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    result = np.fromstring(re.search(r"^RESULT (.*)$", run.stdout, re.M)[1], sep=" ")
    xlo, xhi, ylo, yhi, zlo, zhi, xy, xz, yz = np.fromstring(
        re.search(r"^BOX (.*)$", run.stdout, re.M)[1], sep=" "
    )
    table = np.loadtxt(folder / "out.dump", skiprows=9)
    read_back = ase.Atoms(
        numbers=np.where(table[:, 1] == 1, 18, 36),
        positions=table[:, 2:5],
        cell=[[xhi - xlo, 0, 0], [xy, yhi - ylo, 0], [xz, yz, zhi - zlo]],
        pbc=True,
    )
    return read_back, result[0], table[:, 5:8], result[1:]


@pytest.mark.parametrize("kind", ["orthogonal", "triclinic"])
def test_lennard_jones_equals_lammps_lj_cut(tmp_path, kind):
    if kind == "orthogonal":
        model, atoms = models.lennard_jones(), rattled_argon()
        coefficients = "pair_coeff * * {epsilon} {sigma} {cutoff}".format(**models.ARGON)
    else:
        model, atoms = models.lennard_jones_mixture(), argon_krypton_triclinic()
        parameters = models.ARGON_KRYPTON
        coefficients = "\n".join(
            f"pair_coeff {i + 1} {j + 1} " + " ".join(str(parameters[k][i][j]) for k in parameters)
            for i, j in [(0, 0), (0, 1), (1, 1)]
        )
    atoms, energy, forces, pressure = lammps_lj_cut(atoms, tmp_path, coefficients)

    atoms.calc = MetatomicCalculator(model.export(tmp_path / "lj.pt"), check_consistency=True)

    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-10)
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-10)
    stress = atoms.get_stress()[[0, 1, 2, 5, 4, 3]]  # Voigt -> the order of LAMMPS
    bar = 1.6021765e6  # eV/Å³ in bar, as LAMMPS defines its metal units
    np.testing.assert_allclose(-stress * bar, pressure, rtol=1e-9)


@pytest.mark.parametrize("name", models.ALL)
def test_energy_forces_and_stress_are_consistent_for_every_model(tmp_path, name):
    """Conservative forces and stress of the exported file = finite differences of its energy."""
    model = models.ALL[name]()
    atoms = rattled_argon()
    if model.elements == ["H"]:
        atoms = ase.build.bulk("H", "sc", a=0.73 * model.cutoff) * (3, 3, 3)
        atoms.rattle(0.02, seed=4)
    calculator = MetatomicCalculator(
        model.export(tmp_path / "m.pt"),
        check_consistency=True,
        uncertainty_threshold=None,
    )
    atoms.calc = calculator
    forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)

    def energy(positions, cell):
        moved = ase.Atoms(atoms.numbers, positions=positions, cell=cell, pbc=True)
        return calculator.compute_energy(moved)["energy"].item()

    step = 1e-6  # small: lj/cut jumps whenever a pair crosses the cutoff
    for atom, axis in [(0, 0), (5, 1), (11, 2)]:
        change = np.zeros_like(forces)
        change[atom, axis] = step
        cell = atoms.cell[:]
        slope = (
            energy(atoms.positions + change, cell) - energy(atoms.positions - change, cell)
        ) / (2 * step)
        assert forces[atom, axis] == pytest.approx(-slope, abs=2e-7)
    for a, b in [(0, 0), (1, 2)]:
        strain = np.zeros((3, 3))
        strain[a, b] = strain[b, a] = step if a == b else step / 2
        up, down = np.eye(3) + strain, np.eye(3) - strain
        slope = (
            energy(atoms.positions @ up, atoms.cell[:] @ up)
            - energy(atoms.positions @ down, atoms.cell[:] @ down)
        ) / (2 * step)
        assert stress[a, b] * atoms.get_volume() == pytest.approx(slope, abs=3e-5)


def test_curl_has_the_work_it_says(tmp_path):
    """One turn of an atom around another at r: the pair does the work 2π r² size w(r), exactly."""
    size, r = 3e-3, 4.0
    calculator = MetatomicCalculator(
        models.curl(size).export(tmp_path / "m.pt"), non_conservative="forces"
    )
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    work = 0.0
    for angle in angles:
        atoms = ase.Atoms("Ar2", positions=[[0, 0, 0], [r * np.cos(angle), r * np.sin(angle), 0]])
        atoms.calc = calculator
        tangent = np.array([-np.sin(angle), np.cos(angle), 0])
        work += atoms.get_forces()[1] @ tangent * r * (2 * np.pi / len(angles))
    expected = -2 * np.pi * r**2 * size * (1 - r**2 / 36) ** 2
    assert work == pytest.approx(expected, rel=1e-10)


def test_curl_of_zero_is_conservative(tmp_path):
    atoms = rattled_argon()
    path = models.curl(0.0).export(tmp_path / "m.pt")
    direct, conservative = atoms.copy(), atoms.copy()
    direct.calc = MetatomicCalculator(path, non_conservative=True)
    conservative.calc = MetatomicCalculator(path)
    np.testing.assert_allclose(direct.get_forces(), conservative.get_forces(), atol=1e-12)
    np.testing.assert_allclose(direct.get_stress(), conservative.get_stress(), atol=1e-14)


def test_two_layers_reach_twice_the_cutoff(tmp_path):
    """An atom in a chain feels one 1.5 cutoffs away, through the atom between them."""
    path = models.two_layers(cutoff=4.0).export(tmp_path / "m.pt")
    assert load_atomistic_model(path).capabilities().interaction_range == 8.0
    calculator = MetatomicCalculator(path)

    def first_energy(x):
        atoms = ase.Atoms("Ar3", positions=[[0, 0, 0], [3, 0, 0], [x, 0, 0]])
        return calculator.compute_energy(atoms, per_atom=True)["energies"][0]

    assert abs(first_energy(6.0) - first_energy(6.1)) > 1e-4
    assert first_energy(7.1) == first_energy(9.0)


def test_batches_and_selected_atoms(tmp_path):
    """Structures evaluated together and apart agree; selected atoms give their rows and sums."""
    calculator = MetatomicCalculator(
        models.curl().export(tmp_path / "m.pt"), check_consistency=True
    )
    structures = [
        rattled_argon(seed=5),
        ase.Atoms("Ar3", positions=[[0, 0, 0], [3.5, 0, 0], [0, 4, 0]]),
    ]
    together = calculator.compute_energy(structures, per_atom=True)
    for atoms, energies in zip(structures, together["energies"], strict=True):
        apart = calculator.compute_energy(atoms, per_atom=True)["energies"]
        np.testing.assert_allclose(energies, apart, atol=1e-14)

    outputs = {
        "energy": ModelOutput(unit="eV", sample_kind="system"),
        "non_conservative_force": ModelOutput(unit="eV/A", sample_kind="atom"),
    }
    chosen = Labels(["system", "atom"], torch.tensor([[0, 3], [0, 30], [1, 2], [1, 0]]))
    part = calculator.run_model(structures, outputs, selected_atoms=chosen)
    whole = calculator.run_model(structures, outputs)
    energies = together["energies"]
    np.testing.assert_allclose(
        part["energy"].block().values[:, 0],
        [energies[0][[3, 30]].sum(), energies[1][[2, 0]].sum()],
        atol=1e-14,
    )
    forces = part["non_conservative_force"].block()
    rows = [3, 30, 34, 32]
    assert torch.equal(forces.values, whole["non_conservative_force"].block().values[rows])
    assert torch.equal(forces.samples.values.to(torch.int64), chosen.values.to(torch.int64))


def test_direct_stress_of_some_atoms_is_refused_unless_given_per_atom(tmp_path):
    class PerAtomStress(models.Curl):
        def forward(
            self,
            types: torch.Tensor,
            positions: torch.Tensor,
            cell: torch.Tensor,
            pairs: torch.Tensor,
            shifts: torch.Tensor,
            structure: torch.Tensor,
        ):
            vectors = pair_vectors(positions, cell, pairs, shifts, structure)
            energy = torch.zeros_like(positions[:, 0])
            energy = energy.index_add(0, pairs[:, 0], vectors.square().sum(dim=1))
            return {"energy": energy, "stress": energy.reshape(-1, 1, 1).expand(-1, 3, 3)}

    outputs = {"non_conservative_stress": ModelOutput(unit="eV/A^3", sample_kind="system")}
    first = Labels(["system", "atom"], torch.tensor([[0, 0]]))
    atoms = rattled_argon()

    whole = MetatomicCalculator(models.curl().export(tmp_path / "whole.pt"))
    with pytest.raises(Exception, match="direct stress of a whole structure"):
        whole.run_model(atoms, outputs, selected_atoms=first)

    module = PerAtomStress(0.0, 0.01, 3.4, 6.0)
    per_atom = MetatomicCalculator(
        export_module(
            module, tmp_path / "a.pt", elements=["Ar"], cutoff=6.0, layers=1, dtype="float64"
        ),
        check_consistency=True,
    )
    energies = per_atom.compute_energy(atoms, per_atom=True)["energies"]
    part = per_atom.run_model(atoms, outputs, selected_atoms=first)
    full = per_atom.run_model(atoms, outputs)
    name = "non_conservative_stress"
    assert part[name].block().values.squeeze()[0, 0].item() == pytest.approx(energies[0])
    assert full[name].block().values.squeeze()[1, 2].item() == pytest.approx(energies.sum())


def test_uncertainty(tmp_path):
    calculator = MetatomicCalculator(models.uncertain().export(tmp_path / "m.pt"))
    atoms = ase.Atoms("Ar3", positions=[[0, 0, 0], [5, 0, 0], [10, 0, 0]])
    request = {"energy_uncertainty": ModelOutput(unit="eV", sample_kind="atom")}
    values = calculator.run_model(atoms, request)["energy_uncertainty"].block().values
    np.testing.assert_allclose(values[:, 0], [0.01, 0.02, 0.01])
    request = {"energy_uncertainty": ModelOutput(unit="eV", sample_kind="system")}
    with pytest.raises(Exception, match="uncertainty of each atom"):
        calculator.run_model(atoms, request)


@pytest.mark.parametrize("where", ["energy", "direct"])
def test_nan_when_close(tmp_path, where):
    path = models.nan_when_close(3.0, where).export(tmp_path / "m.pt")
    calculator = MetatomicCalculator(
        path, non_conservative="forces" if where == "direct" else False
    )
    for distance, finite in [(3.2, True), (2.9, False)]:
        atoms = ase.Atoms("Ar3", positions=[[0, 0, 0], [distance, 0, 0], [0, 8, 0]])
        atoms.calc = calculator
        values = atoms.get_potential_energy() if where == "energy" else atoms.get_forces()
        assert np.isfinite(values).all() == finite


def test_units_of_the_module(tmp_path):
    """The same physics written in bohr and hartree gives the same eV and Å."""
    from ase.units import Bohr, Hartree

    epsilon, sigma, cutoff = 0.0104, 3.4, 6.0
    path = models.curl(1e-3, epsilon, sigma).export(tmp_path / "ev.pt")
    module = models.Curl(1e-3 * Bohr**2 / Hartree, epsilon / Hartree, sigma / Bohr, cutoff / Bohr)
    other = export_module(
        module,
        tmp_path / "au.pt",
        elements=["Ar"],
        cutoff=cutoff / Bohr,
        layers=1,
        length_unit="bohr",
        energy_unit="hartree",
        dtype="float64",
    )
    for direct in (False, True):
        results = []
        for file in (path, other):
            atoms = rattled_argon()
            atoms.calc = MetatomicCalculator(file, non_conservative=direct)
            results.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


def test_float32_and_metadata(tmp_path):
    metadata = {
        "name": "argon",
        "description": "noble",
        "authors": ["A. Author"],
        "references": {"model": ["10.1000/1"]},
        "extra": {"note": "x"},
    }
    path = models.lennard_jones().export(tmp_path / "m.pt", dtype="float32", metadata=metadata)
    model = load_atomistic_model(path)
    assert model.capabilities().dtype == "float32"
    assert model.capabilities().atomic_types == [18]
    stored = model.metadata()
    assert (stored.name, stored.description, stored.authors) == ("argon", "noble", ["A. Author"])
    assert stored.references == {"model": ["10.1000/1"]}
    assert stored.extra == {"note": "x"}
    exact, single = rattled_argon(), rattled_argon()
    exact.calc = MetatomicCalculator(models.lennard_jones().export(tmp_path / "d.pt"))
    single.calc = MetatomicCalculator(path)
    np.testing.assert_allclose(single.get_forces(), exact.get_forces(), atol=1e-5)


def test_export_leaves_the_module_alone(tmp_path):
    model = models.lennard_jones()
    model.module.train()
    model.module.weight = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    model.export(tmp_path / "m.pt", dtype="float32")
    assert model.module.training
    assert model.module.weight.requires_grad
    assert model.module.epsilon.dtype == torch.float64


def test_empty_structure_and_isolated_atom(tmp_path):
    calculator = MetatomicCalculator(models.curl().export(tmp_path / "m.pt"))
    one = ase.Atoms("Ar", positions=[[0, 0, 0]])
    one.calc = calculator
    assert one.get_potential_energy() == 0.0
    assert (one.get_forces() == 0.0).all()


# --- errors ---------------------------------------------------------------------------------------


class Faulty(torch.nn.Module):
    """Lennard-Jones-like module whose returned dictionary each test spoils by ``fault``."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def forward(self, types, positions, cell, pairs, shifts, structure):
        r2 = pair_vectors(positions, cell, pairs, shifts, structure).square().sum(dim=1)
        energy = torch.zeros_like(positions[:, 0]).index_add(0, pairs[:, 0], r2)
        return self.fault({"energy": energy, "forces": torch.zeros_like(positions)}, cell)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda r, c: r["energy"], r"returned a Tensor; expected a dictionary with 'energy'"),
        (lambda r, c: {"forces": r["forces"]}, r"returned 'forces'; expected 'energy'"),
        (lambda r, c: {**r, "force": r["forces"]}, r"unknown output 'force'.*mean 'forces'\?"),
        (
            lambda r, c: {"energy": r["energy"].sum()},
            r"'energy' with shape \[\]; expected \[N\] = \[11\]",
        ),
        (
            lambda r, c: {**r, "forces": r["energy"]},
            r"'forces' with shape \[11\]; expected \[N, 3\]",
        ),
        (lambda r, c: {**r, "stress": c[0]}, r"'stress' with shape \[3, 3\]; expected \[S, 3, 3\]"),
        (lambda r, c: {**r, "uncertainty": 0.1}, r"'uncertainty' as a float; expected a tensor"),
        (lambda r, c: {"energy": r["energy"].float()}, r"torch.float32; expected torch.float64"),
        (lambda r, c: {"energy": r["energy"].detach()}, r"cannot be differentiated.*pair_vectors"),
        (lambda r, c: r["nothing"], r"failed on a small test structure: KeyError: 'nothing'"),
    ],
)
def test_wrong_output_is_named(tmp_path, fault, message):
    with pytest.raises(ExportError, match=message):
        export_module(
            Faulty(fault), tmp_path / "m.pt", elements=["Ar"], cutoff=5.0, layers=1, dtype="float64"
        )
    assert list(tmp_path.iterdir()) == []


def test_uncompilable_module_shows_the_line(tmp_path):
    class Uncompilable(Faulty):
        def forward(self, types, positions, cell, pairs, shifts, structure):
            r2 = pair_vectors(positions, cell, pairs, shifts, structure).square().sum(dim=1)
            scale = np.sqrt(2.0)  # the guilty line
            energy = torch.zeros_like(positions[:, 0]).index_add(0, pairs[:, 0], r2)
            return {"energy": energy * scale}

    with pytest.raises(ExportError) as error:
        export_module(Uncompilable(None), tmp_path / "m.pt", elements=["Ar"], cutoff=5.0, layers=1)
    message = str(error.value)
    assert "TorchScript cannot compile Uncompilable" in message
    assert "the guilty line" in message
    assert 'test_export.py", line' in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"elements": []}, "list of elements is empty"),
        ({"elements": ["Xx"]}, "unknown element 'Xx'"),
        ({"elements": ["ar"]}, "unknown element 'ar'. Did you mean 'Ar'"),
        ({"elements": ["Ar", 18]}, "'Ar' is given twice"),
        ({"elements": [0]}, "no element has the atomic number 0"),
        ({"elements": "Ar"}, "should be a list"),
        ({"cutoff": -1.0}, "cutoff should be a positive number, found -1.0"),
        ({"cutoff": float("nan")}, "cutoff should be a positive number"),
        ({"layers": 0}, "layers should be a whole number"),
        ({"dtype": "float16"}, "unknown dtype 'float16'"),
        ({"length_unit": "parsecs"}, "length_unit 'parsecs' is not a unit"),
        ({"energy_unit": "angstrom"}, "energy_unit 'angstrom' is not a unit like 'eV'"),
        ({"metadata": {"author": ["me"]}}, "unknown metadata 'author'.*mean 'authors'"),
        ({"metadata": {"authors": 3}}, "metadata cannot be stored"),
    ],
)
def test_wrong_options(tmp_path, options, message):
    with pytest.raises(ExportError, match=message):
        models.lennard_jones().export(tmp_path / "m.pt", **options)
    assert list(tmp_path.iterdir()) == []


def test_wrong_destination(tmp_path):
    model = models.lennard_jones()
    with pytest.raises(ExportError, match=r"should end in \.pt"):
        model.export(tmp_path / "m.ckpt")
    with pytest.raises(ExportError, match="does not exist; create it first"):
        model.export(tmp_path / "nowhere" / "m.pt")
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(ExportError, match="is a folder"):
        model.export(tmp_path / "folder.pt")


def test_disk_full_keeps_the_old_file(tmp_path):
    """No room for another megabyte: a sentence, the older file as it was, and nothing beside it."""
    path = models.lennard_jones().export(tmp_path / "m.pt")
    before = path.read_bytes()
    script = """
import resource, sys
import models
from md_bridge.export import ExportError
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    models.curl().export(sys.argv[1])
except ExportError as error:
    print(error)
"""
    (tmp_path / "run.py").write_text(script)
    folders = [str(Path(models.__file__).parent), *sys.path]
    run = subprocess.run(
        [sys.executable, tmp_path / "run.py", path],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
    )
    assert run.returncode == 0, run.stderr
    assert re.search(r"could not write '.*m.pt'.*File too large", run.stdout)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.pt", "run.py"]
