"""examples/esen: a small eSEN with both kinds of forces, trained, and its parts taken away."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

FOLDER = Path(__file__).parents[2] / "examples" / "esen"
NEEDS_FAIRCHEM = pytest.mark.skipif(
    importlib.util.find_spec("fairchem") is None, reason="needs fairchem-core"
)


@pytest.fixture
def example(monkeypatch):
    """Imports modules of the example by name: other examples have a network.py, too."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("network", "train", "calculator", "ablations")
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


def test_frames_of_the_repository_have_labels(example):
    train = example("train")
    found = train.frames(train.DATA / "val.xyz.xz")
    assert len(found) == 40
    assert found[0].get_potential_energy() / len(found[0]) == pytest.approx(-52, abs=20)
    assert found[0].get_forces().shape == (81, 3)


def test_batches_go_through_all_frames_in_every_epoch(example):
    train = example("train")
    steps = [next_ for next_, _ in zip(train.batches(7, 2, seed=1), range(6), strict=False)]
    for epoch in (steps[:3], steps[3:]):
        assert len({index for step in epoch for index in step}) == 6
    assert steps[:3] != steps[3:]


def test_conservation_of_lennard_jones_and_of_a_push(example):
    """What the rows of the table are made of, on forces whose answer is known."""
    ablations = example("ablations")
    atoms = bulk("Ar", cubic=True) * (2, 2, 2)
    MaxwellBoltzmannDistribution(atoms, temperature_K=30, rng=np.random.default_rng(1))
    plain = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
    kept = ablations.conservation(atoms, plain, 2.0, 150)
    assert kept["wandering"] < 2e-3

    class Pushed(LennardJones):
        """A constant power: forces along the velocities that the run had at its start."""

        def calculate(self, *arguments, **keywords):
            super().calculate(*arguments, **keywords)
            self.results["forces"] = self.results["forces"] + push

    push = 1e-3 * np.sign(atoms.get_momenta())
    pushed = ablations.conservation(
        atoms, Pushed(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True), 2.0, 150
    )
    assert pushed["wandering"] > 100 * kept["wandering"]
    assert pushed["heating"] > 1e4 * kept["heating"]
    assert pushed["drift"] > 0


def test_heating_of_a_random_walk_is_what_the_walk_was_made_with(example):
    """D/kT of 200 walks, whose mean misses by 4 % once in twenty times: chi-squared, 24 each."""
    ablations = example("ablations")
    count, temperature, diffusion, step = 81, 300.0, 50.0, 5e-4
    kicks = np.random.default_rng(3).normal(size=(200, 400)) * np.sqrt(2 * diffusion * step)
    time = step * np.arange(400)
    rates = [
        ablations.heating(time, walk / count, count, temperature) for walk in kicks.cumsum(axis=1)
    ]
    assert np.mean(rates) == pytest.approx(diffusion / (25.852 * count), rel=0.1)


def test_rows_of_the_table(example):
    """Each has a network that can be made of its checkpoint; rows without a checkpoint are out."""
    ablations, calculator, network = example("ablations"), example("calculator"), example("network")
    every = ablations.chosen({"whole": "a.pt", "grid": "b.pt", "sharp": "c.pt"})
    names = [row.name for row, _ in every]
    assert names[0] == "full model"
    assert {row.part for row, _ in every} == {calculator.DIRECT, *network.ABLATIONS}
    assert [row.name for row, _ in every if row.seed != 1] == [ablations.CONTROL]
    assert {row.name: path for row, path in every}["coarse grid"] == "b.pt"
    some = ablations.chosen({"whole": "a.pt", "grid": None, "sharp": None})
    assert {path for _, path in some} == {"a.pt"}
    assert len(some) == len(every) - 3


def test_a_row_passes_beside_the_full_model_only(example):
    ablations = example("ablations")
    rates = {"full model": 2e-5, "a": 1e-3, "b": 3e-3}
    numbers = {name: {"heating": rate, "wandering": 1.0} for name, rate in rates.items()}
    ablations.judge(numbers)
    assert [found["passed"] for found in numbers.values()] == [True, True, False]
    assert numbers["b"]["ratio"] == pytest.approx(150)


def test_no_row_is_near_the_limit(example):
    """So that no other roll of the frames turns it: 24 cosines differ less than that by chance."""
    ablations = example("ablations")
    numbers = json.loads((FOLDER / "ablations.json").read_text(encoding="utf-8"))
    for name, found in numbers.items():
        assert abs(np.log(found["ratio"] / ablations.LARGEST_RATIO)) > np.log(5), name
    assert 0.2 < numbers[ablations.CONTROL]["ratio"] < 5


