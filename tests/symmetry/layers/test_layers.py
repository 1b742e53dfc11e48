"""Layers whose sectors are known in closed form (T-S8), and what a layer must not do."""

import itertools
import json
from io import StringIO

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from md_bridge.errors import ArgumentError
from md_bridge.symmetry import SymmetryError, o3_grid
from md_bridge.symmetry.group.wigner import wigner_matrices
from md_bridge.symmetry.layers import Capture, analyse_layers_of, capture
from md_bridge.symmetry.layers.gram import spectrum_of
from md_bridge.symmetry.measuring.sums import Projection

POINTS = np.random.default_rng(7).standard_normal((5, 3))


class Power(nn.Module):
    def forward(self, x):
        return x**3 - 0.5 * x**2


class PointNet(nn.Module):
    """Points one by one, then all together."""

    def __init__(self, activation, width=6, bias=True):
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Linear(3, width, bias=bias)
        self.activation = activation
        self.pool = nn.Linear(width, 4)

    def forward(self, points):
        return self.pool(self.activation(self.first(points)).sum(-2))


def point_net(activation, bias=True):
    return PointNet(activation, bias=bias).double().eval()


def expect(sectors, expected, rel=1e-10, atol=1e-12):
    """Fractions of the sectors: those that are expected, zero everywhere else."""
    for degree, sigma in itertools.product(range(len(sectors.spectrum.values)), (1, -1)):
        value = expected.get((degree, sigma), 0.0)
        assert sectors[degree, sigma] == pytest.approx(value, rel=rel, abs=atol)


class TestClosedForms:
    def test_a_linear_layer(self):
        """W R r + b: b is (0, +), the rest (1, +), ‖W‖² |r|²/3."""
        net = point_net(nn.ReLU())
        layer = analyse_layers_of(net, POINTS, "first", lmax=3)["first"]
        weight, bias = (each.detach().numpy() for each in net.first.parameters())
        vector = (weight**2).sum() * (POINTS**2).sum(axis=1).mean() / 3
        constant = bias @ bias
        assert layer.whole.norm == pytest.approx(vector + constant, rel=1e-12)
        share = vector / (vector + constant)
        expect(layer.whole, {(0, 1): 1 - share, (1, 1): share})
        assert layer.whole.bandwidth == pytest.approx(share)
        assert layer.whole.remainder == pytest.approx(0.0, abs=1e-12)
        # what all samples have in common is b and the mean of the points
        expect(layer.centred, {(1, 1): 1.0})
        spread = ((POINTS - POINTS.mean(axis=0)) ** 2).sum(axis=1).mean()
        assert layer.centred.norm == pytest.approx((weight**2).sum() * spread / 3, rel=1e-12)
        assert layer.centred.natural_parity_share == 1.0
        assert layer.problems == ()
        assert (layer.samples, layer.components) == (5, 6)

    def test_one_relu(self):
        """relu(x) = 1/4 + x/2 + 5/16 P_2 − 3/32 P_4 + …: each c_l gives c_l²/(2l+1), of 1/6."""
        net = point_net(nn.ReLU(), bias=False)
        grid = o3_grid(16)
        layer = analyse_layers_of(net, POINTS[:2], "activation", lmax=5, grid=grid)["activation"]
        series = {0: 1 / 4, 1: 1 / 2, 2: 5 / 16, 4: -3 / 32}
        expected = {(n, 1): 6 * c**2 / (2 * n + 1) for n, c in series.items()}
        expect(layer.whole, expected, rel=5e-3, atol=1e-5)
        assert layer.whole.remainder == pytest.approx(1 - sum(expected.values()), abs=1e-4)

    def test_a_relu_with_a_bias_has_all_angular_momenta(self):
        """The series does not end: what the grid folds back is some 1e-5."""
        found = analyse_layers_of(point_net(nn.ReLU()), POINTS, "activation", lmax=5)
        shares = found["activation"].whole.fractions
        assert shares[:, 0].min() > 10 * shares[:, 1].max()
        assert found["activation"].whole.natural_parity_share > 0.9999

    def test_a_cubic_activation(self):
        """λ ≤ 3 exactly; x³ = 3/5 P_1 + 2/5 P_3 and x² = 1/3 + 2/3 P_2, of w·r = |w||r| x."""
        net = point_net(Power(), bias=False)
        layer = analyse_layers_of(net, POINTS, "activation", lmax=5)["activation"]
        weight = net.first.weight.detach().numpy()
        size = np.outer(np.linalg.norm(POINTS, axis=1), np.linalg.norm(weight, axis=1))
        cube, square = (size**6).sum(axis=1).mean(), (size**4).sum(axis=1).mean() / 4
        values = {0: square / 9, 1: cube * 3 / 25, 2: square * 4 / 45, 3: cube * 4 / 175}
        norm = cube / 7 + square / 5
        assert layer.whole.norm == pytest.approx(norm, rel=1e-12)
        expect(layer.whole, {(n, 1): value / norm for n, value in values.items()})

    def test_polynomials_that_a_function_names_itself(self):
        """1, x, xy, xyz of the first column of g, and × det: 1, 1/3, 1/15, 1/105 (metatomic)."""

        def f(points):
            x, y, z = points[0]
            natural = {"1": 1.0, "x": x, "xy": x * y, "xyz": x * y * z}
            other = {f"{name} det": each * np.linalg.det(points) for name, each in natural.items()}
            return {name: np.array([each]) for name, each in {**natural, **other}.items()}

        found = analyse_layers_of(f, np.eye(3), lmax=4)
        for degree, (name, norm) in enumerate(
            {"1": 1.0, "x": 1 / 3, "xy": 1 / 15, "xyz": 1 / 105}.items()
        ):
            for sigma, suffix in ((1, ""), (-1, " det")):
                layer = found[name + suffix]
                expect(layer.whole, {(degree, sigma): 1.0}, atol=1e-11)
                assert layer.whole.norm == pytest.approx(norm, abs=1e-12)

    def test_pooled_features_are_one_sample(self):
        """Of one structure they are their own mean: nothing is left without it."""
        layer = analyse_layers_of(point_net(Power()), POINTS, "pool", lmax=3)["pool"]
        assert (layer.samples, layer.components) == (1, 4)
        assert layer.centred.norm == 0.0
        assert np.isnan(layer.centred.fractions).all()
        two = analyse_layers_of(point_net(Power()), [POINTS, POINTS[2:]], "pool", lmax=3)["pool"]
        assert two.samples == 2
        assert two.centred.norm > 0


