"""Options that several commands have: one decorator each, with the default of the library."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from md_bridge.cli.command import Option
from md_bridge.model_names import is_python_model, require_model
from md_bridge.model_options import INNER_FORCES, ModelOptions

__all__ = [
    "EXISTING_FILE",
    "MODEL_SECTION",
    "Function",
    "Model",
    "Numbers",
    "Words",
    "chain",
    "extensions_option",
    "input_options",
    "json_option",
    "model_options",
    "option",
    "threads_option",
    "with_seed",
]

Function = TypeVar("Function", bound=Callable[..., Any])

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
MODEL_SECTION = "Model"
INNER_SECTION = "Inner model"
_MODEL = "md_bridge.model_options:ModelOptions"


class Model(click.ParamType):
    """A file that is there, or ``python:module:factory``, as a path."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """As the library takes it.

        :raises ArgumentError: Python finds no such module
        """
        if not is_python_model(value):
            return Path(EXISTING_FILE.convert(value, param, ctx))
        require_model("model", value)
        return Path(value)


class Numbers(click.ParamType):
    """Numbers with commas between them.

    :param what: they are, for the message
    """

    name = "numbers"

    def __init__(self, what: str) -> None:
        self.what = what

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """A tuple of them."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            return tuple(float(word) for word in value.split(","))
        except ValueError:
            self.fail(f"expected {self.what} with commas between them, found {value!r}", param, ctx)

    def shown(self, value: Any) -> str:
        """As a user types them."""
        return ",".join(f"{number:g}" for number in value)


