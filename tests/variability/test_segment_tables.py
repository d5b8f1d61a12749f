from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.morphometry import MEASURES, measure_group
from analysis.variability.intervals import bootstrap_weights, studentised_intervals
from analysis.variability.segment_tables import (
    SEGMENT_COLUMNS,
    summarise_anchors,
    summarise_segments,
)
from atlas.landmarks.scheme import Anatomy

SIDES = ("left", "right")


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
    # chi²(0.975, 3) = 9.34840, chi²(0.025, 3) = 0.215795; z = 1.95996; k(4) = 6.3411.
    row = summarise_segments(measures([2.0, 4.0, 6.0, 8.0])).iloc[0]
    sd = np.sqrt(20 / 3)
    assert (row["basis"], row["interval"], row["unit"], row["n"]) == ("all", "normal", "mm", 4)
    assert row["mean"] == row["median"] == 5.0
    assert row["sd"] == pytest.approx(sd)
    assert row["cv"] == pytest.approx(sd / 5)
    assert row[["min", "q25", "q75", "max"]].to_list() == [2.0, 3.5, 6.5, 8.0]
    for start in ("mean", "mean_t"):
        assert row[f"{start}_low"] == pytest.approx(5 - 3.18245 * sd / 2, abs=1e-4)
        assert row[f"{start}_high"] == pytest.approx(5 + 3.18245 * sd / 2, abs=1e-4)
    for start in ("sd", "sd_chi2"):
        assert row[f"{start}_low"] == pytest.approx(np.sqrt(20 / 9.34840), abs=1e-4)
        assert row[f"{start}_high"] == pytest.approx(np.sqrt(20 / 0.215795), abs=1e-3)
    assert row["range_low"] == pytest.approx(5 - 1.95996 * sd, abs=1e-4)
    assert row["range_high"] == pytest.approx(5 + 1.95996 * sd, abs=1e-4)
    assert row["tolerance_high"] == pytest.approx(5 + 6.3411 * sd, abs=1e-3)
    assert row["range_low_low"] < row["range_low"] < row["range_low_high"] < 5
    assert row["range_low_low"] + row["range_high_high"] == pytest.approx(10)


def test_six_subjects_or_more_have_the_bootstrap_interval_of_their_values():
    values = np.random.default_rng(2).gamma(3.0, size=(2, 9))
    table = summarise_segments(
        pd.concat([measures(values[0]), measures(values[1], name="length_traced_mm")])
    )
    assert set(table["interval"]) == {"bootstrap-t"}
    ordered = np.sort(values, axis=1)
    for name in ("mean", "sd"):
        low, high = studentised_intervals(ordered, bootstrap_weights(9))[name]
        np.testing.assert_allclose(table[f"{name}_low"], low)
        np.testing.assert_allclose(table[f"{name}_high"], high)


def test_the_seed_decides_the_resamples_and_nothing_else():
    table = measures(np.random.default_rng(2).normal(10, 2, size=14))
    first, again, other = (summarise_segments(table, seed=seed).iloc[0] for seed in (0, 0, 1))
    pd.testing.assert_series_equal(first, again)
    drawn = ["mean_low", "mean_high", "sd_low", "sd_high"]
    assert (first[drawn] != other[drawn]).all()
    np.testing.assert_allclose(first[drawn].astype(float), other[drawn].astype(float), rtol=0.1)
    pd.testing.assert_series_equal(first.drop(drawn), other.drop(drawn))


def test_the_order_of_the_subjects_changes_nothing():
    table = pd.concat(
        [measures(np.random.default_rng(2).gamma(3.0, size=9), side=s) for s in SIDES]
    )
    turned = summarise_segments(table.iloc[::-1])
    pd.testing.assert_frame_equal(summarise_segments(table), turned)


def test_a_measure_that_does_not_vary_has_intervals_of_no_width():
    row = summarise_segments(measures([3.0] * 8)).iloc[0]
    assert row["interval"] == "normal"
    names = ["mean_low", "mean_high", "range_low", "range_high", "tolerance_low"]
    assert row[names].to_list() == [3.0] * 5
    assert row[["sd", "sd_low", "sd_high"]].to_list() == [0.0] * 3


def test_measured_and_bridged_are_summarised_apart():
    grounds = ["measured", "measured", "bridged", "bridged", "missing"]
    table = summarise_segments(measures([1.0, 3.0, 10.0, 14.0, np.nan], grounds=grounds))
    assert table["mean"].to_list() == [7.0, 2.0, 12.0]
    assert table[["n", "n_measured", "n_bridged"]].to_numpy().tolist() == [
        [4, 2, 2],
        [2, 2, 0],
        [2, 0, 2],
    ]
    assert (table["n_missing"] == 1).all()


def test_pooled_sides_are_a_row_of_their_own():
    pair = [measures([2.0, 4.0], side="left"), measures([4.0, 8.0], side="right")]
    table = summarise_segments(pd.concat(pair)).set_index("side")
    assert table.loc["pooled", ["n", "mean", "min", "max"]].to_list() == [2, 4.5, 3.0, 6.0]


def test_generated_shapes_are_said_to_be():
    row = summarise_segments(measures([2.0, 4.0], grounds="generated")).iloc[0]
    assert (row["basis"], row["n"], row["n_generated"], row["n_measured"]) == ("generated", 2, 2, 0)


def test_missing_values_are_counted_and_take_no_part():
    grounds = ["measured", "bridged", "missing"]
    row = summarise_segments(measures([2.0, 4.0, np.nan], grounds=grounds)).iloc[0]
    counts = row[["n", "n_measured", "n_bridged", "n_missing"]]
    assert counts.to_list() == [2, 1, 1, 1]
    assert row["mean"] == 3.0


def test_a_ratio_to_nought_is_empty():
    assert np.isnan(summarise_segments(measures([-1.0, 1.0])).iloc[0]["cv"])


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


def test_segments_of_shifted_subjects_spread_by_the_shift():
    group = {f"sub-{i:02d}": shifted(d, 61) for i, d in enumerate((0.0, 2.0, 4.0))}
    table = summarise_segments(measure_group(group))
    begin = table[table.measure == "begin_below_apex_mm"]
    assert len(begin) == 21
    np.testing.assert_allclose(begin["sd"], 2.0)
    length = table[table.measure == "length_total_mm"]
    np.testing.assert_allclose(length["sd"], 0.0, atol=1e-9)
    assert (length["n_bridged"] == 3).all()


def test_roots_that_move_with_the_conus_vary_from_the_apex_only():
    # Each subject's conus and roots stand 4 mm lower than the last one's: SD 4 mm from the apex.
    group = {"a": shifted(0.0, 57), "b": shifted(4.0, 59), "c": shifted(8.0, 61)}
    table = summarise_anchors(measure_group(group)).set_index(["anchor", "landmark", "level"])
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


def test_every_measure_has_its_rows_and_every_row_its_columns():
    group = {f"sub-{i:02d}": shifted(2.0 * i, 61) for i in range(7)}
    table = summarise_segments(measure_group(group))
    assert list(table.columns) == SEGMENT_COLUMNS
    assert set(table["measure"]) == set(MEASURES)
    assert not table.duplicated(["level", "side", "measure", "basis"]).any()
    whole = table[table["n"] > 1]
    for name in ("mean", "mean_t", "sd", "sd_chi2", "range_low", "range_high", "tolerance"):
        assert (whole[f"{name}_low"] <= whole[f"{name}_high"]).all()
