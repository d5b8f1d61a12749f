"""The text of a tidy table is what pandas would write."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.tables.tidy import FLOAT_FORMAT, tidy_csv
from atlas.text.plain_text import csv_cell


def by_pandas(table):
    # What pandas does not know: a text that begins like a formula gets an apostrophe.
    table = table.map(csv_cell)
    return table.to_csv(index=False, float_format=FLOAT_FORMAT, lineterminator="\n")


@pytest.mark.parametrize(
    "values",
    [
        [0.1 + 0.2, -0.0, 1e-300, 123456789.0, np.nan, np.inf, -np.inf],
        np.array([1.1, np.nan], dtype=np.float32),
        [1, 2, -3],
        [True, False],
        ["plain", "a,b", 'say "so"', "two\nlines", "back\r", "", " kept ", "é µ ²", "'", "\t#"],
        ["text", None, "text"],
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1.5, None], dtype="Float64"),
        pd.array([True, None], dtype="boolean"),
        pd.Categorical(["b", "a", None, "b"]),
        np.array([1, True, 1.0, "1", None, np.nan, 0.1 + 0.2], dtype=object),
        [np.nan, np.nan],
        [],
    ],
    ids=str,
)
def test_every_kind_of_column_is_written_as_pandas_does(values):
    column = pd.Series(values)
    table = pd.DataFrame({"name, of": column, "beside": np.arange(len(column))})
    assert tidy_csv(table) == by_pandas(table)


def test_a_table_without_rows_keeps_its_heading():
    table = pd.DataFrame(columns=["a", "b"])
    assert tidy_csv(table) == by_pandas(table) == "a,b\n"


def test_rows_are_taken_in_their_order_whatever_the_index():
    table = pd.DataFrame({"a": [3.0, 1.0], "b": ["x", "y"]}, index=[7, 2])
    assert tidy_csv(table) == "a,b\n3,x\n1,y\n"
