"""docs/energy-drift.md: its Python runs, and its script fills it in."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from md_bridge.drift.records.csv import write_csv
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "energy-drift.md"
SCRIPT = ROOT / "docs" / "make_energy_drift.py"
TEXT = DOCUMENT.read_text(encoding="utf-8")
# heating in meV/atom/ps
RATES = {
    ("conservative", None): 0.0,
    ("direct", None): 16.0,
    ("mts", 2): 0.0,
    ("mts", 4): 0.08,
    ("mts", 8): 1.0,
}


@pytest.fixture
def document(tmp_path):
    copy = tmp_path / "energy-drift.md"
    copy.write_text(TEXT)
    return copy


def campaign(folder: Path, engine: str, seed: int) -> Path:
    """What `md-bridge drift` leaves, with runs of known drift."""
    rng = np.random.default_rng(seed)
    (folder / "series").mkdir(parents=True)
    settings = {"replicas": 2, "length_ps": 2.0, "temperature_K": 300.0, "timestep_fs": 0.5}
    (folder / "campaign.json").write_text(json.dumps(settings))
    for (forces, multiplicity), rate in RATES.items():
        step = 0.0005 * (multiplicity or (8 if forces == "direct" else 1))
        time = np.arange(round(2.0 / step) + 1) * step
        for replica in (1, 2):
            energy = 0.081 * (rate * time + 0.02 * rng.standard_normal(len(time)))
            temperature = 300 + rng.standard_normal(len(time))
            record = RunRecord(
                Method(engine, forces, multiplicity, 0.5), 81, 100.0 / (multiplicity or 1), time,
                energy - 4243.0, temperature, {"H": temperature * 1.01, "O": temperature * 0.98},
                replica, replica,
            )  # fmt: skip
            write_csv(record, folder / "series" / f"{record.name}.csv")
    return folder


@pytest.fixture(scope="module")
def script():
    """The command of the script."""
    spec = importlib.util.spec_from_file_location("make_energy_drift", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module.main


def make(script, document: Path, *options: str):
    return CliRunner().invoke(script, ["--document", str(document), *options])


def section(document: Path, name: str) -> str:
    begin = f"<!-- {name}: written by make_energy_drift.py -->"
    return document.read_text().split(begin)[1].split("<!-- end -->")[0]


def test_script_fills_in_tables_and_pictures(script, document, tmp_path):
    folders = [campaign(tmp_path / e, e, i) for i, e in enumerate(("lammps", "i-pi"))]
    options = ["--campaign", f"lammps={folders[0]}", "--campaign", f"ipi={folders[1]}"]
    done = make(script, document, *options)
    assert done.exit_code == 0, done.output
    runs = section(document, "runs")
    assert re.search(r"\| LAMMPS direct \| 2 × 2 \| 1[56]\.\d+ ± \S+ \| drifts \|", runs), runs
    assert re.search(r"\| LAMMPS MTS M=8 \| 2 × 2 \| [01]\.\d+ ± \S+ \| drifts \|", runs)
    assert re.search(
        r"\| i-PI conservative \| 2 × 2 \| \S+ ± \S+ \| conserves \| .* \| 1\.00 \| 1\.00 \|", runs
    )
    assert "From 2 independent starts at 300 K, inner step 0.5 fs" in runs
    assert "- LAMMPS direct does not conserve energy" in section(document, "findings")
    assert "| i-PI MTS M=4 | 1.010 ± 0.000 | 0.980 ± 0.000 |" in section(document, "elements")
    assert "- i-PI MTS M=4: H is 1.0 ± 0.0 % hotter than the mean" in section(document, "elements")
    engines = section(document, "engines")
    # independent noise of 0.02 in both
    found = re.search(r"\| conservative \| (\S+) \| (\S+) \|", engines)
    assert float(found[1]) == pytest.approx(0.02 * np.sqrt(2), rel=0.2)
    for name in ("energy-drift.png", "energy-drift-m.png"):
        assert (tmp_path / "images" / name).stat().st_size > 10_000
    # a second time changes nothing
    before = document.read_text()
    assert make(script, document, *options).exit_code == 0
    assert document.read_text() == before


def test_exploded_run_has_no_drift(script, document, tmp_path):
    folder = campaign(tmp_path / "lammps", "lammps", 0)
    for number in (1, 2):
        series = folder / "series" / f"lammps-direct-replica-{number}.csv"
        series.write_text("# exploded: step 100 (0.05 ps)\n" + series.read_text())
    done = make(script, document, "--campaign", f"lammps={folder}")
    assert done.exit_code == 0, done.output
    runs = section(document, "runs")
    assert "| LAMMPS direct | 2 × 2 | 2 of 2 exploded | drifts | - | - |" in runs, runs
    assert "LAMMPS direct" not in section(document, "elements")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --work, or --campaign"),
        (["--campaign", "gromacs=x"], "expected lammps=FOLDER or ipi=FOLDER, found 'gromacs=x'"),
        (["--campaign", "lammps=nowhere"], "cannot read nowhere/campaign.json"),
    ],
)
def test_script_refuses(script, document, options, message):
    done = make(script, document, *options)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_document_has_the_markers():
    for name in ("runs", "findings", "choice", "elements", "engines"):
        assert f"<!-- {name}: written by make_energy_drift.py -->" in TEXT
    assert TEXT.count("<!-- end -->") == 5


def test_python_of_the_document_runs():
    (code,) = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "conserves" in done.stdout


def test_library_imports_nothing_heavy():
    code = (
        "import sys; from md_bridge.drift import drift_statistics; "
        "assert not {'torch', 'matplotlib', 'physical_validation'} & set(sys.modules); "
        "import md_bridge.drift as drift; "
        "assert all(getattr(drift, name) is not None for name in drift.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
