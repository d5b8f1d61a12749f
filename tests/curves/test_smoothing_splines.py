"""Smoothing splines against closed forms and scipy, many at once against one by one."""

import numpy as np
import pytest
from scipy.interpolate import make_smoothing_spline

from atlas.curves.smoothing_splines import annotation_noise, smoothing_spline, smoothing_splines


def uneven(rng, n, m=1):
    """Knots and noisy values of a curve far from the frame's origin."""
    t = np.cumsum(rng.uniform(0.5, 3, n))
    y = np.stack([np.sin(t / 9), np.cos(t / 7), -t], axis=1)[:, None] + rng.normal(
        0, 0.2, (n, m, 3)
    )
    return t, y + 300.0


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


@pytest.mark.slow
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


def test_curves_smoothed_together_are_those_smoothed_one_by_one():
    rng = np.random.default_rng(6)
    shared, rings = uneven(rng, 30, 8)
    curves = [(shared, rings), (shared, rings.mean(axis=1))]
    curves += [(t, y[:, 0]) for t, y in (uneven(rng, n) for n in (2, 3, 12, 41))]
    # One that is interpolated, one as stiff as can be.
    noise = [0.2, 0.05, 0.2, 0.2, 0.0, 1e3]
    together = smoothing_splines(*zip(*curves, strict=True), noise_sd=noise)
    for (t, y), sd, spline in zip(curves, noise, together, strict=True):
        alone = smoothing_spline(t, y, noise_sd=sd)
        np.testing.assert_allclose(spline.values, alone.values, atol=1e-10)
        np.testing.assert_allclose(spline.bends, alone.bends, atol=1e-10)


def test_the_last_digit_of_the_knots_is_the_last_digit_of_the_curve():
    rng = np.random.default_rng(7)
    t, y = uneven(rng, 100, 4)
    nearly = t * (1 + 2e-16 * rng.standard_normal(len(t)))
    for sd in (0.05, 0.2, 0.5):
        values = smoothing_spline(t, y, noise_sd=sd).values
        np.testing.assert_allclose(
            smoothing_spline(nearly, y, noise_sd=sd).values, values, rtol=0, atol=1e-12
        )


def test_residuals_of_a_smoothed_curve_have_the_variance_asked_for():
    rng = np.random.default_rng(8)
    t, y = uneven(rng, 40)
    values = smoothing_spline(t, y, noise_sd=0.2).values
    # The degrees of freedom from the response of each value at its own place.
    stiffness = stiffness_of(t, y[:, 0, 0], values[:, 0, 0])
    units = make_smoothing_spline(t, np.eye(len(t)), lam=stiffness)(t)
    assert ((y - values) ** 2).sum() / (len(t) - np.trace(units)) == pytest.approx(
        2 * 0.2**2, rel=1e-3
    )


def stiffness_of(t, y, smooth):
    """The lambda at which scipy smooths values to the same ones."""
    lams = np.geomspace(1e-3, 1e4, 57)
    for _ in range(3):
        off = [np.abs(make_smoothing_spline(t, y, lam=lam)(t) - smooth).max() for lam in lams]
        best, width = lams[int(np.argmin(off))], lams[1] / lams[0]
        lams = np.geomspace(best / width, best * width, 41)
    return best
