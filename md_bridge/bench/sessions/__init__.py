"""What is measured, as a process that waits between its turns."""

from md_bridge.bench.sessions.session import Burst, Session

__all__ = ["Burst", "Session"]
