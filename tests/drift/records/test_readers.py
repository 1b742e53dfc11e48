"""H(t) and T(t) from files of LAMMPS, i-PI and ASE, each written by the real program."""

import re
from pathlib import Path

import ipi_tools
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from ase.md.verlet import VelocityVerlet
from lammps_decks import ATOMS, FULL, METAL, NVE, REAL, STEPS

from md_bridge.drift.judging.verdict import Verdict
from md_bridge.drift.records.csv import write_csv
from md_bridge.drift.records.readers import ReadError, ReadOptions, read_run


def with_log(log: Path, folder: Path, pattern: str, replacement: str) -> Path:
    """A copy with every match of a pattern replaced."""
    copy = folder / log.name
    text, count = re.subn(pattern, replacement, log.read_text(), flags=re.MULTILINE)
    assert count > 0, f"{pattern!r} is not in {log}"
    copy.write_text(text)
    return copy


def test_lammps_log(lammps_log):
    log = lammps_log(METAL + NVE)
    series = read_run(log)
    assert (series.method.host, series.atom_count, series.method.timestep_fs) == (
        "lammps",
        ATOMS,
        2.0,
    )
    np.testing.assert_allclose(series.time_ps, np.arange(0, STEPS + 1, 10) * 0.002, rtol=1e-12)
    end = re.search(r"^at the end (\S+) eV, (\S+) K", log.read_text(), re.MULTILINE)
    assert series.conserved_energy[-1] == float(end[1])
    assert series.temperature[-1] == float(end[2])
    assert series.temperature[0] == pytest.approx(40.0)
    assert series.wall_s > 0
    assert series.exploded is None
    assert series.statistics(tolerance=1.0).verdict is Verdict.CONSERVES


def test_units_real_are_converted(lammps_log):
    metal, real = (read_run(lammps_log(text + NVE)) for text in (METAL, REAL))
    np.testing.assert_allclose(real.time_ps, metal.time_ps, rtol=1e-12)
    np.testing.assert_allclose(real.temperature[:10], metal.temperature[:10], rtol=1e-4)
    # LAMMPS's own constants differ between unit styles in the seventh digit
    np.testing.assert_allclose(real.conserved_energy, metal.conserved_energy, rtol=1e-5)


@pytest.mark.parametrize(
    "style",
    [
        "thermo_style one\nrun 400\n",
        "thermo_style multi\nrun 400\n",
        "thermo_style yaml\nrun 400\n",
        "thermo_style custom step temp pe ke\n" + FULL + "run 400\n",
        "thermo_style custom time c_thermo_press[1] pe etotal\n" + FULL + "run 400\n",
        "thermo_style custom step temp etotal\nthermo_modify norm yes\nrun 400\n",
    ],
)
def test_thermo_styles_agree(lammps_log, style):
    expected = read_run(lammps_log(METAL + NVE))
    found = read_run(lammps_log(METAL + style))
    np.testing.assert_allclose(found.time_ps, expected.time_ps, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.conserved_energy, expected.conserved_energy, atol=2e-4)
    np.testing.assert_allclose(found.temperature, expected.temperature, atol=5e-3)


def test_econserve_of_a_thermostatted_run(lammps_log):
    nose = METAL.replace("fix move all nve", "fix move all nvt temp 40 40 0.1")
    columns = "thermo_style custom step temp etotal econserve\n" + FULL
    log = lammps_log(nose + columns + f"run {STEPS}\n")
    series = read_run(log)
    total = read_run(log, ReadOptions(column="TotEng"))
    assert np.ptp(series.conserved_energy) < 0.1 * np.ptp(total.conserved_energy)
    with pytest.raises(ReadError, match=r"fix move \(nvt\) exchanges energy.*Print `econserve`"):
        read_run(lammps_log(nose + NVE))


def test_langevin_without_tally_is_refused(lammps_log):
    columns = "thermo_style custom step temp econserve\nrun 100\n"
    fix = "fix bath all langevin 40 40 0.1 7"
    with pytest.raises(ReadError, match="without `tally yes`"):
        read_run(lammps_log(METAL + fix + "\n" + columns))
    read_run(lammps_log(METAL + fix + " tally yes\n" + columns))


