"""The parser of the i-PI protocol under AddressSanitizer."""

import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[3] / "csrc"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_damaged_conversations(tmp_path):
    program = tmp_path / "fuzz"
    sources = [Path(__file__).with_name("fuzz_ipi_protocol.cpp"), CSRC / "ipi" / "protocol.cpp"]
    command = [
        "c++",
        "-std=c++20",
        "-O1",
        "-g",
        *SANITIZE,
        f"-I{CSRC}",
        f"-I{CSRC}/engine/include",
        *sources,
        "-o",
        program,
    ]
    subprocess.run(list(map(str, command)), check=True)
    run = subprocess.run([program, "20000"], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr[-4000:]
