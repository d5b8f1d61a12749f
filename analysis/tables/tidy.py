"""Tables for machines: CSV with six significant digits, every table with whose it is."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pandas as pd

from atlas.output.files import new_file
from atlas.text.plain_text import csv_cell

# Six digits: a micrometre at the size of a spine.
FLOAT_FORMAT = "%.6g"
IMAGED = "imaged"


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV with six significant digits and Unix line ends; its index is not kept.

    What is missing becomes an empty field, and no text is a formula to a spreadsheet
    (:func:`atlas.text.plain_text.csv_cell`).
    """
    # Equal values may be of different types, as 1 and True.
    cell = lru_cache(maxsize=None, typed=True)(csv_cell)
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    plain = table.assign(**{str(name): table[name].map(cell) for name in texts})
    plain.columns = plain.columns.map(cell)
    with new_file(path) as place:
        plain.to_csv(place, index=False, float_format=FLOAT_FORMAT, lineterminator="\n")
    return path
