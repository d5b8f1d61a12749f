from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from analysis.figures.anatomy_axes import LEVEL_COLOURS
from analysis.figures.segments import draw_segments, draw_sides, segment_handles
from analysis.variability.segment_tables import summarise_segments

NAME = "length_traced_mm"
VALUES = {("L1", "left"): [60.0, 66.0, 69.0], ("L1", "right"): [61.0, 65.0, np.nan],
          ("S2", "left"): [50.0, 51.0, 55.0], ("S2", "right"): [49.0, 52.0, 53.0]}  # fmt: skip


@pytest.fixture
def measures() -> pd.DataFrame:
    rows = [
        (f"sub-{i}", level, side, NAME, value, "missing" if np.isnan(value) else "measured")
        for (level, side), values in VALUES.items()
        for i, value in enumerate(values)
    ]
    columns = ["subject", "level", "side", "measure", "value", "rests_on"]
    table = pd.DataFrame(rows, columns=columns)
    table.loc[0, "rests_on"] = "bridged"
    return table


def by_gid(ax):
    return {line.get_gid(): line for line in ax.lines}


def test_every_subject_is_a_dot_and_the_mean_has_its_interval(measures):
    segments = summarise_segments(measures)
    ax = draw_segments(segments, measures, NAME, Figure().add_subplot(), label="length (mm)")
    artists = by_gid(ax)
    np.testing.assert_array_equal(artists["traced/L1/left"].get_ydata(), [66.0, 69.0])
    np.testing.assert_array_equal(artists["bridged/L1/left"].get_ydata(), [60.0])
    assert artists["bridged/L1/left"].get_markerfacecolor() == "none"
    np.testing.assert_array_equal(artists["traced/L1/right"].get_ydata(), [61.0, 65.0])
    assert same_color(artists["traced/S2/left"].get_color(), LEVEL_COLOURS["S2"])
    row = segments[(segments.level == "S2") & (segments.side == "left")].iloc[0]
    assert artists["mean/S2/left"].get_ydata() == [row["mean"]]
    np.testing.assert_array_equal(
        artists["interval/S2/left"].get_ydata(), [row["mean_low"], row["mean_high"]]
    )
    assert ax.get_ylabel() == "length (mm)"
    assert [t.get_text() for t in ax.get_xticklabels()] == list(LEVEL_COLOURS)


def test_a_single_subject_is_a_dot_and_no_mean(measures):
    one = measures[measures.subject == "sub-1"]
    ax = draw_segments(summarise_segments(one), one, NAME, Figure().add_subplot(), label="x")
    assert {gid.split("/")[0] for gid in by_gid(ax)} == {"traced"}


def test_left_stands_left_of_right(measures):
    ax = draw_segments(
        summarise_segments(measures), measures, NAME, Figure().add_subplot(), label="x"
    )
    artists = by_gid(ax)
    left, right = (artists[f"mean/L1/{side}"].get_xdata()[0] for side in ("left", "right"))
    assert left < 0 < right


def test_the_legend_speaks_of_bridged_points_only_where_there_are_some(measures):
    words = [h.get_label() for h in segment_handles(measures)]
    assert words == ["subject, left", "subject, right", "rests on bridged points", "mean, 95 % CI"]
    assert len(segment_handles(measures[measures.rests_on == "measured"])) == 3


def test_sides_hold_the_pairs_and_the_line_of_equality(measures):
    artists = by_gid(draw_sides(measures, NAME, Figure().add_subplot(), label="length (mm)"))
    np.testing.assert_array_equal(artists["sides/L1"].get_xydata(), [[60, 61], [66, 65]])
    np.testing.assert_array_equal(artists["identity"].get_xdata(), artists["identity"].get_ydata())


def test_a_signed_measure_is_mirrored_before_it_is_compared(measures):
    turned = measures.copy()
    turned.loc[turned.side == "right", "value"] *= -1
    one = by_gid(draw_sides(measures, NAME, Figure().add_subplot(), label="x"))
    two = by_gid(draw_sides(turned, NAME, Figure().add_subplot(), label="x", mirrored=True))
    for gid in ("sides/L1", "sides/S2"):
        np.testing.assert_array_equal(one[gid].get_xydata(), two[gid].get_xydata())


def test_a_measure_that_is_not_there_is_refused(measures):
    with pytest.raises(ValueError, match="segments: expected rows of nothing, got none"):
        draw_segments(
            summarise_segments(measures), measures, "nothing", Figure().add_subplot(), label="x"
        )
