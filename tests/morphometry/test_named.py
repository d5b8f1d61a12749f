from __future__ import annotations

import cylinders
import numpy as np

from analysis.morphometry import measure, named_values
from analysis.morphometry.measuring import row_names


def test_named_values_are_those_of_the_table():
    anatomy = cylinders.make_anatomy()
    got = named_values(anatomy)
    assert tuple(got) == row_names()
    np.testing.assert_array_equal(list(got.values()), measure(anatomy)["value"])
