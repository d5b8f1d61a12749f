"""Curves against closed forms and scipy."""

import numpy as np
import pytest
from scipy.interpolate import make_smoothing_spline

from atlas.shape.curves import (
    annotation_noise,
    arc_length,
    bridge,
    resample_open,
    smoothing_spline,
)


def test_noise_of_a_smooth_stack_is_its_jitter():
    rng = np.random.default_rng(1)
    t = np.linspace(0, 160, 81)
    y = np.stack([0.02 * t, 3 * np.sin(t / 60), -t], axis=1)[:, None] + np.zeros((81, 32, 3))
    y[..., :2] += rng.normal(0, 0.15, (81, 32, 2))
    assert annotation_noise(t, y) == pytest.approx(0.15, rel=0.05)


def test_noise_of_a_straight_line_is_zero_even_with_uneven_slices():
    t = np.array([0, 1, 3, 4, 8.0])
    assert annotation_noise(t, (t[:, None, None] * np.array([1.0, 2, 3]))) == pytest.approx(0)


def test_smoothing_with_no_noise_interpolates():
    t = np.arange(6.0)
    y = np.random.default_rng(0).normal(size=(6, 2, 3))
    np.testing.assert_allclose(smoothing_spline(t, y, noise_sd=0)(t), y, atol=1e-12)


def test_smoothing_keeps_straight_lines_exactly():
    t = np.array([0, 1.5, 3, 4, 6, 9.0])
    y = (2 + t[:, None, None] * np.array([0.5, -1, 3])) + np.zeros((6, 4, 3))
    np.testing.assert_allclose(smoothing_spline(t, y, noise_sd=0.3)(t), y, atol=1e-9)


def test_smoothing_is_the_minimiser_that_scipy_finds():
    rng = np.random.default_rng(2)
    t = np.sort(rng.uniform(0, 50, 40))
    y = np.sin(t / 8)[:, None, None] * np.ones(3) + rng.normal(0, 0.2, (40, 1, 3))
    ours = smoothing_spline(t, y, noise_sd=0.2)
    # The stiffness our rule chose is found again by matching one coordinate, then all must match.
    lams = np.logspace(-3, 5, 4000)
    fits = [make_smoothing_spline(t, y[:, 0, 0], lam=lam)(t) for lam in lams]
    best = lams[np.argmin([np.abs(f - ours(t)[:, 0, 0]).max() for f in fits])]
    for axis in range(3):
        theirs = make_smoothing_spline(t, y[:, 0, axis], lam=best)
        np.testing.assert_allclose(ours(t)[:, 0, axis], theirs(t), atol=2e-3)


def test_smoothing_leaves_residuals_of_the_size_of_the_noise_and_finds_the_curve():
    rng = np.random.default_rng(3)
    t = np.linspace(0, 160, 81)
    truth = np.stack([4 * np.sin(t / 40), 2 * np.cos(t / 30), -t], axis=1)[:, None]
    y = truth + rng.normal(0, 0.3, (81, 24, 3)) * [1, 1, 0]
    smooth = smoothing_spline(t, y, noise_sd=annotation_noise(t, y))(t)
    assert np.sqrt(((smooth - y)[..., :2] ** 2).mean()) == pytest.approx(0.3, rel=0.1)
    assert np.sqrt(((smooth - truth)[..., :2] ** 2).mean()) < 0.12


def test_bridge_leaves_tangent_arrives_without_curvature_and_ends_on_the_ganglion():
    begin, end = np.array([0.0, 0, 0]), np.array([10.0, 5, -100])
    direction = np.array([0.0, 0, -1])
    line = bridge(begin, direction, end, samples=2001)
    np.testing.assert_allclose(line[[0, -1]], [begin, end], atol=1e-12)
    first = (line[1] - line[0]) / np.linalg.norm(line[1] - line[0])
    np.testing.assert_allclose(first, direction, atol=1e-3)
    second = line[2:] - 2 * line[1:-1] + line[:-2]
    assert np.linalg.norm(second[-1]) < 1e-3 * np.linalg.norm(second[0])


def test_bridge_along_its_own_chord_is_straight():
    end = np.array([0.0, 0, -50])
    line = bridge(np.zeros(3), np.array([0.0, 0, -1]), end, samples=11)
    np.testing.assert_allclose(line, np.linspace(0, 1, 11)[:, None] * end, atol=1e-12)


def test_open_resampling_gives_equal_lengths_and_keeps_the_ends():
    t = np.linspace(0, 3, 3001)
    helix = np.stack([np.cos(t), np.sin(t), t], axis=1)
    points = resample_open(helix, 31)
    np.testing.assert_allclose(points[[0, -1]], helix[[0, -1]])
    np.testing.assert_allclose(np.diff(arc_length(points)), 3 * np.sqrt(2) / 30, rtol=1e-3)
