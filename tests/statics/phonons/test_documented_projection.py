"""The Python of docs/phonons.md: force constants of ASE are projected on the space group."""

import re
from pathlib import Path

import ase.io
import crystals
import numpy as np
import pytest

from md_bridge.model_options import ModelOptions
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.phonons.force_constants import finite_differences
from md_bridge.statics.phonons.violations import measure_violations
from md_bridge.statics.rows import Row

PAGE = Path(__file__).parents[3] / "docs" / "phonons.md"


def test_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crystals.springs(legendre={2: 0.05}).export("model.pt")
    ase.io.write("cell.xyz", crystals.fcc())
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    crystal, operations, raw = names["crystal"], names["operations"], names["compact"]
    assert len(operations) == 48
    evaluator = Evaluator("model.pt", ModelOptions(), Row("conservative"))
    assert raw == pytest.approx(finite_differences(evaluator, crystal, 0.01), abs=1e-6)
    assert measure_violations(crystal, operations, raw).space_group > 1e-3
    left = measure_violations(crystal, operations, names["corrected"])
    assert left.space_group < 1e-12
    full = names["force_constants"]
    assert full.shape == (8, 8, 3, 3)
    assert np.array_equal(crystal.compact(full), names["corrected"])
