"""`md-bridge distil` as a user types it: table, JSON, page, --from, refusals."""

import json
import re
import signal
import subprocess
import sys
import time

import ase.io
import pytest
from ase.calculators.lj import LennardJones
from browser import CHROMIUM, Browser
from click.testing import CliRunner
from distil_tools import argon, same_student

from md_bridge.cli import main
from md_bridge.distil import distil
from md_bridge.distil.errors import FrameFolderError
from md_bridge.distil.files import read_student
from md_bridge.engine import Engine

COUNTS = ("--frames", "28", "--steps", "12", "--temperature", "30,60")
FACTORY = """
from ase.calculators.lj import LennardJones

def argon():
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With starts: a crystal, and a file of two."""
    path = tmp_path_factory.mktemp("distil")
    ase.io.write(path / "start.xyz", argon())
    ase.io.write(path / "two.xyz", [argon(2, size=1), argon(3, size=1)])
    (path / "my_teacher.py").write_text(FACTORY)
    return path


def invoke(*arguments):
    words = ["distil", *map(str, arguments), "--device", "cpu", "--threads", "1"]
    return CliRunner().invoke(main, words)


def message(result):
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def made(folder, model_file):
    """A student, and what was printed."""
    out = folder / "inner.pt"
    result = invoke(model_file("curl"), folder / "start.xyz", "-o", out, *COUNTS, "--no-tune")
    assert result.exit_code == 0, result.output
    return out, result


def test_table_sentences_and_files(made):
    out, result = made
    text = message(result)
    assert re.search(r"Ar +\d", result.output)
    assert "26 frames of" in text
    assert "12 training steps." in text
    assert "M was not measured (--no-tune)" in text
    assert f"Student {out}" in text
    assert f"Page {out.with_suffix('.distil') / 'distil.html'}" in text


def test_the_file_says_what_it_is(made, model_file):
    out, _ = made
    student = read_student(out)
    assert student.about["teacher_variant"] == ""
    assert len(student.about["teacher_sha256"]) == 64
    assert json.loads(student.about["counts"])["frames"] == 26
    assert json.loads(student.about["temperatures_K"]) == [30.0, 60.0]
    info = Engine(out, device="cpu").info
    assert info.atomic_types == [18]
    assert info.interaction_range == pytest.approx(2 * info.cutoff)


def test_json_of_a_second_call_which_has_nothing_left_to_do(made, folder, model_file):
    out, _ = made
    before = out.with_suffix(".distil") / "frames" / "run-1" / "00001.npz"
    written = before.stat().st_mtime_ns
    result = invoke(
        model_file("curl"), folder / "start.xyz", "-o", out, *COUNTS, "--no-tune", "--json"
    )
    content = json.loads(result.stdout)
    assert before.stat().st_mtime_ns == written
    assert content["counts"] == {"starts": 1, "blocks": 2, "steps": 12}
    assert content["held_out"][-1]["element"] == "all"
    assert len(content["curves"]["step"]) == len(content["curves"]["held_out_loss"]) == 12
    costs = content["cost_ms"]
    assert content["speedup_bound"]["4"] == pytest.approx(
        4 * costs["teacher"] / (4 * costs["student"] + costs["teacher"])
    )


def test_another_seed_in_the_same_folder_is_refused(made, folder, model_file):
    out, _ = made
    result = invoke(
        model_file("curl"), folder / "start.xyz", "-o", out, *COUNTS, "--no-tune", "--seed", "5"
    )
    assert result.exit_code == 2
    assert "seed is 1 there and 5 now" in message(result)
    assert "another folder with --dir" in message(result)
    assert "made with --from" in message(result)


def test_from_takes_weights_and_frames(made, folder, model_file):
    out, _ = made
    better = folder / "better.pt"
    options = ("--frames", "14", "--steps", "1", "--temperature", "90", "--from", out)
    result = invoke(
        model_file("curl"), folder / "start.xyz", "-o", better, *options, "--no-tune", "--json"
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["frames"] == 26 + 13
    before, after = read_student(out).state, read_student(better).state
    change = (after["weight_2"] - before["weight_2"]).abs().max()
    assert 0 < change < 0.01  # one small step away
    assert not same_student(out, better)


def test_from_of_another_cutoff_or_of_no_student(made, folder, model_file):
    out, _ = made
    teacher = model_file("curl")
    start = folder / "start.xyz"
    new = folder / "new.pt"
    result = invoke(teacher, start, "-o", new, *COUNTS, "--from", out, "--cutoff", "3")
    assert result.exit_code == 2
    assert "--cutoff is 3 Å, and that of the earlier student" in message(result)
    result = invoke(teacher, start, "-o", new, *COUNTS, "--from", teacher)
    assert result.exit_code == 1
    assert "is not a student of" in message(result)
    krypton = folder / "krypton.xyz"
    atoms = argon()
    atoms.numbers[:5] = 36
    ase.io.write(krypton, atoms)
    result = invoke(model_file("stand_in"), krypton, "-o", folder / "kr.pt", *COUNTS, "--from", out)
    assert result.exit_code == 2
    assert "--from knows Ar, and the starts have Ar, Kr" in message(result)


def test_a_factory_and_several_starts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    result = invoke(
        "python:my_teacher.py:argon",
        *("two.xyz", "start.xyz", "-o", "lj.pt", "--frames", "42", "--steps", "4"),
        *("--temperature", "30", "--no-tune"),
    )
    assert result.exit_code == 0, result.output
    assert "39 frames of LennardJones of my_teacher.py:argon" in message(result)
    assert "M was not measured (--no-tune)" in message(result)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hours", "0"), "--hours must be positive, found 0"),
        (("--steps", "0"), "--steps must be at least 1, found 0"),
        (("--temperature", "300,-1"), "--temperature must be positive numbers"),
        (("--temperature", "hot"), "expected temperatures with commas between them"),
        (("-o", "inner.ckpt"), "should end in .pt"),
    ],
)
def test_bad_options(folder, model_file, monkeypatch, options, words):
    monkeypatch.chdir(folder)
    result = invoke(model_file("curl"), "start.xyz", "-o", "bad.pt", *options)
    assert result.exit_code in (1, 2)
    assert words in message(result)
    assert not (folder / "bad.distil").exists()


