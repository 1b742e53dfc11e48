"""Inputs that ``md-bridge ipi-input`` writes: real i-PI reads and runs them."""

import shutil

import ase.io
import models
import numpy as np
import pytest
import warm_starts
from ase.cell import Cell
from click.testing import CliRunner
from ipi.engine.simulation import Simulation
from ipi.utils.units import unit_to_internal
from ipi_tools import ANGSTROM, I_PI, argon, environment

from md_bridge.cli import main
from md_bridge.engine import EngineError
from md_bridge.errors import ArgumentError
from md_bridge.ipi.input import write_input
from md_bridge.ipi.plan import make_plan
from md_bridge.model_options import ModelOptions
from md_bridge.structures import StructureError

FEMTOSECOND = unit_to_internal("time", "femtosecond", 1.0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a start, to be worked in."""
    ase.io.write(tmp_path / "start.xyz", argon())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, model, start="start.xyz", **settings):
    return write_input(
        folder / "input.xml", folder / start, model, make_plan(**settings), overwrite=True
    )


def read_by_ipi(folder):
    """What i-PI makes of the input, without running it."""
    with open(folder / "input.xml") as stream:
        return Simulation.load_from_xml(stream, read_only=True, custom_verbosity="quiet")


def run_by_ipi(folder):
    done = warm_starts.run([I_PI[1], "input.xml"], folder, environment(), timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    header = (folder / "input.out").read_text().splitlines()
    names = [line.split("-->")[1].split()[0].split("{")[0] for line in header if "-->" in line]
    return dict(zip(names, np.loadtxt(folder / "input.out").T, strict=True))


class TestWhatIPiUnderstands:
    """Every ensemble, as i-PI reads it."""

    @pytest.mark.parametrize(
        ("settings", "thermostat"),
        [
            ({"ensemble": "nvt"}, "ThermoSVR"),
            ({"ensemble": "nvt", "forces": "mts:4"}, "ThermoSVR"),
            ({"ensemble": "nvt", "forces": "direct"}, "ThermoLangevin"),
            ({"ensemble": "nvt", "thermostat": "langevin"}, "ThermoLangevin"),
            ({"ensemble": "nvt", "beads": 4}, "ThermoPILE_G"),
            ({"ensemble": "nvt", "beads": 4, "forces": "direct"}, "ThermoPILE_L"),
        ],
    )
    def test_thermostat(self, folder, model_file, settings, thermostat):
        write(folder, model_file("curl"), temperature=40, thermostat_tau=50, **settings)
        system = read_by_ipi(folder).syslist[0]
        assert type(system.motion.thermostat).__name__ == thermostat
        assert system.motion.thermostat.tau == pytest.approx(50 * FEMTOSECOND)
        assert system.ensemble.temp == pytest.approx(unit_to_internal("temperature", "kelvin", 40))
        assert system.beads.nbeads == settings.get("beads", 1)

    @pytest.mark.parametrize(
        ("barostat", "name"),
        [("isotropic", "BaroBZP"), ("flexible", "BaroMTK"), ("anisotropic", "BaroRGB")],
    )
    def test_barostat(self, folder, model_file, barostat, name):
        write(folder, model_file("curl"), ensemble="npt", pressure=500.0, barostat=barostat)
        system = read_by_ipi(folder).syslist[0]
        assert type(system.motion.barostat).__name__ == name
        expected = unit_to_internal("pressure", "bar", 500.0)
        if barostat == "anisotropic":
            np.testing.assert_allclose(system.ensemble.stressext, expected * np.eye(3))
            np.testing.assert_allclose(
                system.motion.barostat.h0.h, argon().cell.array.T * ANGSTROM, atol=1e-8
            )
        else:
            assert system.ensemble.pext == pytest.approx(expected)

    def test_multiple_time_stepping(self, folder, model_file):
        write(folder, model_file("curl"), forces="mts:8", timestep=0.25, steps=77)
        simulation = read_by_ipi(folder)
        motion = simulation.syslist[0].motion
        assert motion.dt == pytest.approx(2.0 * FEMTOSECOND)
        assert list(motion.nmts) == [1, 8]
        weights = [list(component.mts_weights) for component in simulation.syslist[0].fcomp]
        assert weights == [[1, 0], [-1, 1]]
        assert simulation.tsteps == 77

    def test_options_of_the_model(self, folder, model_file):
        options = ModelOptions(symmetrize="octahedral", device="cpu", threads=1)
        write(folder, model_file("curl"), steps=2, model_options=options)
        text = (folder / "input.xml").read_text()
        assert "device: cpu, symmetrize: octahedral, threads: 1" in text
        run_by_ipi(folder)
        write(folder, model_file("curl"), transport="unix", model_options=options)
        text = " ".join((folder / "input.xml").read_text().split())
        assert "same options of the model: device cpu, symmetrize octahedral, threads 1." in text
        read_by_ipi(folder)

    def test_velocities_are_thermal(self, folder, model_file):
        write(folder, model_file("curl"), temperature=500, seed=3)
        beads = read_by_ipi(folder).syslist[0].beads
        kinetic = 0.5 * (beads.p**2 / beads.m3).sum()
        kelvin = 2 * kinetic / (3 * 32) / unit_to_internal("temperature", "kelvin", 1.0)
        # 96 degrees of freedom: a standard deviation of 72 K
        assert 280 < kelvin < 720

    def test_direct_forces_without_a_stress(self, folder, tmp_path):
        """Nothing depends on the pressure at constant volume, so the driver is told."""
        model = models.harmonic(k_direct=1.5).export(tmp_path / "h2.pt")
        ase.io.write(
            folder / "start.xyz", ase.Atoms("H2", [[0, 0, 0], [0, 0, 2]], cell=[9] * 3, pbc=True)
        )
        write(folder, model, forces="direct")
        assert read_by_ipi(folder).fflist["direct"].driver.options.stress == "none"
        with pytest.raises(EngineError, match=r"predicts no direct stress.*mts:M"):
            write(folder, model, forces="direct", ensemble="npt")


class TestStart:
    def test_cell_is_turned(self, folder, model_file):
        """By any rotation and back: the same lengths and angles, and the same distances."""
        atoms = argon()
        atoms.set_cell(atoms.cell.array + np.array([[0, 0, 0], [1.5, 0, 0], [-0.7, 1.1, 0]]))
        turned = atoms.copy()
        turned.rotate(50, (1, 2, 3), rotate_cell=True)
        ase.io.write(folder / "turned.xyz", turned)
        written = write(folder, model_file("curl"), start="turned.xyz")
        assert written.start == folder / "input-start.xyz"
        assert "turned" in written.notes[0]
        system = read_by_ipi(folder).syslist[0]
        assert np.all(np.tril(system.cell.h, -1) == 0)
        assert np.all(np.diag(system.cell.h) > 0)
        parameters = Cell(system.cell.h.T / ANGSTROM).cellpar()
        np.testing.assert_allclose(parameters, atoms.cell.cellpar(), atol=1e-6)
        positions = system.beads.q[0].reshape(-1, 3) / ANGSTROM
        distances = np.linalg.norm(positions[0] - positions, axis=1)
        expected = np.linalg.norm(atoms.positions[0] - atoms.positions, axis=1)
        np.testing.assert_allclose(distances, expected, atol=1e-6)

    def test_other_formats_are_copied(self, folder, model_file):
        ase.io.write(folder / "POSCAR", argon())
        assert write(folder, model_file("curl"), start="POSCAR").start.name == "input-start.xyz"
        assert len(read_by_ipi(folder).syslist[0].beads.names) == 32

    def test_molecule_gets_a_box(self, folder, model_file):
        ase.io.write(folder / "start.xyz", ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]]))
        write(folder, model_file("curl"), steps=2, stride=1)
        assert np.diag(read_by_ipi(folder).syslist[0].cell.h).min() > (3.8 + 12) * ANGSTROM
        table = run_by_ipi(folder)
        assert np.ptp(table["conserved"]) < 1e-4

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda atoms: atoms.set_pbc([True, True, False]), "along cell vector 1, 2 only"),
            (lambda atoms: atoms.set_cell([0, 0, 0]), "has no volume"),
            (lambda atoms: atoms.set_cell([[9, 0, 0], [0, 9, 0], [9, 9, 0]]), "has no volume"),
            (lambda atoms: atoms.set_cell([[0, 9, 0], [9, 0, 0], [0, 0, 9]]), "left-handed"),
        ],
    )
    def test_impossible_cells(self, folder, model_file, change, message):
        atoms = argon()
        change(atoms)
        ase.io.write(folder / "odd.traj", atoms)
        with pytest.raises(StructureError, match=rf"odd\.traj.*{message}"):
            write(folder, model_file("curl"), start="odd.traj")

    def test_several_structures(self, folder, model_file):
        ase.io.write(folder / "many.xyz", [argon(), argon()])
        with pytest.raises(StructureError, match="has 2 structures, and i-PI would take them for"):
            write(folder, model_file("curl"), start="many.xyz")

    def test_pressure_of_a_molecule(self, folder, model_file):
        ase.io.write(folder / "start.xyz", ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]]))
        with pytest.raises(EngineError, match=r"start\.xyz is not periodic and has no pressure"):
            write(folder, model_file("curl"), ensemble="npt")


class TestRuns:
    """A few steps each; the conserved quantity says whether they are the right ones."""

    @pytest.mark.parametrize(
        "settings",
        [
            {"forces": "mts:4", "ensemble": "npt", "barostat": "flexible", "pressure": 100.0},
            {"forces": "mts:2", "ensemble": "npt", "beads": 4},
        ],
        ids=["npt", "npt-pimd"],
    )
    def test_runs_and_conserves(self, folder, model_file, settings):
        written = write(
            folder, model_file("curl"), steps=6, stride=1, temperature=40, timestep=1.0, **settings
        )
        assert written.notes == []
        table = run_by_ipi(folder)
        assert list(table["step"]) == list(range(7))
        assert np.ptp(table["conserved"]) < 1e-3
        assert np.ptp(table["volume"]) > 0
        for name in ("forces-conservative", "forces-direct"):
            frames = ase.io.read(folder / f"input.{name}.extxyz", index=":")
            assert len(frames) == 1
            forces = frames[0].arrays["forces_component_raw"]
            assert 1e-3 < abs(forces).max() < 1


class TestCommand:
    def invoke(self, *arguments):
        return CliRunner().invoke(main, ["ipi-input", *map(str, arguments)])

    def test_says_how_to_run_it(self, folder, model_file):
        model = model_file("curl")
        result = self.invoke(
            "start.xyz", "-m", model, "--forces", "mts:8", "--transport", "unix", "--timestep", "1"
        )
        assert result.exit_code == 0, result.output
        assert "outer step of 8 fs resonates" in result.output
        assert "ipi-run input.xml --model" in result.output
        assert "--serve unix:mdbridge-conservative --serve unix:mdbridge-direct=direct" in (
            result.output
        )
        again = self.invoke("start.xyz", "-m", model)
        assert again.exit_code == 1
        assert "input.xml exists" in again.output
        assert self.invoke("start.xyz", "-m", model, "--overwrite").exit_code == 0

    def test_paths_are_relative_to_the_input(self, folder, model_file):
        (folder / "runs").mkdir()
        (folder / "model.pt").symlink_to(model_file("curl"))
        result = self.invoke("start.xyz", "-m", "model.pt", "-o", "runs/one.xml")
        assert result.exit_code == 0, result.output
        text = (folder / "runs" / "one.xml").read_text()
        assert "model: ../model.pt, template: ../start.xyz" in text
        assert '<output prefix="one">' in text

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--temprature", "40"], "--temperature"),
            (["--forces", "mtz:8"], "did you mean mts:8?"),
            (["--forces", "conservativ"], "did you mean conservative?"),
            (["--forces", "mts:0"], "must be a whole number above 0, as in mts:4"),
            (["--forces", "mts"], "did you mean mts:4?"),
            (["--ensemble", "nph"], "'nph' is not one of 'nve', 'nvt', 'npt'"),
            (["--pressure", "1"], "pressure needs the ensemble npt, found nve"),
            (["--ensemble", "nvt", "--barostat", "flexible"], "barostat needs the ensemble npt"),
            (["--thermostat", "svr"], "thermostat svr needs the ensemble nvt or npt"),
            (
                ["--ensemble", "nvt", "--beads", "4", "--thermostat", "svr"],
                "use pile_g or pile_l",
            ),
            (["--ensemble", "nvt", "--thermostat", "pile_g"], "is one for several beads"),
            (["--timestep", "0"], "timestep must be positive, found 0"),
            (["--timestep", "nan"], "timestep must be positive, found nan"),
            (["--beads", "0"], "beads must be at least 1, found 0"),
            (["--clients", "2"], "for an address or several clients"),
            (["--transport", "unix", "--clients", "3"], "3 for 1 bead: each evaluates whole beads"),
            (["--thermostat-tau", "50"], "--thermostat-tau needs the ensemble nvt or npt"),
            (
                ["--ensemble", "nvt", "--barostat-tau", "50"],
                "--barostat-tau needs the ensemble npt",
            ),
            (["--transport", "unix", "--address", "a/b"], 'found "a/b"'),
            (["--transport", "unix", "--address", "a:b"], 'found "a:b"'),
            (["--transport", "shm", "--address", "a&b"], 'found "a&b"'),
            (["--transport", "unix", "--address", "a" * 90], "shorter by 5 characters"),
            (["--transport", "inet", "--address", "a&b:31415"], "must be HOST:PORT"),
            (["--transport", "inet", "--address", "a:b:31415"], "must be HOST:PORT"),
            (["--transport", "unix", "--address", "a-"], "a--conservative has a '--'"),
            (["--transport", "inet", "--address", "here"], "must be HOST:PORT"),
        ],
    )
    def test_bad_options(self, folder, model_file, arguments, message):
        result = self.invoke("start.xyz", "-m", model_file("curl"), *arguments)
        assert result.exit_code in (1, 2)
        assert message in " ".join(result.output.split())
        assert not (folder / "input.xml").exists()

    def test_elements_that_the_model_lacks(self, folder, model_file):
        ase.io.write(folder / "start.xyz", ase.Atoms("ArXe", [[0, 0, 0], [0, 0, 4]]))
        result = self.invoke("start.xyz", "-m", model_file("curl"))
        assert result.exit_code == 1
        assert "Xe" in result.output

    def test_direct_forces_of_a_model_without(self, folder, model_file):
        result = self.invoke("start.xyz", "-m", model_file("lennard_jones"), "--forces", "mts:2")
        assert result.exit_code == 1
        assert "non_conservative_force" in result.output

    @pytest.mark.parametrize("sign", [",", "&", "<"])
    def test_path_that_ipi_cannot_read(self, folder, model_file, sign):
        (folder / f"a{sign}b.pt").symlink_to(model_file("curl"))
        result = self.invoke("start.xyz", "-m", f"a{sign}b.pt")
        assert result.exit_code == 1
        assert f"a{sign}b.pt, has a '{sign}'" in result.output

    def test_missing_files(self, folder, model_file):
        assert "nowhere.xyz does not exist" in self.invoke("nowhere.xyz", "-m", "x").output
        assert "nowhere.pt" in self.invoke("start.xyz", "-m", "nowhere.pt").output


def test_kinds_of_forces():
    plan = make_plan(forces="mts:8")
    assert (plan.kinds, plan.inner_steps) == (("conservative", "direct"), 8)
    plan = make_plan(forces="direct")
    assert (plan.kinds, plan.inner_steps) == (("direct",), 0)
    assert make_plan(forces="mts:1").inner_steps == 1
    with pytest.raises(ArgumentError, match="is none of conservative, direct and mts:M"):
        make_plan(forces="gradient")


class TestTwoModels:
    """A cheap model serves the direct forcefield."""

    @pytest.fixture
    def inner(self, folder, model_file):
        (folder / "small.pt").symlink_to(model_file("stand_in"))
        return ModelOptions(inner="small.pt", inner_forces="direct")

    def test_the_input_names_and_explains_them(self, folder, inner, model_file):
        (folder / "below").mkdir()
        plan = make_plan(forces="mts:4", model_options=inner)
        write_input(folder / "below" / "input.xml", folder / "start.xyz", model_file("curl"), plan)
        text = (folder / "below" / "input.xml").read_text()
        assert text.count("inner: ../small.pt, inner_forces: direct") == 2
        assert "multiple time stepping with M = 4 and two models" in text
        assert "outer level: conservative minus inner; inner level: the forces of the inner" in text
        plan = make_plan(forces="mts:4", transport="unix", model_options=inner)
        write_input(
            folder / "below" / "sockets.xml", folder / "start.xyz", model_file("curl"), plan
        )
        text = (folder / "below" / "sockets.xml").read_text()
        assert "same options of the model: inner ../small.pt, inner_forces direct." in text
        assert "serves both forcefields, the direct one with the inner model" in text

    def test_path_integral_at_constant_pressure(self, folder, inner, model_file):
        """The model need not have direct forces."""
        settings = {"ensemble": "npt", "beads": 2, "temperature": 40.0, "pressure": 100.0}
        model = model_file("lennard_jones")
        write(
            *(folder, model),
            **{**settings, "forces": "mts:2", "steps": 3, "stride": 1, "model_options": inner},
        )
        found = run_by_ipi(folder)
        assert found["volume"][-1] != found["volume"][0]
        assert np.ptp(found["conserved"]) < 1e-3

    def test_in_process_and_over_sockets(self, folder, model_file, socket_name):
        """With a copy of the model inside, the numbers are those of one model."""
        model = model_file("strong_curl")
        shutil.copy(model, folder / "copy.pt")
        shutil.copy(model_file("stand_in"), folder / "small.pt")
        common = ["--forces", "mts:2", "--temperature", "40", "--steps", "4", "--stride", "1"]
        sockets = ["--transport", "unix", "--address", socket_name.rstrip("-")]
        runs = {
            "one": [],
            "copy": ["--inner", "copy.pt"],
            "small": ["--inner", "small.pt"],
            "sockets": ["--inner", "small.pt", "--inner-forces", "direct", *sockets],
        }
        found = {}
        for name, words in runs.items():
            words = ["start.xyz", "-m", model, "-o", f"{name}.xml", *common, *words]
            done = CliRunner().invoke(main, ["ipi-run", *map(str, words)])
            assert done.exit_code == 0, done.output
            found[name] = np.loadtxt(folder / f"{name}.out")
        np.testing.assert_allclose(found["copy"], found["one"], rtol=1e-8)
        np.testing.assert_allclose(found["sockets"], found["small"], rtol=1e-8)
        assert np.abs(found["small"][-1] - found["one"][-1]).max() > 1e-7
        assert (
            "9 evaluations of direct forces, 5 of conservative forces, 0 of both at once"
            in (folder / "log.client").read_text()
        )
