"""What runs the network can be exchanged: nothing above it knows how it differentiates."""

from pathlib import Path

import cpp_programs
import pytest
import torch

from md_bridge.engine import Engine, ModelError

HERE = Path(__file__).parent
ENGINE = HERE.parents[1] / "csrc" / "engine"


def test_a_backend_whose_gradients_are_outputs(tmp_path):
    folder = cpp_programs.build(
        HERE / "second_backend",
        tmp_path,
        torch.utils.cmake_prefix_path,
        ENGINE_SOURCE_DIR=str(ENGINE),
    )
    assert cpp_programs.run(folder / "second_backend").strip() == "same"


def test_the_content_of_a_file_says_who_runs_it(tmp_path, model_file):
    """A model under any name; a zip archive of torch that holds no code."""
    plain = tmp_path / "model.without.the.usual.suffix"
    plain.write_bytes(model_file("curl").read_bytes())
    assert Engine(plain).info.cutoff > 0
    torch.save({"weights": torch.zeros(3)}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match=r"checkpoint.pt': expected a model exp.* no whole Torch"):
        Engine(tmp_path / "checkpoint.pt")


def test_autograd_is_the_business_of_one_backend():
    words = ("requires_grad", "autograd", "AutoGradMode", "NoGrad", "detach")
    for file in sorted(ENGINE.rglob("*.?pp")):
        if file.stem != "backend_torchscript":
            text = file.read_text()
            assert not [word for word in words if word in text], file.name