def test_several_runs_are_listed(lammps_log):
    log = lammps_log(METAL + "minimize 0 1e-6 5 5\nrun 0\nrun 100\n" + NVE)
    with pytest.raises(ReadError) as caught:
        read_run(log)
    message = str(caught.value)
    assert f"{log} has 2 runs" in message
    assert re.search(r"ReadOptions\(run=1\): minimisation, steps 0 to \d+", message)
    assert re.search(r"ReadOptions\(run=3\): steps \d+ to \d+ \(12 samples\)", message)
    chosen = read_run(log, ReadOptions(run=4))
    assert chosen.length_ps == pytest.approx(STEPS * 0.002)
    assert chosen.time_ps[0] == 0.0
    with pytest.raises(ReadError, match=r"from 1 to 4, found 9"):
        read_run(log, ReadOptions(run=9))


def test_a_log_cut_short(lammps_log, tmp_path):
    whole = lammps_log(METAL + NVE)
    text = whole.read_text()
    log = tmp_path / "log.lammps"
    log.write_text(text[: text.index("\n       300 ") + 25])  # in the middle of a line
    with pytest.raises(ReadError, match=r"did not reach its end.*give ReadOptions\(atoms"):
        read_run(log)
    series = read_run(log, ReadOptions(atoms=ATOMS))
    assert series.time_ps[-1] == pytest.approx(290 * 0.002)
    assert any("ends in the middle" in note for note in series.notes)


@pytest.mark.parametrize(
    ("pattern", "replacement", "options", "message"),
    [
        (r"^units metal$", "units lj", {}, r"`units lj` cannot be converted"),
        (
            r"^units metal$",
            "",
            {},
            r"expected a line `units \.\.\.`.*ReadOptions\(units=...\) \(metal",
        ),
        ("TotEng", "v_total", {}, r"expected a column Econserve or TotEng, found Step, Temp, v_"),
        ("Temp", "v_t", {}, r"expected a column Temp, found"),
        (r"^   Step", "v_step", {}, r"expected a column Step or Time, found v_step"),
        (r"^Per MPI.*\n.*Step.*$", "", {}, r"expected a run with thermodynamic output"),
        (" Temp ", " Temp ", {"column": "totengy"}, r"no column totengy \(did you mean TotEng\?\)"),
        (
            " Temp ",
            " Temp ",
            {"units": "real"},
            r"`units metal`, but you say ReadOptions\(units=real",
        ),
        (" Temp ", " Temp ", {"atoms": 5}, r"has 108 atoms, but you say ReadOptions\(atoms=5\)"),
    ],
)
def test_lammps_logs_that_are_refused(lammps_log, tmp_path, pattern, replacement, options, message):
    log = with_log(lammps_log(METAL + NVE), tmp_path, pattern, replacement)
    with pytest.raises(ReadError, match=message) as caught:
        read_run(log, ReadOptions(**options))
    assert str(log) in str(caught.value)


def test_any_column_by_name(lammps_log, tmp_path):
    log = with_log(lammps_log(METAL + NVE), tmp_path, "TotEng", "f_mine")
    whole = read_run(lammps_log(METAL + NVE))
    record = read_run(log, ReadOptions(column="f_mine"))
    np.testing.assert_array_equal(record.conserved_energy, whole.conserved_energy)
    assert record.notes[0].endswith("H is f_mine")
    with pytest.raises(ReadError, match="expected a column Econserve or TotEng, found Step"):
        read_run(log)


def test_rounded_energies_are_not_called_conserved(lammps_log):
    series = read_run(lammps_log(METAL + "thermo_modify format float %.2g\nrun 400\n"))
    with pytest.raises(ReadError, match=r"in steps of 0\.93 meV/atom.*format float"):
        series.statistics()


def test_lost_atoms_are_an_explosion(lammps_log):
    text = METAL + "thermo 1\nvelocity all create 400000000 1\ntimestep 0.1\nrun 50\n"
    series = read_run(lammps_log(text), ReadOptions(atoms=ATOMS))
    assert series.exploded is not None
    assert "Lost atoms" in series.exploded
    assert read_run(lammps_log(text), ReadOptions(atoms=ATOMS)).exploded == series.exploded


