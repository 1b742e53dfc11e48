"""A restart file knows the model that it was written with from another of the same name."""

import re
import struct

import lammps_tools as tools
import models
import pytest
import torch

BOX = tools.box(tools.argon(cells=(1, 1, 1), lattice=6.0), ["Ar"])
PAIR = "pair_style mdbridge same.pt threads 1\npair_coeff * * Ar\n"
WARNING = "is not the one that the restart file was written with"


def run(folder, text: str, **options) -> str:
    done = tools.run_input(text, folder, **options)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def heavy(value: float) -> models.AnalyticModel:
    """With a file of 12 MB, a single number of which has this value."""
    model = models.curl()
    ballast = torch.zeros(1_500_000, dtype=torch.float64)
    ballast[0] = value
    model.module.register_buffer("ballast", ballast)
    return model


@pytest.fixture
def written(tmp_path):
    """A folder with the model ``same.pt`` and a restart file of it, ``r``."""
    models.curl().export(tmp_path / "same.pt")
    run(tmp_path, BOX + PAIR + "run 0\nwrite_restart r\n")
    return tmp_path


@pytest.mark.parametrize("ranks", [1, 2])
def test_another_model(written, ranks):
    assert WARNING not in run(written, "read_restart r\nrun 0\n", ranks=ranks)
    models.curl(epsilon=0.02).export(written / "same.pt")
    out = run(written, "read_restart r\nrun 0\n", ranks=ranks)
    assert out.count(WARNING) == 1
    assert "WARNING: Pair style mdbridge: the model file" in out


@pytest.mark.parametrize("ranks", [1, 2])
def test_another_inner_model(tmp_path, ranks):
    models.curl().export(tmp_path / "same.pt")
    models.stand_in().export(tmp_path / "inner.pt")
    style = PAIR.replace("threads", "inner inner.pt threads")
    run(tmp_path, BOX + style + "run 0\nwrite_restart r\n", ranks=ranks)
    assert WARNING not in run(tmp_path, "read_restart r\nrun 0\n", ranks=ranks)
    models.stand_in(size=0.02).export(tmp_path / "inner.pt")
    out = run(tmp_path, "read_restart r\nrun 0\n", ranks=ranks)
    assert out.count(WARNING) == 1
    assert re.search(r"the inner model file '\S+/inner.pt' is not the one", out)


def test_a_single_weight_of_a_large_file(tmp_path):
    heavy(1.0).export(tmp_path / "same.pt")
    assert (tmp_path / "same.pt").stat().st_size > 10e6
    run(tmp_path, BOX + PAIR + "run 0\nwrite_restart r\n")
    assert WARNING not in run(tmp_path, "read_restart r\nrun 0\n")
    heavy(2.0).export(tmp_path / "same.pt")
    assert WARNING in run(tmp_path, "read_restart r\nrun 0\n")


def test_a_file_of_a_version_that_did_not_know(written):
    """Without the last word of the settings."""
    data = (written / "r").read_bytes()
    word = data.index(b"checksum:")
    (length,) = struct.unpack("<i", data[word - 4 : word])
    count = data.index(struct.pack("<i", 7) + b"same.pt") - 4
    (words,) = struct.unpack("<i", data[count : count + 4])
    old = data[:count] + struct.pack("<i", words - 1) + data[count + 4 : word - 4]
    (written / "r").write_bytes(old + data[word + length :])
    models.curl(epsilon=0.02).export(written / "same.pt")
    assert WARNING not in run(written, "read_restart r\nrun 0\n")


def test_the_place_of_the_model_is_that_where_it_was_read(tmp_path):
    """`shell cd` moves LAMMPS elsewhere before it writes."""
    models.curl().export(tmp_path / "same.pt")
    run(tmp_path, BOX + PAIR + "run 0\nshell mkdir there\nshell cd there\nwrite_restart r\n")
    run(tmp_path / "there", "read_restart r\nrun 0\n")
