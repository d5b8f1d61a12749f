"""Each side as if it were the left."""

import numpy as np
from test_variance_components import table_of

from analysis.inference.roots import root_values


def test_only_signed_measures_of_the_right_are_turned():
    cube = np.ones((1, 1, 2))
    assert root_values(table_of(cube, "angle_sac_deg"))["value"].tolist() == [1, -1]
    assert root_values(table_of(cube))["value"].tolist() == [1, 1]


def test_missing_values_and_measures_of_both_sides_are_left_out():
    table = table_of(np.array([[[1.0, np.nan]]]))
    table.loc[2] = ["sub-0", "L1", "both", "cord_area_mm2", 3.0]
    assert root_values(table)["value"].tolist() == [1]
