"""Export of metatrain checkpoints, and of files that are exported already."""

import importlib
import pickle
import sys
import zipfile
from pathlib import Path

import ase.build
import ase.io
import models
import numpy as np
import pytest
import torch
from metatomic.torch import load_atomistic_model
from metatomic_ase import MetatomicCalculator
from pet_models import pet_checkpoint, uncertain_pet_checkpoint

from md_bridge.export import ExportError, export_file
from md_bridge.export.checks.locality import check_locality
from md_bridge.export.checks.runner import Runner
from md_bridge.export.description import describe


def water(seed=0):
    atoms = ase.build.molecule("H2O")
    atoms.set_cell([4.0, 4.2, 4.4])
    atoms.pbc = True
    atoms = atoms * (2, 2, 2)
    atoms.rattle(0.1, seed=seed)
    return atoms


def results(path, direct=False):
    atoms = water()
    atoms.calc = MetatomicCalculator(path, non_conservative=direct, check_consistency=True)
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return pet_checkpoint(tmp_path_factory.mktemp("pet") / "tiny.ckpt")


def test_checkpoint_equals_mtt_export(tmp_path, checkpoint):
    from metatrain.cli.export import export_model

    export_model(checkpoint, tmp_path / "mtt.pt", extensions=tmp_path / "extensions")
    ours = export_file(checkpoint, tmp_path / "ours.pt")
    for direct in (False, True):
        for a, b in zip(results(ours, direct), results(tmp_path / "mtt.pt", direct), strict=True):
            np.testing.assert_array_equal(a, b)


def test_checkpoint_in_double_precision(tmp_path, checkpoint):
    single = results(export_file(checkpoint, tmp_path / "single.pt"))
    double_path = export_file(checkpoint, tmp_path / "double.pt", dtype="float64")
    assert load_atomistic_model(double_path).capabilities().dtype == "float64"
    double = results(double_path)
    for a, b in zip(single, double, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
        assert np.abs(np.asarray(a) - b).max() > 0  # it is not the same arithmetic


def test_metadata_is_added_to_what_the_source_says(tmp_path, checkpoint):
    first = export_file(checkpoint, tmp_path / "a.pt", metadata={"name": "tiny", "authors": ["A"]})
    second = export_file(
        first,
        tmp_path / "b.pt",
        metadata={"authors": ["B"], "references": {"model": ["10.1000/x"]}, "extra": {"k": "v"}},
    )
    stored = load_atomistic_model(second).metadata()
    assert stored.name == "tiny"
    assert stored.authors == ["A", "B"]
    assert stored.references["model"] == ["10.1000/x"]
    assert any("2305.19302" in text for text in stored.references["architecture"])
    assert stored.extra == {"k": "v"}
    np.testing.assert_array_equal(results(first)[1], results(second)[1])


def test_kept_outputs_and_devices(tmp_path):
    names = ["energy", "non_conservative_force", "energy/pbe", "non_conservative_force/pbe"]
    source = pet_checkpoint(tmp_path / "variants.ckpt", outputs=names)
    everything = export_file(source, tmp_path / "all.pt")
    for start, result in ((source, "from-checkpoint.pt"), (everything, "from-file.pt")):
        part = export_file(
            start,
            tmp_path / result,
            outputs=["energy/pbe", "non_conservative_force/pbe"],
            devices=["cpu"],
        )
        capabilities = load_atomistic_model(part).capabilities()
        assert "energy/pbe" in capabilities.outputs
        assert "energy" not in capabilities.outputs
        assert capabilities.supported_devices == ["cpu"]
        kept, full = water(), water()
        kept.calc = MetatomicCalculator(part, variants={"energy": "pbe"}, check_consistency=True)
        full.calc = MetatomicCalculator(everything, variants={"energy": "pbe"})
        np.testing.assert_array_equal(kept.get_forces(), full.get_forces())
    # once more: the file that we made is a source like any other
    again = export_file(part, tmp_path / "again.pt", outputs=["energy/pbe"])
    assert list(load_atomistic_model(again).capabilities().outputs) == ["energy/pbe"]


def test_pair_lists_survive_a_second_export(tmp_path):
    first = models.two_layers().export(tmp_path / "a.pt")
    for outputs in (None, ["energy"]):
        second = export_file(first, tmp_path / "b.pt", outputs=outputs)
        (options,) = load_atomistic_model(second).requested_neighbor_lists()
        assert options.cutoff == 4.0
        assert options.full_list


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": ["energies"]}, "no output 'energies'; it has .*mean 'energy'"),
        ({"outputs": ["non_conservative_force"]}, "have no energy"),
        ({"devices": ["tpu"]}, "does not run on 'tpu'; it runs on"),
        ({"dtype": "half"}, "unknown dtype 'half'"),
        ({"metadata": {"citation": "x"}}, "unknown metadata 'citation'"),
    ],
)
def test_wrong_options(tmp_path, checkpoint, options, message):
    with pytest.raises(ExportError, match=message):
        export_file(checkpoint, tmp_path / "m.pt", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["interaction_range", "layers"])
