"""Every measure of a model that Python evaluates has the numbers of its file."""

import pytest
from ase.io import write
from python_models import crystal, of_file

from md_bridge.compare import CompareRequest, compare
from md_bridge.model_options import ModelOptions

FILE, CALCULATOR = "both.pt", "of_both:make"


def compared(argon, folder, measure):
    """Of four atoms, or one for phonons, as short as it can be."""
    write(folder / "start.xyz", crystal())
    request = CompareRequest(
        (of_file(folder, argon.both), argon.both),
        start=folder / "start.xyz",
        crystal=argon.cell if measure == "phonons" else folder / "start.xyz",
        measures=(measure,),
        timestep_fs=4.0,
        temperature_k=60.0,
        equilibration_ps=0.0,
        replicas=1,
        length_ps=0.1,
        tune_ps=0.1,
        smoothness_ps=0.4,
        most=2,
        lmax=1,
        fmax=1e-3,
        supercell=(2, 2, 2),
        model_options=ModelOptions(threads=1),
    )
    found = compare(request, folder / "out")
    assert [(each.measure, each.model, each.reason) for each in found.failures] == []
    return found


@pytest.mark.parametrize(
    ("measure", "figures"),
    [
        ("drift", ("drift, conservative", "drift, direct")),
        ("tune", ("largest M", "drift with that M")),
        ("smoothness", ("smoothness: N of drift ∝ δt^N",)),
        ("symmetry", ("symmetry error, direct forces", "symmetry error, direct stress")),
        ("relax", ("evaluations, conservative", "residual work, direct")),
        ("phonons", ("phonons, conservative: highest", "phonons, direct: highest")),
    ],
)
def test_the_numbers_are_those_of_the_file(argon, tmp_path, measure, figures):
    comparison = compared(argon, tmp_path, measure)
    found, expected = (comparison.found(measure, name).figures for name in (CALCULATOR, FILE))
    assert [each.name for each in found] == [each.name for each in expected]
    assert set(figures) <= {each.name for each in found}
    for one, other in zip(found, expected, strict=True):
        if one.name.startswith("gain"):  # a time
            continue
        if other.value is None:
            assert (one.text, one.good) == (other.text, other.good), one.name
        else:
            assert one.value == pytest.approx(other.value, rel=1e-4, abs=1e-9), one.name


def test_cost(argon, tmp_path):
    """Of both kinds, in a process of its own."""
    found = compared(argon, tmp_path, "cost").numbers("cost", CALCULATOR)
    assert set(found["seconds"]) == {"conservative", "direct"}
    assert all(seconds > 0.0 for seconds in found["seconds"].values())
    assert 50.0 < found["rss_MB"] <= found["peak_MB"] < 4000.0
