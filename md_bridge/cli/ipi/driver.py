"""``md-bridge ipi-driver``: where i-PI finds the driver."""

import click

from md_bridge.cli.command import Command, epilog

__all__ = [
    "ipi_driver",
]


@click.command("ipi-driver", cls=Command, epilog=epilog("md-bridge ipi-driver"))
def ipi_driver() -> None:
    """Print what to write for <pes_path> in i-PI's <ffdirect>.

    \b
      <ffdirect name="conservative">
        <pes> custom </pes>
        <pes_path> (what this command prints) </pes_path>
        <parameters>
          { model: model.pt, template: start.xyz, forces: conservative }
        </parameters>
      </ffdirect>
    """
    from md_bridge.ipi import driver_path

    click.echo(driver_path())
