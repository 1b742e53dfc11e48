"""``md-bridge info`` and ``md-bridge check``, as a user types them."""

import json
import os
import re

import ase
import ase.build
import ase.io
import models
import pytest
from model_commands import argon_crystal, message, run
from pet_models import pet_checkpoint

from md_bridge.cli import main
from md_bridge.cli.models.check import check
from md_bridge.cli.models.info import info


def test_info(folder):
    metadata = {"name": "argon", "references": {"model": ["10.1000/1"]}, "extra": {"trained": "no"}}
    models.curl().export("m.pt", metadata=metadata)
    facts = json.loads(run(info, "m.pt", "--json").stdout)
    assert facts["name"] == "argon"
    assert facts["elements"] == ["Ar"]
    assert facts["cutoffs_A"] == [6.0]
    assert facts["interaction_range_A"] == 6.0
    assert facts["dtype"] == "float64"
    assert facts["bytes"] == os.path.getsize("m.pt")
    assert [output["name"] for output in facts["outputs"]] == [
        "energy",
        "non_conservative_force",
        "non_conservative_stress",
    ]
    text = run(info, "m.pt").output
    for part in ("argon", "6 Å", "float64", "10.1000/1", "trained"):
        assert part in text


def test_info_of_something_else(folder):
    result = run(info, "my_models.py")
    assert result.exit_code == 1
    assert "is not a model file" in message(result)
    pet_checkpoint("tiny.ckpt", elements=[8])
    assert "export it first: md-bridge export" in message(run(info, "tiny.ckpt"))


def test_check_on_structures_of_the_user(folder):
    models.curl(0.01).export("m.pt")
    ase.io.write("s.xyz", [argon_crystal(seed) for seed in range(3)])
    result = run(check, "m.pt", "s.xyz", "--json")
    assert result.exit_code == 0, result.output
    checks = {c["name"]: c for c in json.loads(result.stdout)["checks"]}
    assert checks["forces = -dE/dx"]["passed"]
    assert checks["direct = conservative"]["value"] > 1.0
    assert "cosine" in checks["direct = conservative"]["detail"]


@pytest.mark.parametrize("old", [[], ["--strict"]])
def test_a_failed_check_is_an_exit_status(folder, old):
    models.lennard_jones().export("m.pt")  # jumps at its cutoff
    result = run(main, "check", "m.pt", *old)
    assert result.exit_code == 3
    assert re.search(r"smoothness of dimers\s+FAILED", result.output)
    assert "check(s) failed: " in result.stderr
    assert "smoothness of dimers" in result.stderr
    assert ("--strict is what happens without it" in result.stderr) is bool(old)
    assert run(check, "m.pt", "--lenient").exit_code == 0


def test_check_of_unknown_elements(folder):
    models.lennard_jones().export("m.pt")
    ase.io.write("s.xyz", ase.build.molecule("H2O"))
    result = run(check, "m.pt", "s.xyz")
    assert result.exit_code == 1
    assert "has H, O, which the model does not know; it knows Ar" in message(result)
    assert "none.xyz does not exist" in message(run(check, "m.pt", "none.xyz"))


def test_check_uses_the_elements_of_the_user(folder):
    """A model of argon and krypton, of which the user has krypton only."""
    seen = []

    def record(runner, elements):
        seen.append(list(elements))

    models.lennard_jones_mixture().export("m.pt")
    ase.io.write("s.xyz", ase.build.bulk("Kr", "fcc", a=5.7, cubic=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("md_bridge.export.checks.checks.check_isolated_atoms", record)
        run(check, "m.pt", "s.xyz")
        run(check, "m.pt")
    assert seen == [[36], [18, 36]]


def test_check_says_that_the_stress_was_not_checked(folder):
    models.curl().export("m.pt")
    cluster = argon_crystal(0)
    cluster.pbc = False
    ase.io.write("s.xyz", cluster)
    assert "not checked: no structure is periodic in all directions" in message(
        run(check, "m.pt", "s.xyz")
    )
