"""The C++ host in examples/cpp: built with the installed CMake package, same numbers as Python."""

from pathlib import Path

import cpp_programs
import numpy as np
import pytest
from ase.io import read

from md_bridge._paths import DATA
from md_bridge.engine import Engine, structure_from_ase

EXAMPLE = Path(__file__).parents[2] / "examples" / "cpp"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return cpp_programs.build(EXAMPLE, tmp_path_factory.mktemp("host")) / "host"


@pytest.mark.parametrize("inner_steps", [1, 2])
def test_energy_of_the_engine_and_conserved(host, inner_steps):
    start = DATA / "water-start.xyz"
    outer_steps = 40 // inner_steps
    printed = cpp_programs.run(host, DATA / "water.pt", start, inner_steps, outer_steps)
    time, potential, total = np.loadtxt(printed.splitlines()[1:]).T
    assert time[-1] == 20.0
    expected = Engine(DATA / "water.pt").evaluate(structure_from_ase(read(start)))
    # in single precision, and with the pairs in another order
    assert potential[0] == pytest.approx(expected.energy, abs=1e-4)
    # from rest, some tenths of an eV become kinetic; what is conserved stays within some meV
    exchanged = np.ptp(potential)
    assert exchanged > 0.1
    assert np.ptp(total) < 0.03 * exchanged


def test_error_is_a_sentence(host, tmp_path):
    with pytest.raises(AssertionError, match=r"host: there is no model file '.*absent.pt'"):
        cpp_programs.run(host, tmp_path / "absent.pt", DATA / "water-start.xyz", 1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected the number of atoms"),
        ("1\nno cell\nO 0 0 0\n", "expected extended xyz with a Lattice"),
        ('2\nLattice="9 0 0 0 9 0 0 0 9"\nO 0 0 0\n', "expected extended xyz with a Lattice"),
        ('1\nLattice="9 0 0 0 9 0 0 0 9"\nAu 0 0 0\n', "add a mass of Au"),
    ],
)
def test_an_unfit_start_is_refused(host, tmp_path, text, said):
    start = tmp_path / "start.xyz"
    start.write_text(text)
    with pytest.raises(AssertionError, match=f"host: .*{said}"):
        cpp_programs.run(host, DATA / "water.pt", start, 1, 1)
