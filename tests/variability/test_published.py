"""The published numbers, and the built-in cohort beside them."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.morphometry import measure_group
from analysis.variability.literature import beside_published, published_begin_sd
from analysis.variability.segment_tables import summarise_anchors
from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import read_dataset
from atlas.data.subject import LEVELS
from atlas.landmarks.placing import subject_anatomy

# SD over the 14 published subjects of where each root's trace begins, L1 to S2, mm: the table of
# the data's description, rounded there.
DESCRIBED = {
    "dura-apex": (6.4, 9.2, 10.1, 10.1, 10.6, 12.0, 12.3),
    "conus": (10.3, 8.4, 6.8, 6.4, 6.2, 5.6, 6.1),
    "disc-L1-L2": (11.6, 13.8, 14.0, 14.0, 13.6, 14.6, 14.7),
}


def test_published_sd_are_those_described():
    table = published_begin_sd().pivot(index="anchor", columns="level", values="published_sd_mm")
    for anchor, described in DESCRIBED.items():
        np.testing.assert_allclose(table.loc[anchor, list(LEVELS)], described, atol=0.06)


@pytest.mark.slow
def test_the_built_in_cohort_stands_beside_the_published_one(tmp_path):
    cohort = read_dataset(write_surrogate_cohort(tmp_path / "cohort"))
    depths = summarise_anchors(measure_group({s.id: subject_anatomy(s) for s in cohort.subjects}))
    table = beside_published(depths)
    begin = table[table.landmark == "begin"].set_index(["anchor", "level"])
    for anchor in ("dura-apex", "conus"):
        ours = begin.loc[anchor].loc[list(LEVELS)]
        np.testing.assert_allclose(ours["sd_mm"], DESCRIBED[anchor], atol=0.3)
        assert (ours["sd_mm"] - ours["published_sd_mm"]).abs().max() < 0.3
    assert list(table["anchor"].unique()) == ["dura-apex", "conus", "disc-L1-L2"]
    disc = begin.loc["disc-L1-L2"]
    assert (disc["n"] == 0).all()
    assert disc["sd_mm"].isna().all()
    assert disc["published_source"].str.contains("26403442").all()
