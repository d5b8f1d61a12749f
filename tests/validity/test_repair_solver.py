from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from atlas.mesh.validity.repair_solver import STIFFNESS, Constraints, smallest_displacement


def one(point, gradient, bound):
    return Constraints.of(np.array([[point]]), np.array([[gradient]], float), np.array([bound]))


def test_without_constraints_nothing_moves():
    moves = smallest_displacement((1, 9), np.ones((1, 9), bool), Constraints.none())
    np.testing.assert_array_equal(moves, 0)


def test_a_constraint_that_holds_moves_nothing():
    moves = smallest_displacement((1, 9), np.ones((1, 9), bool), one(4, [1, 0, 0], -0.2))
    np.testing.assert_array_equal(moves, 0)


def test_one_pushed_point_moves_by_the_amount_and_fixed_points_stay():
    free = np.zeros((2, 9), bool)
    free[1, 2:7] = True
    moves = smallest_displacement((2, 9), free, one(9 + 4, [0, 1, 0], 0.3))
    assert moves[1, 4, 1] == pytest.approx(0.3)
    np.testing.assert_array_equal(moves[~free], 0)
    assert moves[..., [0, 2]] == pytest.approx(0)


def test_the_optimum_is_that_of_a_general_minimiser():
    rng = np.random.default_rng(3)
    n, free = 8, np.ones((1, 8), bool)
    free[0, [0, 7]] = False
    points = np.array([[2], [3], [5], [4]])
    gradients = rng.normal(size=(4, 1, 3))
    bounds = np.array([0.3, 0.2, -0.1, 0.25])
    ours = smallest_displacement((1, n), free, Constraints.of(points, gradients, bounds))

    def cost(x):
        u = np.zeros((n + 2, 3))
        u[2:-2] = x.reshape(6, 3)
        bend = u[2:] - 2 * u[1:-1] + u[:-2]
        return (u**2).sum() + STIFFNESS * (bend**2).sum()

    held = [
        {"type": "ineq", "fun": lambda x, k=k: gradients[k, 0] @ x.reshape(6, 3)[points[k, 0] - 1]
         - bounds[k]}
        for k in range(4)
    ]  # fmt: skip
    found = minimize(cost, np.zeros(18), constraints=held, method="SLSQP", options={"ftol": 1e-14})
    assert found.success
    np.testing.assert_allclose(ours[0, 1:-1].ravel(), found.x, atol=1e-5)
    assert cost(ours[0, 1:-1].ravel()) == pytest.approx(found.fun, rel=1e-6)
