"""Analytic models with known answers, exported through the package's own path.

Each function returns an :class:`AnalyticModel`; ``.export(folder / "name.pt")`` writes the file::

    path = models.lennard_jones().export(tmp_path / "lj.pt")

Units: eV, Å. All direct forces and stresses are functions written out here, so a test can know
their value.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from md_bridge.export import export_module, pair_vectors

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from lennard_jones import LennardJones

# Lennard-Jones parameters used by default: epsilon (eV), sigma (Å), close to argon and krypton
ARGON = {"epsilon": 0.0104, "sigma": 3.4, "cutoff": 8.5}
# [Ar, Kr]: each entry is what a LAMMPS line `pair_coeff i j epsilon sigma cutoff` says
ARGON_KRYPTON = {
    "epsilon": [[0.0104, 0.0121], [0.0121, 0.0141]],
    "sigma": [[3.40, 3.52], [3.52, 3.65]],
    "cutoff": [[8.5, 8.0], [8.0, 7.5]],
}


@dataclass
class AnalyticModel:
    """A plain torch module and what its export has to say of it."""

    module: torch.nn.Module
    elements: list[str]
    cutoff: float
    layers: int = 1

    def export(self, path, dtype: str = "float64", **options) -> Path:
        """Export to ``path``; ``options`` go to :func:`md_bridge.export.export_module`."""
        arguments = {"elements": self.elements, "cutoff": self.cutoff, "layers": self.layers}
        return export_module(self.module, path, dtype=dtype, **{**arguments, **options})


def lennard_jones() -> AnalyticModel:
    """Argon, ``lj/cut`` with :data:`ARGON`; no direct forces."""
    module = LennardJones([18], *[[[ARGON[key]]] for key in ("epsilon", "sigma", "cutoff")])
    return AnalyticModel(module, ["Ar"], ARGON["cutoff"])


def lennard_jones_mixture() -> AnalyticModel:
    """Argon and krypton, ``lj/cut`` as in :data:`ARGON_KRYPTON`; no direct forces."""
    return AnalyticModel(LennardJones([18, 36], **ARGON_KRYPTON), ["Ar", "Kr"], 8.5)


def krypton_argon() -> AnalyticModel:
    """A cheaper relative of :func:`lennard_jones_mixture`, which lists krypton first."""
    module = LennardJones(
        [36, 18],
        [[0.0125, 0.0108], [0.0108, 0.0093]],
        [[3.6, 3.5], [3.5, 3.36]],
        [[6.0, 5.5], [5.5, 5.0]],
    )
    return AnalyticModel(module, ["Kr", "Ar"], 6.0)


def curl(
    size: float = 1e-3,
    epsilon: float = 0.0104,
    sigma: float = 3.4,
    stress_per_atom: bool = False,
) -> AnalyticModel:
    """Smooth Lennard-Jones whose direct forces are its exact forces plus a swirl of known size.

    With r_ij from i to j, w = (1 − r²/rc²)² and rc = 6 Å, every pair adds size · w(r_ij) · (z ×
    r_ij) to the direct force on i (``size`` in eV/Å²). This field has a curl and no potential:
    turning j once around i in the xy plane at distance r costs the pair the work ∓2π r² size w(r),
    the sense of the turn deciding the sign. Its sum over all atoms is zero, so it survives the
    removal of the net force. The direct stress is the exact one plus the (symmetrised) share of the
    swirl. With ``size=0`` direct forces and stress equal the conservative ones. With
    ``stress_per_atom`` the model returns the shares of the atoms in the stress.
    """
    module = Curl(size, epsilon, sigma, 6.0, stress_per_atom)
    return AnalyticModel(module, ["Ar"], 6.0)


def stand_in(cutoff: float = 4.6, size: float = 0.01) -> AnalyticModel:
    """A cheaper relative of :func:`curl`, for the inner forces of two models: as there, with 0.009
    eV, 3.3 Å and a shorter cutoff (Å). It knows krypton too, and argon second.
    """
    return AnalyticModel(Curl(size, 0.009, 3.3, cutoff), ["Kr", "Ar"], cutoff)


def harmonic(
    k: float = 2.0, r0: float = 2.0, k_direct: float | None = None, cutoff: float = 3.0
) -> AnalyticModel:
    """½ k (r − r0)² for each pair of hydrogen atoms closer than ``cutoff`` (eV/Å², Å).

    A dimer of masses m oscillates with ω² = 2k/m. ``k_direct``: the direct forces are those of
    springs of this strength, so that multiple time stepping has an exact solution too; None: no
    direct forces.
    """
    module = Harmonic(k, r0, k_direct) if k_direct is not None else ConservativeHarmonic(k, r0)
    return AnalyticModel(module, ["H"], cutoff)


def swirling_springs(k: float = 2.0, size: float = 2e-4, cutoff: float = 1.5) -> AnalyticModel:
    """½ k r² for each pair of hydrogen atoms closer than ``cutoff``; direct forces have a swirl.

    The direct force on i is k r_ij + size (z × r_ij), r_ij from i to j (k, size in eV/Å²). In the
    plane a dimer is then a linear oscillator, r'' = (−k − i size) r/μ with r = x + i y: its two
    circular orbits gain and lose energy as exp(±(size/k) ω t), ω² = k/μ, to first order in size/k.
    """
    return AnalyticModel(SwirlingSprings(k, size), ["H"], cutoff)


def nan_when_close(distance: float, where: str = "energy") -> AnalyticModel:
    """Lennard-Jones argon that breaks when two atoms come closer than ``distance`` (Å).

    ``where="energy"``: the energies of both atoms become NaN (their gradient too); ``"direct"``:
    energies stay, the direct forces on both atoms become NaN.
    """
    return AnalyticModel(
        NanWhenClose(lennard_jones().module, distance, where == "energy"), ["Ar"], ARGON["cutoff"]
    )


def two_layers(cutoff: float = 4.0) -> AnalyticModel:
    """Smooth model of argon in which an energy depends on neighbours of neighbours; with direct
    forces.

    ρ_i = Σ_j w(r_ij), q_i = Σ_j w(r_ij) ρ_j, E_i = 0.2 ρ_i − 0.5 √(0.01 + q_i), with w = (1 −
    r²/rc²)³: the interaction range is 2 rc. Direct force on i: 0.05 Σ_j w(r_ij) ρ_j r_ij, whose sum
    over the atoms is *not* zero.
    """
    return AnalyticModel(TwoLayers(cutoff), ["Ar"], cutoff, layers=2)


def uncertain() -> AnalyticModel:
    """Lennard-Jones argon with an uncertainty: 0.01 eV × number of neighbours within the cutoff."""
    return AnalyticModel(Uncertain(lennard_jones().module), ["Ar"], ARGON["cutoff"])


def in_a_field() -> AnalyticModel:
    """Lennard-Jones argon, and 0.1 eV/Å times the height z of each atom: no function of pairs."""
    return AnalyticModel(InAField(lennard_jones().module), ["Ar"], ARGON["cutoff"])


def anisotropic(
    coefficients: dict[int, float],
    direct: float = 0.1,
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> AnalyticModel:
    """Smooth Lennard-Jones that looks different from each direction, by known spherical harmonics.

    Every argon atom i adds, for each neighbour j (argon or krypton) at r_ij from it, the energy
    w(r) Σ_l c_l P_l(z/r) with w = (1 − r²/rc²)³ and rc = 6 Å (``coefficients``: c_l in eV by l).
    The mean over all orientations has the l = 0 term only. Direct forces are the exact ones of the
    Lennard-Jones part, plus ``direct`` (eV/Å) · w z/r along z on i and its opposite on j, with the
    mean ``direct`` · w/3 along r_ij; the direct stress is the exact one plus ``direct`` (eV/Å³) ·
    w (z/r)² in zz, with the mean ``direct`` · w (1 + 2 n nᵀ)/15; the uncertainty of i is
    0.01 eV · Σ_j w (z/r)², with the mean 0.01 eV · Σ_j w/3. All of this is along ``axis`` where
    that is another one than z.
    """
    values = [float(coefficients.get(degree, 0.0)) for degree in range(max(coefficients) + 1)]
    return AnalyticModel(Anisotropic(values, direct, axis), ["Ar", "Kr"], 6.0)


ALL = {
    "lennard_jones": lennard_jones,
    "lennard_jones_mixture": lennard_jones_mixture,
    "curl": curl,
    "strong_curl": lambda: curl(size=2e-2),
    "shared_stress": lambda: curl(size=2e-2, stress_per_atom=True),
    "stand_in": stand_in,
    "harmonic": harmonic,
    "harmonic_direct": lambda: harmonic(k_direct=1.5),
    "swirling_springs": swirling_springs,
    "nan_when_close": lambda: nan_when_close(0.5),
    "two_layers": two_layers,
    "uncertain": uncertain,
    "in_a_field": in_a_field,
}


def _sum_to_atoms(values: torch.Tensor, atom: torch.Tensor, n: int) -> torch.Tensor:
    shape = [n] + list(values.shape[1:])  # noqa: RUF005 (TorchScript)
    return torch.zeros(shape, dtype=values.dtype, device=values.device).index_add(0, atom, values)


def _stress_of_atoms(vectors, pair_forces, pairs, cell, structure):
    """½ Σ r ⊗ f / V for each atom, symmetrised; r points from the atom that f acts on to the other.

    With f = du/dr r/r they add up to dE/d(strain)/V (zero without a volume).
    """
    outer = 0.5 * vectors.unsqueeze(2) * pair_forces.unsqueeze(1)
    shares = _sum_to_atoms(outer, pairs[:, 0], structure.size(0))
    shares = 0.5 * (shares + shares.transpose(1, 2))
    volume = torch.det(cell).abs().reshape(-1, 1, 1)[structure]
    safe = torch.where(volume > 0.0, volume, 1.0)
    return torch.where(volume > 0.0, shares / safe, 0.0)


def _direct_stress(vectors, pair_forces, pairs, cell, structure):
    """The sum of the above for each structure."""
    shares = _stress_of_atoms(vectors, pair_forces, pairs, cell, structure)
    return _sum_to_atoms(shares, structure, cell.size(0))


def _legendre_series(coefficients: list[float], x: torch.Tensor) -> torch.Tensor:
    """Σ_l c_l P_l(x)."""
    total = torch.zeros_like(x)
    before, legendre = torch.zeros_like(x), torch.ones_like(x)
    for degree, coefficient in enumerate(coefficients):
        total = total + coefficient * legendre
        following = ((2 * degree + 1) * x * legendre - degree * before) / (degree + 1)
        before, legendre = legendre, following
    return total


class Curl(torch.nn.Module):
    def __init__(
        self,
        size: float,
        epsilon: float,
        sigma: float,
        cutoff: float,
        stress_per_atom: bool = False,
    ):
        super().__init__()
        self.size, self.epsilon, self.sigma, self.cutoff = size, epsilon, sigma, cutoff
        self.stress_per_atom = stress_per_atom

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
        r = pair_vectors(positions, cell, pairs, shifts, structure)
        r2 = r.square().sum(dim=1)
        x = 1.0 - r2 / self.cutoff**2
        sr6 = (self.sigma**2 / r2) ** 3
        lj = 4.0 * self.epsilon * (sr6 * sr6 - sr6)
        energy = _sum_to_atoms(0.5 * lj * x * x, pairs[:, 0], n)

        # d(lj x²)/d(r²), times 2 r: the force on the first atom
        slope = 4.0 * self.epsilon * (-6.0 * sr6 * sr6 + 3.0 * sr6) / r2
        slope = slope * x * x - lj * 2.0 * x / self.cutoff**2
        zero = torch.zeros_like(r2)
        swirl = torch.stack([-r[:, 1], r[:, 0], zero], dim=1)  # z × r
        pair_forces = 2.0 * slope.unsqueeze(1) * r + self.size * (x * x).unsqueeze(1) * swirl
        if self.stress_per_atom:
            stress = _stress_of_atoms(r, pair_forces, pairs, cell, structure)
        else:
            stress = _direct_stress(r, pair_forces, pairs, cell, structure)
        return {
            "energy": energy,
            "forces": _sum_to_atoms(pair_forces, pairs[:, 0], n),
            "stress": stress,
        }


class Anisotropic(torch.nn.Module):
    def __init__(self, coefficients: list[float], direct: float, axis: tuple[float, float, float]):
        super().__init__()
        self.isotropic = Curl(0.0, 0.0104, 3.4, 6.0)
        norm = math.hypot(*axis)
        self.axis = [x / norm for x in axis]
        self.coefficients, self.direct = coefficients, direct

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        results: dict[str, torch.Tensor] = self.isotropic(
            types, positions, cell, pairs, shifts, structure
        )
        n = positions.size(0)
        first, second = pairs[:, 0], pairs[:, 1]
        r = pair_vectors(positions, cell, pairs, shifts, structure)
        r2 = r.square().sum(dim=1)
        z = torch.tensor(self.axis, dtype=r.dtype, device=r.device)
        x = (r @ z) / r2.sqrt()
        seen = (types.index_select(0, first) == 18).to(r.dtype)
        w = seen * (1.0 - r2 / self.isotropic.cutoff**2) ** 3
        energy = w * _legendre_series(self.coefficients, x)
        push = (self.direct * w * x).unsqueeze(1) * z
        forces = _sum_to_atoms(push, first, n) - _sum_to_atoms(push, second, n)
        pull = (self.direct * w * x * x).reshape(-1, 1, 1) * (z.unsqueeze(1) * z)
        stress = _sum_to_atoms(pull, structure.index_select(0, first), cell.size(0))
        return {
            "energy": results["energy"] + _sum_to_atoms(energy, first, n),
            "forces": results["forces"] + forces,
            "stress": results["stress"] + stress,
            "uncertainty": 0.01 * _sum_to_atoms(w * x * x, first, n),
        }


class ConservativeHarmonic(torch.nn.Module):
    def __init__(self, k: float, r0: float):
        super().__init__()
        self.k, self.r0 = k, r0

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r = torch.linalg.vector_norm(vectors, dim=1)
        energy = 0.25 * self.k * (r - self.r0).square()
        return {"energy": _sum_to_atoms(energy, pairs[:, 0], positions.size(0))}


class Harmonic(torch.nn.Module):
    def __init__(self, k: float, r0: float, k_direct: float):
        super().__init__()
        self.spring = ConservativeHarmonic(k, r0)
        self.r0, self.k_direct = r0, k_direct

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        pair_forces = self.k_direct * (r - self.r0) * vectors / r
        results = self.spring(types, positions, cell, pairs, shifts, structure)
        results["forces"] = _sum_to_atoms(pair_forces, pairs[:, 0], positions.size(0))
        return results


class SwirlingSprings(torch.nn.Module):
    def __init__(self, k: float, size: float):
        super().__init__()
        self.k, self.size = k, size

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        r = pair_vectors(positions, cell, pairs, shifts, structure)
        n = positions.size(0)
        energy = _sum_to_atoms(0.25 * self.k * r.square().sum(dim=1), pairs[:, 0], n)
        swirl = torch.stack([-r[:, 1], r[:, 0], torch.zeros_like(r[:, 0])], dim=1)
        return {
            "energy": energy,
            "forces": _sum_to_atoms(self.k * r + self.size * swirl, pairs[:, 0], n),
        }


class NanWhenClose(torch.nn.Module):
    def __init__(self, model: torch.nn.Module, distance: float, in_energy: bool):
        super().__init__()
        self.model, self.distance, self.in_energy = model, distance, in_energy

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        results: dict[str, torch.Tensor] = self.model(
            types, positions, cell, pairs, shifts, structure
        )
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r = torch.linalg.vector_norm(vectors, dim=1)
        close = (r < self.distance).to(positions.dtype)
        n_close = _sum_to_atoms(close, pairs[:, 0], positions.size(0))
        factor = torch.where(n_close > 0, float("nan"), 1.0).to(positions.dtype)
        if self.in_energy:
            results["energy"] = results["energy"] * factor
        else:
            results["forces"] = torch.zeros_like(positions) * factor.unsqueeze(1)
        return results


class TwoLayers(torch.nn.Module):
    def __init__(self, cutoff: float):
        super().__init__()
        self.cutoff = cutoff

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
        w = (1.0 - vectors.square().sum(dim=1) / self.cutoff**2) ** 3
        density = _sum_to_atoms(w, first, n)
        message = w * density.index_select(0, second)
        energy = 0.2 * density - 0.5 * (0.01 + _sum_to_atoms(message, first, n)).sqrt()
        forces = _sum_to_atoms(0.05 * message.unsqueeze(1) * vectors, first, n)
        return {"energy": energy, "forces": forces}


class Uncertain(torch.nn.Module):
    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        results: dict[str, torch.Tensor] = self.model(
            types, positions, cell, pairs, shifts, structure
        )
        ones = torch.ones_like(positions[:, 0]).index_select(0, pairs[:, 0])
        results["uncertainty"] = 0.01 * _sum_to_atoms(ones, pairs[:, 0], positions.size(0))
        return results


class InAField(torch.nn.Module):
    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = self.model(
            types, positions, cell, pairs, shifts, structure
        )
        return {"energy": found["energy"] + 0.1 * positions[:, 2]}
