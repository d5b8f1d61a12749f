from __future__ import annotations

import cylinders
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.morphometry import measure, section_profile
from analysis.tables.section_profiles import COLUMNS, profile_table, summarise_profiles
from analysis.tables.write import undescribed
from atlas.landmarks.placing import subject_anatomy


def test_a_depth_is_summarised_as_by_hand():
    rows = pd.DataFrame(
        {
            "subject": list("abc"),
            "anchor": "conus",
            "depth_mm": -4.0,
            "measure": "sac_area_mm2",
            "value": [1.0, 2.0, 6.0],
        }
    )
    (row,) = summarise_profiles(rows).to_dict("records")
    sd = np.sqrt(7.0)
    half = stats.t.ppf(0.975, 2) * sd / np.sqrt(3)
    assert (row["n"], row["unit"], row["mean"]) == (3, "mm2", 3.0)
    np.testing.assert_allclose([row["sd"], row["mean_high"] - 3], [sd, half])
    np.testing.assert_allclose(
        [row["range_low"], row["range_high"]], 3 + 1.959964 * sd * np.array([-1, 1])
    )


def test_cylinders_have_the_same_section_at_every_depth_from_either_anchor():
    anatomy = cylinders.make_anatomy()
    table = profile_table({"a": anatomy, "b": anatomy, "c": anatomy})
    assert undescribed(table.columns, COLUMNS) == []
    sac = table[table["measure"] == "sac_area_mm2"]
    np.testing.assert_allclose(sac["mean"], np.pi * cylinders.SAC_MM**2, rtol=0.01)
    assert set(sac["n"]) == {3}
    for anchor, rows in sac.groupby("anchor"):
        assert rows["depth_mm"].is_monotonic_increasing, anchor
        np.testing.assert_allclose(rows["depth_mm"] % 4, 0, atol=1e-9)
    assert sac.loc[sac["anchor"] == "dura-apex", "depth_mm"].min() == 0
    assert sac.loc[sac["anchor"] == "conus", "depth_mm"].min() < 0


def test_depth_from_the_conus_is_the_same_section_as_that_much_deeper_from_the_apex(subject):
    anatomy = subject_anatomy(subject)
    conus = measure(anatomy).set_index("measure").loc["apex_to_conus_mm", "value"]
    table = profile_table({"a": anatomy})
    rows = table[(table["anchor"] == "conus") & (table["measure"] == "cord_area_mm2")]
    own = section_profile(anatomy, rows["depth_mm"].to_numpy() + conus)
    own = own[own["measure"] == "cord_area_mm2"]
    assert np.ptp(rows["mean"]) > 1
    np.testing.assert_allclose(rows["mean"], own["value"], rtol=1e-6)


def test_one_subject_has_means_and_no_intervals():
    table = profile_table({"a": cylinders.make_anatomy()})
    assert set(table["n"]) == {1}
    assert table[["sd", "mean_low", "range_low"]].isna().all(axis=None)


def test_a_depth_nobody_has_is_left_out():
    rows = pd.DataFrame({"subject": ["a"], "anchor": "conus", "depth_mm": 0.0})
    rows = rows.assign(measure="sac_area_mm2", value=np.nan)
    assert summarise_profiles(rows).empty


def test_empty_input_is_no_profile():
    with pytest.raises(ValueError, match="No objects to concatenate"):
        profile_table({})