@pytest.mark.parametrize(
    "error",
    [
        "ERROR: MD Bridge: in step 20 the model returned a force that is not finite",
        "ERROR on proc 0: Non-numeric pressure - simulation unstable",
    ],
)
def test_other_ends_of_a_run_that_are_explosions(lammps_log, tmp_path, error):
    text = METAL + "thermo 1\nvelocity all create 400000000 1\ntimestep 0.1\nrun 50\n"
    log = with_log(lammps_log(text), tmp_path, "^ERROR.*Lost atoms.*", error)
    assert read_run(log, ReadOptions(atoms=ATOMS)).exploded == f"LAMMPS stopped: {error}"


def test_an_error_of_another_kind_is_no_explosion(lammps_log, tmp_path):
    log = with_log(lammps_log(METAL + NVE), tmp_path, "^Loop time.*", "ERROR: Disk full")
    assert read_run(log, ReadOptions(atoms=ATOMS)).exploded is None


def test_a_warning_before_the_heading_is_no_heading(lammps_log, tmp_path):
    plain = lammps_log(METAL + NVE)
    log = with_log(plain, tmp_path, "^(Per MPI rank memory.*)", r"\1\nWARNING: a word of it")
    expected = read_run(plain).conserved_energy
    np.testing.assert_array_equal(read_run(log).conserved_energy, expected)


def test_not_a_number_ends_the_series(lammps_log, tmp_path):
    log = with_log(lammps_log(METAL + NVE), tmp_path, r"^( +200 +\S+ +)\S+", r"\1nan")
    series = read_run(log)
    assert series.time_ps[-1] == pytest.approx(190 * 0.002)
    assert series.exploded == "energy or temperature is not finite at step 200"


def test_a_temperature_without_molecules_ends_the_series(lammps_log, tmp_path):
    log = with_log(lammps_log(METAL + NVE), tmp_path, r"^( +200 +)\S+", r"\g<1>2e5")
    series = read_run(log)
    assert series.time_ps[-1] == pytest.approx(190 * 0.002)
    assert series.exploded == "the temperature passed 100000 K at step 200"


@pytest.fixture(scope="module")
def ipi_run(tmp_path_factory, model_file):
    """i-PI's properties, each in another unit."""
    folder = tmp_path_factory.mktemp("i-pi")
    properties = (
        "step", "time{femtosecond}", "conserved{kelvin}", "temperature{kelvin}",
        "kinetic_md", "forcemod", "potential{millielectronvolt}", "cell_h{angstrom}", "conserved",
    )  # fmt: skip
    ipi_tools.Simulation(
        atoms=ipi_tools.argon(),
        forcefields=[ipi_tools.ffdirect("lj", model_file("lennard_jones"), "conservative")],
        forces='<force forcefield="lj"/>',
        steps=50,
        properties={name: name for name in properties},
        output='<trajectory stride="10" filename="pos" format="xyz"> positions </trajectory>',
    ).run(folder)
    return folder / "run.properties"


def test_ipi_output_with_mixed_units(ipi_run):
    series = read_run(ipi_run)  # 32 atoms: from the trajectory of the same prefix beside it
    assert (series.method.host, series.atom_count) == ("i-pi", 32)
    np.testing.assert_allclose(series.time_ps, np.arange(51) * 0.002, rtol=1e-6)
    rows = np.loadtxt(ipi_run)
    # the last column is the same quantity in atomic units
    np.testing.assert_allclose(series.conserved_energy, rows[:, -1] * units.Hartree, rtol=1e-6)
    # i-PI's temperature counts 3N degrees of freedom without fixcom, its kinetic_md none
    np.testing.assert_allclose(series.temperature, rows[:, 3] * 32 / 31, rtol=3e-6)
    # nine digits, the last of which is worth 1e-8 of the leading one
    assert series.resolution == pytest.approx(1e-8 * 1e4 * units.kB, rel=1e-3)


def test_ipi_steps_in_place_of_times(ipi_run, tmp_path):
    output = with_log(ipi_run, tmp_path, r"time\{femtosecond\}", "forcemod")
    with pytest.raises(
        ReadError, match=r"expected a column time, found step.*give ReadOptions\(timestep_fs"
    ):
        read_run(output, ReadOptions(atoms=32))
    series = read_run(output, ReadOptions(atoms=32, timestep_fs=2.0))
    np.testing.assert_allclose(series.time_ps, np.arange(51) * 0.002, rtol=1e-12, atol=1e-15)