def test_a_range_declared_too_short_is_mended(tmp_path, how):
    """The check of locality says which number to give, and is satisfied with it."""
    short = models.two_layers().export(tmp_path / "short.pt", layers=1)
    failed = check_locality(Runner(short), [18])
    assert failed.passed is False
    assert "It holds for 2 × the cutoff = 8 Å" in failed.detail
    assert "--layers 2, or --interaction-range 8)" in failed.detail
    option = {"interaction_range": 8.0} if how == "interaction_range" else {"layers": 2}
    mended = export_file(short, tmp_path / "mended.pt", **option)
    assert load_atomistic_model(mended).capabilities().interaction_range == 8.0
    assert check_locality(Runner(mended), [18]).passed


def test_a_range_is_stated_in_angstrom_whatever_the_unit_of_the_model(tmp_path):
    short = models.two_layers().export(tmp_path / "short.pt", layers=1, length_unit="nm")
    assert load_atomistic_model(short).capabilities().interaction_range == 4.0
    mended = export_file(short, tmp_path / "mended.pt", interaction_range=80.0)
    assert load_atomistic_model(mended).capabilities().interaction_range == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interaction_range": 3.9}, "declares an interaction range of 8 Å, more than the 3.9 Å"),
        ({"layers": 1}, "more than the 4 Å asked for. A range is only ever made longer"),
        ({"layers": 0}, "layers should be a whole number"),
        ({"layers": 3, "interaction_range": 12.0}, "not both"),
        ({"interaction_range": float("nan")}, "should be a positive number, found nan"),
    ],
)
def test_a_wrong_range_is_refused(tmp_path, options, message):
    path = models.two_layers().export(tmp_path / "m.pt")
    with pytest.raises(ExportError, match=message):
        export_file(path, tmp_path / "out.pt", **options)
    assert not (tmp_path / "out.pt").exists()


def test_files_carry_no_paths_of_the_machine(tmp_path, checkpoint):
    """Neither of ours nor of what others exported; and the model still says what is wrong."""
    from metatrain.cli.export import export_model

    export_model(checkpoint, tmp_path / "mtt.pt", extensions=tmp_path / "extensions")
    assert paths_in(tmp_path / "mtt.pt")
    for source in (checkpoint, tmp_path / "mtt.pt"):
        assert paths_in(export_file(source, tmp_path / "ours.pt")) == []
    path = models.lennard_jones().export(tmp_path / "lj.pt")
    assert paths_in(path) == []


def paths_in(path):
    """Records of a file in which the folder of a source file is written."""
    folders = [str(Path(module.__file__).parent).encode() for module in (models, torch)]
    with zipfile.ZipFile(path) as archive:
        return [
            name for name in archive.namelist() if any(f in archive.read(name) for f in folders)
        ]


