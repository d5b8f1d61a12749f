from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.variability import (
    anchor_table,
    mean_interval,
    sd_interval,
    segment_table,
    summarise_anchors,
    summarise_segments,
)
from atlas.shape.scheme import Anatomy


def measures(values, *, name="length_total_mm", grounds="measured", side="left") -> pd.DataFrame:
    n = len(values)
    return pd.DataFrame(
        {
            "subject": [f"sub-{i + 1:02d}" for i in range(n)],
            "level": "L1",
            "side": side,
            "measure": name,
            "value": values,
            "rests_on": grounds,
        }
    )


def shifted(depth_mm: float, conus_rings: int) -> Anatomy:
    """The cylinders with every root lower by ``depth_mm`` and a cord of other length."""
    anatomy = cylinders.make_anatomy()
    drop = np.array([0, 0, -depth_mm])
    return replace(
        anatomy,
        cord=anatomy.cord[:conus_rings],
        roots={k: r + drop for k, r in anatomy.roots.items()},
        ganglia={k: g + drop for k, g in anatomy.ganglia.items()},
        status={k: s[:conus_rings] if k == "cord" else s for k, s in anatomy.status.items()},
    )


def test_a_group_of_four_worked_by_hand():
    # 2, 4, 6, 8: mean 5, sum of squares 20, variance 20/3; t(0.975, 3) = 3.18245;
    # chi²(0.975, 3) = 9.34840, chi²(0.025, 3) = 0.215795.
    row = summarise_segments(measures([2.0, 4.0, 6.0, 8.0])).iloc[0]
    sd = np.sqrt(20 / 3)
    assert row["n"] == 4
    assert row["mean"] == 5.0
    assert row["sd"] == pytest.approx(sd)
    assert row["cv"] == pytest.approx(sd / 5)
    assert (row["min"], row["max"]) == (2.0, 8.0)
    assert row["unit"] == "mm"
    assert row["mean_low"] == pytest.approx(5 - 3.18245 * sd / 2, abs=1e-4)
    assert row["mean_high"] == pytest.approx(5 + 3.18245 * sd / 2, abs=1e-4)
    assert row["sd_low"] == pytest.approx(np.sqrt(20 / 9.34840), abs=1e-4)
    assert row["sd_high"] == pytest.approx(np.sqrt(20 / 0.215795), abs=1e-3)


def test_missing_values_are_counted_and_take_no_part():
    grounds = ["measured", "bridged", "missing"]
    row = summarise_segments(measures([2.0, 4.0, np.nan], grounds=grounds)).iloc[0]
    counts = row[["n", "n_measured", "n_bridged", "n_missing"]]
    assert counts.to_list() == [2, 1, 1, 1]
    assert row["mean"] == 3.0


@pytest.mark.parametrize("name", ["begin_below_apex_mm", "angle_sac_deg"])
def test_positions_and_angles_have_no_coefficient_of_variation(name):
    assert np.isnan(summarise_segments(measures([2.0, 4.0], name=name)).iloc[0]["cv"])


def test_one_subject_has_a_mean_and_no_spread():
    row = summarise_segments(measures([2.0])).iloc[0]
    assert row["mean"] == 2.0
    assert row[["sd", "sd_low", "sd_high", "mean_low", "mean_high"]].isna().all()


def test_no_value_at_all_keeps_its_row():
    row = summarise_segments(measures([np.nan, np.nan], grounds="missing")).iloc[0]
    assert (row["n"], row["n_missing"]) == (0, 2)
    assert np.isnan(row["mean"])


def test_intervals_cover_in_nineteen_draws_of_twenty():
    draws = np.random.default_rng(7).normal(10, 3, size=(4000, 14))
    n, sd = np.full(4000, 14), draws.std(axis=1, ddof=1)
    half = mean_interval(n, sd)
    low, high = sd_interval(n, sd)
    assert np.mean(abs(draws.mean(axis=1) - 10) < half) == pytest.approx(0.95, abs=0.012)
    assert np.mean((low < 3) & (high > 3)) == pytest.approx(0.95, abs=0.012)


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = np.array([3.1, 4.0, 5.5, 4.2, 3.9])
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    half = mean_interval(np.array([5]), np.array([values.std(ddof=1)]))[0]
    assert (interval.high - interval.low) / 2 == pytest.approx(half)


def test_segments_of_shifted_subjects_spread_by_the_shift():
    table = segment_table({f"sub-{i:02d}": shifted(d, 61) for i, d in enumerate((0.0, 2.0, 4.0))})
    begin = table[table.measure == "begin_below_apex_mm"]
    assert len(begin) == 14
    np.testing.assert_allclose(begin["sd"], 2.0)
    length = table[table.measure == "length_total_mm"]
    np.testing.assert_allclose(length["sd"], 0.0, atol=1e-9)
    assert (length["n_bridged"] == 3).all()


def test_roots_that_move_with_the_conus_vary_from_the_apex_only():
    # Each subject's conus and roots stand 4 mm lower than the last one's: SD 4 mm from the apex.
    group = {"a": shifted(0.0, 57), "b": shifted(4.0, 59), "c": shifted(8.0, 61)}
    table = anchor_table(group).set_index(["anchor", "landmark", "level"])
    np.testing.assert_allclose(table.loc["dura-apex"]["sd_mm"], 4.0, atol=1e-9)
    np.testing.assert_allclose(table.loc["conus"]["sd_mm"], 0.0, atol=1e-9)
    assert (table["n"] == 3).all()
    np.testing.assert_allclose(
        table.loc["dura-apex"]["sd_high_mm"], 4 * np.sqrt(2 / stats.chi2.ppf(0.025, 2))
    )


def test_sides_are_averaged_within_the_subject():
    left = measures([10.0, 14.0], name="begin_below_apex_mm")
    right = measures([12.0, np.nan], name="begin_below_apex_mm", side="right")
    table = summarise_anchors(pd.concat([left, right])).set_index(["anchor", "landmark", "level"])
    row = table.loc["dura-apex", "begin", "L1"]
    assert row["n"] == 2
    assert row["sd_mm"] == pytest.approx(3 / np.sqrt(2))
    assert table.loc["dura-apex", "begin", "S2"]["n"] == 0
