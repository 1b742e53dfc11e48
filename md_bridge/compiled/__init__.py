"""Models compiled for the CPU of this machine."""

from md_bridge.compiled.api import compile_model
from md_bridge.compiled.package import extract_torchscript, is_compiled, read_description

__all__ = ["compile_model", "extract_torchscript", "is_compiled", "read_description"]
