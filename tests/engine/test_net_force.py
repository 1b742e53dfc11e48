"""Removal of the net force and torque: zero afterwards, by the smallest change."""

import numpy as np
import pytest

from md_bridge import _core


def torque(positions, forces):
    return np.cross(positions - positions.mean(axis=0), forces).sum(axis=0)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_change_is_the_smallest_one(count):
    rng = np.random.default_rng(count)
    positions, forces = rng.normal(size=(count, 3)), rng.normal(size=(count, 3))
    clean = _core.remove_net_torque(positions, _core.remove_net_force(forces))
    # constraints as a matrix acting on the flattened change: the pseudo-inverse is the least change
    arms = positions - positions.mean(axis=0)
    rows = [np.tile(np.eye(3)[k], count) for k in range(3)]
    rows += [np.cross(np.eye(3)[k], arms).ravel() for k in range(3)]
    constraints = np.array(rows)
    expected = forces.ravel() - np.linalg.pinv(constraints) @ (constraints @ forces.ravel())
    np.testing.assert_allclose(clean.ravel(), expected, atol=1e-12)
    np.testing.assert_allclose(torque(positions, clean), 0, atol=1e-12)


def test_collinear_atoms():
    positions = np.outer(np.arange(4.0), [1.0, 2.0, -1.0])
    forces = np.random.default_rng(0).normal(size=(4, 3))
    clean = _core.remove_net_torque(positions, _core.remove_net_force(forces))
    np.testing.assert_allclose(torque(positions, clean), 0, atol=1e-12)
    np.testing.assert_allclose(clean.sum(axis=0), 0, atol=1e-12)


def test_single_atom():
    clean = _core.remove_net_torque(np.zeros((1, 3)), _core.remove_net_force(np.ones((1, 3))))
    np.testing.assert_array_equal(clean, np.zeros((1, 3)))
