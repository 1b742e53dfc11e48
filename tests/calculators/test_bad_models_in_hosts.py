"""What is wrong with a calculator is a sentence and an exit status in every host, and no traceback.

``test_bad_models`` has what there is to say, with the engine alone.
"""

import re

import ipi_tools
import pytest
from ase import units
from ase.build import bulk
from ase.io import write
from ase.md.verlet import VelocityVerlet
from click.testing import CliRunner
from ipi_tools import Simulation, ffdirect, ffsocket
from python_models import crystal, toy

from md_bridge.ase import MDBridgeCalculator
from md_bridge.cli import main
from md_bridge.engine import EngineError

SPOILED = """
class Spoiled(Toy):
    calls, kept = 0, None

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        Spoiled.calls += 1
        if Spoiled.calls > 3:
            self.spoil(atoms)

    def spoil(self, atoms):
        {spoil}

class NoForces(Toy):
    implemented_properties, further_properties = ["energy"], ()

def in_the_middle():
    return Spoiled()

def no_forces():
    return NoForces()

def no_gpu():
    raise RuntimeError("Found no NVIDIA driver on your system")

def no_package():
    import orb_models_of_nobody.forcefield

def wants_gpu(device="cpu"):
    return Toy()
"""

FAULTS = {
    "no forces": ("no_forces", "pass", "gives no forces: its implemented_properties list energy"),
    "no package": ("no_package", "pass", "needs the Python package orb_models_of_nobody"),
    "no GPU": ("no_gpu", "pass", "Found no NVIDIA driver on your system (torch finds no CUDA"),
    "raises": (
        "in_the_middle",
        "raise ValueError('no such basis')",
        "failed: ValueError: no such basis",
    ),
    "keeps results": (
        "in_the_middle",
        "Spoiled.kept = Spoiled.kept or self.results; self.results = Spoiled.kept",
        "of the structure before, to the last bit, for one whose atoms have moved",
    ),
    "keeps forces": (
        "in_the_middle",
        "Spoiled.kept = Spoiled.kept or self.results; "
        "self.results |= {name: Spoiled.kept[name] for name in ('forces', 'direct_forces')}",
        "of the structure before, to the last bit, for one whose atoms have moved",
    ),
    "NaN": ("in_the_middle", "self.results['forces'][1, 2] = np.nan", "not finite"),
    "moves the atoms": (
        "in_the_middle",
        "atoms.positions[0] += 0.1",
        "changed the atoms that it was given",
    ),
}
OTHER = "python:toy.py:one_kind"
FORCES = '<force forcefield="one"/>'


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(params=FAULTS)
def fault(request, tmp_path, monkeypatch):
    """The name of a model, and what must be said of it."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)
    function, spoil, words = FAULTS[request.param]
    write(tmp_path / "start.xyz", hot())
    write(tmp_path / "perfect.xyz", bulk("Ar", "fcc", a=5.3, cubic=True))
    write(tmp_path / "labelled.xyz", labelled())
    return toy(tmp_path, function, SPOILED.format(spoil=spoil)), words


def hot():
    atoms = crystal()
    atoms.set_velocities([[0.0, 0.01 * (-1) ** i, 0.002 * i] for i in range(len(atoms))])
    return atoms


def labelled():
    """More of them than a spoiled model gets right."""
    found = []
    for seed in range(6):
        atoms = crystal()
        atoms.rattle(0.05, seed=seed)
        atoms.info["energy"], atoms.arrays["forces"] = 0.0, 0.0 * atoms.positions
        found.append(atoms)
    return found


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def assert_sentence(text, words):
    assert words in " ".join(text.split()), text[-2000:]
    assert "Traceback" not in text


def test_ase(fault):
    model, words = fault

    def dynamics():
        atoms = hot()
        atoms.calc = MDBridgeCalculator(model)
        VelocityVerlet(atoms, 2 * units.fs).run(8)

    with pytest.raises(EngineError, match=re.escape(words)):
        dynamics()


def test_lammps(fault, tmp_path):
    model, words = fault
    write("start.data", hot(), format="lammps-data", specorder=["Ar"], masses=True, velocities=True)
    (tmp_path / "in.argon").write_text(
        "units metal\nread_data start.data\npair_style mdbridge ${model} threads 1\n"
        "pair_coeff * * Ar\nfix nve all nve\ntimestep 0.002\nrun 8\n"
    )
    result = run("lammps", "--model", model, "-in", "in.argon")
    assert result.exit_code == 1
    assert_sentence(result.output, words)


def test_the_driver_of_ipi(fault, tmp_path):
    model, words = fault
    simulation = Simulation(hot(), [ffdirect("one", model, "conservative")], FORCES, steps=8)
    done = simulation.run(tmp_path / "run", timeout=60)
    assert done.status == 1
    assert_sentence(done.log, words)


def test_the_client_of_ipi(fault, tmp_path, socket_name):
    model, words = fault
    simulation = Simulation(hot(), [ffsocket("one", socket_name)], FORCES, steps=8)
    simulation.write(tmp_path)
    # i-PI waits for another client when one has gone
    ipi = ipi_tools.Started(
        [ipi_tools.I_PI[1], "input.xml"], tmp_path, ipi_tools.environment(), tmp_path / "log"
    )
    arguments = ["--template", "start.xyz", "--serve", f"unix:{socket_name}", "--timeout", "60"]
    client = ipi_tools.Started(
        ["md_bridge", "ipi-client", str(model), *arguments],
        tmp_path,
        ipi_tools.environment(),
        tmp_path / "out",
    )
    try:
        assert client.wait(60) == 1
    finally:
        client.kill()
        ipi.kill()
    assert_sentence((tmp_path / "out").read_text(), words)


@pytest.mark.parametrize(
    ("fault", "host"),
    [
        *[(name, "lammps") for name in ("no forces", "no package", "no GPU", "raises")],
        *[slow(name, "lammps") for name in ("keeps results", "NaN", "moves the atoms")],
        *[slow(name, "i-pi") for name in ("raises", "keeps results", "NaN", "moves the atoms")],
    ],
    indirect=["fault"],
)
def test_drift(fault, host):
    model, words = fault
    result = run(
        *("drift", model, "start.xyz", "--host", host, "--forces", "conservative"),
        *("--keep-velocities", "--timestep", "2", "--ps", "0.02"),
    )
    if words == "not finite":  # as that of a file: an explosion is a result
        assert result.exit_code == 3, result.output
        assert_sentence(result.output, "exploded")
        return
    assert result.exit_code == 1, result.output
    assert_sentence(result.output, words)


@pytest.mark.parametrize(
    "words",
    [
        ("check", "MODEL", "start.xyz"),
        ("evaluate", "MODEL", "labelled.xyz"),
        ("certify", "MODEL", "start.xyz", "--only", "derivatives,order"),
        ("compare", "MODEL", OTHER, "--labelled", "labelled.xyz", "--measures", "errors"),
        ("relax", "MODEL", "start.xyz"),
        ("phonons", "MODEL", "perfect.xyz", "--supercell", "2,1,1", "--fc", "raw"),
        ("tune", "MODEL", "start.xyz", "--timesteps", "2", "--ps", "0.1", "--equilibrate", "0"),
        ("symmetry", "MODEL", "start.xyz", "--lmax", "1", "--orientations", "0"),
        ("protocol", "loop", "MODEL", "start.xyz"),
        ("protocol", "jacobian", "MODEL", "start.xyz"),
        ("distil", "MODEL", "start.xyz", "-o", "inner.pt", "--frames", "14", "--steps", "1"),
    ],
    ids=lambda words: " ".join(words[:2]).removesuffix(" MODEL"),
)
def test_other_commands(fault, words):
    model, said = fault
    result = run(*[model if word == "MODEL" else word for word in words])
    assert result.exit_code in (1, 3), result.output
    if words[0] == "tune" and said == "not finite":  # as that of a file
        said = "Nothing that was tried conserves energy"
    assert_sentence(result.output, said)


def test_a_gpu_that_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    write("start.xyz", hot())
    model = toy(tmp_path, "wants_gpu", SPOILED.format(spoil="pass"))
    for command in (
        ("drift", model, "start.xyz"),
        ("check", model, "start.xyz"),
        ("relax", model, "start.xyz"),
        ("ipi-client", model, "-t", "start.xyz", "-s", "unix:none", "--timeout", "0"),
    ):
        result = run(*command, "--device", "cuda")
        assert result.exit_code == 1
        assert_sentence(result.output, "device 'cuda' was asked for, but torch finds no CUDA")
