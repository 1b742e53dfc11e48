"""Analytic crystals with known answers, exported through the package's own path.

As in ``models``, each function returns an :class:`models.AnalyticModel`. Direct forces and stresses
are written out here, so that a test knows by how much they differ from the exact ones::

    path = crystals.springs(swirl=0.02).export(tmp_path / "springs.pt")
    atoms = crystals.fcc()

Bonds are pairs of neighbours closer than a cutoff that lies between the first and the second shell,
each counted once. Units: eV, Å.
"""

import math

import torch
from ase import Atoms
from ase.build import bulk
from models import AnalyticModel, _direct_stress, _sum_to_atoms

from md_bridge.export import pair_vectors

K = 2.0
"""Of the springs, eV/Å²."""
REST = 2.8
"""Their length at rest, Å: that of the nearest neighbours in aluminium."""
ELEMENTS = ["Al", "Cu"]

LJ = {"epsilon": 0.0104, "sigma": 3.4}
"""Argon: eV, Å."""


def fcc(rest: float = REST, element: str = "Al", cubic: bool = False) -> Atoms:
    """An fcc crystal whose neighbours are ``rest`` apart (Å): a = √2 rest."""
    return bulk(element, "fcc", a=math.sqrt(2.0) * rest, cubic=cubic)


def rock_salt(rest: float = REST) -> Atoms:
    """Aluminium and copper in turn on a cubic lattice, neighbours ``rest`` apart (Å): 8 atoms."""
    return bulk("AlCu", "rocksalt", a=2.0 * rest, cubic=True)


def springs(
    k: float = K,
    rest: float = REST,
    *,
    quartic: float = 0.0,
    legendre: dict[int, float] | None = None,
    swirl: float = 0.0,
    push: float = 0.0,
    ripple: float = 0.0,
    ripple_wave: float = 20.0,
    direct: bool = True,
    reach: float = 1.2,
) -> AnalyticModel:
    """½ k (r − rest)² + ¼ quartic (r − rest)⁴ + Σ_l c_l P_l(z/r) for each bond.

    fcc at rest: a = √2 rest; C₁₁ = 2k/a, C₁₂ = C₄₄ = k/a, B = 4k/(3a) (with neighbours alone).
    ``legendre`` has c_l in eV by l; only even l, for a bond has no direction. Bonds are pairs
    closer than ``reach`` · rest (the second shell of fcc is at 1.414).

    The direct forces and stress are the exact ones, and the direct force on atom i has besides

    - ``swirl`` (eV/Å²) · Σ_bonds ẑ × r_ij, with r_ij from i to j: no potential; zero in a perfect
      crystal with inversion at each atom, and of sum zero;
    - ``push`` (eV/Å) · (t_i − t_j)/2 x̂ for each bond, t = 1 for aluminium and −1 for copper:
      constant, of sum zero; with six neighbours of the other kind (rock salt) 6 push x̂ on
      aluminium;
    - ``ripple`` (eV/Å) · √2 sin(ripple_wave (d · (1, ½, ⅓)) + i) for each component of the force,
      d = Σ_bonds r_ij: a rough force of rms ``ripple``, as direct forces of networks have it.

    The direct stress has the exact part alone.
    """
    coefficients = legendre or {}
    values = [
        float(coefficients.get(degree, 0.0)) for degree in range(max(coefficients, default=0) + 1)
    ]
    module = Springs(k, rest, quartic, values, swirl, push, ripple, ripple_wave, direct)
    return AnalyticModel(module, ELEMENTS, reach * rest)


def smooth_lennard_jones(
    begin: float = 1.25, end: float = 1.5, *, direct: bool = True, **parameters: float
) -> AnalyticModel:
    """Lennard-Jones argon that ends smoothly between ``begin`` · σ and ``end`` · σ.

    4ε((σ/r)¹² − (σ/r)⁶) s(r), s = 1 up to the beginning, then 1 − 10x³ + 15x⁴ − 6x⁵. With the
    defaults fcc has interactions of the first shell alone: r = 2^{1/6} σ, E = −6 ε for each atom.
    The direct forces and stress are the exact ones.
    """
    values = {**LJ, **parameters}
    module = SmoothLennardJones(values["epsilon"], values["sigma"], begin, end, direct)
    return AnalyticModel(module, ["Ar"], end * values["sigma"])


def diatomic_chain(k: float = K, rest: float = REST) -> tuple[AnalyticModel, Atoms]:
    """Springs between neighbours along x, and two kinds of atoms: the model, and its cell.

    The chains are far apart: 3 rest. Along x ω² = k(1/m₁ + 1/m₂) ± k √((1/m₁ + 1/m₂)² −
    4 sin²(qa/2)/(m₁m₂)) with a = 2 rest; across ω = 0.
    """
    atoms = Atoms(
        "AlCu",
        positions=[[0.0, 0.0, 0.0], [rest, 0.0, 0.0]],
        cell=[2.0 * rest, 3.0 * rest, 3.0 * rest],
        pbc=True,
    )
    return springs(k, rest), atoms


