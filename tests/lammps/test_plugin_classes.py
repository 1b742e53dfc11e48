"""The classes behind the pair style, each alone: without the pair style and without a model."""

import lammps_tools as tools
import plugin_programs
import pytest


@pytest.fixture(scope="module")
def check_program(tmp_path_factory):
    return plugin_programs.program(
        tmp_path_factory.mktemp("check"),
        "test_finite_difference_check",
        "checks/finite_difference_check.cpp",
        "mpi/gather.cpp",
    )


@pytest.fixture(scope="module")
def uncertainty_program(tmp_path_factory):
    return plugin_programs.program(
        tmp_path_factory.mktemp("uncertainty"), "test_uncertainty", "uncertainty.cpp"
    )


@pytest.fixture(scope="module")
def neighbours_plugin(tmp_path_factory):
    return plugin_programs.lammps_plugin(
        tmp_path_factory.mktemp("neighbours"),
        "test_neighbours",
        "neighbours/exclusions.cpp",
        "neighbours/folding.cpp",
        "neighbours/image_lattice.cpp",
        "neighbours/list_follower.cpp",
        "neighbours/motion.cpp",
        "neighbours/reversal.cpp",
        "mpi/gather.cpp",
    )


@pytest.mark.parametrize("ranks", [1, 2])
def test_finite_difference_check(check_program, ranks):
    plugin_programs.run(check_program, ranks)


def test_reversal(tmp_path):
    program = plugin_programs.program(tmp_path, "test_reversal", "neighbours/reversal.cpp")
    plugin_programs.run(program, 1)


@pytest.mark.parametrize("ranks", [1, 2])
def test_uncertainty(uncertainty_program, ranks):
    plugin_programs.run(uncertainty_program, ranks)


@pytest.mark.parametrize(
    ("ranks", "cells", "boundary", "layers"),
    [
        (1, (2, 2, 2), "p p p", 1),
        (1, (2, 2, 2), "p p p", 2),
        (1, (2, 2, 2), "p f p", 1),
        (2, (2, 2, 2), "p p p", 1),
        (2, (2, 2, 2), "p p p", 2),
        # so long that the ranks do not know all atoms, and some as an image only
        (2, (2, 2, 6), "p p p", 2),
    ],
)
def test_folding_and_list_follower(neighbours_plugin, tmp_path, ranks, cells, boundary, layers):
    """The cutoff is more than half of the box: atoms see several images of each other."""
    tilt = (1.0, 0.5, -0.5) if boundary == "p p p" else (0.0, 0.0, 0.0)
    atoms = tools.argon(cells=cells, tilt=tilt)
    box = tools.box_from_file(atoms, ["Ar"], tmp_path / "argon.data", boundary=boundary)
    text = f"""
        {box}
        plugin load {neighbours_plugin}
        pair_style test_neighbours 6.0 {layers}
        pair_coeff * *
        neighbor 1.0 bin
        comm_modify cutoff {6.0 * layers + 1.0}
        run 0
        """
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "test_neighbours: all as expected" in done.stdout
