"""The root of all errors that MD Bridge raises on purpose."""

from __future__ import annotations

__all__ = ["ArgumentError", "MDBridgeError"]


class MDBridgeError(Exception):
    """Something that the caller can mend; the message says what was found and what to do.

    Every error class of this package derives from it, besides a standard class where one fits:
    ``except MDBridgeError`` catches them all.
    """


class ArgumentError(MDBridgeError, ValueError):
    """An argument that cannot be; the message begins with its name.

    :ivar argument: name of the argument, as Python has it; a command line has an option for it
    :param argument: name of the argument, as Python has it
    :param problem: the rest of the message, what follows the name
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument} {problem}")
        self.argument = argument
        self.problem = problem
