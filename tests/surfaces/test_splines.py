"""Walls and centrelines as splines."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from atlas.curves.polylines import arc_length
from atlas.mesh.surfaces.bands import turns_of
from atlas.mesh.surfaces.splines import around_weights, centreline, ring_slopes_at, rings_at


def cubic(shares, n=6):
    """Rings whose points move along cubics of the share."""
    rng = np.random.default_rng(1)
    powers = np.stack([shares**p for p in range(4)], axis=1)
    return np.tensordot(powers, rng.normal(size=(4, n, 3)), axes=1)


def test_cubics_along_the_stack_are_kept_with_their_slopes():
    shares = np.linspace(0, 1, 9)
    at = np.array([0.0, 0.13, 0.77, 1.0])
    rings = cubic(shares)
    np.testing.assert_allclose(rings_at(rings, at), cubic(at), atol=1e-12)
    step = 1e-6
    slope = (cubic(at + step) - cubic(at - step)) / (2 * step)
    np.testing.assert_allclose(ring_slopes_at(rings, at), slope, atol=1e-6)


def test_ring_passes_through_its_landmarks_and_keeps_a_circle():
    turn = 2 * np.pi * np.arange(24) / 24
    ring = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    np.testing.assert_allclose(around_weights(24, 24, 0) @ ring, ring, atol=1e-12)
    other = around_weights(24, 50, 1) @ ring
    np.testing.assert_allclose(np.linalg.norm(other, axis=1), 1, atol=2e-5)
    assert np.degrees(np.arctan2(*other[0])) == pytest.approx(360 / 100, abs=1e-3)


def test_centreline_has_equal_steps_whatever_the_spacing_of_its_points():
    angle = np.cumsum(np.random.default_rng(3).uniform(0.05, 0.3, 40))
    points = np.stack([9 * np.cos(angle), 9 * np.sin(angle), 2 * angle], axis=1)
    line, tangent = centreline(points, 100)
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-3)
    np.testing.assert_array_equal(line[[0, -1]], points[[0, -1]])
    np.testing.assert_allclose(np.linalg.norm(tangent, axis=1), 1)
    assert tangent[50] @ (line[51] - line[49]) / np.linalg.norm(line[51] - line[49]) > 0.9999


def test_two_points_are_a_straight_line():
    line, tangent = centreline(np.array([[0, 0, 0], [0, 0, -4.0]]), 4)
    np.testing.assert_allclose(line[:, 2], [0, -1, -2, -3, -4], atol=1e-12)
    np.testing.assert_allclose(tangent, [[0, 0, -1]] * 5)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 40])
def test_walls_are_scipys_not_a_knot_splines_in_the_rings_index(count):
    rings = np.random.default_rng(count).normal(size=(count, 6, 3))
    shares = np.linspace(0, 1, 33)
    theirs = CubicSpline(np.linspace(0, 1, count), rings, bc_type="not-a-knot")
    np.testing.assert_allclose(rings_at(rings, shares), theirs(shares), atol=1e-12)
    np.testing.assert_allclose(ring_slopes_at(rings, shares), theirs(shares, 1), atol=1e-9)


@pytest.mark.parametrize("count", [2, 3, 4, 32])
def test_centrelines_are_scipys_not_a_knot_splines_by_chord_length(count):
    rng = np.random.default_rng(count)
    points = np.cumsum(rng.uniform(0.5, 4, (count, 3)), axis=0)
    line, tangent = centreline(points, 50)
    chord = arc_length(points)
    theirs = CubicSpline(chord, points, bc_type="not-a-knot")
    fine = np.linspace(0, chord[-1], 8 * 50 + 1)
    length = arc_length(theirs(fine))
    at = np.interp(np.linspace(0, length[-1], 51), length, fine)
    np.testing.assert_allclose(line, theirs(at), atol=1e-11)
    slope = theirs(at, 1)
    np.testing.assert_allclose(
        tangent, slope / np.linalg.norm(slope, axis=1, keepdims=True), atol=1e-11
    )


@pytest.mark.parametrize("n", [6, 24, 31])
def test_weights_around_are_scipys_periodic_splines(n):
    places = np.arange(n + 1)
    theirs = CubicSpline(places, np.eye(n)[places % n], bc_type="periodic")
    for ring in (0, 1):
        np.testing.assert_allclose(
            around_weights(n, 10, ring), theirs(turns_of(10, ring) * n), atol=1e-13
        )
