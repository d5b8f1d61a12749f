from __future__ import annotations

import cylinders
import numpy as np
import pytest
from known_anatomies import series, straight

from analysis.morphometry.sections import SECTION_COLUMNS, section_profile


def test_profiles_hold_what_the_table_holds():
    anatomy = straight()
    profile = section_profile(anatomy, np.array([31.0, 200.0])).set_index(["measure", "depth_mm"])
    assert profile.loc[("cord_area_mm2", 31.0), "value"] == pytest.approx(
        series(anatomy)["L1", "both", "cord_area_mm2"]
    )
    assert profile.xs(200.0, level="depth_mm")["value"].isna().all()


def test_profiles_have_the_columns_that_are_described():
    assert list(section_profile(straight(), np.array([5.0]))) == list(SECTION_COLUMNS)


def test_a_sections_depth_is_counted_from_the_first_dura_ring():
    anatomy = cylinders.make_anatomy()
    lower = anatomy.moved(np.eye(3), np.array([0, 0, -50.0]))
    depths = np.array([0.0, 119.9, 120.1])
    for each in (anatomy, lower):
        wide = section_profile(each, depths).pivot(
            index="depth_mm", columns="measure", values="value"
        )
        assert wide["sac_area_mm2"].notna().all()
        np.testing.assert_array_equal(wide["cord_area_mm2"].isna(), [False, False, True])
