from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.tables.table_specs import Group, chosen_columns, segment_report
from analysis.variability.segment_tables import summarise_segments

GROUP = Group(8, "conus", "made up")
NAME = "length_total_mm"


@pytest.fixture(scope="module")
def segments() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = [
        (f"sub-{i}", level, side, NAME, rng.normal(100, 9), "bridged" if i < 4 else "measured")
        for level in ("L1", "L2")
        for side in ("left", "right")
        for i in range(8)
    ]
    columns = ["subject", "level", "side", "measure", "value", "rests_on"]
    return summarise_segments(pd.DataFrame(rows, columns=columns))


def test_a_measure_is_a_table_of_level_by_side_with_n_in_each_row(segments):
    (paper,) = segment_report(segments, GROUP, texts={NAME: "of the root"}, intervals="by t")
    assert paper.name == f"segments-{NAME}"
    assert list(paper.cells) == [
        "level",
        "side",
        "rests on",
        "n",
        "of these bridged",
        "mean, mm (95 % CI)",
        "SD, mm (95 % CI)",
        "median, mm (IQR)",
        "95 % range, mm",
    ]
    everyone = paper.cells[paper.cells["rests on"] == "all"]
    assert [*zip(everyone["level"], everyone["side"], strict=True)] == [
        (level, side) for level in ("L1", "L2") for side in ("left", "right", "pooled")
    ]
    assert set(everyone["n"]) == {"8"}
    assert set(everyone["of these bridged"]) == {"4"}


def test_the_caption_says_definition_n_anchor_interval_and_notice(segments):
    (paper,) = segment_report(segments, GROUP, texts={NAME: "of the root"}, intervals="by t")
    for part in (f"{NAME}: of the root.", "n = 8 subjects", "anchor: conus", "95 % CI: by t"):
        assert part in paper.said
    assert paper.said.endswith("Cohort: made up.")
    assert Group(1, "none", "").said == "n = 1 subject; anchor: none."


def test_the_mean_of_the_cell_is_that_of_the_row(segments):
    (paper,) = segment_report(segments, GROUP, texts={}, intervals="by t")
    cells = [float(c.split(" (")[0]) for c in paper.cells["mean, mm (95 % CI)"]]
    np.testing.assert_allclose(cells, segments["mean"], atol=0.5)


def test_a_measure_nobody_has_is_left_out(segments):
    assert segment_report(segments.assign(n=0), GROUP, texts={}, intervals="") == []


def test_rows_without_subjects_are_left_out_of_a_choice_of_columns():
    table = pd.DataFrame({"level": ["L1", "L2"], "n": [5, 0], "p": [0.5, np.nan], "f": [1.0, 2.0]})
    headings = {"level": "level", "p": "p"}
    (paper,) = chosen_columns(table, "t", "T", GROUP, headings=headings, intervals="")
    assert paper.cells.to_dict("list") == {"level": ["L1"], "p": ["0.50"]}