def einstein(k: float = K, spacing: float = REST) -> AnalyticModel:
    """½ k d² for each atom, d from it to the nearest point of a cubic grid through the origin.

    ``spacing`` of the grid in Å; cell vectors should be of it. Each atom vibrates by itself with
    ω = √(k/m). There are direct forces, the exact ones, whose net force the engine removes.
    """
    return AnalyticModel(Einstein(k, spacing, True), ELEMENTS, 1.2 * spacing)


class Springs(torch.nn.Module):
    def __init__(
        self,
        k: float,
        rest: float,
        quartic: float,
        coefficients: list[float],
        swirl: float,
        push: float,
        ripple: float,
        ripple_wave: float,
        direct: bool,
    ):
        super().__init__()
        self.k, self.rest, self.quartic, self.coefficients = k, rest, quartic, coefficients
        self.swirl, self.push = swirl, push
        self.ripple, self.ripple_wave = ripple, ripple_wave
        self.direct = direct

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        n = positions.size(0)
        first, second = pairs[:, 0], pairs[:, 1]
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r = torch.linalg.vector_norm(vectors, dim=1)
        x = vectors[:, 2] / r
        stretch = r - self.rest
        energy = 0.5 * self.k * stretch**2 + 0.25 * self.quartic * stretch**4
        slope = self.k * stretch + self.quartic * stretch**3
        turn = torch.zeros_like(x)  # Σ c_l P_l'(x)
        before, legendre = torch.zeros_like(x), torch.ones_like(x)
        before_slope, legendre_slope = torch.zeros_like(x), torch.zeros_like(x)
        for degree, coefficient in enumerate(self.coefficients):
            energy = energy + coefficient * legendre
            turn = turn + coefficient * legendre_slope
            following = ((2 * degree + 1) * x * legendre - degree * before) / (degree + 1)
            following_slope = (
                (2 * degree + 1) * (legendre + x * legendre_slope) - degree * before_slope
            ) / (degree + 1)
            before, legendre = legendre, following
            before_slope, legendre_slope = legendre_slope, following_slope
        results = {"energy": _sum_to_atoms(0.5 * energy, first, n)}
        if self.direct:
            unit = vectors / r.unsqueeze(1)
            z = torch.zeros_like(unit)
            z[:, 2] = 1.0
            across = (z - x.unsqueeze(1) * unit) / r.unsqueeze(1)
            exact = slope.unsqueeze(1) * unit + turn.unsqueeze(1) * across
            zero = torch.zeros_like(x)
            swirl = torch.stack([-vectors[:, 1], vectors[:, 0], zero], dim=1)
            kinds = torch.where(types == 13, 1.0, -1.0).to(r.dtype)
            kick = 0.5 * (kinds.index_select(0, first) - kinds.index_select(0, second))
            pushed = torch.stack([kick, zero, zero], dim=1)
            of_pairs = exact + self.swirl * swirl + self.push * pushed
            forces = _sum_to_atoms(of_pairs, first, n)
            if self.ripple != 0.0:
                weights = torch.tensor([1.0, 0.5, 1.0 / 3.0], dtype=r.dtype, device=r.device)
                phase = self.ripple_wave * (_sum_to_atoms(vectors, first, n) * weights).sum(1)
                phase = phase + torch.arange(n, dtype=r.dtype, device=r.device)
                axes = torch.tensor([0.0, 1.0, 2.0], dtype=r.dtype, device=r.device)
                rough = torch.sin(phase.unsqueeze(1) + axes)
                forces = forces + self.ripple * 1.4142135623730951 * rough
            results["forces"] = forces
            results["stress"] = _direct_stress(vectors, exact, pairs, cell, structure)
        return results


class SmoothLennardJones(torch.nn.Module):
    def __init__(self, epsilon: float, sigma: float, begin: float, end: float, direct: bool):
        super().__init__()
        self.epsilon, self.sigma = epsilon, sigma
        self.begin, self.end = begin * sigma, end * sigma
        self.direct = direct

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        n = positions.size(0)
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r = torch.linalg.vector_norm(vectors, dim=1)
        sr6 = (self.sigma / r) ** 6
        lj = 4.0 * self.epsilon * (sr6 * sr6 - sr6)
        lj_slope = 4.0 * self.epsilon * (6.0 * sr6 - 12.0 * sr6 * sr6) / r
        width = self.end - self.begin
        x = ((r - self.begin) / width).clamp(0.0, 1.0)
        s = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x * x)
        s_slope = -30.0 * x * x * (1.0 - x) ** 2 / width
        results = {"energy": _sum_to_atoms(0.5 * lj * s, pairs[:, 0], n)}
        if self.direct:
            slope = lj_slope * s + lj * s_slope
            pair_forces = (slope / r).unsqueeze(1) * vectors
            results["forces"] = _sum_to_atoms(pair_forces, pairs[:, 0], n)
            results["stress"] = _direct_stress(vectors, pair_forces, pairs, cell, structure)
        return results


class Einstein(torch.nn.Module):
    def __init__(self, k: float, spacing: float, direct: bool):
        super().__init__()
        self.k, self.spacing, self.direct = k, spacing, direct

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        away = positions - self.spacing * torch.round(positions.detach() / self.spacing)
        results = {"energy": 0.5 * self.k * away.square().sum(dim=1)}
        if self.direct:
            results["forces"] = -self.k * away
        return results
