from __future__ import annotations

import numpy as np
import pytest

from atlas.arrays import read_only


def test_the_copy_does_not_follow_what_the_caller_changes():
    given = np.zeros((2, 3))
    kept = read_only(given, (None, 3), "points")
    given[0, 0] = 7
    assert kept[0, 0] == 0


def test_the_copy_cannot_be_written():
    kept = read_only(np.zeros((2, 3)), (2, 3), "points")
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = 1


def test_the_callers_array_stays_writable():
    given = np.zeros((2, 3))
    read_only(given, (2, 3), "points")
    assert given.flags.writeable


def test_a_transposed_view_is_kept_in_c_order():
    kept = read_only(np.arange(6.0).reshape(3, 2).T, (2, 3), "points")
    assert kept.flags.c_contiguous
    np.testing.assert_array_equal(kept, [[0, 2, 4], [1, 3, 5]])


def test_lists_become_arrays_of_the_stated_type():
    assert read_only([[1, 2, 3]], (None, 3), "points").dtype == float
    assert read_only([1, 2], (2,), "status", dtype=np.uint8).dtype == np.uint8


@pytest.mark.parametrize(
    ("values", "shape", "text"),
    [
        (
            np.zeros((4, 2)),
            (None, 3),
            r"points: expected an array of shape \(any, 3\), got \(4, 2\)",
        ),
        (np.zeros(3), (None, 3), r"points: expected an array of shape \(any, 3\), got \(3,\)"),
        (np.zeros((2, 3)), (4, 3), r"points: expected an array of shape \(4, 3\), got \(2, 3\)"),
        (1.0, (3,), r"points: expected an array of shape \(3\), got \(\)"),
    ],
)
def test_another_shape_is_refused_with_expected_and_got(values, shape, text):
    with pytest.raises(ValueError, match=text):
        read_only(values, shape, "points")
