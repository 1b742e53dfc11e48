"""The command ``md-bridge``: one file a subcommand, loaded when it is called."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

from md_bridge import __version__, _versions, extras

SUBCOMMANDS = {
    "check": ("md_bridge.cli.check", "check"),
    "demo": ("md_bridge.cli.demo", "demo"),
    "drift": ("md_bridge.cli.drift", "drift"),
    "evaluate": ("md_bridge.cli.evaluate", "evaluate"),
    "export": ("md_bridge.cli.export", "export"),
    "info": ("md_bridge.cli.info", "info"),
    "ipi-client": ("md_bridge.cli.ipi_client", "ipi_client"),
    "ipi-driver": ("md_bridge.cli.ipi_driver", "ipi_driver"),
    "ipi-input": ("md_bridge.cli.ipi_input", "ipi_input"),
    "ipi-run": ("md_bridge.cli.ipi_run", "ipi_run"),
    "lammps": ("md_bridge.cli.lammps", "lammps"),
    "tune": ("md_bridge.cli.tune", "tune"),
}


class LazyGroup(click.Group):
    """Imports a subcommand only when it is needed: torch takes seconds to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All subcommands, by name."""
        return sorted(SUBCOMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand.

        :raises click.ClickException: it needs a package of an extra that is not installed
        """
        try:
            with extras.missing_as_sentence("this command"):
                return super().invoke(ctx)
        except extras.MissingExtraError as error:
            raise click.ClickException(str(error)) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the subcommand."""
        if cmd_name not in SUBCOMMANDS:
            return None
        # said here, where it is a sentence; below it would be a traceback
        mismatch = _versions.mismatch()
        if mismatch is not None:
            raise click.ClickException(mismatch)
        module, attribute = SUBCOMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest subcommand if there is none of this name."""
        if args[0] in extras.COMMANDS and not set(args) & set(ctx.help_option_names):
            extras.require(*extras.COMMANDS[args[0]], wanted_by=f"md-bridge {args[0]}")
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], SUBCOMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(error.message.rstrip(".") + "." + hint, ctx) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="md-bridge")
def main() -> None:
    """Trained machine-learned potentials in LAMMPS and i-PI, with multiple time stepping.

    Start with `md-bridge demo`: it runs the bundled water model in both and shows what conserves
    energy and what does not.
    """
