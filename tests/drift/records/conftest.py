"""Logs of real runs, made once for a file of tests."""

from pathlib import Path

import pytest

from md_bridge.lammps import run_lmp


@pytest.fixture(scope="module")
def lammps_log(tmp_path_factory):
    """A function from an input to the log of `lmp`, which may fail."""
    done: dict[str, Path] = {}

    def log(text: str) -> Path:
        if text not in done:
            folder = tmp_path_factory.mktemp("lammps")
            (folder / "in.lammps").write_text(text)
            ended = run_lmp(["-in", "in.lammps"], cwd=folder, threads=1, capture_output=True)
            (folder / "screen.txt").write_bytes(ended.stdout)
            done[text] = folder / "log.lammps"
        return done[text]

    return log
