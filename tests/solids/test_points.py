"""Arithmetic of points agrees with numpy, and known shapes have known numbers."""

from __future__ import annotations

import numpy as np
import pytest

from atlas.mesh.solids.points import aside, cross, dot, minus, shape_of, shapes_of


def test_products_are_those_of_numpy():
    a, b = np.random.default_rng(2).normal(size=(2, 3))
    assert minus(tuple(a), tuple(b)) == pytest.approx(a - b)
    assert dot(tuple(a), tuple(b)) == pytest.approx(a @ b)
    assert cross(tuple(a), tuple(b)) == pytest.approx(np.cross(a, b))


def test_an_equilateral_triangle_has_shape_one_and_a_flat_one_none():
    assert shape_of((0, 0, 0), (1, 0, 0), (0.5, 3**0.5 / 2, 0)) == pytest.approx(1)
    assert shape_of((0, 0, 0), (1, 0, 0), (2, 0, 0)) == 0
    assert shape_of((1, 1, 1), (1, 1, 1), (1, 1, 1)) == 0


def test_one_and_many_agree():
    corners = np.random.default_rng(3).normal(size=(20, 3, 3))
    one = [shape_of(*map(tuple, c)) for c in corners.tolist()]
    assert shapes_of(corners) == pytest.approx(one)


def test_distance_from_a_segment_counts_its_ends():
    assert aside((0.5, 2, 0), (0, 0, 0), (1, 0, 0)) == pytest.approx(2)
    assert aside((4, 4, 0), (0, 0, 0), (1, 0, 0)) == pytest.approx(5)
