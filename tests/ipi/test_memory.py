"""One copy of the model in memory, however many forcefields ask for it."""

import json
import subprocess
import sys

import ase.io
import models
import torch
from ipi_tools import argon, environment

# A copy of this model is a quarter of what a process with torch occupies.
BALLAST = 2**24  # float64, 128 MiB

# Resident memory (kB) with one forcefield, and with two; all evaluated.
SCRIPT = """
import json, re, sys
import ase.io
from md_bridge.ipi.driver import MDBridgeDriver

atoms = ase.io.read("start.xyz")

def resident():
    for driver in drivers:
        for _ in range(3):
            driver(1.8897261 * atoms.cell.array.T, 1.8897261 * atoms.positions)
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1))

options = {"model": "heavy.pt", "template": "start.xyz"}
drivers = [MDBridgeDriver(forces="conservative", **options)]
one = resident()
drivers.append(MDBridgeDriver(forces="direct", **options))
print(json.dumps([one, resident()]))
"""


class HeavyCurl(torch.nn.Module):
    """The analytic model, and numbers that it carries along."""

    def __init__(self):
        super().__init__()
        self.light = models.Curl(1e-3, 0.0104, 3.4, cutoff=6.0)
        self.register_buffer("ballast", torch.zeros(BALLAST, dtype=torch.float64))

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        outputs: dict[str, torch.Tensor] = self.light(
            types, positions, cell, pairs, shifts, structure
        )
        outputs["energy"] = outputs["energy"] + self.ballast[0]
        return outputs


def test_two_forcefields_hold_one_model(tmp_path):
    ase.io.write(tmp_path / "start.xyz", argon())
    models.AnalyticModel(HeavyCurl(), ["Ar"], 6.0).export(tmp_path / "heavy.pt")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    one, two = json.loads(done.stdout.splitlines()[-1])
    model = BALLAST * 8 / 1024
    assert one > model  # it is in there
    assert two < 1.1 * one
    assert 1.1 * one < one + model  # a second copy would be seen