def test_ipi_temperature_without_the_kinetic_energy(ipi_run, tmp_path):
    output = with_log(ipi_run, tmp_path, "kinetic_md", "forcemod")
    record = read_run(output, ReadOptions(atoms=32))
    np.testing.assert_allclose(record.temperature, np.loadtxt(ipi_run)[:, 3], rtol=1e-6)
    assert any("too low by 1/N in NVE" in note for note in record.notes)


def test_ipi_values_are_those_of_its_own_reader(ipi_run):
    from ipi.utils.parsing import read_output

    values, in_units = read_output(ipi_run)
    record = read_run(ipi_run)
    assert in_units["potential"][0] == "millielectronvolt"
    np.testing.assert_allclose(record.potential_energy, values["potential"] / 1000, rtol=1e-6)
    np.testing.assert_allclose(record.time_ps, values["time"] / 1000, rtol=1e-6)
    np.testing.assert_allclose(
        record.kinetic_energy, values["kinetic_md"] * units.Hartree, rtol=1e-6
    )


@pytest.fixture(scope="module")
def path_integrals(tmp_path_factory, model_file):
    """i-PI's properties with four beads."""
    folder = tmp_path_factory.mktemp("beads")
    properties = (
        "time{picosecond}",
        "conserved",
        "temperature{kelvin}",
        "kinetic_md",
        "kinetic_cv",
    )
    ipi_tools.Simulation(
        atoms=ipi_tools.argon(),
        forcefields=[ipi_tools.ffdirect("lj", model_file("lennard_jones"), "conservative")],
        forces='<force forcefield="lj"/>',
        steps=5,
        beads=4,
        ensemble='<temperature units="kelvin"> 60 </temperature>',
        properties={name: name for name in properties},
    ).run(folder)
    return folder / "run.properties"


def test_the_temperature_of_path_integrals_is_not_that_of_all_beads(path_integrals, tmp_path):
    expected = np.loadtxt(path_integrals)[:, 2]
    without = with_log(path_integrals, tmp_path, "kinetic_cv", "other")
    for output in (path_integrals, without):  # told by the kinetic energy then
        record = read_run(output, ReadOptions(atoms=32))
        np.testing.assert_allclose(record.temperature, expected, rtol=1e-6)
        assert record.kinetic_energy is None
    output = with_log(path_integrals, tmp_path, r"temperature\{kelvin\}", "other")
    with pytest.raises(ReadError, match=r"kinetic_md of path integrals is that of all beads"):
        read_run(output, ReadOptions(atoms=32))


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"^#.*\n", "", "expected a LAMMPS log, a properties file of i-PI with its header"),
        ("conserved", "unknown", r"expected a column conserved, found .*Add `conserved"),
        (r"conserved\{kelvin\}", "conserved{evolt}", r"is not in a unit of energy that i-PI knows"),
        (r"temperature|kinetic_md", "other", r"expected a column temperature or kinetic_md"),
        (r"^(( +\S+){5}).*\n\Z", r"\1\n", r"line \d+: expected 14 numbers, found 5"),
        (r"^ .*\n", "", r"expected lines of numbers under the header, found 0"),
    ],
)
def test_ipi_outputs_that_are_refused(ipi_run, tmp_path, pattern, replacement, message):
    output = with_log(ipi_run, tmp_path, pattern, replacement)
    with pytest.raises(ReadError, match=message):
        read_run(output, ReadOptions(atoms=32))


def test_ipi_needs_the_number_of_atoms(ipi_run, tmp_path):
    with pytest.raises(ReadError, match=r"no xyz trajectory run.* give ReadOptions\(atoms"):
        read_run(with_log(ipi_run, tmp_path, "step", "step"))


@pytest.fixture(scope="module")
def ase_run(tmp_path_factory):
    """The folder of an ASE run of 50 steps of 2 fs: trajectory and log, every second step."""
    folder = tmp_path_factory.mktemp("ase")
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * 2
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=5.0, smooth=True)
    thermalize_momenta(atoms, temperature_K=40, rng=np.random.default_rng(0))
    Stationary(atoms)
    options = {"loginterval": 2, "logfile": str(folder / "md.log")}
    with VelocityVerlet(
        atoms, 2.0 * units.fs, trajectory=str(folder / "md.traj"), **options
    ) as dynamics:
        dynamics.run(50)
    return folder


