"""Bootstrap intervals: against scipy, against how often they cover, and what leaves them alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.variability.intervals import (
    SHARES,
    bootstrap_weights,
    calibrate_shares,
    normal_shares,
    studentised_intervals,
)
from analysis.variability.normal_intervals import sd_interval

SAMPLES = 4000


def interval(values, weights, *, statistic):
    return studentised_intervals(values, weights, statistics=[statistic])[statistic]


# Draws of (size) with mean and SD of their population.
POPULATIONS = {
    "normal": (lambda g, size: g.normal(size=size), 0.0, 1.0),
    "lognormal": (
        lambda g, size: g.lognormal(0, 0.5, size),
        np.exp(0.125),
        np.sqrt(np.exp(0.25) * (np.exp(0.25) - 1)),
    ),
    "t5": (lambda g, size: g.standard_t(5, size), 0.0, np.sqrt(5 / 3)),
}


def coverage(population: str, n: int, statistic: str, interval=interval) -> float:
    """Share of samples of n whose interval holds the population's own statistic."""
    draw, mean, sd = POPULATIONS[population]
    generator, truth = np.random.default_rng(1), mean if statistic == "mean" else sd
    held = []
    for _ in range(SAMPLES // 1000):
        values = draw(generator, (1000, n))
        low, high = interval(values, bootstrap_weights(n), statistic=statistic)
        held.append((low < truth) & (truth < high))
    return float(np.mean(held))


@pytest.mark.parametrize("statistic", ["mean", "sd"])
def test_change_of_unit_and_origin_changes_the_interval_alike(statistic):
    values = np.random.default_rng(3).normal(size=(4, 14))
    weights = bootstrap_weights(14)
    low, high = interval(values, weights, statistic=statistic)
    shift = 100.0 if statistic == "mean" else 0.0
    moved = interval(10 * values + 100, weights, statistic=statistic)
    np.testing.assert_allclose(moved, (10 * low + shift, 10 * high + shift), rtol=1e-6)
    assert (low < high).all()


def test_measures_taken_together_have_the_intervals_they_have_alone():
    values, weights = np.random.default_rng(4).gamma(2.0, size=(3, 9)), bootstrap_weights(9)
    together = np.array(interval(values, weights, statistic="sd"))
    alone = [interval(row[None], weights, statistic="sd") for row in values]
    np.testing.assert_allclose(together, np.concatenate(alone, axis=1), rtol=1e-12)


def test_five_subjects_have_no_bootstrap_interval():
    values = np.random.default_rng(0).normal(size=(2, 5))
    assert np.isnan(interval(values, bootstrap_weights(5), statistic="mean")).all()


def test_a_measure_that_does_not_vary_has_no_bootstrap_interval():
    values = np.stack([np.full(8, 0.1), np.arange(8.0)])
    low, high = interval(values, bootstrap_weights(8), statistic="sd")
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] < np.std(np.arange(8), ddof=1) < high[1]


@pytest.mark.slow
def test_pivots_are_those_of_a_resample_worked_one_by_one():
    # Each resample drawn out and measured with numpy and scipy instead of moments of weights.
    values, weights = np.random.default_rng(6).normal(size=12), bootstrap_weights(12)
    n, below_above = 12, normal_shares(12, statistic="sd")

    def log_sd(x):
        k = stats.moment(x, 4) / x.std(ddof=1) ** 4
        return np.log(x.std(ddof=1)), np.sqrt((k - (n - 3) / (n - 1)) / n) / 2

    centre, error = log_sd(values)
    drawn = [log_sd(np.repeat(values, np.rint(w * n).astype(int))) for w in weights]
    pivots = [(own - centre) / its_error for own, its_error in drawn]
    above, below = np.quantile(pivots, below_above[::-1], method="weibull")
    low, high = interval(values[None], weights, statistic="sd")
    np.testing.assert_allclose([low[0], high[0]], np.exp(centre - error * np.array([above, below])))


def test_resamples_are_the_same_in_every_run_and_cannot_be_changed():
    weights = bootstrap_weights(7, replicates=50, seed=3)
    bootstrap_weights.cache_clear()
    np.testing.assert_array_equal(weights, bootstrap_weights(7, replicates=50, seed=3))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 0


def test_shares_between_the_sizes_of_the_table_lie_between_its_own():
    below, above = normal_shares(9, statistic="sd")
    assert SHARES[10][0] < below < SHARES[8][0]
    assert SHARES[10][1] < above < SHARES[8][1]
    np.testing.assert_allclose(normal_shares(10**7, statistic="sd"), (0.025, 0.975), atol=1e-4)
    assert normal_shares(14, statistic="mean") == pytest.approx((SHARES[14][2], 1 - SHARES[14][2]))


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["mean", "sd"])
@pytest.mark.parametrize("n", [6, 9, 14, 30])
def test_normal_data_are_covered_at_the_nominal_rate(n, statistic):
    error = np.sqrt(0.95 * 0.05 / SAMPLES)
    assert coverage("normal", n, statistic) == pytest.approx(0.95, abs=3 * error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("population", "n", "least_mean", "least_sd"),
    [("lognormal", 14, 0.93, 0.88), ("t5", 14, 0.93, 0.915), ("lognormal", 30, 0.93, 0.885)],
)
def test_skewed_and_heavy_tailed_data_are_covered_better_than_by_the_others(
    population, n, least_mean, least_sd
):
    def chi_square(values, weights, *, statistic):
        return sd_interval(np.full(len(values), n), values.std(axis=1, ddof=1))

    mean, sd = coverage(population, n, "mean"), coverage(population, n, "sd")
    assert mean > least_mean
    assert sd > least_sd
    assert sd > coverage(population, n, "sd", chi_square) + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 14, 60])
def test_the_table_of_shares_is_found_again(n):
    below, above, mean = SHARES[n]
    found = calibrate_shares(n, statistic="sd", samples=20_000, seed=5)
    np.testing.assert_allclose(found, (below, above), atol=0.005)
    tail = calibrate_shares(n, statistic="mean", samples=20_000, seed=5)[0]
    assert tail == pytest.approx(mean, abs=0.003)
