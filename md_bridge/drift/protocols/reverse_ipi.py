"""i-PI there and back, as a program: ``python -m md_bridge.drift.protocols.reverse_ipi``.

Arguments: the input file, the number of outer steps each way, steps between frames, and the file
for the frames. i-PI's own input cannot turn velocities round, its Python interface can.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ipi.scripting.interactive import InteractiveSimulation
from ipi.utils.depend import dstrip
from ipi.utils.units import unit_to_user

__all__ = [
    "main",
]


def _there_and_back(
    simulation: InteractiveSimulation, steps: int, interval: int
) -> dict[str, np.ndarray]:
    """Frames on the way out and on the way back, both at outer steps 0, interval, ... steps.

    :param simulation: as i-PI has read it, of one system with one bead
    :param steps: outer steps of each way
    :param interval: outer steps between two frames
    :returns: ``forward`` and ``backward`` positions (frames, N, 3) in Å, ``energy`` at both ends in
        eV
    """
    system = simulation.syslist[0]
    angstrom = unit_to_user("length", "ase", 1.0)

    def frame() -> np.ndarray:
        return angstrom * np.array(dstrip(system.beads.q[0])).reshape(-1, 3)

    def travel() -> np.ndarray:
        frames = [frame()]
        for _ in range(steps // interval):
            simulation.run(interval)
            frames.append(frame())
        return np.array(frames)

    energy = [simulation.properties("conserved")]
    forward = travel()
    system.beads.p[0] = -np.array(dstrip(system.beads.p[0]))
    backward = travel()[::-1]
    energy.append(simulation.properties("conserved"))
    return {"forward": forward, "backward": backward, "energy": np.array(energy)}


def main(arguments: list[str]) -> None:
    """See the module.

    :param arguments: input file, outer steps, interval of the frames and the ``.npz`` file to be
        written
    :raises ValueError: another number of arguments, or a step that is no whole number
    """
    source, steps, interval, target = arguments
    with Path(source).open(encoding="utf-8") as stream:
        simulation = InteractiveSimulation(stream)
    found = _there_and_back(simulation, int(steps), int(interval))
    np.savez(target, forward=found["forward"], backward=found["backward"], energy=found["energy"])


if __name__ == "__main__":
    main(sys.argv[1:])
