from __future__ import annotations

import pandas as pd
import pytest

from analysis.tables.typeset import Paper, heading, interval_columns, paper_table


def test_the_three_spellings_of_an_interval_are_found():
    columns = ["mean", "mean_low", "mean_high", "sd_mm", "sd_low_mm", "sd_high_mm"]
    columns += ["estimate", "low", "high", "n"]
    assert interval_columns(columns) == {
        "mean": ("mean_low", "mean_high"),
        "sd_mm": ("sd_low_mm", "sd_high_mm"),
        "estimate": ("low", "high"),
    }


def test_a_value_and_its_interval_are_one_column_and_units_stand_in_headings():
    table = pd.DataFrame(
        {"level": ["L1"], "n": [14], "sd_mm": [6.4], "sd_low_mm": [4.6], "sd_high_mm": [10.3]}
    ).assign(p=[0.0321], p_holm=[float("nan")], variance_mm2=[41.0], exact=[True])
    paper = paper_table(table, "anchors", "Caption.")
    assert paper.cells.loc[0].to_dict() == {
        "level": "L1",
        "n": "14",
        "sd (mm) (95 % CI)": "6.4 (4.6–10.3)",
        "p": "0.032",
        "p holm": "–",
        "variance (mm²)": "41.0",
        "exact": "yes",
    }


def test_only_the_columns_asked_for_stand_in_their_order():
    table = pd.DataFrame({"b": [1.5], "a": ["x"], "unit": ["mm2"]})
    paper = paper_table(table, "t", "C.", headings={"a": "A", "gone": "G", "unit": "U", "b": "B"})
    assert paper.cells.to_dict("list") == {"A": ["x"], "U": ["mm²"], "B": ["1.50"]}


def test_a_table_without_rows_keeps_its_headings():
    paper = paper_table(pd.DataFrame({"n": [], "mean": []}), "empty", "C.")
    assert list(paper.cells) == ["n", "mean"]
    assert paper.cells.empty


def test_the_notice_of_generated_data_is_said_with_the_caption():
    cells = pd.DataFrame({"a": ["1"]})
    assert Paper("t", "Caption.", cells, "made up").said == "Caption. Cohort: made up."
    assert Paper("t", "Caption.", cells).said == "Caption."


def test_cells_that_are_not_text_are_refused():
    with pytest.raises(ValueError, match=r"t: expected cells of str, got \['float'\]"):
        Paper("t", "C.", pd.DataFrame({"a": [1.0]}, dtype=object))
    with pytest.raises(ValueError, match="t: expected different headings"):
        Paper("t", "C.", pd.DataFrame([["1", "2"]], columns=["a", "a"]))


def test_counts_and_degrees_of_freedom_have_no_decimals_they_do_not_need():
    table = pd.DataFrame({"n": [14.0, None], "published_n": [14.0, None], "df2": [13.0, 12.5]})
    cells = paper_table(table, "t", "C.").cells.to_dict("list")
    assert cells == {"n": ["14", "–"], "published n": ["14", "–"], "df2": ["13", "12.5"]}


def test_a_heading_has_its_unit_in_brackets():
    assert heading("total_variance_mm2") == "total variance (mm²)"
    assert heading("note") == "note"
