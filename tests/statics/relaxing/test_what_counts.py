"""What counts as what, and what is said: structures that were stopped, atoms that are held, groups
that are not those that were meant."""

import crystals
import models
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms

from md_bridge.engine import EngineError, choose_threads, get_threads, set_threads
from md_bridge.model_options import ModelOptions
from md_bridge.processes import RunError
from md_bridge.statics.relaxing import api, comparing
from md_bridge.statics.relaxing.lammps import NoLammpsError
from md_bridge.statics.relaxing.request import KINDS, RelaxRequest
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.report.relaxation import as_result, summary_of
from md_bridge.statics.rows import Row, make_rows
from md_bridge.statics.starts import Start

CONSERVATIVE, DIRECT = Row("conservative"), Row("direct")


@pytest.fixture(scope="module")
def springs(tmp_path_factory):
    model = crystals.springs(swirl=0.1, push=0.02)
    return model.export(tmp_path_factory.mktemp("models") / "springs.pt")


def request_of(path, *starts, forces=("conservative",), settings=None, **values):
    named = tuple(Start(f"s{number}", atoms) for number, atoms in enumerate(starts))
    rows = tuple(make_rows(forces, ["none"], KINDS))
    return RelaxRequest(path, named, rows, RelaxSettings(**(settings or {})), **values)


def dimer(length):
    return Atoms("Ar2", [[0.0, 0.0, 0.0], [length, 0.0, 0.0]], cell=[20.0] * 3, pbc=True)


def rattled(size=0.05, seed=1):
    atoms = crystals.fcc(cubic=True)
    atoms.rattle(size, seed=seed)
    return atoms


class TestAModelThatFails:
    def test_on_the_first_start(self, tmp_path):
        """There is a report all the same, of a structure of which nothing is known."""
        path = models.nan_when_close(2.5).export(tmp_path / "nan.pt")
        request = request_of(path, dimer(2.4), dimer(4.0), folder=tmp_path / "found")
        found = api.relax(request)
        bad, good = found.relaxed[CONSERVATIVE]
        assert bad.status == "stopped"
        assert "the model fails on it" in bad.reason
        assert good.converged
        assert found.start_residuals == {CONSERVATIVE: None}
        counts = found.verdicts(CONSERVATIVE, 0)
        assert (counts["unknown"], sum(counts.values())) == (1, 2)
        result = as_result(found)
        assert result.passed is False
        assert not any("spglib finds no" in text for text in result.sentences)
        first, _ = result.summary["rows"]["conservative"]["results"]
        group = first["space_group"]
        assert group["plateau"] is None
        assert group["at_symprec_angstrom"]["0.01"]["verdict"] == "unknown"
        # what failed once may work the next time
        assert api.relax(request).kept == 1

    def test_on_the_first_start_in_double_precision(self, tmp_path):
        """Which is another model's only where the two precisions can be compared."""
        path = models.nan_when_close(2.5).export(tmp_path / "nan.pt", dtype="float32")
        found = api.relax(request_of(path, dimer(2.4), dimer(4.0), double=True))
        assert found.precision == "float64"
        assert [each.status for each in found.relaxed[CONSERVATIVE]] == ["stopped", "converged"]

    def test_with_the_other_kind_of_forces(self, tmp_path):
        """Direct ones that are NaN at the minimum of the energy."""
        path = models.nan_when_close(3.9, "direct").export(tmp_path / "nan.pt")
        alone = Atoms("Ar", cell=[20.0] * 3, pbc=True)
        request = request_of(path, dimer(4.2), alone, forces=("conservative", "direct"))
        found = api.relax(request)
        assert found.converged(CONSERVATIVE) == found.converged(DIRECT) == 2
        (note,) = found.warnings
        assert note.startswith("On 1 of 2 structures at rest with conservative forces the model ")
        assert {each.forces for each in found.crossed["none"]} == {"direct", "conservative"}

    def test_beside_a_fixed_point(self, springs, monkeypatch):
        """At rest, but not with an atom that is displaced for the second derivatives."""

        def fails(*_):
            raise EngineError("a conservative force is not finite.")

        monkeypatch.setattr(comparing, "fixed_point", fails)
        request = request_of(
            springs, rattled(), forces=("conservative", "direct"), fixed_point=True
        )
        found = api.relax(request)
        assert found.converged(CONSERVATIVE) == found.converged(DIRECT) == 1
        assert found.fixed_points == {"none": (None,)}
        assert found.warnings == (
            "No fixed point of 's0': the model fails near it: a conservative force is not finite.",
        )


def test_a_cell_that_exploded_has_kept_nothing(springs):
    """Its end is cubic as its start is."""
    far = crystals.fcc(2.0 * crystals.REST)
    settings = {"cell": "iso", "pressure_GPa": -1.0, "fmax": 1e-6, "steps": 400}
    found = api.relax(request_of(springs, far, settings=settings))
    assert found.relaxed[CONSERVATIVE][0].status == "stopped"
    for place in range(2):
        assert found.verdicts(CONSERVATIVE, place)["unknown"] == 1
        assert found.verdicts(CONSERVATIVE, place)["kept"] == 0