@pytest.mark.parametrize("inversion", [True, False])
def test_inner_products_and_coefficients_agree(inversion):
    """Two forms of one spectrum: characters and inner products of copies, Wigner matrices."""
    grid, lmax = o3_grid(12, inversion), 6
    generator = np.random.default_rng(1)
    mix, constant = generator.standard_normal((4, 3, 3, 3)), generator.standard_normal(12) * 10
    shape = generator.standard_normal((3, 3))
    frames = grid.rotations @ shape
    u = np.einsum("sabc,gab->gsc", mix, np.sinh(frames) + np.linalg.det(frames)[:, None, None])
    changes = u.reshape(len(grid), -1)
    projection = Projection(constant[None], range(12), lmax, grid.cosets)
    weighted = grid.proper_weights[:, None] * wigner_matrices(grid.proper, lmax)
    projection.add(changes.reshape(grid.cosets, len(grid.proper), 1, 12), weighted)
    expected = projection.finish().spectrum[0]
    found = spectrum_of(changes, constant, grid, lmax)
    assert found == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert expected.max() > 1


def test_passes_and_structures():
    """What does not fit the memory is done in passes; several structures are samples of one."""
    net = point_net(nn.Tanh())
    whole = analyse_layers_of(net, [POINTS, POINTS[:3]], lmax=2)
    pieces = analyse_layers_of(net, [POINTS, POINTS[:3]], lmax=2, memory=2**16)
    assert pieces.evaluations > whole.evaluations
    for one, other in zip(whole.layers, pieces.layers, strict=True):
        assert one.name == other.name
        for a, b in ((one.whole, other.whole), (one.centred, other.centred)):
            assert a.fractions == pytest.approx(b.fractions, rel=1e-9, abs=1e-12)
    batched = analyse_layers_of(net, [POINTS, POINTS[:3]], lmax=2, copies_per_call=50)
    assert batched["pool"].whole.fractions == pytest.approx(whole["pool"].whole.fractions)
    few = analyse_layers_of(net, POINTS, "first", lmax=1, samples=2)
    assert few["first"].samples == 2


def test_content_that_the_grid_does_not_resolve():
    """A degree-7 polynomial that vanishes on the grid is seen at random orientations."""

    def f(points):
        x2 = points[0] ** 2
        squares = x2[0] * x2[1] + x2[1] * x2[2] + x2[2] * x2[0]
        return {"seventh": np.array([1 + np.prod(points[0]) * ((x2**2).sum() - squares)])}

    z = np.array([[0.0, 0.0, 1.0]])
    (problem,) = analyse_layers_of(f, z, lmax=4).problems
    assert problem.startswith("seventh: ")
    assert problem.endswith("at random orientations: increase the degree")
    assert analyse_layers_of(f, z, lmax=8).problems == []


