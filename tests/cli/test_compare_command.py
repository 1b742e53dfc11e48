"""``md-bridge compare``, as a user types it: table, page, numbers, exit statuses."""

import json

import ase.io
import models
import pytest
from argon_labels import labelled_structures, start
from model_commands import message, run
from python_models import python_model

from md_bridge.cli.models.compare import compare

MODELS = ("both.pt", "one.pt")


@pytest.fixture
def files(folder):
    models.curl(size=2e-2).export("both.pt")
    models.lennard_jones().export("one.pt")
    ase.io.write("test.xyz", labelled_structures())
    ase.io.write("start.xyz", start())
    return folder


def test_table_page_and_numbers(files):
    result = run(compare, *MODELS, "--labelled", "test.xyz", "--start", "start.xyz")
    assert result.exit_code == 0, result.output
    text = message(result)
    for words in ("both.pt one.pt", "conservative force, RMSE, meV/Å", "λ of direct forces, %",
                  "memory, resident, MB", "best: ", "one.pt gives conservative forces alone",
                  "both.pt and one.pt pass all that can be failed here"):  # fmt: skip
        assert words in text, words
    folder = files / "md-bridge-compare"
    page = (folder / "report.html").read_text()
    assert "Comparison of 2 models" in page
    assert "Error of forces against their cost" in page
    assert "data:image/svg+xml;base64," in page
    assert page.count("best: ") > 3
    assert "@media (max-width: 47rem)" in page  # a table on any screen but that of a phone
    assert page.index("What it shows") < page.index("Force errors by element")
    assert "http://" not in page.replace("http://www.w3.org", "")
    content = json.loads((folder / "summary.json").read_text())
    assert content["passed"] is True
    assert list(content["measures"]) == ["errors", "lambda", "cost"]
    assert content["models"]["one.pt"]["forces"] == ["conservative"]
    assert content["models"]["both.pt"]["sha256"] in page


def test_json_and_going_on(files):
    arguments = (*MODELS, "--start", "start.xyz", "--out", "found", "--json")
    first = json.loads(run(compare, *arguments).stdout)
    assert list(first["measures"]) == ["lambda", "cost"]
    again = json.loads(run(compare, *arguments).stdout)
    for name, rows in again["measures"].items():
        for model, row in rows.items():
            assert row["kept"]
            assert row["numbers"] == first["measures"][name][model]["numbers"]


SWIRL = """
import numpy as np
from ase.calculators.lj import LennardJones

class Swirl(LennardJones):
    implemented_properties = ["energy", "forces"]

    def calculate(self, *arguments):
        super().calculate(*arguments)
        swirl = 0.1 * np.cross([0.0, 0.0, 1.0], self.atoms.positions)
        self.results["forces"] = self.results["forces"] + swirl

def make():
    return Swirl(sigma=3.4, epsilon=0.0104, rc=8.5)
"""


def test_forces_without_a_potential_are_an_exit_status(files):
    """A calculator says that its forces are conservative, and they are not."""
    name = python_model(files, SWIRL)
    result = run(compare, "one.pt", f"swirl={name}", "--start", "start.xyz", "--measures", "lambda")
    assert result.exit_code == 3, result.output
    text = message(result)
    assert "swirl: fails" in text
    assert "swirl does not pass: λ of conservative forces." in text
    assert "one.pt passes all that can be failed here." in text
    assert 'has no potential: set forces_kind = "direct" of the calculator.' in text
    content = json.loads((files / "md-bridge-compare" / "summary.json").read_text())
    assert content["passed"] is False
    assert content["verdicts"] == {"one.pt": True, "swirl": False}


def test_what_cannot_be_told_is_an_exit_status(files):
    """Runs of 3 ps with a step of 60 fs are too short to tell of argon at 120 K."""
    result = run(
        *(compare, *MODELS, "--start", "start.xyz", "--drift", "--measures", "lambda"),
        *("--timestep", 60, "--ps", 3, "--replicas", 1, "--equilibrate", 0, "--temperature", 120),
    )
    assert result.exit_code == 3, result.output
    assert "one.pt is undecided in: energy with conservative forces." in message(result)
    content = json.loads((files / "md-bridge-compare" / "summary.json").read_text())
    assert content["verdicts"]["one.pt"] is None
    assert list(content["measures"]) == ["lambda", "drift"]


