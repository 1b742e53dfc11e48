"""Files made to be wrong: the right check fails, with the right sentence; sound ones pass."""

import json

import ase.io
import models
import pytest
import wrong_models
from model_commands import argon_crystal, message, run

from md_bridge.certify import CertifyRequest, Outcome, certify
from md_bridge.cli.models.certify import certify as command


def certified(model, folder, *only, **settings):
    ase.io.write(folder / "start.xyz", argon_crystal(0))
    path = model.export(folder / "model.pt", settings.pop("dtype", "float64"), **settings)
    request = CertifyRequest(path, (folder / "start.xyz",), only=only)
    return certify(request, folder / "out")


# fault -> model, options of its export, check, rows that fail, what one of them says
WRONG = {
    "float16 inside": (
        wrong_models.half_inside,
        {"dtype": "float32"},
        "precision",
        {"rounding of forces"},
        "something inside the model is computed in half precision",
    ),
    "float16 inside, in a file that says float64": (
        wrong_models.half_inside,
        {},
        "precision",
        {"rounding of forces"},
        "export it without casts and without autocast",
    ),
    "cancellation": (
        wrong_models.cancelling,
        {"dtype": "float32"},
        "precision",
        {"float32 = float64"},
        "the file's own precision is not enough",
    ),
    "range too short": (
        models.two_layers,
        {"layers": 1},
        "range",
        {"locality"},
        "It holds for 2 × the cutoff = 8 Å: state that with md-bridge export (--layers 2",
    ),
    "order of atoms": (
        lambda: wrong_models.weighted(of_pairs=False),
        {},
        "order",
        {"permutation"},
        "sum over atoms without looking at their indices",
    ),
    "order of pairs": (
        lambda: wrong_models.weighted(of_pairs=True),
        {},
        "order",
        {"order of pairs"},
        "use no index of a pair but those of its atoms",
    ),
    "jump at the cutoff": (
        models.lennard_jones,
        {},
        "smoothness",
        {"smoothness of dimers"},
        ("(Ar-Ar at 8.500 Å)", "ends abruptly there, as at a cutoff without an envelope"),
    ),
    "stale direct head": (
        wrong_models.stale_head,
        {},
        "direct",
        {"direct = conservative"},
        "the head of the direct forces is stale",
    ),
    "forces that are no gradient": (
        wrong_models.detached,
        {},
        "derivatives",
        {"forces = -dE/dx"},
        "a part of the energy is detached from the positions",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_file_fails_and_its_sentence_says_why(tmp_path, monkeypatch, fault):
    make, options, only, names, sentence = WRONG[fault]
    monkeypatch.chdir(tmp_path)
    ase.io.write("start.xyz", argon_crystal(0))
    make().export("model.pt", **options)
    result = run(command, "model.pt", "start.xyz", "--only", only)
    assert result.exit_code == 3, result.output
    assert "The file does not behave in this installation" in message(result)
    content = json.loads((tmp_path / "md-bridge-certify" / "certificate.json").read_text())
    failed = {
        finding["name"]: finding["sentence"]
        for finding in content["findings"]
        if finding["outcome"] == "failed"
    }
    assert names <= set(failed)
    parts = (sentence,) if isinstance(sentence, str) else sentence
    assert any(all(part in failed[name] for part in parts) for name in names)
    for name in names:
        assert f"{name}: {failed[name]}" in message(result)


SOUND = ("derivatives", "precision", "order", "range", "direct")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_sound_file_passes(tmp_path, dtype):
    found = certified(models.curl(), tmp_path, *SOUND, dtype=dtype)
    assert found.named(Outcome.FAILED) == []
    assert found.passed is True
    assert len(found.named(Outcome.PASSED)) >= 9
    steps = next(each for each in found.findings if each.name == "rounding of forces")
    assert steps.numbers["largest_meV_per_angstrom"] < 1e-6
    names = {finding.name for finding in found.named(Outcome.SKIPPED)}
    single = {"float32 = float64", "single precision"}
    assert names == (single if dtype == "float64" else set())


def test_a_sound_file_is_smooth(tmp_path):
    found = certified(models.two_layers(), tmp_path, "smoothness")
    assert [finding.outcome for finding in found.findings] == 2 * [Outcome.PASSED]


def test_float32_errors_are_told_atom_by_atom(tmp_path):
    (finding,) = (
        each
        for each in certified(models.curl(), tmp_path, "precision", dtype="float32").findings
        if each.name == "float32 = float64"
    )
    numbers = finding.numbers
    assert 0 < numbers["rms_meV_per_angstrom"] <= numbers["largest_meV_per_angstrom"] < 1e-3
    assert f"here of Ar {numbers['atom']} of structure 0" in finding.sentence


def test_without_a_start_there_are_neither_dynamics_nor_direct_forces(tmp_path):
    path = models.curl().export(tmp_path / "model.pt")
    found = certify(CertifyRequest(path, only=("direct", "nve")), tmp_path / "out")
    assert [finding.outcome for finding in found.findings] == 2 * [Outcome.SKIPPED]
    assert all("name a START" in finding.sentence for finding in found.findings)
    assert found.passed is True
    assert "2 checks could not be made" in found.headline