class Words(click.ParamType):
    """Words, or whole numbers, with commas between them.

    :param convert: what each becomes
    :param what: they are, for the message
    """

    name = "list"

    def __init__(self, convert: type[str] | type[int], what: str) -> None:
        self._convert, self._what = convert, what

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str | int, ...]:
        """A tuple of them."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            return tuple(self._convert(word.strip()) for word in value.split(",") if value)
        except ValueError:
            self.fail(
                f"expected {self._what} with commas between them, found {value!r}", param, ctx
            )

    def shown(self, value: Any) -> str:
        """As a user types them."""
        return ",".join(str(word) for word in value)


def option(*names: str, **attributes: Any) -> Callable[[Function], Function]:
    """``click.option`` with :class:`~md_bridge.cli.command.Option`."""
    return click.option(*names, cls=Option, **attributes)


def json_option(what: str) -> Callable[[Function], Function]:
    """``--json``.

    :param what: is printed: "the summary"
    """
    return option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON, and no table.")


def extensions_option(section: str = MODEL_SECTION) -> Callable[[Function], Function]:
    """``--extensions``."""
    return option(
        "--extensions",
        of=_MODEL,
        section=section,
        metavar="FOLDER",
        help="Folder of compiled TorchScript extensions.",
    )


def threads_option(section: str = MODEL_SECTION) -> Callable[[Function], Function]:
    """``--threads``."""
    return option(
        "--threads",
        of=_MODEL,
        type=click.IntRange(min=0),
        section=section,
        show_default=False,
        help="Threads; 0: OMP_NUM_THREADS, or the free cores.",
    )


def model_options(
    *,
    symmetrize: bool = True,
    seed: bool = False,
    uncertainty: bool = False,
    inner: bool = False,
    correction: bool = False,
) -> Callable[[Any], Any]:
    """What a user may say of a model besides its file, gathered in a parameter ``model_options``.

    :param symmetrize: whether the model is evaluated by the engine, which can average over copies
    :param seed: with ``--seed``, for commands that draw no other random numbers
    :param uncertainty: with ``--uncertainty-variant``, for commands that hand uncertainties on
    :param inner: with ``--inner`` and what belongs to it, for commands with multiple time stepping
    :param correction: with ``--max-correction``, for those that run it
    """
    decorators = {
        "variant": _of_model(
            "--variant", "Variant of the outputs: pbe for energy/pbe.", "-V", metavar="NAME"
        ),
        "direct_variant": _of_model(
            "--direct-variant", "Variant of the direct forces, if another one.", metavar="NAME"
        ),
        "uncertainty_variant": _of_model(
            "--uncertainty-variant", "Variant of the uncertainty, if another one.", metavar="NAME"
        ),
        "device": _of_model("--device", "Device: cpu, cuda or cuda:N."),
        "extensions": extensions_option(),
        "symmetrize": _of_model(
            "--symmetrize",
            "Average over copies: octahedral, lebedev:6, ….",
            metavar="SET",
            show_default=False,
        ),
        "direct_symmetrize": _of_model(
            "--direct-symmetrize",
            "Of direct forces: none for inner steps of mts:M.",
            metavar="SET",
            show_default=False,
        ),
        "seed": _of_model("--seed", "Seed of --symmetrize random.", type=click.IntRange(min=0)),
        **_INPUTS,
        "threads": threads_option(),
        "max_correction": _of_model(
            "--max-correction",
            "Largest relative correction of mts:M.",
            type=float,
            metavar="X",
            show_default=False,
        ),
        **_INNER,
    }
    left_out = {
        "symmetrize": symmetrize,
        "seed": seed,
        "uncertainty_variant": uncertainty,
        "max_correction": correction,
        **dict.fromkeys(_INNER, inner),
        "inner_symmetrize": inner and symmetrize,
        "direct_symmetrize": inner and symmetrize,
    }
    for name, wanted in left_out.items():
        if not wanted:
            del decorators[name]

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def gathered(**values: Any) -> Any:
            chosen = {name: values.pop(name) for name in decorators}
            return function(model_options=ModelOptions(**chosen), **values)

        return chain(decorators.values())(gathered)

    return decorate


def _of_model(
    name: str, help: str, *more: str, section: str = MODEL_SECTION, **attributes: Any
) -> Callable[[Any], Any]:
    return option(name, *more, of=_MODEL, section=section, help=help, **attributes)


def _of_inner(name: str, help: str, **attributes: Any) -> Callable[[Any], Any]:
    return _of_model(name, help, section=INNER_SECTION, show_default=False, **attributes)


_INNER = {
    "inner": _of_inner(
        "--inner",
        "Cheaper model for the inner forces of mts:M.",
        type=click.Path(),
        metavar="MODEL",
    ),
    "inner_forces": _of_inner(
        "--inner-forces",
        "Direct or conservative; auto: direct if any.",
        type=click.Choice(INNER_FORCES),
        metavar="KIND",
    ),
    "inner_variant": _of_inner("--inner-variant", "Variant of its outputs.", metavar="NAME"),
    "inner_symmetrize": _of_inner("--inner-symmetrize", "Average its forces, too.", metavar="SET"),
}
"""What is said of a second model, by the names of the fields of :class:`ModelOptions`."""
_INPUTS = {
    "charge": _of_model(
        "--charge",
        "Total charge of each structure.",
        type=float,
        metavar="E",
        hidden=True,  # for few models, and the help is full
    ),
    "spin_multiplicity": _of_model(
        "--spin-multiplicity",
        "Spin multiplicity: 1 for a singlet.",
        type=float,
        metavar="M",
        hidden=True,
    ),
}


def input_options(function: Any) -> Any:
    """``--charge`` and ``--spin-multiplicity``, as parameters of their own."""
    return chain(_INPUTS.values())(function)


def with_seed(options: ModelOptions, seed: int) -> ModelOptions:
    """The options of a model in a command whose ``--seed`` is that of all random numbers."""
    return replace(options, seed=seed) if options.is_random else options


def chain(
    decorators: Iterable[Callable[[Any], Any]],
) -> Callable[[Any], Any]:
    """Several decorators in one, the first of them on top."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(list(decorators)):
            function = decorator(function)
        return function

    return decorate
