"""The student: a small local network whose forces are the gradient of its energy, written out.

The gradient of most networks is made by differentiating their energy backwards, which costs two to
three evaluations. Here it is part of the forward pass, so that what hosts take as *direct* forces
are conservative ones, exactly equivariant and without a net force; and training on forces needs one
pass backwards only.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from md_bridge.distil.harmonics import (
    LARGEST_DEGREE,
    exponents,
    gradient_matrix,
    harmonic_matrix,
)
from md_bridge.errors import ArgumentError
from md_bridge.export import pair_vectors

__all__ = ["LAYERS", "Architecture", "Student"]

LAYERS = 2
"""Message-passing layers of an export. The energy of an atom depends on its neighbours only, but
the force on it is the sum of the slopes of all energies that it is in: those of its neighbours
too, which have neighbours of their own."""

_DECAY = 2.0
"""Length (Å) of the variable t = exp(−r/a) that radial functions are even in."""
_NEIGHBOURS = 12.0
"""A usual number of neighbours: sums over them are divided by its square root."""


@dataclass(frozen=True)
class Architecture:
    """What a student is made of.

    :raises ArgumentError: a number out of its range
    """

    elements: tuple[int, ...]
    """Atomic numbers, ascending."""
    cutoff: float
    """Å."""
    radial: int = 12
    """Gaussians of the distance."""
    channels: int = 12
    """C, densities of the neighbours."""
    mixed: int = 8
    """Q, mixtures of them, of which invariants are made."""
    degree: int = 2
    """L, the largest degree of the harmonics, 0 to 3."""
    width: int = 48
    """Of the two hidden layers of the perceptron."""
    closest: float = 0.5
    """Å; the radial functions begin here."""

    def __post_init__(self) -> None:
        if not self.cutoff > self.closest:
            raise ArgumentError(
                "cutoff", f"must be longer than {self.closest:g} Å, found {self.cutoff:g}"
            )
        if not 0 <= self.degree <= LARGEST_DEGREE:
            raise ArgumentError("degree", f"must be 0 to {LARGEST_DEGREE}, found {self.degree}")

    @property
    def invariants(self) -> int:
        """Of each atom: Q densities of degree 0, and Q × Q products of each degree."""
        return self.mixed + (self.degree + 1) * self.mixed**2


class Student(nn.Module):
    r"""Energy, its gradient and its stress from invariants of each atom's neighbours.

    For the neighbours j of an atom i of element s, at d = r û, with t = exp(−r/2Å):

    - radial functions φ_n = (1 − r²/rc²)³ exp(−η (t − t_n)²), and R_c = Σ_n φ_n w_nc · e_c(s_j);
    - densities A_clm = Σ_j R_c(r) Y_lm(û) / √12, and mixtures of them B_qlm = Σ_c m_lqc(s) A_clm;
    - invariants B_q00 and, for each l, the Gram matrix Σ_m B_qlm B_q'lm, shifted and scaled to mean
      0 and variance 1 for each element;
    - energy: a perceptron of the invariants with two hidden layers and SiLU, plus a linear term.

    The gradient goes the same way back: through the perceptron to g_I = ∂E/∂invariants, the Gram
    matrix (∂E/∂B_q = Σ_q' (G + Gᵀ)_qq' B_q'), the mixtures, and to each neighbour:
    f = ∂E_i/∂d = (∂E/∂r) û + (1 − û ûᵀ) (∂E/∂û)/r. Atom i gets +f and its neighbour −f: no net
    force.

    :param architecture: elements, cutoff and sizes
    :param seed: of the weights to begin with
    """

    row: Tensor
    harmonics: Tensor
    slopes: Tensor
    centres: Tensor
    mean: Tensor
    scale: Tensor
    energy_scale: Tensor
    free_atom: Tensor

    def __init__(self, architecture: Architecture, seed: int = 0) -> None:
        super().__init__()
        self.cutoff = float(architecture.cutoff)
        self.channels, self.mixed = architecture.channels, architecture.mixed
        self.degree = architecture.degree
        self._make_constants(architecture)
        self._make_parameters(architecture, torch.Generator().manual_seed(seed))
        n_elements, n_invariants = len(architecture.elements), architecture.invariants
        self.register_buffer("mean", torch.zeros(n_elements, n_invariants, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_elements, n_invariants, dtype=torch.float64))
        self.register_buffer("energy_scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("free_atom", torch.zeros(n_elements, dtype=torch.float64))

    def _make_constants(self, architecture: Architecture) -> None:
        row = torch.zeros(119, dtype=torch.int64)  # atomic number -> row
        row[torch.tensor(architecture.elements)] = torch.arange(len(architecture.elements))
        self.register_buffer("row", row)
        self.register_buffer("harmonics", harmonic_matrix(self.degree))
        n_harmonics = (self.degree + 1) ** 2
        slopes = gradient_matrix(self.degree).reshape(-1, 3, n_harmonics)
        self.register_buffer("slopes", slopes.transpose(0, 1).reshape(-1, n_harmonics))
        self.n_low = len(exponents(max(self.degree - 1, 0)))
        first, last = (math.exp(-r / _DECAY) for r in (self.cutoff, architecture.closest))
        self.register_buffer(
            "centres", torch.linspace(first, last, architecture.radial, dtype=torch.float64)
        )
        # neighbouring Gaussians overlap
        self.sharpness = (architecture.radial / (1.8 * (last - first))) ** 2
        self.decay = _DECAY
        self.norm = 1.0 / math.sqrt(_NEIGHBOURS)

    def _make_parameters(self, architecture: Architecture, generator: torch.Generator) -> None:
        def random(*shape: int, size: float) -> nn.Parameter:
            values = torch.randn(*shape, dtype=torch.float64, generator=generator)
            return nn.Parameter(size * values)

        elements, channels, mixed = len(architecture.elements), self.channels, self.mixed
        n, width = architecture.invariants, architecture.width
        self.radial = random(
            architecture.radial, channels, size=2.0 / math.sqrt(architecture.radial)
        )
        embedding = random(elements, channels, size=0.1)
        with torch.no_grad():  # each channel begins as that of one element
            for channel in range(channels):
                embedding[channel % elements, channel] += 1.0
        self.embedding = embedding
        self.mixing = random(
            self.degree + 1, elements, channels, mixed, size=1.0 / math.sqrt(channels)
        )
        self.weight_1 = random(n, width, size=1.0 / math.sqrt(n))
        self.bias_1 = random(elements, width, size=0.5)
        self.weight_2 = random(width, width, size=1.0 / math.sqrt(width))
        self.bias_2 = nn.Parameter(torch.zeros(elements, width, dtype=torch.float64))
        self.weight_3 = random(elements, width, size=1.0 / math.sqrt(width))
        self.linear = nn.Parameter(torch.zeros(elements, n, dtype=torch.float64))

    def forward(
        self,
        types: Tensor,
        positions: Tensor,
        cell: Tensor,
        pairs: Tensor,
        shifts: Tensor,
        structure: Tensor,
    ) -> dict[str, Tensor]:
        """Energies ``[N]`` (eV), forces ``[N, 3]`` (eV/Å), and the part of each atom in the stress,
        ``[N, 3, 3]`` (eV/Å³).

        :param types: ``[N]`` atomic numbers
        :param positions: ``[N, 3]``, Å
        :param cell: ``[S, 3, 3]``, Å
        :param pairs: ``[P, 2]``, in both directions
        :param shifts: ``[P, 3]``, cell vectors to add to the second atom
        :param structure: ``[N]``, the structure of each atom
        """
        n = positions.size(0)
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        d, second, slots = self._by_atom(vectors, pairs, n)
        species = self.row.index_select(0, types)
        energy, f = self.evaluate_slots(species, d, species.index_select(0, second), n, slots)
        strain = torch.bmm(d.reshape(3, n, slots).transpose(0, 1), f.transpose(1, 2))
        across = torch.linalg.cross(cell[:, 1], cell[:, 2])
        volume = (cell[:, 0] * across).sum(1).abs().index_select(0, structure).reshape(-1, 1, 1)
        return {
            "energy": energy + self.free_atom.index_select(0, species),
            "forces": f.sum(2).index_add(0, second, -f.transpose(1, 2).reshape(-1, 3)),
            "stress": torch.where(volume > 0, strain / volume.clamp(min=1e-6), 0.0),
        }

    def _by_atom(self, vectors: Tensor, pairs: Tensor, n: int) -> tuple[Tensor, Tensor, int]:
        """The pairs in a table, as many slots an atom as the one with most neighbours has.

        Unused slots hold a neighbour at the cutoff, where everything is zero with its slope.

        :returns: vectors ``[3, N × slots]``, second atoms ``[N × slots]``, slots
        """
        first = pairs[:, 0]
        if bool((first[1:] < first[:-1]).any()):  # engines mostly give them by their first atom
            order = torch.argsort(first, stable=True)
            pairs, vectors = pairs.index_select(0, order), vectors.index_select(0, order)
            first = pairs[:, 0]
        counts = torch.bincount(first, minlength=n)
        slots = int(counts.max()) if first.numel() > 0 else 1
        # from a pair's place in the list to its slot: the slots before its atom less the pairs
        shift = torch.arange(n, device=first.device) * slots + counts - counts.cumsum(0)
        slot = torch.arange(first.size(0), device=first.device) + shift.index_select(0, first)
        d = torch.zeros(n * slots, 3, dtype=vectors.dtype, device=vectors.device)
        d[:, 0] = self.cutoff
        second = torch.zeros(n * slots, dtype=torch.int64, device=vectors.device)
        return (
            d.index_copy(0, slot, vectors).t().contiguous(),
            second.index_copy(0, slot, pairs[:, 1]),
            slots,
        )

    def evaluate_slots(
        self, species: Tensor, d: Tensor, second: Tensor, n: int, slots: int
    ) -> tuple[Tensor, Tensor]:
        """Energies ``[N]`` and f = ∂E_i/∂d of every slot, ``[N, 3, slots]``.

        :param species: ``[N]``, rows of the tables of elements
        :param d: ``[3, N × slots]``, from each atom to the neighbour in each slot, in Å
        :param second: ``[N × slots]``, species of that neighbour
        :param n: number of atoms
        :param slots: places for neighbours of an atom

        The slots are the last dimension everywhere: loops over them are long, and vectorised.
        """
        r = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt()  # much faster than a norm over rows
        inverse = (1.0 / r).reshape(n, 1, slots)
        unit = d / r
        weights, weights_slope, y, monomials = self._describe(r, unit, second, n, slots)
        mixing = self.mixing.transpose(0, 1).flatten(1).index_select(0, species)
        mixing = mixing.reshape(n, self.degree + 1, self.channels, self.mixed)
        mixtures, invariants = self._mix(torch.bmm(weights, y.transpose(1, 2)) * self.norm, mixing)
        energy, slope = self._perceptron(invariants, species)
        slope = self._unmix(slope, mixtures, mixing) * self.norm

        by_r = (torch.bmm(slope, y) * weights_slope).sum(1, keepdim=True)
        low = torch.bmm((slope @ self.slopes.t()).transpose(1, 2), weights)
        low = low.reshape(n, 3, self.n_low, slots)
        by_unit = (low * self._by_slot(monomials[: self.n_low], n, slots).unsqueeze(1)).sum(2)
        unit = self._by_slot(unit, n, slots)
        along = (unit * by_unit).sum(1, keepdim=True)
        return energy, (by_r - along * inverse) * unit + by_unit * inverse

    def _describe(
        self, r: Tensor, unit: Tensor, second: Tensor, n: int, slots: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of every slot: R_c and its slope, ``[N, C, slots]``; the harmonics, ``[N, harmonics,
        slots]``; and the monomials that they are made of, ``[monomials, N × slots]``.
        """
        phi, phi_slope = self._radial_functions(r)
        embedding = self.embedding.t().index_select(1, second)
        weights = self._by_slot((self.radial.t() @ phi) * embedding, n, slots)
        weights_slope = self._by_slot((self.radial.t() @ phi_slope) * embedding, n, slots)
        monomials = self._monomials(unit)
        y = self._by_slot(self.harmonics.t() @ monomials, n, slots)
        return weights, weights_slope, y, monomials

    def _by_slot(self, values: Tensor, n: int, slots: int) -> Tensor:
        """``[N, K, slots]`` of ``[K, N × slots]``, without a copy."""
        return values.reshape(values.size(0), n, slots).transpose(0, 1)

    def _radial_functions(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """φ and dφ/dr, ``[radial, N × slots]``."""
        x = (r / self.cutoff).clamp(max=1.0)
        inside = 1.0 - x * x
        square = inside * inside
        envelope = square * inside
        t = torch.exp(-r / self.decay)
        off = t - self.centres.unsqueeze(1)
        gaussians = torch.exp(-self.sharpness * off * off)
        slope = off * (envelope * t * (2.0 * self.sharpness / self.decay))
        slope = slope - x * square * (6.0 / self.cutoff)
        return envelope * gaussians, gaussians * slope

    def _monomials(self, u: Tensor) -> Tensor:
        """``[monomials, N × slots]``, in the order of
        :func:`~md_bridge.distil.harmonics.exponents`."""
        one = torch.ones_like(u[:1])
        if self.degree == 0:
            return one
        x, y, z = u[0], u[1], u[2:]
        if self.degree == 1:
            return torch.cat([one, u])
        two = torch.cat([x * u, y * u[1:], z * z])
        if self.degree == 2:
            return torch.cat([one, u, two])
        three = torch.cat([x * two, y * two[3:], z * two[5:]])
        return torch.cat([one, u, two, three])

    def _mix(self, density: Tensor, mixing: Tensor) -> tuple[list[Tensor], Tensor]:
        """B of each degree, ``[N, Q, 2l + 1]``, and all invariants."""
        mixtures: list[Tensor] = []
        invariants: list[Tensor] = []
        for degree in range(self.degree + 1):
            part = density[:, :, degree * degree : (degree + 1) * (degree + 1)]
            mixture = torch.bmm(mixing[:, degree].transpose(1, 2), part)
            mixtures.append(mixture)
            if degree == 0:
                invariants.append(mixture.squeeze(2))
            invariants.append(torch.bmm(mixture, mixture.transpose(1, 2)).flatten(1))
        return mixtures, torch.cat(invariants, 1)

    def _unmix(self, slope: Tensor, mixtures: list[Tensor], mixing: Tensor) -> Tensor:
        """∂E/∂A ``[N, C, harmonics]`` from ∂E/∂invariants."""
        parts: list[Tensor] = []
        size = self.mixed * self.mixed
        for degree in range(self.degree + 1):
            start = self.mixed + degree * size
            gram = slope[:, start : start + size].reshape(-1, self.mixed, self.mixed)
            part = torch.bmm(gram + gram.transpose(1, 2), mixtures[degree])
            if degree == 0:
                part = part + slope[:, : self.mixed].unsqueeze(2)
            parts.append(torch.bmm(mixing[:, degree], part))
        return torch.cat(parts, 2)

    def _perceptron(self, invariants: Tensor, species: Tensor) -> tuple[Tensor, Tensor]:
        """Energies ``[N]`` and ∂E/∂invariants."""
        scale = self.scale.index_select(0, species)
        linear = self.linear.index_select(0, species)
        z = (invariants - self.mean.index_select(0, species)) * scale
        z1 = z @ self.weight_1 + self.bias_1.index_select(0, species)
        s1 = torch.sigmoid(z1)
        z2 = (z1 * s1) @ self.weight_2 + self.bias_2.index_select(0, species)
        s2 = torch.sigmoid(z2)
        last = self.weight_3.index_select(0, species)
        energy = ((z2 * s2) * last).sum(1) + (z * linear).sum(1)
        back2 = last * s2 * (1.0 + z2 * (1.0 - s2))
        back1 = (back2 @ self.weight_2.t()) * s1 * (1.0 + z1 * (1.0 - s1))
        slope = (back1 @ self.weight_1.t() + linear) * scale
        return energy * self.energy_scale, slope * self.energy_scale

    @torch.jit.unused
    @torch.no_grad()
    def normalise(self, batch: tuple[Tensor, ...], energy_scale: float) -> None:
        """Shift and scale the invariants so that they have mean 0 and variance 1 in a batch.

        :param batch: the arguments of the forward pass
        :param energy_scale: that of the energies (eV)
        """
        types, positions, _, pairs = batch[:4]
        n = len(positions)
        d, second, slots = self._by_atom(pair_vectors(*batch[1:]), pairs, n)
        species = self.row[types]
        r = torch.linalg.vector_norm(d, dim=0)
        weights, _, y, _ = self._describe(r, d / r, species[second], n, slots)
        density = torch.bmm(weights, y.transpose(1, 2))
        _, invariants = self._mix(self.norm * density, self.mixing[:, species].transpose(0, 1))
        for element in range(len(self.mean)):
            own = invariants[species == element]
            if len(own) < 2:
                continue
            spread = own.std(0)
            self.mean[element] = own.mean(0)
            self.scale[element] = 1.0 / (spread + 0.02 * spread.mean() + 1e-6)
        self.energy_scale.fill_(energy_scale)
