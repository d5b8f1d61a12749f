"""Measures of many contours at once are those of each alone, worked by hand or by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atlas.curves.contour_stack import (
    ContourStack,
    areas_centroids,
    nearest,
    ring_areas_centroids,
)

RNG = np.random.default_rng(3)
CONTOURS = [RNG.normal(size=(n, 3)) for n in (7, 4, 25, 1, 7, 130)]
STACK = ContourStack.of(CONTOURS)


def test_contours_come_back_as_they_were():
    for i, (contour, again) in enumerate(zip(CONTOURS, STACK.split(STACK.points), strict=True)):
        np.testing.assert_array_equal(STACK[i], contour)
        np.testing.assert_array_equal(again, contour)
    np.testing.assert_array_equal(
        STACK.take(np.array([5, 1])).points, np.r_[CONTOURS[5], CONTOURS[1]]
    )


@pytest.mark.parametrize(
    ("ours", "numpys"), [("total", "sum"), ("least", "min"), ("greatest", "max")]
)
def test_sums_and_bounds_are_numpys(ours, numpys):
    expected = [getattr(np, numpys)(contour, axis=0) for contour in CONTOURS]
    np.testing.assert_allclose(getattr(STACK, ours)(STACK.points), expected)


def test_medians_and_means_are_numpys():
    np.testing.assert_allclose(STACK.means, [c.mean(axis=0) for c in CONTOURS])
    found = STACK.medians(STACK.points[:, 2])
    np.testing.assert_allclose(found, [np.median(c[:, 2]) for c in CONTOURS])


def test_the_last_point_is_followed_by_the_first():
    np.testing.assert_array_equal(STACK.following[[6, 10]], [0, 7])
    after = [np.roll(c, -1, axis=0) for c in CONTOURS]
    np.testing.assert_array_equal(STACK.points[STACK.following], np.concatenate(after))


def test_areas_and_centroids_of_a_rectangle_worked_by_hand():
    rectangle = np.array([[[1.0, 0, 5], [4, 0, 5], [4, 2, 7], [1, 2, 7]]])
    area, centre = ring_areas_centroids(rectangle)
    assert area[0] == pytest.approx(6)
    np.testing.assert_allclose(centre, [[2.5, 1, 6]])
    assert ring_areas_centroids(rectangle[:, ::-1])[0][0] == pytest.approx(-6)
    assert np.isnan(ring_areas_centroids(rectangle * np.nan)[0]).all()


def test_in_space_a_contour_is_measured_in_its_own_plane():
    flat = ContourStack.of([c * [1, 1, 0] for c in CONTOURS if len(c) > 3])
    turn = Rotation.random(rng=RNG).as_matrix()
    areas, centroids = flat.areas_centroids()
    turned = areas_centroids((flat.points @ turn.T).T, flat.first, flat.count, in_space=True)
    np.testing.assert_allclose(turned[0], np.abs(areas))
    np.testing.assert_allclose(turned[1].T, centroids @ turn.T, atol=1e-9)


def test_what_encloses_nothing_has_its_mean_for_a_middle():
    line = ContourStack.of([np.array([[0.0, 0], [1, 0], [5, 0]])])
    area, centre = line.areas_centroids()
    assert (area[0], centre.tolist()) == (0, [[2, 0]])


def test_a_circle_turns_steadily_and_a_star_of_five_points_does_not():
    angle = 2 * np.pi * np.arange(5) / 5
    circle, star = (np.column_stack([np.cos(k * angle), np.sin(k * angle)]) for k in (1, 2))
    assert ContourStack.of([circle + 7, star + 7, circle[::-1]]).turn_steadily().tolist() == [
        True,
        False,
        True,
    ]


def test_no_contour_has_no_measure():
    none = ContourStack.of([])
    assert (len(none), none.means.shape, none.medians(np.zeros(0)).shape) == (0, (0, 3), (0,))
    assert none.areas_centroids()[1].shape == (0, 3)
    assert none.take(np.zeros(0, dtype=int)).split(none.points) == []


def test_the_nearest_height_is_found_in_any_order():
    which, off = nearest(np.array([3.0, 9.0, 1.0]), np.array([0.0, 2.1, 5.9, 6.1, 20]))
    assert which.tolist() == [2, 0, 0, 1, 1]
    np.testing.assert_allclose(off, [1, 0.9, 2.9, 2.9, 11])
