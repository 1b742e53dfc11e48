"""What a measurement of phonons does with the threads it is given, and how it tells where it is."""

import crystals_phonons as crystals
import pytest

from md_bridge.engine import choose_threads, get_threads, set_threads
from md_bridge.model_options import ModelOptions
from md_bridge.statics.phonons.api import measure_phonons
from md_bridge.statics.phonons.settings import PhononRequest


@pytest.fixture(scope="module")
def springs(tmp_path_factory):
    return crystals.bonds().export(tmp_path_factory.mktemp("models") / "m.pt")


def request_of(path, **values):
    settings = {"supercell": (2, 1, 1), "mesh": 2, "corrections": ("raw",), **values}
    return PhononRequest(path, crystals.fcc(), **settings)


@pytest.mark.parametrize("threads", [0, 3])
def test_threads(springs, threads):
    """0 is what the environment says, not what some earlier measurement left."""
    before, seen = get_threads(), set()
    try:
        set_threads(5)
        request = request_of(springs, model_options=ModelOptions(threads=threads))
        measure_phonons(request, lambda *_: seen.add(get_threads()))
    finally:
        set_threads(before)
    assert seen == {choose_threads(threads)}


def test_rows_of_a_host_are_told(springs):
    told = []
    measure_phonons(request_of(springs, host="autograd"), lambda *each: told.append(each))
    shares = [share for words, share in told if words == "conservative: autograd"]
    assert shares == sorted(shares)
    assert len(set(shares)) > 3
    assert (shares[0], shares[-1]) == (0.0, 1.0)
