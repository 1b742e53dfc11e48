"""What is built requires the versions that it was compiled against, and accepts their kin."""

import importlib.metadata

from md_bridge import _build_info, _versions


def test_the_package_requires_what_it_was_compiled_against():
    required = importlib.metadata.requires("md-bridge")
    for package, number in _build_info.COMPILED_AGAINST.items():
        assert any(entry.startswith(f"{package}=={number}") for entry in required), package


def test_other_releases_of_the_same_series_are_accepted(monkeypatch):
    installed = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "2.13.7+cpu" if name == "torch" else installed(name),
    )
    monkeypatch.setitem(_build_info.COMPILED_AGAINST, "torch", "2.13")
    assert _versions.mismatch() is None
    monkeypatch.setitem(_build_info.COMPILED_AGAINST, "torch", "2.1")
    assert "run `pip install 'torch==2.1.*'`" in _versions.mismatch()
