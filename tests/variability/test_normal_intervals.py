"""Intervals of normal data: against scipy, printed tables and how often they cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.variability.normal_intervals import (
    mean_interval,
    reference_limit_factors,
    sd_interval,
    tolerance_factor,
)

# Two-sided factors for 95 % of a normal population with 95 % confidence, as printed to two places
# in Berthouex and Brown, Statistics for Environmental Engineers, 2nd edition, table 21.1.  The row
# of n = 4 is left out: it is printed exactly, 6.34, but other tables give Howe's 6.37.
PRINTED = {5: 5.08, 6: 4.42, 7: 4.02, 8: 3.75, 9: 3.55, 10: 3.39, 12: 3.17, 15: 2.96, 20: 2.76}
PRINTED |= {25: 2.64, 30: 2.55, 40: 2.45}


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = np.array([3.1, 4.0, 5.5, 4.2, 3.9])
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    half = mean_interval(np.array([5]), np.array([values.std(ddof=1)]))[0]
    assert (interval.high - interval.low) / 2 == pytest.approx(half)


def test_intervals_cover_in_nineteen_draws_of_twenty():
    draws = np.random.default_rng(7).normal(10, 3, size=(4000, 14))
    n, sd = np.full(4000, 14), draws.std(axis=1, ddof=1)
    half = mean_interval(n, sd)
    low, high = sd_interval(n, sd)
    assert np.mean(abs(draws.mean(axis=1) - 10) < half) == pytest.approx(0.95, abs=0.012)
    assert np.mean((low < 3) & (high > 3)) == pytest.approx(0.95, abs=0.012)


def test_one_subject_has_no_interval():
    one = np.array([1])
    assert np.isnan(mean_interval(one, np.array([np.nan])))
    assert np.isnan(sd_interval(one, np.array([np.nan]))).all()


@pytest.mark.parametrize("n", PRINTED)
def test_tolerance_factors_are_those_printed(n):
    assert tolerance_factor(n) == pytest.approx(PRINTED[n], abs=0.006)


@pytest.mark.parametrize("n", [3, 14])
def test_tolerance_limits_hold_the_share_as_often_as_they_say(n):
    values = np.random.default_rng(7).normal(size=(40000, n))
    mean, half = values.mean(axis=1), tolerance_factor(n) * values.std(axis=1, ddof=1)
    held = stats.norm.cdf(mean + half) - stats.norm.cdf(mean - half)
    assert (held >= 0.95).mean() == pytest.approx(0.95, abs=0.004)


@pytest.mark.parametrize("n", [3, 14])
def test_the_interval_of_a_reference_limit_covers_the_limit(n):
    values = np.random.default_rng(8).normal(size=(40000, n))
    mean, sd = values.mean(axis=1), values.std(axis=1, ddof=1)
    limit, low, high = reference_limit_factors(n)
    assert limit == pytest.approx(1.959964, abs=1e-6)
    covered = (mean + low * sd < limit) & (limit < mean + high * sd)
    assert covered.mean() == pytest.approx(0.95, abs=0.004)
    # The lower limit mirrors it.
    covered = (mean - high * sd < -limit) & (-limit < mean - low * sd)
    assert covered.mean() == pytest.approx(0.95, abs=0.004)