def test_ase_trajectory(ase_run):
    series = read_run(ase_run / "md.traj")
    assert (series.method.host, series.atom_count, series.resolution) == ("ase", 32, 0.0)
    np.testing.assert_allclose(series.time_ps, np.arange(26) * 0.004, atol=1e-12)
    assert np.ptp(series.conserved_energy) < 1e-3
    log = read_run(ase_run / "md.log", ReadOptions(atoms=32))
    np.testing.assert_allclose(log.time_ps, series.time_ps, atol=1e-4)
    np.testing.assert_allclose(log.conserved_energy, series.conserved_energy, atol=6e-5)
    np.testing.assert_allclose(log.temperature, series.temperature, atol=0.06)
    assert log.resolution == pytest.approx(1e-4)


def test_extxyz_needs_times(ase_run, tmp_path):
    from ase.io import read, write

    frames = read(ase_run / "md.traj", index=":")
    path = tmp_path / "md.extxyz"
    write(path, frames)
    with pytest.raises(
        ReadError,
        match=r"at what times.*give ReadOptions\(timestep_fs=...\) and ReadOptions\(interval",
    ):
        read_run(path)
    series = read_run(path, ReadOptions(timestep_fs=2.0, interval=2))
    expected = read_run(ase_run / "md.traj")
    np.testing.assert_allclose(series.time_ps, expected.time_ps, atol=1e-12)
    np.testing.assert_allclose(series.conserved_energy, expected.conserved_energy, atol=1e-6)


@pytest.mark.parametrize("missing", ["momenta", "energy"])
def test_frames_without_momenta_or_energy_are_refused(ase_run, tmp_path, missing):
    from ase.io import read, write

    frames = read(ase_run / "md.traj", index=":")
    for atoms in frames:
        if missing == "momenta":
            del atoms.arrays["momenta"]
        else:
            atoms.calc = None
    write(tmp_path / "md.xyz", frames, format="extxyz")
    with pytest.raises(ReadError, match=f"frame 0 has no {missing}"):
        read_run(tmp_path / "md.xyz", ReadOptions(timestep_fs=2.0, interval=2))


def test_ase_log_per_atom_and_appended(ase_run, tmp_path):
    from ase.io import read
    from ase.md import MDLogger

    frames = read(ase_run / "md.traj", index=":")
    log = tmp_path / "md.log"
    for _ in range(2):
        logger = MDLogger(None, frames[0], str(log), peratom=True)
        logger()
        logger()
        logger.close()
    with pytest.raises(ReadError, match=r"has 2 runs.*\n  ReadOptions\(run=1\): 2 samples"):
        read_run(log, ReadOptions(atoms=32))
    options = ReadOptions(atoms=32, run=2, timestep_fs=2.0, interval=1)
    energy = read_run(log, options).conserved_energy
    np.testing.assert_allclose(energy, read_run(ase_run / "md.traj").conserved_energy[0],
                               atol=32 * 6e-5)  # fmt: skip
    with pytest.raises(
        ReadError, match=r"does not hold the number of atoms: give ReadOptions\(atoms"
    ):
        read_run(log, ReadOptions(run=1))


def test_record_for_tables_and_pages(ase_run, lammps_log, tmp_path):
    record = read_run(lammps_log(METAL + NVE))
    assert (record.label, record.method.forces, record.method.host) == (
        "log.lammps",
        "unknown",
        "lammps",
    )
    assert record.wall_s_per_ps > 0
    write_csv(record, tmp_path / "run.csv")
    again = read_run(tmp_path / "run.csv")
    np.testing.assert_allclose(again.conserved_energy, record.conserved_energy, rtol=1e-11)
    assert read_run(ase_run / "md.traj").method.timestep_fs == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["missing.log", "."])
def test_files_that_cannot_be_read(tmp_path, name):
    with pytest.raises(ReadError, match=re.escape(str(tmp_path / name))):
        read_run(tmp_path / name)
