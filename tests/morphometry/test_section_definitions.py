from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from known_anatomies import series, straight

from analysis.morphometry import MEASURES
from analysis.morphometry.definitions import level_definitions, subject_definitions
from atlas.landmarks.scheme import Anatomy

OWN = [*level_definitions(), *subject_definitions()]


def of_sections(anatomy: Anatomy) -> pd.DataFrame:
    """Values of levels and subject, a row a level, a column a measure."""
    table = series(anatomy).unstack("measure").xs("both", level="side")
    return table[[m.name for m in OWN]]


def test_these_are_the_measures_of_levels_and_of_the_subject():
    assert [m for m in MEASURES.values() if m.per != "root"] == OWN


def test_a_measure_is_missing_exactly_where_the_cord_it_needs_is():
    anatomy = straight()
    bare = of_sections(replace(anatomy, cord=np.full_like(anatomy.cord, np.nan)))
    lost = bare.isna().all()
    assert set(lost[lost].index) == {m.name for m in OWN if "cord" in m.needs}


def test_a_measure_of_a_level_is_missing_where_its_roots_are():
    bare = of_sections(replace(straight(), roots={}, ganglia={}))
    lost = bare.isna().all()
    assert set(lost[lost].index) == {m.name for m in OWN if "root" in m.needs}


def test_only_measures_that_follow_the_view_change_when_the_image_is_cut():
    anatomy = straight()
    cut = replace(anatomy, dura=anatomy.dura[5:70], cord=anatomy.cord[5:], status={})
    changed = (abs(of_sections(cut) - of_sections(anatomy)) > 1e-3).any()
    names = set(changed[changed].index)
    assert names <= {m.name for m in OWN if m.follows_view}
    assert {"apex_to_conus_mm", "sac_volume_ml", "csf_volume_apex_to_conus_ml"} <= names
