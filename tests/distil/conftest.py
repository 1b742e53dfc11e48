"""A small teacher with known answers, and requests for the smallest student of it."""

import shutil
from dataclasses import replace

import distil_tools
import pytest

from md_bridge.distil import DistilRequest
from md_bridge.model_options import ModelOptions


@pytest.fixture(autouse=True)
def quick_costs(monkeypatch):
    """Costs are measured in a few rounds, however short: their values are in no test."""
    monkeypatch.setattr("md_bridge.export.checks.costs._LEAST_TIME", 0.0)


def _request(teacher, folder, changes):
    values = {
        "teacher": teacher,
        "starts": [distil_tools.argon()],
        "out": folder / "inner.pt",
        "temperatures_k": (30.0, 60.0),
        "frames": 28,
        "steps": 12,
        "tune": False,
        "model_options": ModelOptions(device="cpu", threads=1),
    }
    return DistilRequest(**{**values, **changes})


@pytest.fixture
def request_of(model_file, tmp_path):
    """A request, changed by keywords."""

    def made(**changes):
        return _request(model_file("curl"), tmp_path, changes)

    return made


@pytest.fixture(scope="session")
def _made_once(model_file, tmp_path_factory):
    request = _request(model_file("curl"), tmp_path_factory.mktemp("student"), {})
    return distil_tools.quietly(request)


@pytest.fixture
def reference(_made_once, tmp_path):
    """What the request without changes makes, in files of this test's own."""
    path, folder = tmp_path / "reference.pt", tmp_path / "reference.distil"
    shutil.copy(_made_once.path, path)
    shutil.copytree(_made_once.folder, folder)
    return replace(_made_once, path=path, folder=folder)
