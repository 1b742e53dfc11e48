"""The command ``md-bridge``: one file a subcommand, loaded when it is called.

``models``, ``statics``, ``lammps``, ``ipi``, ``energy`` and ``bench`` are the groups of the help.
What commands share: ``command`` (the look of a help, defaults from the library), ``options``
(decorators), ``errors`` (sentences and exit statuses), ``progress``, ``results``, ``signals``,
``tables``.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import click

from md_bridge import __version__, _versions, extras
from md_bridge.cli.command import Group
from md_bridge.cli.old_spellings import modernise
from md_bridge.cli.signals import INTERRUPTED

__all__ = ["main"]


class Subcommand(NamedTuple):
    """Where a subcommand is, and what it does in a line."""

    module: str
    attribute: str
    summary: str


SECTIONS = {
    "Models": {
        "export": Subcommand(
            "models.export", "export", "Make a file that all hosts run from a trained model."
        ),
        "info": Subcommand("models.info", "info", "Say what a model is: elements, range, outputs."),
        "check": Subcommand(
            "models.check", "check", "Check forces, symmetries, range, smoothness."
        ),
        "certify": Subcommand(
            "models.certify", "certify", "Certify a file in this installation: a page to sign."
        ),
        "symmetry": Subcommand(
            "models.symmetry", "symmetry", "Measure how results change with the orientation."
        ),
        "evaluate": Subcommand(
            "models.evaluate", "evaluate", "Compare a model with labelled structures."
        ),
        "compare": Subcommand(
            "models.compare", "compare", "Compare models: which one to trust, in one table."
        ),
        "compile": Subcommand(
            "models.compile", "compile_", "Compile a model for this CPU: up to twice as fast."
        ),
        "distil": Subcommand(
            "models.distil", "distil", "Make a small student for the inner steps."
        ),
    },
    "Structure": {
        "relax": Subcommand(
            "statics.relax", "relax", "Relax structures, with all kinds of forces."
        ),
        "phonons": Subcommand(
            "statics.phonons", "phonons", "Phonons of a crystal, with all kinds of forces."
        ),
    },
    "LAMMPS": {
        "lammps": Subcommand("lammps", "lammps", "Run lmp with MPI and pair_style mdbridge."),
    },
    "i-PI": {
        "ipi-input": Subcommand("ipi.input", "ipi_input", "Write an input that runs as it stands."),
        "ipi-run": Subcommand("ipi.run", "ipi_run", "Run i-PI together with its clients."),
        "ipi-client": Subcommand("ipi.client", "ipi_client", "Answer i-PI over its sockets."),
        "ipi-driver": Subcommand("ipi.driver", "ipi_driver", "Print what <pes_path> wants."),
    },
    "Energy": {
        "demo": Subcommand("energy.demo", "demo", "Run the bundled water model: start here."),
        "drift": Subcommand("energy.drift", "drift", "Run NVE with a model: is energy conserved?"),
        "judge": Subcommand("energy.judge", "judge", "Judge runs that you have, from any code."),
        "protocol": Subcommand(
            "energy.protocol",
            "protocol",
            "Test forces and dynamics in other ways.",
        ),
        "tune": Subcommand("energy.tune", "tune", "Find the largest M that conserves energy."),
    },
    "Speed": {
        "bench": Subcommand("bench", "bench", "Measure speed beside the alternatives."),
    },
}
"""Subcommands as the help groups them."""

SUBCOMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class LazyGroup(Group):
    """Imports a subcommand only when it is called: torch takes seconds to load, and where it cannot
    be loaded the help is wanted most."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All subcommands, in the order of the help."""
        return list(SUBCOMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand.

        :raises click.ClickException: it needs a package of an extra that is not installed
        :raises SystemExit: Ctrl-C, also while it is imported
        """
        try:
            with extras.missing_as_sentence("this command"):
                return super().invoke(ctx)
        except extras.MissingExtraError as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise SystemExit(INTERRUPTED) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the subcommand.

        :raises click.ClickException: torch is not the one that this package was compiled against
        """
        if cmd_name not in SUBCOMMANDS:
            return None
        # said here, where it is a sentence; below it would be a traceback
        mismatch = _versions.mismatch()
        if mismatch is not None:
            raise click.ClickException(mismatch)
        entry = SUBCOMMANDS[cmd_name]
        module = importlib.import_module(f"{__name__}.{entry.module}")
        command = getattr(module, entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; old spellings are read as what they are now.

        :raises MissingExtraError: it needs an extra that is not installed
        """
        args = modernise(args)
        if args[0] in extras.COMMANDS and not set(args) & set(ctx.help_option_names):
            extras.require(*extras.COMMANDS[args[0]], wanted_by=f"md-bridge {args[0]}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups; nothing is imported."""
        width = max(map(len, SUBCOMMANDS))
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(width), entry.summary) for name, entry in entries.items()]
                )


EPILOG = """\b
Exit status:
  0    all went well
  1    an error, with a sentence that says which
  2    bad options
  3    a test was not passed
  130  interrupted (143 terminated, 129 hung up)
Each command's own --help says what they mean there.
"""


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="md-bridge")
def main() -> None:
    """Trained machine-learned potentials in LAMMPS and i-PI, with multiple time stepping.

    Start with `md-bridge demo`: it runs the bundled water model in both and shows what conserves
    energy and what does not.
    """
