"""A client of i-PI's sockets: the Python face of ``csrc/ipi/client.hpp``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from md_bridge.ipi import SOCKETS_PREFIX
from md_bridge.ipi.session import Session

from md_bridge import _core  # isort: skip (md_bridge.ipi.session loads the libraries that it needs)

__all__ = ["Client"]


class Client:
    """Answers forcefields of i-PI over sockets with one session, from one thread.

    :param session: from :func:`md_bridge.ipi.session.open_session`
    :param services: where forcefields listen and what they want: "unix:NAME", "shm:NAME" or
        "HOST:PORT", each with or without "=conservative" or "=direct"
    :param timeout: how long to wait for i-PI to open its sockets, s
    :param stall_timeout: how long a message may stop half-way, s
    :param sockets_prefix: what i-PI puts before the name of a unix socket
    :param log: called with each line about what happens
    :raises EngineError: if an address makes no sense, or the model lacks the forces
    """

    def __init__(
        self,
        session: Session,
        services: Sequence[str],
        *,
        timeout: float = 30.0,
        stall_timeout: float = 60.0,
        sockets_prefix: str = SOCKETS_PREFIX,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self.session = session
        self._client = _core.IpiClient(
            session,
            list(services),
            timeout=timeout,
            stall_timeout=stall_timeout,
            sockets_prefix=sockets_prefix,
            log=log or (lambda line: None),
        )

    def run(self) -> None:
        """Connect, and answer until i-PI says EXIT.

        Python's signal handlers run meanwhile, and end it if they raise.

        :raises EngineError: if there is no server, if it goes away or sends nonsense, or if the
            model fails
        """
        self._client.run()
