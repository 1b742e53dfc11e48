"""Fixtures of the tests of commands."""

import pytest
from model_commands import MODULES


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(MODULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "my_models", raising=False)
    return tmp_path
