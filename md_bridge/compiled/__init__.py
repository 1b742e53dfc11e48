"""Models compiled for the CPU of this machine."""

from md_bridge.compiled.api import compile_model

__all__ = ["compile_model"]
