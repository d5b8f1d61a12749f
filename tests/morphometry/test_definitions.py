from __future__ import annotations

import pytest

from analysis.morphometry import Measure, unit


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("length_total_mm", "mm"),
        ("cord_area_mm2", "mm2"),
        ("sac_volume_ml", "ml"),
        ("angle_sac_deg", "deg"),
        ("curvature_mean_per_mm", "1/mm"),
        ("cord_aspect_ratio", "1"),
    ],
)
def test_the_unit_of_a_measure_is_the_end_of_its_name(name, expected):
    assert unit(name) == Measure(name, "", "", "root").unit == expected


def test_a_name_without_a_unit_is_refused():
    with pytest.raises(ValueError, match="measure 'length': expected a name that ends in one of"):
        unit("length")
