"""The bundled student is what its page says, and near its teacher."""

import json
import re
import shlex
from pathlib import Path

import numpy as np

from md_bridge._paths import DATA
from md_bridge.ase import MDBridgeCalculator
from md_bridge.distil.files import read_student
from md_bridge.forces import ForceAgreement
from md_bridge.text import sha256_of

PAGE = Path(__file__).parents[2] / "examples" / "distil_water" / "README.md"


def test_the_bundled_student_is_made_by_the_command_on_its_page():
    about = read_student(DATA / "water-inner.pt").about
    words = shlex.split(re.search(r"md-bridge distil \S+water.pt .*", PAGE.read_text())[0])
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert about["teacher_sha256"] == sha256_of(DATA / "water.pt")
    assert json.loads(about["temperatures_K"]) == [
        float(each) for each in options["--temperature"].split(",")
    ]
    counts = json.loads(about["counts"])
    assert counts["steps"] == int(options["--steps"])
    assert 0.9 * int(options["--frames"]) < counts["frames"] < 1.1 * int(options["--frames"])


def test_the_bundled_student_is_near_its_teacher(water):
    outer = MDBridgeCalculator(DATA / "water.pt", device="cpu").get_forces(water)
    inner = MDBridgeCalculator(DATA / "water-inner.pt", forces="direct", device="cpu")
    found = ForceAgreement.of(outer, inner.get_forces(water))
    assert found.correction < 0.060  # eV/Å, of 0.8
    assert found.correction < 0.1 * found.conservative
    assert np.isfinite(found.correction)
