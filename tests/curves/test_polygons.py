from __future__ import annotations

import numpy as np
import pytest

from atlas.curves.contour_stack import ContourStack
from atlas.curves.polygons import (
    crossing_depths,
    depths_in_contours,
    depths_in_polygons,
    nearest_edges,
)

SQUARE = np.array([[[0.0, 0], [4, 0], [4, 4], [0, 4]]])


@pytest.mark.parametrize(
    ("point", "depth"),
    [((2, 2), 2), ((1, 2), 1), ((2, 3.5), 0.5), ((5, 2), -1), ((7, 8), -5), ((-3, 2), -3)],
)
def test_depth_in_a_square_by_hand(point, depth):
    assert depths_in_polygons(np.array([point], float), SQUARE)[0] == pytest.approx(depth)


def test_each_point_has_its_own_polygon_and_orientation_does_not_matter():
    polygons = np.concatenate([SQUARE, SQUARE[:, ::-1] * 2])
    depths = depths_in_polygons(np.array([[1.0, 2], [5, 4]]), polygons)
    np.testing.assert_allclose(depths, [1, 3])


def test_the_nearest_place_is_on_the_edge_named():
    _, edge, share = nearest_edges(np.array([[3.5, 1.0]]), SQUARE)
    assert (edge[0], share[0]) == (1, pytest.approx(0.25))


def test_depths_in_contours_are_those_in_each_alone():
    rng = np.random.default_rng(2)
    rings = [rng.normal(size=(n, 2)) for n in (4, 9, 60, 5)]
    points, which = rng.normal(size=(50, 2)), rng.integers(4, size=50)
    found = depths_in_contours(points, ContourStack.of(rings), which)
    alone = [
        depths_in_polygons(p[None], rings[k][None])[0] for p, k in zip(points, which, strict=True)
    ]
    np.testing.assert_allclose(found, alone)


def test_a_bow_tie_crosses_by_the_least_way_that_undoes_it():
    # The edges 1-2 and 3-0 cross at (1.5, 1); every end is equally far from the other edge.
    tie = np.array([[[0.0, 0], [0, 2], [3, 0], [3, 2]]])
    depths = crossing_depths(tie)
    least = 6 / np.hypot(3, 2)  # distance of (0, 2) from the line through (0, 0) and (3, 2)
    np.testing.assert_allclose(depths[0], [0, least, 0, least])


def test_a_ring_that_goes_round_twice_is_not_simple():
    turn = np.radians(np.arange(7) * 720 / 7)
    assert crossing_depths(np.stack([np.sin(turn), np.cos(turn)], axis=1)[None]).max() > 0


def test_a_kidney_is_simple_though_not_starlike():
    turn = 2 * np.pi * np.arange(60) / 60
    radius = 5 - 4.5 * np.exp(-((turn - np.pi) ** 2) / 0.3)
    ring = np.stack([radius * np.cos(turn) + 2, radius * np.sin(turn)], axis=1)
    assert (crossing_depths(ring[None]) == 0).all()
