"""Restricted scores against the same by throwing away, and against closed forms."""

import numpy as np
import pytest
from scipy import stats

from atlas.sampling.designs import SamplingError
from atlas.sampling.restrictions import Restriction

NORMAL = np.random.default_rng(5).standard_normal((20000, 6))


@pytest.mark.parametrize(
    "restriction", [Restriction(coverage=0.6), Restriction(coverage=None, truncate_sd=1.2)]
)
def test_moving_gives_the_distribution_that_throwing_away_gives(restriction):
    moved = restriction.apply(NORMAL)
    assert restriction.holds(moved).all()
    thrown = NORMAL[restriction.holds(NORMAL)]
    for values in (lambda c: c[:, 0], lambda c: (c**2).sum(axis=1), lambda c: c[:, 1] * c[:, 2]):
        assert stats.ks_2samp(values(moved), values(thrown)).pvalue > 1e-3


@pytest.mark.parametrize(
    "restriction",
    [
        Restriction(coverage=0.95),
        Restriction(coverage=0.5),
        Restriction(coverage=None, truncate_sd=2.0),
        Restriction(coverage=None),
    ],
)
def test_the_variance_of_restricted_scores_is_that_of_its_formula(restriction):
    measured = restriction.apply(NORMAL).var()
    assert measured == pytest.approx(restriction.variance_ratio(6), rel=0.02)


@pytest.mark.parametrize("coverage", [0.5, 0.95, 0.99])
def test_the_ellipsoid_holds_its_share_of_unrestricted_draws(coverage):
    held = Restriction(coverage=coverage).holds(NORMAL).mean()
    assert held == pytest.approx(coverage, abs=4 * np.sqrt(coverage * (1 - coverage) / len(NORMAL)))


def test_directions_do_not_change_inside_the_ellipsoid():
    moved = Restriction(coverage=0.7).apply(NORMAL)
    cosine = (moved * NORMAL).sum(axis=1)
    cosine /= np.linalg.norm(moved, axis=1) * np.linalg.norm(NORMAL, axis=1)
    np.testing.assert_allclose(cosine, 1)


def test_the_mean_stays_the_mean():
    assert (Restriction().apply(np.zeros((1, 4))) == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage": 0.0}, "coverage: expected a share between 0 and 1"),
        ({"coverage": 1.0}, "coverage: expected a share between 0 and 1"),
        ({"coverage": None, "truncate_sd": 0.0}, "truncate_sd: expected above 0 SD, got 0"),
        ({"coverage": 0.9, "truncate_sd": 2.0}, "expected one of the two, got both"),
    ],
)
def test_a_restriction_that_cannot_be_is_refused(options, message):
    with pytest.raises(SamplingError, match=message):
        Restriction(**options)
