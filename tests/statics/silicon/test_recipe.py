"""examples/silicon/make_model.sh makes a model, from labels to errors, in one epoch."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from md_bridge.engine import Engine, Wanted

FOLDER = Path(__file__).parents[3] / "examples" / "silicon"


@pytest.mark.slow
def test_make_model(tmp_path):
    example = tmp_path / "silicon"
    shutil.copytree(FOLDER, example)
    script = (example / "make_model.sh").read_text()
    few = script.replace("python make_data.py\n", "python make_data.py --share 0.01 --starts 2\n")
    assert few != script
    (example / "make_model.sh").write_text(few)
    options = (example / "options.yaml").read_text()
    short, changed = re.subn(r"num_epochs: \d+", "num_epochs: 1", options)
    assert changed == 1
    (example / "options.yaml").write_text(short)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", example / "make_model.sh"],
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    Engine(example / "silicon.pt").require(Wanted(direct_forces=True, conservative_forces=True))
    assert (example / "stillinger-weber.pt").exists()
    assert "eV" in done.stdout