def test_an_element_that_the_teacher_lacks(folder, model_file):
    atoms = argon()
    atoms.numbers[3] = 54
    ase.io.write(folder / "xenon.xyz", atoms)
    result = invoke(model_file("curl"), folder / "xenon.xyz", "-o", folder / "xe.pt")
    assert result.exit_code == 1
    assert "has Xe, which the teacher" in message(result)


def test_ctrl_c_says_that_the_same_command_goes_on(folder, model_file):
    out = folder / "stopped.pt"
    command = [sys.executable, "-m", "md_bridge", "distil", model_file("curl")]
    options = ("--temperature", "30", "--frames", "28", "--steps", "100000", "--device", "cpu")
    process = subprocess.Popen(
        [*command, folder / "start.xyz", "-o", out, *options, "--threads", "1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if "training" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted: the same command goes on." in rest
    assert (out.with_suffix(".distil") / "training.pt").exists()


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_opens_offline(made, tmp_path):
    out, _ = made
    page = out.with_suffix(".distil") / "distil.html"
    assert page.stat().st_size < 500_000
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page.read_text(encoding="utf-8"))
    with Browser(tmp_path) as browser:
        browser.open(page)
        for width, scheme in ((800, "light"), (380, "dark")):
            browser.resize(width, 900)
            browser.prefer(scheme)
            assert browser.errors() == []
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            box = browser.box("#plot canvas")
            assert box["width"] > 0.8 * min(width - 40, 700)
        browser.resize(800, 900)
        box = browser.box("#plot .u-over")
        browser.move(box["left"] + 0.5 * box["width"], box["top"] + 0.5 * box["height"])
        browser.wait("document.getElementById('value').textContent.startsWith('step ')")
        assert re.fullmatch(
            r"step \d+: held-out [\d.]+ %, training [\d.]+ %",
            browser.evaluate("document.getElementById('value').textContent"),
        )
        assert browser.evaluate("document.querySelectorAll('table.runs').length") == 2


@pytest.mark.slow
@pytest.mark.parametrize("teacher", ["", "python:my_teacher.py:argon"])
def test_the_largest_m_is_measured_and_inputs_are_written(folder, model_file, teacher, monkeypatch):
    monkeypatch.chdir(folder)
    out = folder / f"tuned-{bool(teacher)}.pt"
    result = invoke(
        teacher or model_file("curl"),
        *(folder / "start.xyz", "-o", out, "--frames", "140", "--steps", "1500"),
        *("--temperature", "30", "--json"),
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["tuning"]["steps"][0]["best_M"] >= 2
    inputs = (out.with_suffix(".distil") / "inputs" / "in.lammps").read_text(encoding="utf-8")
    assert "inner" in inputs
    assert (out.with_suffix(".distil") / "inputs" / "input.xml").exists()


def test_a_teacher_is_never_overwritten(folder, model_file, made):
    teacher = model_file("curl")
    before = teacher.read_bytes()
    result = invoke(teacher, folder / "start.xyz", "-o", teacher, *COUNTS, "--no-tune")
    assert result.exit_code == 2
    assert "is the teacher, which would be lost" in message(result)
    assert teacher.read_bytes() == before
    out = made[0]
    words = ("--from", out, "--dir", folder / "other", *COUNTS, "--no-tune")
    result = invoke(teacher, folder / "start.xyz", "-o", out, *words)
    assert result.exit_code == 2
    assert "is the earlier student" in message(result)


def test_labels_of_two_calculators_are_not_mixed(folder):
    """Their parameters are in no file: a frame is labelled anew, and the labels compared."""

    def made_by(epsilon, out, **more):
        teacher = LennardJones(sigma=3.4, epsilon=epsilon, rc=6.0, smooth=True)
        return distil(
            teacher, argon(), out, frames=28, steps=4, temperatures_k=(30, 60), tune=False, **more
        )

    first = made_by(0.0104, folder / "a.pt")
    with pytest.raises(FrameFolderError, match="labelled by another teacher"):
        made_by(0.05, folder / "a.pt")
    same = made_by(0.0104, folder / "b.pt", from_student=folder / "a.pt")
    other = made_by(0.05, folder / "c.pt", from_student=folder / "a.pt")
    assert same.frames == 2 * first.frames
    assert other.frames == first.frames


def test_the_same_command_leaves_the_same_file(folder, model_file, made):
    """A new one would have another date in it, and campaigns with it inside would not go on."""
    out = made[0]
    before = out.stat().st_mtime_ns
    words = ("-o", out, *COUNTS, "--no-tune")
    result = invoke(model_file("curl"), folder / "start.xyz", *words)
    assert result.exit_code == 0, result.output
    assert out.stat().st_mtime_ns == before
