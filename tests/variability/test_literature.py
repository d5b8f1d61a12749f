"""Published values: what each row claims, and a cohort beside them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.morphometry import MEASURES, measure_group, published_angles
from analysis.variability.literature import (
    NAMES,
    PUBLISHED_COLUMNS,
    beside_literature,
    load_literature,
    published_begin_sd,
)
from analysis.variability.segment_tables import summarise_segments
from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.builtin.builtin_profiles import published_cohort
from atlas.data.dataset import read_dataset
from atlas.data.subject import LEVELS
from atlas.landmarks.placing import subject_anatomy


def cohort(mean: float, *, measure="apex_to_conus_mm", level="all", side="both") -> pd.DataFrame:
    row = {"level": level, "side": side, "measure": measure, "basis": "all", "n": 14, "mean": mean}
    return pd.DataFrame([row | {"mean_low": mean - 5, "mean_high": mean + 5, "sd": 9.0}])


def test_every_row_says_where_it_comes_from_and_whether_it_can_be_compared():
    table = load_literature()
    columns = [name for group in PUBLISHED_COLUMNS for name in group.split(", ")]
    assert sorted(table.columns) == sorted(columns)
    assert set(table["definition_agrees"]) == {"yes", "partly", "no"}
    assert set(table["built_from"]) == {"yes", "partly", "no"}
    assert (table[["source", "definition"]] != "").all(axis=None)
    assert all(re.fullmatch(r"(10\.\d{4,}/\S+)?", doi) for doi in table["doi"])
    assert (table.loc[table["definition_agrees"] != "yes", "note"] != "").all()


def test_what_is_no_measure_here_does_not_agree():
    table = load_literature()
    known = table["measure"].isin([*MEASURES, "angle_published_deg"])
    assert (known == (table["definition_agrees"] != "no")).all()
    sides = table["measure"].map({name: m.per for name, m in MEASURES.items()})
    assert (table.loc[sides.isin(["level", "subject"]), "side"] == "both").all()
    assert (table.loc[sides == "root", "side"] == "pooled").all()


def test_a_range_runs_from_low_to_high_and_holds_its_mean():
    table = load_literature()
    assert (table["low"].isna() == table["high"].isna()).all()
    ranges = table.dropna(subset=["low"])
    middle = ranges["mean"].fillna((ranges["low"] + ranges["high"]) / 2)
    assert ((ranges["low"] < middle) & (middle < ranges["high"])).all()


def test_begins_are_those_the_published_spread_by_anchor_rests_on():
    table = load_literature()
    rows = table[table["measure"] == "begin_below_apex_mm"].set_index("level").loc[list(LEVELS)]
    begins = np.array([subject.begin_depth_mm for subject in published_cohort()])
    np.testing.assert_allclose(rows["mean"], begins.mean(axis=0), atol=0.06)
    spread = published_begin_sd().set_index(["anchor", "level"])["published_sd_mm"]
    np.testing.assert_allclose(rows["sd"], spread["dura-apex"][list(LEVELS)], atol=0.06)


@pytest.mark.parametrize(("mean", "outside"), [(118.0, False), (127.0, True), (102.4, True)])
def test_a_cohort_is_outside_where_its_interval_leaves_out_the_published_mean(mean, outside):
    row = beside_literature(cohort(mean)).set_index("measure").loc["apex_to_conus_mm"]
    assert row["outside"] == outside
    assert row["difference"] == pytest.approx(mean - 114.7)
    assert row["effect"] == pytest.approx((mean - 114.7) / 12.3)
    assert row["unit"] == "mm"


@pytest.mark.parametrize(("mean", "outside"), [(4.0, False), (-2.0, False), (12.0, True)])
def test_a_cohort_is_outside_a_range_that_its_interval_does_not_meet(mean, outside):
    # 2.0 to 6.0 mm at T11; the interval is the mean ± 5.
    table = beside_literature(cohort(mean, measure="csf_dorsal_mm", level="L1"))
    row = table[table["source"].str.contains("Holsheimer") & (table["level"] == "L1")].iloc[0]
    assert row["outside"] == outside
    assert np.isnan(row["difference"])


def test_no_cohort_is_judged_by_a_single_person():
    table = beside_literature(cohort(50.0, measure="cord_volume_ml")).set_index("measure")
    row = table.loc["cord_volume_ml"]
    assert row["published_n"] == 1
    assert row["difference"] == pytest.approx(50 - 5.17)
    assert pd.isna(row["outside"])


def test_the_interval_of_the_difference_is_welchs():
    row = beside_literature(cohort(118.0)).set_index("measure").loc["apex_to_conus_mm"]
    # Two samples with just these means and SDs.
    standard = stats.zscore(np.arange(14.0), ddof=1)
    test = stats.ttest_ind(118 + 9 * standard, 114.7 + 12.3 * standard, equal_var=False)
    interval = [row["difference_low"], row["difference_high"]]
    assert interval == pytest.approx([*test.confidence_interval(0.95)])


def test_a_published_mean_without_sd_is_taken_as_exact():
    row = beside_literature(cohort(14.0, measure="spacing_to_next_mm", level="L1"))
    row = row[row["measure"] == "spacing_to_next_mm"].set_index("level").loc["L1"]
    interval = [row["difference_low"], row["difference_high"]]
    assert interval == pytest.approx([14 - 5 - 16, 14 + 5 - 16])


def test_bridged_rows_apart_do_not_stand_beside_a_published_value_twice():
    rows = pd.concat([cohort(118.0), cohort(90.0).assign(basis="measured")])
    table = beside_literature(rows)
    assert list(table.columns) == NAMES
    assert len(table) == len(load_literature())
    assert table.set_index("measure").loc["apex_to_conus_mm", "mean"] == 118.0


def test_a_value_the_cohort_lacks_stays_with_nothing_beside_it():
    table = beside_literature(cohort(118.0))
    assert table.loc[table["measure"] != "apex_to_conus_mm", "outside"].isna().all()


@pytest.fixture(scope="module")
def built_in(tmp_path_factory) -> pd.DataFrame:
    """The built-in cohort beside the literature."""
    dataset = read_dataset(write_surrogate_cohort(tmp_path_factory.mktemp("built-in") / "cohort"))
    measures = measure_group({s.id: subject_anatomy(s) for s in dataset.subjects})
    drawn = pd.concat({s.id: published_angles(s) for s in dataset.subjects}, names=["subject"])
    measures = pd.concat([measures, drawn.reset_index("subject")], ignore_index=True)
    return beside_literature(summarise_segments(measures))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "mean_within", "sd_within"),
    [
        ("apex_to_conus_mm", 0.5, 0.3),
        ("begin_below_apex_mm", 0.5, 0.2),
        # A span is shorter than the length along the root, by the root's slant.
        ("length_traced_mm", 1.5, 0.4),
        # Drawn with these very means and SDs, then held apart from neighbours, cord and sac.
        ("angle_published_deg", 2.0, 1.0),
    ],
)
def test_the_built_in_cohort_has_the_numbers_it_was_built_from(
    built_in, measure, mean_within, sd_within
):
    rows = built_in[built_in["measure"] == measure]
    assert (rows["built_from"] == "yes").all()
    assert (rows["difference"].abs() < mean_within).all()
    assert ((rows["sd"] - rows["published_sd"]).abs() < sd_within).all()
    assert not rows["outside"].any()


@pytest.mark.slow
def test_the_built_in_cohort_beside_what_it_was_not_built_from(built_in):
    # The dorsal CSF meets Holsheimer's ranges; the sac has the published mean shape over its
    # levels; the cord is as wide as elsewhere; first traced points of upper lumbar roots lie nearer
    # to each other than segments are long.
    csf = built_in[built_in["source"].str.contains("Holsheimer")]
    assert not csf["outside"].any()
    aspect = built_in[built_in["measure"] == "sac_aspect_ratio"]
    assert aspect["mean"].mean() == pytest.approx(1.31, abs=0.05)
    width = built_in[built_in["measure"] == "cord_width_mm"].iloc[0]
    assert abs(width["effect"]) < 0.5
    spacing = built_in[built_in["measure"] == "spacing_to_next_mm"].set_index("level")
    assert (spacing.loc[["L1", "L2", "L3", "L4"], "difference"] < 0).all()
    assert spacing["difference"].abs().max() < 5
