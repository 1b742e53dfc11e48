"""Bad input to pair_style mdbridge: a sentence and a non-zero exit of the real lmp."""

import lammps_tools as tools
import models
import pytest

BOX = tools.box(tools.argon(cells=(1, 1, 1), lattice=6.0), ["Ar"])
RESPA = "run_style respa 2 2 inner 1 3.0 4.0 outer 2\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    """A folder with model files, good and bad."""
    folder = tmp_path_factory.mktemp("errors")
    for name in ("lennard_jones", "curl", "harmonic_direct"):
        (folder / f"{name}.pt").symlink_to(model_file(name))
    models.nan_when_close(3.2).export(folder / "nan.pt")
    models.nan_when_close(3.2, "direct").export(folder / "nan_direct.pt")
    (folder / "corrupt.pt").write_bytes((folder / "curl.pt").read_bytes()[:5000])
    (folder / "text.pt").write_text("not a model\n")
    (folder / "training.ckpt").write_bytes(b"\x80\x02}")
    return folder


def pair(words: str = "curl.pt", coefficients: str = "Ar") -> str:
    return f"pair_style mdbridge {words}\npair_coeff * * {coefficients}\n"


# name -> (input, what the message must hold)
CASES = {
    "no model": (BOX + "pair_style mdbridge\n", ["file of an exported model"]),
    "missing file": (BOX + pair("nowhere.pt"), ["no model file 'nowhere.pt'"]),
    "corrupt file": (BOX + pair("corrupt.pt"), ["corrupt.pt"]),
    "not a model": (BOX + pair("text.pt"), ["text.pt"]),
    "checkpoint": (BOX + pair("training.ckpt"), ["training checkpoint", "md-bridge export"]),
    "unknown keyword": (
        BOX + pair("curl.pt force direct"),
        ["unknown keyword 'force'", "did you mean 'forces'"],
    ),
    "swapped letters": (BOX + pair("curl.pt thraeds 2"), ["did you mean 'threads'"]),
    "keyword without value": (BOX + pair("curl.pt forces"), ["'forces' needs a value"]),
    "keyword twice": (
        BOX + pair("curl.pt threads 1 threads 2"),
        ["keyword 'threads' is given twice"],
    ),
    "bad value": (
        BOX + pair("curl.pt forces dircet"),
        ["'forces' expects conservative or direct, found 'dircet'", "did you mean 'direct'"],
    ),
    "bad number": (BOX + pair("curl.pt threads 2.5"), ["a positive whole number, found '2.5'"]),
    "no threads": (BOX + pair("curl.pt threads 0"), ["a positive whole number, found '0'"]),
    "bad device": (BOX + pair("curl.pt device gpu"), ["auto, cpu, cuda or cuda:N", "'gpu'"]),
    "bad device number": (BOX + pair("curl.pt device cuda:x"), ["'cuda:x'"]),
    "missing device": (BOX + pair("curl.pt device cuda:97"), ["cuda"]),
    "unknown variant": (BOX + pair("curl.pt variant pbe"), ["energy/pbe", "it has"]),
    "too few elements": (
        BOX + "pair_style mdbridge curl.pt\npair_coeff * *\n",
        ["one element for each of the 1 atom types", "found 0"],
    ),
    "too many elements": (
        BOX + pair(coefficients="Ar Kr"),
        ["one element for each of the 1 atom types", "found 2"],
    ),
    "no element": (BOX + pair(coefficients="Argon"), ["'Argon'", "not a chemical symbol", "Ar"]),
    "atomic number": (
        BOX + pair(coefficients="18"),
        ["'18'", "is a number", "expected a chemical symbol", "knows Ar"],
    ),
    "element not in the model": (BOX + pair(coefficients="Kr"), ["'Kr'", "not in the model", "Ar"]),
    "NULL without hybrid": (BOX + pair(coefficients="NULL"), ["hybrid only"]),
    "units": (
        "units lj\nregion box block 0 1 0 1 0 1\ncreate_box 1 box\n" + pair(),
        ["metal, real, electron or si, found units lj"],
    ),
    "no direct forces": (
        BOX + pair("lennard_jones.pt forces direct"),
        ["cannot give direct forces", "it has energy"],
    ),
    "no direct forces for multiple time stepping": (
        BOX + pair("lennard_jones.pt") + RESPA + "run 1\n",
        ["cannot give direct forces"],
    ),
    "direct forces under respa": (
        BOX + pair("curl.pt forces direct") + RESPA + "run 1\n",
        ["leave out 'forces direct'"],
    ),
    "middle level": (
        BOX
        + pair()
        + "run_style respa 3 2 2 inner 1 3.0 4.0 middle 2 5.0 5.5 outer 3\ntimestep 1e-4\nrun 1\n",
        ["middle level needs a model of its own for the inner level (keyword inner)"],
    ),
    "virial per atom": (
        BOX + pair("curl.pt forces direct") + "compute s all stress/atom NULL\n"
        "compute r all reduce sum c_s[1]\n"
        "thermo_style custom step c_r\nrun 1\n",
        ["per-atom virial"],
    ),
    "minimize with direct forces": (
        BOX + pair("curl.pt forces direct") + "minimize 1e-8 1e-8 10 10\n",
        ["gradient of the energy", "or take min_style fire"],
    ),
    "atoms without IDs": (
        BOX.replace("atom_modify map array", "atom_modify id no") + pair() + "run 1\n",
        ["atoms with IDs"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_message_and_exit_code(folder, name):
    text, expected = CASES[name]
    run = tools.run_input(text, folder)
    assert run.returncode != 0, run.stdout
    error = " ".join(line for line in run.stdout.splitlines() if "ERROR" in line)
    assert "Pair style mdbridge" in error, run.stdout[-2000:]
    for words in expected:
        assert words in error
    assert "(lammps_plugin/error_boundary.cpp" in error


@pytest.mark.parametrize(
    ("model", "style", "forces"),
    [
        ("nan.pt", "run_style verlet", "forces conservative"),
        ("nan_direct.pt", "run_style verlet", "forces direct virial conservative"),
        ("nan_direct.pt", RESPA, "forces conservative"),
    ],
)
def test_nan_stops_the_run_and_names_step_and_atom(folder, model, style, forces):
    """Two atoms fly at each other until the model breaks, long after the start."""
    text = f"""
        units metal
        atom_modify map array
        region box block 0 30 0 30 0 30
        create_box 1 box
        mass 1 39.95
        create_atoms 1 single 10 15 15
        create_atoms 1 single 17 15 15
        set atom 2 vx -20
        fix nve all nve
        timestep 0.004
        thermo 1
        dump d all custom 1 dump.lammpstrj id type x
        {pair(f"{model} {forces}")}
        {style}
        run 100
        """
    run = tools.run_input(text, folder)
    assert run.returncode != 0
    error = " ".join(line for line in run.stdout.splitlines() if "ERROR" in line)
    assert "not finite" in error
    assert "in step 4" in error or "in step 5" in error, error
    if "energy" not in error:
        assert "on atom ID 1 (element Ar, type 1)" in error
    # what was written before is there to be looked at
    frames = (folder / "dump.lammpstrj").read_text().count("ITEM: TIMESTEP")
    assert frames > 30


def test_bonded_neighbours_must_be_in_the_list(folder):
    text = f"""
        units metal
        atom_style bond
        atom_modify map array
        region box block 0 20 0 20 0 20
        create_box 1 box bond/types 1 extra/bond/per/atom 1 extra/special/per/atom 2
        mass 1 39.95
        create_atoms 1 single 5 5 5
        create_atoms 1 single 9 5 5
        bond_style zero
        bond_coeff *
        create_bonds single/bond 1 1 2
        fix nve all nve
        {{}}
        {pair()}
        run 1
        """
    run = tools.run_input(text.format(""), folder)
    assert run.returncode != 0
    assert "special_bonds lj/coul 1 1 1" in run.stdout
    run = tools.run_input(text.format("special_bonds lj/coul 1 1 1"), folder)
    assert run.returncode == 0, run.stdout[-1000:]