def test_another_version_makes_results_anew(springs, tmp_path, monkeypatch):
    request = request_of(springs, rattled(), folder=tmp_path)
    assert [api.relax(request).kept for _ in range(2)] == [0, 1]
    monkeypatch.setattr(api, "__version__", "0.0.dev0")
    assert api.relax(request).kept == 0


def test_held_atoms_have_no_force(springs):
    """Neither of the kind that relaxes the others, nor of the other kind."""
    start = crystals.rock_salt()
    start.rattle(0.1, seed=1)
    free = request_of(springs, start, forces=("conservative", "direct"))
    start.set_constraint(FixAtoms([0, 1, 2, 3, 4, 5]))
    held = request_of(springs, start, forces=("conservative", "direct"))
    for row in held.rows:
        (each,) = api.relax(held).relaxed[row]
        assert each.converged
        assert each.gradient == each.largest_force < held.settings.fmax
    largest = [
        max(each.largest for each in api.relax(request).crossed["none"]) for request in (free, held)
    ]
    assert 0.0 < largest[1] < 2.0 * largest[0]


@pytest.mark.parametrize("space_group", ["project", "fix", "free"])
def test_a_group_that_is_not_the_one_that_was_meant(springs, space_group):
    """Within 1e-5 Å a rattled crystal has P1 alone, and keeping that does nothing."""
    settings = {"space_group": space_group}
    found = api.relax(request_of(springs, rattled(1e-4), settings=settings))
    told = [text for text in found.warnings if "the space group that is kept" in text]
    assert len(told) == (space_group != "free")
    if told:
        assert told[0] == (
            "Start 's0': the space group that is kept is P1 (1), which it has within 1e-05 Å; "
            "within 0.01 Å it has Fm-3m (225). Give --symprec 0.01,1e-05 to keep that one."
        )
    meant = request_of(springs, rattled(1e-4), settings=settings, symprec=(1e-2, 1e-5))
    assert not api.relax(meant).warnings


def test_files_that_were_passed_over(springs):
    found = api.relax(request_of(springs, rattled(), passed_over=("a.txt", "b.log", "c", "d", "e")))
    assert found.warnings == (
        "5 files that ASE cannot read as structures were passed over: a.txt, b.log, c and 2 more.",
    )


def test_every_operation_that_the_start_lost(tmp_path):
    path = crystals.springs(legendre={2: 0.05}).export(tmp_path / "m.pt")
    breaks = summary_of(api.relax(request_of(path, crystals.fcc())))["rows"]["conservative"]
    breaks = breaks["start_breaks"]
    assert breaks["start"] == "s0"
    operations = breaks["operations"]
    assert {len(column) for column in operations.values()} == {48}
    stresses = operations["stress_eV_per_cubic_angstrom"]
    by_axis = {
        (kind, *np.abs(np.round(axis, 3))): stress
        for kind, axis, stress in zip(operations["kind"], operations["axis"], stresses, strict=True)
    }
    assert by_axis["4", 0.0, 0.0, 1.0] < 1e-12  # the axis of the model
    assert by_axis["4", 1.0, 0.0, 0.0] > 1e-3
    assert max(operations["force_eV_per_angstrom"]) < 1e-12


@pytest.mark.parametrize("threads", [0, 3])
def test_threads(springs, threads):
    """0 is what the environment says, not what some earlier measurement left."""
    before, seen = get_threads(), set()
    try:
        set_threads(5)
        request = request_of(springs, rattled(), model_options=ModelOptions(threads=threads))
        api.relax(request, lambda *_: seen.add(get_threads()))
    finally:
        set_threads(before)
    assert seen == {choose_threads(threads)}


class TestProgress:
    @staticmethod
    def told(request):
        calls = []
        api.relax(request, lambda *each: calls.append(each))
        shares = [share for words, share in calls if words.startswith("relaxing, ")]
        assert shares == sorted(shares)
        return [words for words, _ in calls], shares

    def test_each_step_is_told(self, springs):
        words, shares = self.told(request_of(springs, rattled(), settings={"steps": 20}))
        assert {f"relaxing, conservative: step {n}" for n in range(1, 5)} <= {*words}
        assert len({*shares}) > 4
        assert 0.0 == shares[0] < shares[1] < 0.1

    def test_steps_of_lammps(self, springs, monkeypatch):
        """And of two starts on which it fails the second has its turn."""

        def fails(*_, on_step, **__):
            for step in (10, 20, 40):
                on_step(step)
            raise RunError("lmp failed.")

        monkeypatch.setattr(api, "relax_with_lammps", fails)
        request = request_of(
            springs, rattled(), rattled(seed=2), settings={"steps": 40}, host="lammps"
        )
        words, shares = self.told(request)
        assert words.count("relaxing, conservative: step 20") == 2
        whole = 0.95  # the rest is for comparing
        assert shares == pytest.approx(
            [whole * each for each in (0, 0.125, 0.25, 0.5, 0.5, 0.625, 0.75, 1, 1)]
        )

    def test_no_lammps_is_no_matter_of_a_structure(self, springs, monkeypatch):
        def missing(*_, **__):
            raise NoLammpsError("lmp is not installed")

        monkeypatch.setattr(api, "relax_with_lammps", missing)
        with pytest.raises(NoLammpsError):
            api.relax(request_of(springs, rattled(), host="lammps"))
