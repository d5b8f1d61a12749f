"""Rows of a segment table: sides pooled within the subject, grounds kept apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.morphometry.definitions import RestsOn
from analysis.variability.segment_rows import (
    ABSENT,
    SegmentError,
    segment_rows,
    whole_rows,
)


def measures(*rows: tuple[str, str, str, float, str], name: str = "length_total_mm"):
    """A table of (subject, level, side, value, rests_on)."""
    table = pd.DataFrame(rows, columns=["subject", "level", "side", "value", "rests_on"])
    return table.assign(measure=name)


def row(rows, **keys):
    """Values and grounds of the one row with these keys."""
    chosen = np.logical_and.reduce([rows.keys[k] == v for k, v in keys.items()])
    (index,) = np.flatnonzero(chosen)
    return rows.values[index], rows.grounds[index]


def test_sides_are_pooled_within_the_subject():
    rows = segment_rows(
        measures(
            ("a", "L1", "left", 10.0, "measured"),
            ("a", "L1", "right", 12.0, "measured"),
            ("b", "L1", "left", 14.0, "measured"),
            ("b", "L1", "right", np.nan, "missing"),
            ("c", "L1", "left", np.nan, "missing"),
            ("c", "L1", "right", np.nan, "missing"),
        )
    )
    assert list(rows.keys["side"]) == ["left", "right", "pooled"]
    values, grounds = row(rows, side="pooled")
    np.testing.assert_array_equal(values, [11.0, 14.0, np.nan])
    assert grounds[2] == RestsOn.MISSING


@pytest.mark.parametrize("name", ["begin_left_of_cord_mm", "angle_sac_deg", "angle_published_deg"])
def test_the_right_side_of_a_signed_measure_is_mirrored_first(name):
    table = measures(
        ("a", "L1", "left", 3.0, "measured"), ("a", "L1", "right", -5.0, "measured"), name=name
    )
    assert row(segment_rows(table), side="pooled")[0] == [4.0]
    assert row(segment_rows(table), side="right")[0] == [-5.0]


def test_measured_and_bridged_values_stand_apart_below_their_row():
    rows = segment_rows(
        measures(
            ("a", "L3", "left", 1.0, "measured"),
            ("b", "L3", "left", 2.0, "bridged"),
            ("c", "L3", "left", np.nan, "missing"),
        )
    )
    assert list(rows.keys["basis"]) == ["all", "measured", "bridged"]
    np.testing.assert_array_equal(row(rows, basis="measured")[0], [1.0, np.nan, np.nan])
    np.testing.assert_array_equal(row(rows, basis="bridged")[0], [np.nan, 2.0, np.nan])
    np.testing.assert_array_equal(row(rows, basis="bridged")[1], [ABSENT, 1, RestsOn.MISSING])


def test_a_pooled_value_is_bridged_if_either_side_is():
    rows = segment_rows(
        measures(("a", "L3", "left", 1.0, "measured"), ("a", "L3", "right", 2.0, "bridged"))
    )
    assert row(rows, side="pooled")[1] == [1]


def test_generated_shapes_are_a_basis_of_their_own():
    rows = segment_rows(measures(("a", "all", "both", 1.0, "generated")))
    assert list(rows.keys["basis"]) == ["generated"]
    mixed = segment_rows(
        measures(
            ("a", "L1", "left", 1.0, "generated"),
            ("a", "all", "both", 1.0, "generated"),
            ("b", "all", "both", 2.0, "measured"),
        )
    )
    assert list(mixed.keys["basis"]) == ["generated", "all", "measured", "generated"]
    whole = whole_rows(mixed.keys)
    assert list(zip(whole["level"], whole["basis"], strict=True)) == [
        ("L1", "generated"),
        ("all", "all"),
    ]


def test_rows_run_from_rostral_to_caudal_whatever_the_order_of_the_table():
    table = measures(
        ("a", "all", "both", 1.0, "measured"),
        ("a", "S1", "right", 1.0, "measured"),
        ("a", "S1", "left", 1.0, "measured"),
        ("a", "L2", "left", 1.0, "measured"),
    )
    keys = segment_rows(table).keys
    assert list(zip(keys["level"], keys["side"], strict=True)) == [
        ("L2", "left"),
        ("S1", "left"),
        ("S1", "right"),
        ("S1", "pooled"),
        ("all", "both"),
    ]


def test_an_unknown_ground_is_refused():
    with pytest.raises(SegmentError, match=r"rests_on: expected one of measured, .* got guessed"):
        segment_rows(measures(("a", "L1", "left", 1.0, "guessed")))
