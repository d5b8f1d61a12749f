"""A tidy table as text: six digits, empty where missing, and no cell that is a formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.tables.tidy import write_csv


def written(table, folder):
    return write_csv(table, folder / "table.csv").read_text("utf-8")


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        (
            [0.1 + 0.2, -0.0, 1e-300, 123456789.0, np.nan, np.inf],
            ["0.3", "-0", "1e-300", "1.23457e+08", "", "inf"],
        ),
        (np.array([1.1, np.nan], dtype=np.float32), ["1.1", ""]),
        ([1, -3], ["1", "-3"]),
        ([True, False], ["True", "False"]),
        (pd.array([1, None], dtype="Int64"), ["1", ""]),
        (pd.array([True, None], dtype="boolean"), ["True", ""]),
        (["plain", "a,b", 'say "so"', "é µ ²"], ["plain", '"a,b"', '"say ""so"""', "é µ ²"]),
        (["=1+1", "@a", "-1.5", "-a"], ["'=1+1", "'@a", "-1.5", "'-a"]),
        (pd.Categorical(["b", "=a", None]), ["b", "'=a", ""]),
        (np.array([1, True, "1", None, np.nan], dtype=object), ["1", "True", "1", "", ""]),
    ],
    ids=str,
)
def test_every_kind_of_column_is_written(values, fields, tmp_path):
    table = pd.DataFrame({"=name": pd.Series(values), "beside": 0})
    lines = ["'=name,beside", *(f"{field},0" for field in fields), ""]
    assert written(table, tmp_path) == "\n".join(lines)


def test_a_table_without_rows_keeps_its_heading(tmp_path):
    assert written(pd.DataFrame(columns=["a", "b"]), tmp_path) == "a,b\n"


def test_rows_are_taken_in_their_order_whatever_the_index(tmp_path):
    table = pd.DataFrame({"a": [3.0, 1.0], "b": ["x", "y"]}, index=[7, 2])
    assert written(table, tmp_path) == "a,b\n3,x\n1,y\n"
