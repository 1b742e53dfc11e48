"""Look into a built wheel: does it hold our libraries only, and nothing of the machine it was
built on?

    python scripts/check_wheel_contents.py dist/md_bridge-*.whl
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

LIBRARIES = {
    "md_bridge/_core*.so",
    "md_bridge/lib/libmdbridge.so",
    "md_bridge/lib/libmdbridge_ipi.so",
    "md_bridge/lib/libmdbridge_lammps.so",
    "md_bridge/plugins/mdbridgeplugin.so",
}
PINNED = ("torch", "metatensor-torch", "metatomic-torch", "vesin")
LARGEST = 20_000_000
"""Bytes; what other packages bring would be hundreds of megabytes."""


def problems(wheel: Path) -> list[str]:
    """What is wrong with a wheel, one sentence each."""
    found = []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        root = Path(folder)
        libraries = sorted(root.rglob("*.so*"))
        expected = {path for pattern in LIBRARIES for path in root.glob(pattern)}
        for pattern in LIBRARIES:
            if not list(root.glob(pattern)):
                found.append(f"expected {pattern} in the wheel: it is missing")
        for path in libraries:
            if path not in expected:
                found.append(f"{path.relative_to(root)} is none of our libraries")
            found += [f"{path.relative_to(root)}: {text}" for text in foreign_paths(path)]
        metadata = next(root.glob("*.dist-info/METADATA")).read_text(encoding="utf-8")
        found += wrong_requirements(Parser().parsestr(metadata))
    if wheel.stat().st_size > LARGEST:
        found.append(f"it has {wheel.stat().st_size} bytes, more than {LARGEST}")
    return found


def foreign_paths(library: Path) -> list[str]:
    """Paths of the build machine in a library: where it searches, and in its texts."""
    found = []
    dynamic = subprocess.run(
        ["readelf", "-d", library], capture_output=True, text=True, check=True
    ).stdout
    for paths in re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic):
        absolute = [path for path in paths.split(":") if not path.startswith("$ORIGIN")]
        found += [f"it searches for libraries in {path}" for path in absolute]
    texts = re.findall(rb"[\x20-\x7e]{4,}", library.read_bytes())
    for text in {text for text in texts if _of_a_machine(text)}:
        found.append(f"a path of this machine is in it: {text.decode()}")
    return sorted(found)


def _of_a_machine(text: bytes) -> bool:
    here = str(Path(__file__).resolve().parents[1]).encode()
    return here in text or b"/site-packages/" in text or text.startswith(b"../")


def wrong_requirements(metadata: Message) -> list[str]:
    """Packages that it was compiled against, but does not require at that version."""
    required = metadata.get_all("Requires-Dist") or []
    return [
        f"it does not require the {package} that it was compiled against"
        for package in PINNED
        if not any(re.match(rf"{package}\s*==", entry) for entry in required)
    ]


if __name__ == "__main__":
    wheels = [Path(argument) for argument in sys.argv[1:]]
    if not wheels:
        sys.exit("usage: python scripts/check_wheel_contents.py WHEEL...")
    failed = False
    for path in wheels:
        for problem in problems(path):
            print(f"{path}: {problem}", file=sys.stderr)
            failed = True
    sys.exit(1 if failed else 0)