def test_dtype_of_an_exported_file_is_fixed(tmp_path):
    path = models.lennard_jones().export(tmp_path / "a.pt", dtype="float32")
    with pytest.raises(ExportError, match="exported in float32 already; another dtype needs"):
        export_file(path, tmp_path / "b.pt", dtype="float64")


# --- wrong files ----------------------------------------------------------------------------------


def write(path, contents):
    path.write_bytes(contents)
    return path


def test_missing_empty_and_foreign_files(tmp_path):
    out = tmp_path / "out.pt"
    with pytest.raises(ExportError, match="there is no file"):
        export_file(tmp_path / "nothing.ckpt", out)
    with pytest.raises(ExportError, match="is a folder"):
        export_file(tmp_path, out)
    with pytest.raises(ExportError, match="is empty"):
        export_file(write(tmp_path / "empty.ckpt", b""), out)
    with pytest.raises(ExportError, match=r"not a model file.*starts with b'LAMM'"):
        export_file(write(tmp_path / "data.ckpt", b"LAMMPS data file"), out)
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("a/b", "c")
    with pytest.raises(ExportError, match="a zip archive of something else"):
        export_file(tmp_path / "some.zip", out)
    assert not out.exists()


def test_truncated_files(tmp_path, checkpoint):
    contents = checkpoint.read_bytes()
    half = write(tmp_path / "half.ckpt", contents[: len(contents) // 2])
    with pytest.raises(ExportError, match="is truncated"):
        export_file(half, tmp_path / "out.pt")


def test_torchscript_that_is_not_an_atomistic_model(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "linear.pt")
    with pytest.raises(ExportError, match="not an exported atomistic model"):
        export_file(tmp_path / "linear.pt", tmp_path / "out.pt")


def test_checkpoints_of_others(tmp_path, checkpoint):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "weights.ckpt")
    with pytest.raises(ExportError, match=r"not by metatrain.*found weight, bias"):
        export_file(tmp_path / "weights.ckpt", tmp_path / "out.pt")

    contents = torch.load(checkpoint, weights_only=False)
    torch.save({**contents, "architecture_name": "perceptron"}, tmp_path / "unknown.ckpt")
    with pytest.raises(ExportError, match="architecture 'perceptron', which the installed"):
        export_file(tmp_path / "unknown.ckpt", tmp_path / "out.pt")


def test_an_architecture_whose_packages_are_missing(tmp_path, checkpoint, monkeypatch):
    def fail(*_, **__):
        raise ImportError("No module named 'sphericart'")

    monkeypatch.setattr("metatrain.utils.io.model_from_checkpoint", fail)
    with pytest.raises(ExportError, match=r"'pet' of '.*' needs packages that are missing: No mod"):
        export_file(checkpoint, tmp_path / "out.pt")


class Malicious:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_checkpoint_runs_only_when_trusted(tmp_path, checkpoint):
    ran = tmp_path / "ran"
    contents = torch.load(checkpoint, weights_only=False)
    contents["surprise"] = Malicious(ran)
    torch.save(contents, tmp_path / "bad.ckpt", pickle_module=pickle)
    with pytest.raises(ExportError, match=r"io.open.*--trust on the command line, trust=True"):
        export_file(tmp_path / "bad.ckpt", tmp_path / "out.pt")
    assert not ran.exists()
    export_file(tmp_path / "bad.ckpt", tmp_path / "out.pt", trust=True)
    assert ran.exists()


def test_a_class_that_is_not_installed(tmp_path, checkpoint, monkeypatch):
    (tmp_path / "private_package.py").write_text("class Settings:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    settings = importlib.import_module("private_package").Settings()
    contents = {**torch.load(checkpoint, weights_only=False), "settings": settings}
    torch.save(contents, tmp_path / "theirs.ckpt")
    monkeypatch.delitem(sys.modules, "private_package")
    (tmp_path / "private_package.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(ExportError, match=r"private_package.Settings.*--trust"):
        export_file(tmp_path / "theirs.ckpt", tmp_path / "out.pt")
    with pytest.raises(ExportError, match=r"needs Python code that is not installed.*private_pack"):
        export_file(tmp_path / "theirs.ckpt", tmp_path / "out.pt", trust=True)


def test_a_damaged_pickle_is_not_said_to_need_trust(tmp_path, checkpoint):
    with zipfile.ZipFile(checkpoint) as old, zipfile.ZipFile(tmp_path / "bad.ckpt", "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, data[:200] if entry.filename.endswith(".pkl") else data)
    for trust in (False, True):
        with pytest.raises(ExportError, match=r"cannot be read: .*Is it complete"):
            export_file(tmp_path / "bad.ckpt", tmp_path / "out.pt", trust=trust)


# --- other readers, other PETs --------------------------------------------------------------------


@pytest.mark.parametrize("direct", [False, True])
def test_the_metatomic_driver_of_ipi_reads_our_files(tmp_path, direct):
    """A triclinic box; i-PI has bohr and hartree, and cell vectors in columns."""
    pytest.importorskip("ipi")
    from ipi.pes.metatomic import MetatomicDriver
    from ipi.utils.units import unit_to_user

    bohr = unit_to_user("length", "angstrom", 1.0)
    hartree = unit_to_user("energy", "electronvolt", 1.0)

    atoms = ase.build.bulk("Ar", "fcc", a=5.3) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    path = models.curl().export(tmp_path / "m.pt")
    ase.io.write(tmp_path / "template.xyz", atoms)
    driver = MetatomicDriver(
        str(tmp_path / "template.xyz"), str(path), non_conservative=direct, check_consistency=True
    )
    energy, forces, virial, _ = driver(atoms.cell[:].T / bohr, atoms.positions / bohr)

    atoms.calc = MetatomicCalculator(path, non_conservative=direct)
    assert energy * hartree == pytest.approx(atoms.get_potential_energy(), rel=1e-8)
    expected = atoms.get_forces()
    found = np.asarray(forces).reshape(-1, 3) * hartree / bohr
    np.testing.assert_allclose(found - found.mean(axis=0), expected, atol=1e-8)
    stress = -np.asarray(virial).reshape(3, 3) * hartree / atoms.get_volume()
    np.testing.assert_allclose(stress, atoms.get_stress(voigt=False), atol=1e-8)


def test_kinds_of_pet(tmp_path):
    """The published size, one with uncertainty, one without direct forces: in the engine."""
    from md_bridge.engine import Engine, structure_from_ase

    sources = {
        "default": pet_checkpoint(tmp_path / "default.ckpt", default_size=True),
        "uncertain": uncertain_pet_checkpoint(tmp_path / "uncertain.ckpt"),
        "conservative": pet_checkpoint(tmp_path / "conservative.ckpt", outputs=["energy"]),
    }
    atoms = water()[:12]
    for name, source in sources.items():
        path = export_file(source, tmp_path / f"{name}.pt")
        facts = describe(path)
        used = [output["name"] for output in facts["outputs"] if output["used"]]
        assert used[0] == "energy"
        assert ("non_conservative_force" in used) == (name != "conservative")
        assert ("energy_uncertainty" in used) == (name == "uncertain")
        assert (facts["parameters"] > 2e6) == (name == "default")
        assert facts["interaction_range_A"] == pytest.approx(3 * facts["cutoffs_A"][0])
        engine = Engine(path)
        result = engine.evaluate(
            structure_from_ase(atoms),
            conservative_forces=True,
            direct_forces=name != "conservative",
            uncertainty=name == "uncertain",
        )
        reference = atoms.copy()
        reference.calc = MetatomicCalculator(path, uncertainty_threshold=None)
        np.testing.assert_allclose(result.conservative_forces, reference.get_forces(), atol=1e-5)


def test_extra_files_may_hold_anything(tmp_path):
    """TorchScript files can carry pictures and weights of others as well."""
    path = models.lennard_jones().export(tmp_path / "m.pt")
    before = describe(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("m/extra/picture", b"\x89PNG\xff\xfe")
    assert {**describe(path), "bytes": 0} == {**before, "bytes": 0}
