"""A fluid of soft spheres, V = sum w(r)^2 exp(-2 r^2), in reduced units with kT = 1, whose direct
forces have a swirl about z. All of it is vectorised over starts.
"""

import math

import numpy as np

BOX, SPHERES, STARTS, STEP = 2.4, 8, 150, 0.02


def forces(positions, swirl):
    """Forces and energies of soft spheres, shapes (starts, atoms, 3) and (starts,)."""
    apart = positions[:, :, None] - positions[:, None]
    apart -= BOX * np.round(apart / BOX)
    square = np.einsum("rijk,rijk->rij", apart, apart)
    window = np.clip(1 - square / (BOX / 2) ** 2, 0, None)
    bell = np.exp(-square) * (1 - np.eye(positions.shape[1]))
    energy = 3 * (bell * window**2).sum((1, 2))
    size = 12 * bell * (window**2 + 2 * window / (BOX / 2) ** 2)
    force = np.einsum("rij,rijk->rik", size, apart)
    turned = np.einsum("rij,rijk->rik", swirl * bell * window**2, apart)
    force[..., 0] -= turned[..., 1]
    force[..., 1] += turned[..., 0]
    return force, energy


def canonical_starts(rng):
    """Positions and velocities at kT = 1, by Langevin dynamics."""
    positions = rng.uniform(0, BOX, (STARTS, SPHERES, 3))
    velocities = rng.normal(size=positions.shape)
    force, _ = forces(positions, 0.0)
    memory = math.exp(-4 * STEP)
    for _ in range(400):
        velocities += STEP / 2 * force
        positions += STEP / 2 * velocities
        noise = rng.normal(size=velocities.shape)
        velocities = memory * velocities + math.sqrt(1 - memory**2) * noise
        positions += STEP / 2 * velocities
        force, _ = forces(positions, 0.0)
        velocities += STEP / 2 * force
    return positions, velocities


def energies(positions, velocities, swirl, multiplicity, steps):
    """H of every start at every outer step, shape (starts, steps + 1); multiplicity 0: direct
    forces alone."""
    x, v = positions.copy(), velocities.copy()
    direct, _ = forces(x, swirl)
    exact, energy = forces(x, 0.0)
    found = [energy + 0.5 * (v**2).sum((1, 2))]
    for _ in range(steps):
        v += multiplicity * STEP / 2 * (exact - direct)
        for _ in range(max(multiplicity, 1)):
            v += STEP / 2 * direct
            x += STEP * v
            direct, _ = forces(x, swirl)
            v += STEP / 2 * direct
        exact, energy = forces(x, 0.0)
        v += multiplicity * STEP / 2 * (exact - direct)
        found.append(energy + 0.5 * (v**2).sum((1, 2)))
    return np.array(found).T


def powers(positions, velocities, swirl, steps):
    """v·(exact − direct) of every sphere along NVE with the exact forces, shape (starts, steps,
    atoms)."""
    x, v = positions.copy(), velocities.copy()
    exact, _ = forces(x, 0.0)
    found = []
    for _ in range(steps):
        v += STEP / 2 * exact
        x += STEP * v
        exact, _ = forces(x, 0.0)
        v += STEP / 2 * exact
        found.append((v * (exact - forces(x, swirl)[0])).sum(2))
    return np.array(found).swapaxes(0, 1)
