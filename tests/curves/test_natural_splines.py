"""Natural cubic splines against scipy."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from atlas.curves.natural_splines import natural_splines, sample_knots, sample_splines


def uneven(rng, n, m=1):
    """Knots and noisy values of a curve far from the frame's origin."""
    t = np.cumsum(rng.uniform(0.5, 3, n))
    y = np.stack([np.sin(t / 9), np.cos(t / 7), -t], axis=1)[:, None] + rng.normal(
        0, 0.2, (n, m, 3)
    )
    return t, y + 300.0


def test_splines_are_scipys_natural_cubic_splines():
    rng = np.random.default_rng(4)
    curves = [uneven(rng, n, m) for n, m in ((2, 1), (3, 1), (20, 4), (31, 1), (9, 4))]
    splines = natural_splines(*zip(*curves, strict=True))
    for (t, y), spline in zip(curves, splines, strict=True):
        theirs = CubicSpline(t, y, bc_type="natural")
        at = np.linspace(t[0] - 1, t[-1] + 1, 57)
        np.testing.assert_allclose(spline(at), theirs(at), atol=1e-10)
        np.testing.assert_allclose(spline(at, 1), theirs(at, 1), atol=1e-10)
        np.testing.assert_allclose(spline.bends, theirs(t, 2), atol=1e-10)
        np.testing.assert_array_equal(spline(t[0]), y[0])


def test_dense_samples_lie_on_the_spline():
    rng = np.random.default_rng(5)
    curves = [(t, y[:, 0]) for t, y in (uneven(rng, n) for n in (4, 17))]
    splines = natural_splines(*zip(*curves, strict=True))
    for spline, dense in zip(splines, sample_splines(splines), strict=True):
        np.testing.assert_allclose(dense, spline(sample_knots(spline.x)), atol=1e-11)


@pytest.mark.parametrize("knots", [[0.0], [0, 1, 1, 2.0], [0, 2, 1.0]])
def test_knots_that_do_not_increase_are_refused(knots):
    with pytest.raises(ValueError, match=r"^knots: expected at least 2 that increase"):
        natural_splines([np.array(knots)], [np.zeros((len(knots), 3))])
