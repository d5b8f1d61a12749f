"""Neighbouring levels: covariance and correlation against numpy and scipy, and their coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.variability.neighbours import (
    NAMES,
    correlation_interval,
    covariance_interval,
    neighbour_table,
)


def measures(values, *, name="begin_below_apex_mm", side="left", grounds="measured"):
    """A table of values (subjects, levels) at L1, L2, …."""
    table = pd.DataFrame(values, columns=["L1", "L2", "L3"][: np.shape(values)[1]])
    table = table.rename_axis("subject").reset_index()
    table = table.melt("subject", var_name="level", value_name="value")
    return table.assign(measure=name, side=side, rests_on=grounds)


def normal_pairs(n: int, correlation: float, samples: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.random.default_rng(1).normal(size=(2, samples, n))
    return a, 2 * (correlation * a + np.sqrt(1 - correlation**2) * b)


def test_rows_are_those_of_numpy_and_scipy():
    values = np.random.default_rng(0).normal(size=(9, 3)) @ [[1, 0.5, 0], [0, 1, 0.7], [0, 0, 2]]
    values[4, 2] = np.nan
    table = neighbour_table(measures(values)).set_index("level")
    assert list(table.reset_index()[NAMES].columns) == NAMES
    first = table.loc["L1"]
    covariance = np.cov(values[:, 0], values[:, 1])
    expected = [9, np.sqrt(covariance[0, 0]), np.sqrt(covariance[1, 1]), covariance[0, 1]]
    assert first[["n", "sd", "next_sd", "covariance"]].to_list() == pytest.approx(expected)
    theirs = stats.pearsonr(values[:, 0], values[:, 1])
    assert first["correlation"] == pytest.approx(theirs.statistic)
    interval = theirs.confidence_interval(0.95)
    assert first[["correlation_low", "correlation_high"]].to_list() == pytest.approx([*interval])
    second = table.loc["L2"]
    seen = np.delete(values, 4, axis=0)
    assert (second["n"], second["next_level"]) == (8, "L3")
    assert second["covariance"] == pytest.approx(np.cov(seen[:, 1], seen[:, 2])[0, 1])


def test_sides_are_pooled_and_the_right_of_a_signed_measure_mirrored():
    left = np.random.default_rng(0).normal(size=(6, 2))
    pair = [measures(left, name="angle_sac_deg")]
    pair.append(measures(-left, name="angle_sac_deg", side="right"))
    table = neighbour_table(pd.concat(pair)).set_index("side")
    assert list(table.index) == ["left", "right", "pooled"]
    np.testing.assert_allclose(table["covariance"], np.cov(left.T)[0, 1])


def test_change_of_unit_changes_the_covariance_by_its_square_and_the_correlation_not():
    values = np.random.default_rng(0).normal(size=(7, 2))
    one, ten = (neighbour_table(measures(k * values)).iloc[0] for k in (1, 10))
    for end in ("", "_low", "_high"):
        assert ten[f"covariance{end}"] == pytest.approx(100 * one[f"covariance{end}"])
        assert ten[f"correlation{end}"] == pytest.approx(one[f"correlation{end}"])


def test_pairs_that_rest_on_a_bridge_are_counted():
    table = measures(np.random.default_rng(0).normal(size=(5, 2)))
    table.loc[(table["subject"] == 2) & (table["level"] == "L2"), "rests_on"] = "bridged"
    row = neighbour_table(table).iloc[0]
    assert (row["n"], row["n_bridged"], row["n_generated"]) == (5, 1, 0)


def test_a_measure_of_the_whole_subject_has_no_neighbour():
    table = measures(np.ones((5, 1)), name="apex_to_conus_mm", side="both").assign(level="all")
    assert neighbour_table(table).empty


def test_few_subjects_and_constant_measures_have_no_correlation():
    few = neighbour_table(measures([[1.0, 2.0], [2.0, 1.0]])).iloc[0]
    assert np.isnan(few[["correlation", "correlation_low", "covariance_low"]].to_list()).all()
    constant = neighbour_table(measures([[1.0, 2.0], [1.0, 1.0], [1.0, 3.0]])).iloc[0]
    assert constant["covariance"] == 0
    assert np.isnan(constant["correlation"])


def test_levels_that_go_together_wholly_have_an_interval_of_no_width():
    row = neighbour_table(measures([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [5.0, 10.0]])).iloc[0]
    names = ["correlation", "correlation_low", "correlation_high"]
    assert row[names].to_list() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95])
def test_intervals_of_normal_pairs_cover_at_the_nominal_rate(correlation):
    samples, n = 10000, 14
    a, b = normal_pairs(n, correlation, samples)
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    size = a.std(axis=1, ddof=1) * b.std(axis=1, ddof=1)
    r = (x * y).sum(axis=1) / (n - 1) / size
    low, high = correlation_interval(r, np.full(samples, n))
    assert ((low < correlation) & (correlation < high)).mean() == pytest.approx(0.95, abs=0.009)
    low, high = covariance_interval(r, np.full(samples, n))
    held = (size * low < 2 * correlation) & (2 * correlation < size * high)
    assert held.mean() == pytest.approx(0.948, abs=0.01)
