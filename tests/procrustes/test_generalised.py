"""Fixed points in fewer rounds: Anderson acceleration of generalised Procrustes."""

from __future__ import annotations

import numpy as np

from atlas.procrustes.generalised import Mixing


def rounds(function, x, depth, tolerance=1e-12):
    mixing, count = Mixing(depth), 0
    while count < 500:
        found = function(x)
        count += 1
        if np.linalg.norm(found - x) < tolerance:
            return found, count
        x = mixing.next(x, found)
    return x, count


def test_a_linear_map_is_solved_in_as_many_rounds_as_it_has_dimensions():
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    matrix = q @ np.diag([0.9, 0.6, 0.3, 0, 0, 0]) @ q.T
    offset = rng.normal(size=6)
    truth = np.linalg.solve(np.eye(6) - matrix, offset)
    found, count = rounds(lambda x: matrix @ x + offset, np.zeros(6), depth=3)
    np.testing.assert_allclose(found, truth, atol=1e-10)
    plain, slow = rounds(lambda x: matrix @ x + offset, np.zeros(6), depth=0)
    np.testing.assert_allclose(plain, truth, atol=1e-10)
    assert count <= 8 < 100 < slow


def test_a_bent_map_comes_to_the_same_place_sooner():
    def function(x):
        return np.cos(x) * np.array([0.9, 0.7, 0.5])

    plain, slow = rounds(function, np.zeros(3), depth=0)
    found, count = rounds(function, np.zeros(3), depth=3)
    np.testing.assert_allclose(found, plain, atol=1e-11)
    assert count < slow / 2


def test_where_a_step_makes_it_worse_what_was_remembered_is_forgotten():
    mixing = Mixing(3)
    mixing.next(np.zeros(2), np.ones(2))
    mixing.next(np.ones(2), np.array([1.5, 1.4]))
    assert len(mixing.steps) == 1
    worse = np.array([30.0, -20.0])
    np.testing.assert_array_equal(mixing.next(np.zeros(2), worse), worse)
    assert not mixing.steps


def test_shapes_keep_their_form():
    mixing, x = Mixing(2), np.zeros((5, 3))
    for _ in range(3):
        x = mixing.next(x, 0.5 * x + 1)
        assert x.shape == (5, 3)
    np.testing.assert_allclose(x, 2)
