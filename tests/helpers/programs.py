"""Programs that tests start: who runs where, and waiting for what they do."""

import os
import time
from pathlib import Path


def programs_in(folder):
    """Process numbers of the programs that work in a folder, from /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(entry) == str(folder):
                found.append(int(entry.parent.name))
        except OSError:  # it has just ended, or belongs to somebody else
            continue
    return found


def wait_until(condition, seconds):
    """Return when the condition holds, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