class Pairs(nn.Module):
    """Vectors from each point to the others, the neighbours in the order of a rule."""

    def __init__(self, rule):
        super().__init__()
        self.rule = rule
        self.of_pairs = nn.Identity()

    def forward(self, points):
        vectors = points[None] - points[:, None]
        order = torch.argsort(self.rule(vectors), dim=1)
        rows = torch.take_along_dim(vectors, order[..., None], 1)[:, :3]
        return self.of_pairs(rows.reshape(-1, 3))


def test_neighbours_in_an_order_that_depends_on_the_frame():
    with pytest.raises(
        SymmetryError, match=r"row \d+ of of_pairs should stand for the same points"
    ):
        analyse_layers_of(Pairs(lambda vectors: vectors[..., 0]), POINTS, "of_pairs", lmax=2)
    by_distance = Pairs(lambda vectors: (vectors**2).sum(-1))
    layer = analyse_layers_of(by_distance, POINTS, "of_pairs", lmax=2)["of_pairs"]
    expect(layer.whole, {(1, 1): 1.0})


class TestCapture:
    def test_names(self):
        """Containers hand on, modules run again, return tuples and work in place."""

        class Two(nn.Module):
            def forward(self, x):
                return x + 1, x - 1

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
                self.same = nn.Identity()
                self.two = Two()

            def forward(self, x):
                x = self.same(self.block(x))
                return self.two(self.two(x)[0])

        torch.manual_seed(0)
        net = Net()
        x = torch.randn(4, 3)
        values = Capture(net)(x)
        names = ["block.0", "block", "two_0", "two_1", "two_0#2", "two_1#2"]
        assert list(values) == names
        assert values["block.0"].min() < 0  # before the ReLU, which overwrites it
        assert values["block"].min() == 0
        assert torch.allclose(values["two_0#2"], values["block"] + 2)
        assert list(Capture(net, "same")(x)) == ["same"]
        assert list(Capture(net, "block.?, *_1*")(x)) == ["block.0", "block.1", "two_1", "two_1#2"]
        assert not any(module._forward_hooks for module in net.modules())

    def test_an_unknown_pattern(self):
        with pytest.raises(ArgumentError, match=r"'frist' is no layer .*; did you mean 'first'\?"):
            analyse_layers_of(point_net(nn.ReLU()), POINTS, "frist")
        with pytest.raises(ArgumentError, match=r"'9\*' is no layer of this network: there are fi"):
            analyse_layers_of(point_net(nn.ReLU()), POINTS, "first,9*")
        with pytest.raises(ArgumentError, match="names no layer"):
            analyse_layers_of(point_net(nn.ReLU()), POINTS, " ")
        with pytest.raises(ArgumentError, match="did you mean 'x'"):
            analyse_layers_of(lambda points: {"x": points}, POINTS, "X")

    def test_what_cannot_be_recorded(self):
        scripted = torch.jit.script(point_net(nn.ReLU()))
        with pytest.raises(SymmetryError, match=r"TorchScript does not show its layers: .*\.ckpt"):
            capture(scripted)
        with pytest.raises(SymmetryError, match=r"should return a mapping .* found ndarray"):
            analyse_layers_of(lambda points: points, POINTS)
        with pytest.raises(SymmetryError, match="Switch off dropout"):
            analyse_layers_of(point_net(nn.Dropout()).train(), POINTS)


def test_a_map_as_table_data_and_picture(tmp_path):
    found = analyse_layers_of(point_net(Power()), POINTS, lmax=2, grid=o3_grid(6))
    assert found.lmax == 2
    out = StringIO()
    Console(file=out, width=120).print(found.table())
    text = out.getvalue()
    assert "first" in text
    assert "5 × 6" in text
    assert "100.00" in text
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [each["name"] for each in data["layers"]] == ["first", "activation", "pool"]
    first, _, pool = data["layers"]
    assert first["centred"]["fractions"]["+"][1] == pytest.approx(1.0)
    assert first["centred"]["natural_parity_share"] == 1.0
    assert pool["centred"]["remainder"] is None
    figure = found.plot(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000
    panels = figure.axes[:2]
    assert [axes.get_title("left")[:5] for axes in panels] == ["σ = +", "σ = −"]
    shown = np.asarray(panels[0].images[0].get_array())
    assert shown[1, 0] == pytest.approx(1.0)
    assert [label.get_text() for label in panels[1].get_xticklabels()] == [
        "first",
        "activation",
        "pool",
    ]
