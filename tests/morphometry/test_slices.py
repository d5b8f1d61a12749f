from __future__ import annotations

import cylinders
import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from analysis.morphometry.slices import CHORDS, Stack, slice_axes, smooth_rings
from atlas.curves.contour_stack import ring_areas_centroids


def polygon(n: int) -> np.ndarray:
    turn = 2 * np.pi * np.arange(n) / n
    return np.stack([np.sin(turn), np.cos(turn), 0 * turn], axis=1)[None]


def test_a_slice_between_rings_is_their_interpolation():
    stack = Stack.of(cylinders.make_anatomy().cord, np.eye(3))
    outline = stack.between(stack.outlines, np.array([33.5]))[0]
    np.testing.assert_allclose(outline, stack.outlines[0], atol=1e-9)


def test_the_area_is_that_of_the_spline_not_of_the_polygon():
    rings = cylinders.make_anatomy().cord
    circle = np.pi * cylinders.CORD_MM**2
    assert abs(ring_areas_centroids(rings)[0][0]) < 0.99 * circle
    assert Stack.of(rings, np.eye(3)).areas == pytest.approx(circle, rel=1e-3)


@pytest.mark.parametrize(
    ("clicks", "lost"), [(7, 12.9), (8, 10.0), (12, 4.5), (17, 2.3), (27, 0.9)]
)
def test_a_polygon_loses_of_a_circle_what_the_spline_gives_back(clicks, lost):
    # A regular polygon has n sin(2 pi / n) / 2 of the circle's pi.
    area = abs(ring_areas_centroids(polygon(clicks))[0][0]) / np.pi
    assert 100 * (1 - area) == pytest.approx(lost, abs=0.06)
    dense = abs(ring_areas_centroids(smooth_rings(polygon(clicks)))[0][0]) / np.pi
    # The spline's own 0.3 % at 7 clicks, and the chords it is measured by.
    assert 0.988 < dense < 1.0


def test_rings_are_smoothed_as_by_scipys_periodic_spline():
    rng = np.random.default_rng(1)
    ring = 5 * polygon(11)[0] + rng.normal(0, 0.4, (11, 3))
    closed = np.concatenate([ring, ring[:1]])
    chord = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    at = np.concatenate([[0], np.cumsum(chord)])
    share = (at[:-1, None] + chord[:, None] * np.arange(CHORDS) / CHORDS).ravel()
    expected = CubicSpline(at, closed, bc_type="periodic")(share)
    np.testing.assert_allclose(smooth_rings(ring[None])[0], expected, atol=1e-12)


def test_there_is_no_slice_beyond_the_rings_or_beside_a_missing_one():
    cord = np.array(cylinders.make_anatomy().cord)
    cord[10] = np.nan
    stack = Stack.of(cord, np.eye(3))
    got = stack.between(stack.areas, np.array([-0.1, 0, 17, 18.1, 21.9, 23, 120, 120.1]))
    np.testing.assert_array_equal(
        np.isnan(got), [True, False, False, True, True, False, False, True]
    )


def test_the_axes_of_the_slices_turn_with_the_anatomy():
    rotation = Rotation.from_euler("xyz", [20, -30, 70], degrees=True).as_matrix()
    moved = cylinders.make_anatomy().moved(rotation, np.array([1.0, 2, 3]))
    # Only the part of left in the slice counts.
    left = rotation @ [1, 0, 0.3]
    np.testing.assert_allclose(slice_axes(moved, left), rotation, atol=1e-9)


def test_the_caudal_direction_of_a_leaning_stack_follows_its_centres():
    rings = np.array(cylinders.make_anatomy().cord)
    rings[..., 0] -= 0.1 * rings[..., 2]
    stack = Stack.of(rings, np.eye(3))
    got = stack.caudal_at(np.array([0.0, 60, 120, 130]), window_mm=10)
    expected = np.array([0.1, 0, -1]) / np.hypot(0.1, 1)
    np.testing.assert_allclose(got[:3], np.tile(expected, (3, 1)), atol=1e-9)
    assert np.isnan(got[3]).all()