def test_a_row_that_fails_is_exit_status_one(files):
    models.nan_when_close(3.2).export("broken.pt")
    result = run(compare, "broken.pt", "one.pt", "--labelled", "test.xyz")
    assert result.exit_code == 1
    text = message(result)
    assert "broken.pt: errors on labelled structures (errors) could not be measured" in text
    assert "conservative force, RMSE, meV/Å" in text
    assert "Traceback" not in text


def test_a_calculator_beside_a_file(files):
    code = "from ase.calculators.lj import LennardJones\n\ndef make():\n    return LennardJones"
    name = python_model(files, code + "(sigma=3.4, epsilon=0.0104, rc=8.5)\n")
    result = run(compare, "one.pt", f"ase={name}", "--labelled", "test.xyz", "--start",
                 "start.xyz", "--measures", "errors,lambda", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    one, other = (content["measures"]["errors"][m]["numbers"]["errors"] for m in ("one.pt", "ase"))
    forces = [[row["rmse"] for row in rows if row["quantity"].endswith("force")] for rows in
              (one, other)]  # fmt: skip
    assert forces[0] == pytest.approx(forces[1], rel=1e-6)
    assert content["measures"]["lambda"]["ase"]["numbers"]["conservative_lambda"] < 0.01


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (("--labelled", "test.xyz", "--measures", "erors"), 2,
         "--measures 'erors' is no measure; did you mean errors?"),
        (("--labelled", "test.xyz", "--drift"), 2, "--start is missing, which drift needs"),
        (("--labelled", "test.xyz", "--tune"), 2, "--start is missing, which tune needs"),
        (("--labelled", "test.xyz", "--smoothness"), 2, "--start is missing, which smoothness"),
        ((), 2, "--labelled is missing, and so is a start"),
        (("--labelled", "bare.xyz"), 1, "has no labels 'energy', 'forces' or 'stress'"),
        (("--labelled", "bare.xyz"), 1, "Name them: --energy-key, --force-key, --stress-key"),
        (("--labelled", "energies.xyz"), 1, "'energies.xyz' has no forces 'forces', which models"),
        (("--labelled", "energies.xyz"), 1, "Name them (--force-key)"),
        (("--labelled", "krypton.xyz"), 1,
         "'both.pt' cannot be compared with the others: structure 0 of 'krypton.xyz' has Kr"),
        (("--labelled", "none.xyz"), 2, "none.xyz does not exist"),
        (("--start", "start.xyz", "--relax", "--cell", "ful"), 2, "--cell found 'ful'"),
        (("--start", "start.xyz", "--supercell", "2,2"), 2, "--supercell must be three whole"),
    ],
)  # fmt: skip
def test_bad_options(files, options, status, sentence):
    bare, energies, krypton = (labelled_structures(1)[0] for _ in range(3))
    bare.calc = None
    del energies.calc.results["forces"]
    krypton.symbols[0] = "Kr"
    for name, atoms in (("bare", bare), ("energies", energies), ("krypton", krypton)):
        ase.io.write(f"{name}.xyz", atoms)
    result = run(compare, *MODELS, *options)
    assert result.exit_code == status, result.output
    assert sentence in message(result)
    assert "Traceback" not in result.output


def test_two_models_of_the_same_name(files):
    (files / "there").mkdir()
    models.curl().export(files / "there" / "one.pt")
    result = run(compare, "one.pt", "there/one.pt", "--labelled", "test.xyz")
    assert result.exit_code == 2
    assert "'one.pt' and 'there/one.pt' would both be called 'one.pt'" in message(result)
    assert "as in other=there/one.pt" in message(result)
    result = run(compare, "one.pt", "other=there/one.pt", "--labelled", "test.xyz")
    assert result.exit_code == 0, result.output
