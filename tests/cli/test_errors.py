"""Errors of the library become sentences about what was typed, and an exit status."""

import click
import pytest
from click.testing import CliRunner

from md_bridge.cli.command import Command
from md_bridge.cli.options import option
from md_bridge.errors import ArgumentError, MDBridgeError


class CampaignError(MDBridgeError):
    """By its name: a folder that belongs to other runs."""


def command(error):
    @click.command(cls=Command)
    @option("--ps", "length_ps", type=float)
    @option("--timestep", "timestep_fs", type=float)
    @option("-f", "--forces")
    def run(**_):
        raise error

    return CliRunner().invoke(run, [])


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (ArgumentError("length_ps", "must be positive"), 2, "--ps must be positive"),
        (
            ArgumentError("length_ps", "is shorter than timestep_fs"),
            2,
            "--ps is shorter than --timestep",
        ),
        (ArgumentError("forces", "'direkt' is none"), 2, "--forces 'direkt' is none"),
        (MDBridgeError("the model has no direct forces"), 1, "the model has no direct forces"),
        (MDBridgeError("timestep_fs is too long"), 1, "--timestep is too long"),
        (MDBridgeError("give ReadOptions(timestep_fs=...)"), 1, "give --timestep"),
        (MDBridgeError("choose ReadOptions(length_ps=2)"), 1, "choose --ps 2"),
        (CampaignError("holds other runs"), 2, "holds other runs"),
    ],
)
def test_a_sentence_and_a_status(error, status, sentence):
    result = command(error)
    assert result.exit_code == status
    assert result.stderr.splitlines()[-1] == f"Error: {sentence}"


def test_a_mistake_of_the_program_is_not_hidden():
    assert isinstance(command(ZeroDivisionError()).exception, ZeroDivisionError)
