"""MD Bridge in i-PI: a driver for its ``ffdirect`` forcefields, and a client for its sockets."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SOCKETS_PREFIX", "driver_path"]

SOCKETS_PREFIX = "/tmp/ipi_"
"""What i-PI puts before the name of a unix socket, unless it is told otherwise."""


def driver_path() -> Path:
    """Path of the file to name as ``<pes_path>`` where ``<pes>`` is ``custom``."""
    return Path(__file__).with_name("driver.py")
