from __future__ import annotations

import cylinders
import numpy as np

from analysis.morphometry import measure, row_names
from analysis.morphometry.named import named_values


def test_named_values_are_those_of_the_table():
    anatomy = cylinders.make_anatomy()
    got = named_values(anatomy)
    assert list(got) == row_names()
    np.testing.assert_array_equal(list(got.values()), measure(anatomy)["value"])
