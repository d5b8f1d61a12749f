from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures.depth_profiles import FEW, draw_profile

N = [14, 14, 9, FEW - 1]


@pytest.fixture
def profiles() -> pd.DataFrame:
    mean = np.array([10.0, 12.0, 14.0, 15.0])
    return pd.DataFrame(
        {"anchor": "conus", "depth_mm": [-8.0, -4.0, 0.0, 4.0], "measure": "sac_area_mm2", "n": N}
    ).assign(
        mean=mean, mean_low=mean - 1, mean_high=mean + 1, range_low=mean - 4, range_high=mean + 4
    )


def draw(profiles, **options):
    options = {"anchor": "conus", "label": "sac area (mm²)"} | options
    return draw_profile(profiles, "sac_area_mm2", Figure().add_subplot(), **options)


def by_gid(ax):
    return {a.get_gid(): a for a in (*ax.lines, *ax.collections)}


def test_the_mean_is_solid_where_all_subjects_have_a_slice(profiles):
    artists = by_gid(draw(profiles))
    x, y = artists["mean/some"].get_data()
    np.testing.assert_array_equal(x, profiles["mean"])
    np.testing.assert_array_equal(y, profiles["depth_mm"])
    assert np.isfinite(artists["mean"].get_xdata()).tolist() == [True, True, False, False]


def test_bands_hold_interval_and_range_and_end_where_few_are_left(profiles):
    artists = by_gid(draw(profiles))
    for gid, half in (("interval", 1), ("range", 4)):
        (path,) = artists[gid].get_paths()
        vertices = path.vertices
        at = {d: vertices[vertices[:, 1] == d, 0] for d in (-8.0, -4.0, 0.0)}
        for depth, mean in zip((-8.0, -4.0, 0.0), (10, 12, 14), strict=True):
            assert (at[depth].min(), at[depth].max()) == (mean - half, mean + half)
        assert vertices[:, 1].max() == 0.0


def test_depth_runs_down_with_units_on_both_axes(profiles):
    ax = draw(profiles)
    low, high = ax.get_ylim()
    assert low > high
    assert ax.get_xlabel() == "sac area (mm²)"
    assert ax.get_ylabel() == "depth below the conus (mm)"


def test_a_measure_that_is_not_there_is_refused(profiles):
    with pytest.raises(ValueError, match="expected rows of sac_area_mm2 from dura-apex, got none"):
        draw(profiles, anchor="dura-apex")