def test_the_page_has_the_numbers_that_are_kept(example):
    """As ``ablations.py`` wrote both: the table, and a picture beside it."""
    ablations = example("ablations")
    numbers = json.loads((FOLDER / "ablations.json").read_text(encoding="utf-8"))
    assert [*numbers] == [row.name for row in ablations.ROWS]
    assert ablations.markdown(numbers) in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert numbers["full model"]["passed"]
    assert (FOLDER / "ablations.png").stat().st_size > 10_000


def test_a_row_that_there_is_not_is_refused_with_those_that_there_are(example):
    with pytest.raises(ValueError, match=r"no row 'cutoff'.*direct forces.*no envelope"):
        example("calculator").of_row(None, "cutoff")


@pytest.mark.slow
@NEEDS_FAIRCHEM
def test_a_few_steps_of_training(example, tmp_path, monkeypatch, water):
    """It learns; its forces are the gradient; the engine gives what its calculator gives."""
    import torch

    from md_bridge.engine import Engine, structure_from_ase

    train, network, calculator = example("train"), example("network"), example("calculator")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    structures = train.frames(train.DATA / "val.xyz.xz")[:4]
    small = network.Esen(network.Settings(channels=8, layers=1, cutoff=3.0))
    train.normalise(small, structures)
    before = small.force_head.linear.weight.detach().clone()
    losses = train.train(small, structures, steps=12, conservative=False, size=2)
    losses += train.train(small, structures, steps=12, conservative=True, rate=1e-3, size=2)
    assert np.mean(losses[8:12]) < np.mean(losses[:4])
    assert np.mean(losses[20:]) < np.mean(losses[12:16])
    assert (small.force_head.linear.weight != before).any()
    network.save(small, tmp_path / "small.pt")

    double = calculator.EsenCalculator(network.load(tmp_path / "small.pt", torch.float64))
    atoms = water.copy()
    atoms.calc = double
    forces = atoms.get_forces()
    random = np.random.default_rng(2)
    along = random.normal(size=forces.shape)
    energies = []
    for shift in (1e-4, -1e-4):
        moved = water.copy()
        moved.positions += shift * along
        moved.calc = double
        energies.append(moved.get_potential_energy())
    power = float(np.sum(forces * along))
    assert abs(power) > 0.01
    assert (energies[0] - energies[1]) / 2e-4 == pytest.approx(-power, rel=1e-4)

    monkeypatch.setenv("ESEN_CHECKPOINT", str(tmp_path / "small.pt"))
    engine = Engine(f"python:{FOLDER / 'calculator.py'}:make")
    found = engine.evaluate(structure_from_ase(water), conservative_forces=True, direct_forces=True)
    own = calculator.make()
    own.calculate(water, ["forces", "direct_forces"])
    direct = own.results["direct_forces"] - own.results["direct_forces"].mean(axis=0)
    for given, expected in (
        (found.conservative_forces, own.results["forces"]),
        (found.direct_forces, direct),
    ):
        np.testing.assert_allclose(np.reshape(given, (-1, 3)), expected, rtol=0, atol=1e-3)
    assert found.energy == pytest.approx(own.results["energy"], abs=1e-2)

    monkeypatch.setenv("ESEN_ROW", calculator.DIRECT)
    posing = calculator.make()
    posing.calculate(water, ["forces"])
    given = posing.results["forces"]
    np.testing.assert_allclose(given, direct, rtol=0, atol=1e-3)


@pytest.mark.slow
@NEEDS_FAIRCHEM
def test_what_is_taken_away_is_gone(example, water):
    """The energy jumps at the cutoff without an envelope, and depends on the roll with a grid."""
    import torch

    network, calculator = example("network"), example("calculator")
    torch.manual_seed(1)
    settings = {"channels": 8, "layers": 1, "cutoff": 3.0}
    whole = network.Esen(network.Settings(**settings), torch.float64).eval()
    pair = water[:2].copy()
    pair.set_cell(None)
    pair.pbc = False

    def jump(of):
        energies = []
        for distance in (3.0 - 1e-6, 3.0 + 1e-6):
            pair.positions = [[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]
            energies.append(float(of(network.batch_of([pair], torch.float64))["energy"][0]))
        return abs(energies[1] - energies[0])

    assert jump(network.ablated(whole, "no envelope")) > 100 * jump(whole)

    spreads = {}
    for name, activation in (("gate", "gate"), ("coarse grid", "s2"), ("fine grid", "s2")):
        torch.manual_seed(1)
        net = network.Esen(network.Settings(**settings, activation=activation), torch.float64)
        net = net.eval() if name == "gate" else network.ablated(net, name)
        calc = calculator.EsenCalculator(net)
        energies = []
        for _ in range(4):
            calc.calculate(water, ["energy"])
            energies.append(calc.results["energy"])
        spreads[name] = np.ptp(energies)
    assert spreads["gate"] < 1e-9 < spreads["coarse grid"]
    assert spreads["fine grid"] < 0.1 * spreads["coarse grid"]
