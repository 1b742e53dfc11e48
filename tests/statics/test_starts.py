"""Starts from files, folders and databases, and their names."""

import ase.db
import ase.io
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from md_bridge.statics.starts import coinciding_atoms, read_starts, require_apart
from md_bridge.structures import StructureError


def names(*paths):
    return [start.name for start in read_starts(paths)]


def test_files_frames_and_their_own_names(tmp_path):
    ase.io.write(tmp_path / "one.cif", bulk("Cu", cubic=True))
    frames = [bulk("Al"), bulk("Ag"), bulk("Au")]
    frames[1].info["name"] = "silver/new"
    ase.io.write(tmp_path / "many.extxyz", frames)
    assert names(tmp_path / "one.cif", tmp_path / "many.extxyz") == [
        *("one", "many-0", "silver_new", "many-2")
    ]


def test_names_differ(tmp_path):
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        ase.io.write(tmp_path / folder / "POSCAR", bulk("Cu"), format="vasp")
    files = [tmp_path / folder / "POSCAR" for folder in ("a", "b", "c")]
    assert names(*files) == ["POSCAR", "POSCAR-2", "POSCAR-3"]


def test_a_folder_is_read_without_what_is_none(tmp_path):
    ase.io.write(tmp_path / "b.xyz", bulk("Cu"))
    ase.io.write(tmp_path / "a.cif", bulk("Al"))
    (tmp_path / "notes.txt").write_text("none\n")
    (tmp_path / ".hidden.xyz").write_text("none\n")
    assert names(tmp_path) == ["a", "b"]
    passed_over = []
    read_starts([tmp_path], passed_over)
    assert passed_over == ["notes.txt"]


def test_a_database_keeps_its_names(tmp_path):
    with ase.db.connect(tmp_path / "some.db") as database:
        database.write(bulk("Cu"), name="copper")
        database.write(bulk("Al"))
    assert names(tmp_path / "some.db") == ["copper", "some-2"]


def test_nothing_to_begin_with(tmp_path):
    with pytest.raises(StructureError, match="does not exist"):
        read_starts([tmp_path / "none.xyz"])
    with pytest.raises(StructureError, match=r"holds no structure that ASE reads; found no files"):
        read_starts([tmp_path])
    (tmp_path / "notes.txt").write_text("none\n")
    with pytest.raises(StructureError, match=r"found notes\.txt"):
        read_starts([tmp_path])


def test_atoms_that_coincide_are_named(tmp_path):
    atoms = bulk("Cu", cubic=True)
    assert coinciding_atoms(atoms) is None
    atoms += Atoms("Al", [atoms.positions[2] + atoms.cell[0] + [0.0, 0.0, 0.02]])
    ase.io.write(tmp_path / "twice.extxyz", atoms)
    (start,) = read_starts([tmp_path / "twice.extxyz"])
    with pytest.raises(
        StructureError,
        match=r"'twice': atoms (2 \(Cu\) and 4 \(Al\)|4 \(Al\) and 2 \(Cu\)) are 0.02 Å",
    ):
        require_apart(start)


def test_molecules_are_starts(tmp_path):
    ase.io.write(tmp_path / "water.xyz", molecule("H2O"))
    (start,) = read_starts([tmp_path / "water.xyz"])
    require_apart(start)
    assert not start.atoms.pbc.any()
