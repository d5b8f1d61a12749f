"""Closed contours against closed forms and scipy."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from atlas.curves.closed_splines import TOGETHER, ClosedSplines, resample_contours
from atlas.curves.contour_stack import areas_centroids
from atlas.curves.polylines import arc_length

DORSAL, LEFT = np.array([0.0, 1, 0]), np.array([1.0, 0, 0])


def resample_one(contour, n, *, start=DORSAL, towards=LEFT):
    rings, centroids = resample_contours([contour], n, start=start, towards=towards)
    return rings[0], centroids[0]


def circle(n, radius=5.0, phase=0.3, centre=(2.0, 3.0, 7.0)):
    angle = phase + 2 * np.pi * np.arange(n) / n
    ring = radius * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    return ring + np.array(centre)


@pytest.mark.parametrize("clockwise", [False, True])
@pytest.mark.parametrize("phase", [0.0, 1.0, 2.5, 4.0])
def test_closed_resampling_starts_dorsal_and_runs_left_whatever_the_contour_does(phase, clockwise):
    contour = circle(24, phase=phase)[:: -1 if clockwise else 1]
    ring, centroid = resample_one(contour, 8)
    angle = np.pi / 2 - 2 * np.pi * np.arange(8) / 8
    expected = 5 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) + [2, 3, 7]
    np.testing.assert_allclose(ring, expected, atol=2e-3)
    np.testing.assert_allclose(centroid, [2, 3, 7], atol=1e-4)


def test_closed_resampling_gives_equal_arcs_on_an_ellipse():
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ellipse = np.stack([10 * np.cos(t), 6 * np.sin(t), 0 * t], axis=1)
    ring, _ = resample_one(ellipse, 400)
    steps = np.linalg.norm(np.diff(np.vstack([ring, ring[:1]]), axis=0), axis=1)
    assert steps.std() / steps.mean() < 2e-3


def test_closed_resampling_moves_with_a_rigid_motion():
    rng = np.random.default_rng(4)
    contour = circle(20) + 0.2 * rng.normal(size=(20, 3)) * [1, 1, 0]
    turn = Rotation.random(rng=rng).as_matrix()
    ring, centroid = resample_one(contour, 16)
    moved, moved_centroid = resample_one(
        contour @ turn.T + 5, 16, start=turn @ DORSAL, towards=turn @ LEFT
    )
    np.testing.assert_allclose(moved, ring @ turn.T + 5, atol=1e-10)
    np.testing.assert_allclose(moved_centroid, turn @ centroid + 5, atol=1e-10)


def test_farthest_crossing_is_the_dorsal_one_where_a_contour_folds():
    fold = np.array(
        [[4, 0], [3, 5], [1, 5.5], [-0.5, 6], [0.5, 4], [-0.7, 3], [-3, 4.5], [-4, 0], [0, -4.0]]
    )
    contour = np.column_stack([fold, np.zeros(len(fold))])
    ring, centroid = resample_one(contour, 12)
    dense = ClosedSplines.through([contour]).sample().T
    on_ray = np.abs(dense[:, 0] - centroid[0]) < 0.05
    assert ring[0, 1] == pytest.approx(dense[on_ray, 1].max(), abs=0.1)


def test_area_and_centroid_of_a_spline_circle_are_those_of_the_circle():
    dense = ClosedSplines.through([circle(24), circle(24, radius=2.0)]).sample()
    first, count = np.array([0, 24 * 16]), np.array([24 * 16] * 2)
    areas, centroids = areas_centroids(dense, first, count, in_space=True)
    np.testing.assert_allclose(areas, [np.pi * 25, np.pi * 4], rtol=1e-4)
    np.testing.assert_allclose(centroids.T, [[2, 3, 7]] * 2, atol=1e-6)


def test_splines_are_scipys_periodic_cubic_splines():
    rng = np.random.default_rng(6)
    contours = [circle(n) + 0.3 * rng.normal(size=(n, 3)) for n in (7, 18, 7, 31)]
    splines = ClosedSplines.through(contours)
    for i, contour in enumerate(contours):
        dense = splines[i : i + 1].sample().T
        closed = np.concatenate([contour, contour[:1]])
        knots = arc_length(closed)
        share = np.arange(16) / 16
        parameter = (knots[:-1, None] + np.diff(knots)[:, None] * share).ravel()
        theirs = CubicSpline(knots, closed, bc_type="periodic")(parameter)
        np.testing.assert_allclose(dense, theirs, atol=1e-12)


def test_contours_of_a_stack_do_not_depend_on_one_another():
    rng = np.random.default_rng(8)
    contours = [circle(n, phase=n) + 0.2 * rng.normal(size=(n, 3)) for n in (9, 20, 9, 14)]
    rings, centroids = resample_contours(contours, 12, start=DORSAL, towards=LEFT)
    for contour, ring, centroid in zip(contours, rings, centroids, strict=True):
        alone, middle = resample_one(contour, 12)
        np.testing.assert_allclose(ring, alone, atol=1e-12)
        np.testing.assert_allclose(centroid, middle, atol=1e-12)


def test_the_same_contour_has_the_same_ring_wherever_it_stands_in_a_stack():
    rng = np.random.default_rng(10)
    contour = circle(17) + 0.1 * rng.normal(size=(17, 3))
    others = [circle(n, phase=n) for n in range(5, 5 + TOGETHER)]
    rings, centroids = resample_contours(
        [contour, *others, contour, contour], 12, start=DORSAL, towards=LEFT
    )
    for place in (-2, -1):
        np.testing.assert_array_equal(rings[place], rings[0])
        np.testing.assert_array_equal(centroids[place], centroids[0])


def test_a_contour_with_a_point_twice_has_no_spline_and_spoils_no_other():
    good, twice = circle(12), circle(9)
    twice[4] = twice[3]
    with np.errstate(invalid="ignore"):
        rings, _ = resample_contours([good, twice, good], 8, start=DORSAL, towards=LEFT)
    alone, _ = resample_one(good, 8)
    np.testing.assert_array_equal(rings[0], alone)
    np.testing.assert_array_equal(rings[2], alone)
    assert np.isnan(ClosedSplines.through([good, twice]).slopes[12:]).all()


def test_no_contour_has_no_ring():
    rings, centroids = resample_contours([], 8, start=DORSAL, towards=LEFT)
    assert (rings.shape, centroids.shape) == ((0, 8, 3), (0, 3))
