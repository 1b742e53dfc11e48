"""``md-bridge lammps``: run LAMMPS with the environment set right."""

from __future__ import annotations

import os
import sys

import click

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.options import option

__all__ = [
    "lammps",
]


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge lammps -in in.water
        md-bridge lammps --ranks 4 --threads 2 -in in.water -var T 300
        md-bridge lammps --model python:my_model.py:make -in in.water
        """,
        {0: "that of lmp (or mpiexec), as all others", 1: "LAMMPS is not installed, or it failed"},
    ),
    # no short options: click would find them inside those of lmp (-in, -echo)
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["--help"],
    },
)
@option("--ranks", default=1, type=click.IntRange(min=1), help="Number of MPI ranks.")
@option(
    "--threads",
    type=click.IntRange(min=1),
    show_default="OMP_NUM_THREADS, or the cores divided by the ranks",
    help="Threads per rank.",
)
@option(
    "--model",
    metavar="MODEL",
    help="The variable ${model} of the input. One of Python (python:module:factory) runs LAMMPS "
    "inside of Python, on one rank.",
)
@option("--charge", type=float, metavar="E", help="Total charge of the system, with --model.")
@option(
    "--spin-multiplicity",
    type=float,
    metavar="M",
    help="Spin multiplicity, with --model: 1 for a singlet.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lammps(
    ranks: int,
    threads: int | None,
    model: str | None,
    charge: float | None,
    spin_multiplicity: float | None,
    arguments: tuple[str, ...],
) -> None:
    """Run lmp, or mpirun lmp, so that it finds MPI and pair_style mdbridge.

    ARGUMENTS are those of lmp. A plain `lmp` of the same environment does the same on one rank.
    Charge and spin multiplicity are in ${model} behind the model, as keywords of the pair style.
    """
    from md_bridge.lammps import environment, lmp_command
    from md_bridge.lammps.keywords import pair_style_keywords
    from md_bridge.model_names import is_python_model
    from md_bridge.model_options import ModelOptions

    words = pair_style_keywords(ModelOptions(charge=charge, spin_multiplicity=spin_multiplicity))
    if model is not None:
        arguments = ("-var", "model", f"{model}{words}", *arguments)
    elif words:
        raise click.UsageError(
            f"without --model there is no variable that could hold{words}: write it behind the "
            "model in the input, as pair_style mdbridge has it"
        )
    if model is not None and is_python_model(model):
        _run_inside(model, arguments, ranks, threads)
        return
    try:
        command, variables = lmp_command(arguments, ranks), environment(threads)
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from None
    sys.stdout.flush()
    # this process becomes lmp (or mpiexec), so that signals reach it and nothing is left behind
    os.execve(command[0], command, variables)


def _run_inside(model: str, arguments: tuple[str, ...], ranks: int, threads: int | None) -> None:
    """Run LAMMPS where the model is."""
    import md_bridge.engine  # noqa: F401 (whose pair style then finds models of Python)
    from md_bridge.lammps.inside import run_inside

    if ranks > 1:
        raise click.UsageError(
            f"--ranks must be 1 with the model {model}: Python evaluates whole structures"
        )
    run_inside(arguments, threads)
