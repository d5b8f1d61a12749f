from __future__ import annotations

import numpy as np
import pytest
from known_anatomies import series

from analysis.morphometry import published_angles
from atlas.data.subject import ROOT_KEYS, RootKey, Subject
from atlas.landmarks.placing import subject_anatomy

# Table "sub-03 in full" of the dataset's description, measured on the published files
# (doi 10.6084/m9.figshare.26403442): angle left, angle right.
PUBLISHED = {
    "L1": (66.6, -61.1),
    "L2": (73.9, -67.2),
    "L3": (76.9, -67.2),
    "L4": (65.7, -56.2),
    "L5": (56.9, -42.5),
    "S1": (43.4, -25.2),
    "S2": (28.7, -10.7),
}


def test_published_angles_are_about_the_mean_of_the_clicks():
    # A square with a corner clicked twice over: its mean point is not its centroid.
    square = np.array([[1.0, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0], [1, -1, 0]])
    dura = (square, square - [0, 0, 2.0])
    key = RootKey("L3", "left")
    root = np.array([[1.2, 0.8, 0.0], [1.2, 0.8, -2.0]])
    table = published_angles(Subject("sub-01", dura, (), {key: root}, {}))
    got = table.set_index(["level", "side"])["value"][key]
    assert got == pytest.approx(45.0)


def test_published_angles_of_a_subject_without_a_root_are_missing(subject):
    key = ROOT_KEYS[0]
    less = Subject(
        "sub-01",
        subject.dura,
        subject.cord,
        {k: r for k, r in subject.roots.items() if k != key},
        subject.ganglia,
    )
    table = published_angles(less)
    assert table["value"].isna().sum() == 1
    assert table.iloc[0]["rests_on"] == "missing"


@pytest.mark.shared
def test_published_angles_of_sub_03_equal_the_published_table(real_subject):
    table = published_angles(real_subject).set_index(["level", "side"])["value"]
    for level, row in PUBLISHED.items():
        assert table[level, "left"] == pytest.approx(row[0], abs=0.06)
        assert table[level, "right"] == pytest.approx(row[1], abs=0.06)


@pytest.mark.shared
def test_angles_of_sub_03_on_rings_stay_near_the_published_ones(real_subject):
    got = series(subject_anatomy(real_subject)).xs("angle_image_deg", level="measure")
    for level, row in PUBLISHED.items():
        # Contours are clicked unevenly: their mean point is not their centroid.
        assert got[level, "left"] == pytest.approx(row[0], abs=3.5)
        assert got[level, "right"] == pytest.approx(row[1], abs=3.5)
