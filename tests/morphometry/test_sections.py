from __future__ import annotations

import cylinders
import numpy as np
import pytest
from known_anatomies import series

from analysis.morphometry.sections import outline_measures
from atlas.curves.polygons import line_crossings

# A sac 12 by 8 about the origin, and a cord 4 by 2 about (1, 2), left and dorsal.
SAC = np.array([[[6.0, 4], [6, -4], [-6, -4], [-6, 4]]])
CORD = np.array([[[3.0, 3], [3, 1], [-1, 1], [-1, 3]]])


def test_rectangles_have_the_sections_worked_by_hand():
    got = {name: value[0] for name, value in outline_measures(SAC, CORD).items()}
    assert got == {
        "cord_area_mm2": pytest.approx(8),
        "cord_width_mm": pytest.approx(4),
        "cord_depth_mm": pytest.approx(2),
        "cord_aspect_ratio": pytest.approx(2),
        "sac_area_mm2": pytest.approx(96),
        "sac_width_mm": pytest.approx(12),
        "sac_depth_mm": pytest.approx(8),
        "sac_aspect_ratio": pytest.approx(1.5),
        "csf_dorsal_mm": pytest.approx(1),
        "csf_ventral_mm": pytest.approx(5),
        "cord_left_of_sac_mm": pytest.approx(1),
        "cord_dorsal_of_sac_mm": pytest.approx(2),
    }


def test_the_sense_of_an_outline_does_not_matter():
    forwards, backwards = outline_measures(SAC, CORD), outline_measures(SAC[:, ::-1], CORD[:, ::-1])
    for name, value in forwards.items():
        np.testing.assert_allclose(backwards[name], value)


def test_csf_on_the_midline_is_not_the_gap_between_extreme_points():
    # The roof rises from 4 in the middle to 6 at the sides.
    sac = np.array([[[6.0, 6], [6, -4], [-6, -4], [-6, 6], [0, 4]]])
    assert outline_measures(sac, CORD)["csf_dorsal_mm"] == pytest.approx(1)


def test_a_cord_beside_the_midline_leaves_no_csf_along_it():
    got = outline_measures(SAC, CORD + np.array([1.5, 0]))
    assert np.isnan(got["csf_dorsal_mm"])
    assert np.isnan(got["csf_ventral_mm"])
    assert got["cord_left_of_sac_mm"] == pytest.approx(2.5)


def test_edges_are_the_outermost_crossings_of_a_notched_outline():
    notched = np.array([[[0.0, 0], [5, 0], [5, 4], [3, 4], [3, 1], [2, 1], [2, 4], [0, 4]]])
    low, high = line_crossings(notched, np.array([3.0]), along=0)
    assert (low[0], high[0]) == (pytest.approx(0), pytest.approx(5))
    assert np.isnan(line_crossings(notched, np.array([4.5]), along=0)).all()


def test_a_cord_outside_the_sac_has_negative_csf():
    anatomy = cylinders.make_anatomy()
    moved = type(anatomy)(
        anatomy.dura,
        anatomy.cord + np.array([0, 7.0, 0]),
        anatomy.roots,
        anatomy.ganglia,
        anatomy.status,
    )
    got = series(moved).xs("csf_dorsal_mm", level="measure")
    np.testing.assert_allclose(got, -1.0, atol=1e-3)
