"""Other versions of the C++ packages than those compiled against are refused by a sentence."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from md_bridge import _build_info, _versions
from md_bridge.cli import main


def test_no_mismatch_here():
    assert _versions.mismatch() is None


@pytest.mark.parametrize("package", ["torch", "metatensor-torch", "metatomic-torch"])
def test_mismatch_names_both_versions_and_what_to_run(monkeypatch, package):
    monkeypatch.setitem(_build_info.COMPILED_AGAINST, package, "1.2.3")
    sentence = _versions.mismatch()
    assert f"compiled against {package} 1.2.3, but {package} " in sentence
    assert f"pip install {package}==1.2.3" in sentence
    with pytest.raises(ImportError, match="compiled against"):
        _versions.require_match()


def test_import_of_the_engine_fails_with_the_sentence():
    code = (
        "from md_bridge import _build_info; _build_info.COMPILED_AGAINST['torch'] = '9.9.9'\n"
        "import md_bridge.engine"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode != 0
    assert "ImportError: MD Bridge was compiled against torch 9.9.9, but torch" in result.stderr


def test_commands_say_the_sentence_without_a_traceback(monkeypatch):
    monkeypatch.setitem(_build_info.COMPILED_AGAINST, "torch", "1.2.3")
    result = CliRunner().invoke(main, ["info", "model.pt"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: MD Bridge was compiled against torch 1.2.3, but torch")


def test_importing_the_package_does_not_load_torch():
    code = (
        "import sys, md_bridge, md_bridge.cli, md_bridge.lammps; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
