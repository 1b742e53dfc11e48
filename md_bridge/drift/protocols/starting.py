"""The start of a protocol that runs dynamics: the structure with velocities of its own."""

from __future__ import annotations

from ase import Atoms

from md_bridge.drift.protocols.base import Progress, ProtocolRequest
from md_bridge.drift.runs.starts import thermalise, write_start

__all__ = ["thermalised_start"]


def thermalised_start(
    request: ProtocolRequest, equilibration_ps: float, progress: Progress
) -> Atoms:
    """The start with velocities of its own, as every replica of a campaign has them.

    :param request: model, structure, temperature, time step and seed; its folder, which is there,
        gets ``start.xyz``
    :param equilibration_ps: length of the thermostatted run (ps); 0: new velocities only
    :param progress: called with a text and the share done, from 0 to 1
    :raises md_bridge.engine.EngineError: the model cannot be loaded or fails
    :raises OSError: the folder cannot be written into
    """
    from md_bridge.ase import MDBridgeCalculator
    from md_bridge.engine import set_threads

    set_threads(request.threads)
    steps = round(1000 * equilibration_ps / request.timestep_fs)
    start = thermalise(
        request.start,
        MDBridgeCalculator(request.model, **request.model_options.engine_keywords()),
        request.temperature,
        request.timestep_fs,
        steps,
        request.seed,
        lambda done: progress("thermalise", done / steps),
    )
    write_start(start, request.folder / "start.xyz")
    return start
