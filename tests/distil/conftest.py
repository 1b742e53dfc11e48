"""A small teacher with known answers, and requests for the smallest student of it."""

import distil_tools
import pytest

from md_bridge.distil import DistilRequest
from md_bridge.model_options import ModelOptions


@pytest.fixture(autouse=True)
def quick_costs(monkeypatch):
    """Costs are measured in a few rounds, however short: their values are in no test."""
    monkeypatch.setattr("md_bridge.export.checks.costs._LEAST_TIME", 0.0)


@pytest.fixture
def request_of(model_file, tmp_path):
    """A request, changed by keywords."""

    def made(**changes):
        values = {
            "teacher": model_file("curl"),
            "starts": [distil_tools.argon()],
            "out": tmp_path / "inner.pt",
            "temperatures_k": (30.0, 60.0),
            "frames": 28,
            "steps": 12,
            "tune": False,
            "model_options": ModelOptions(device="cpu", threads=1),
        }
        return DistilRequest(**{**values, **changes})

    return made
