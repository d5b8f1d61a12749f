"""Tables for machines: CSV with six significant digits, every table with whose it is."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.columns import Columns
from atlas.text.plain_text import csv_cell

if TYPE_CHECKING:
    import pandas as pd

# Six digits: a micrometre at the size of a spine.
FLOAT_FORMAT = "%.6g"
IMAGED = "imaged"
FIELDS_AT_ONCE = 1 << 16
# Texts with one of these stand in quotation marks.
QUOTED = re.compile('[",\r\n]')


def tidy_csv(table: pd.DataFrame | Columns) -> str:
    """CSV with six significant digits and Unix line ends.

    Parameters
    ----------
    table : DataFrame, or its columns by name
        Two columns or more, of numbers, texts and truth values; what is missing becomes an empty
        field.

    Returns
    -------
    str
        The text that ``DataFrame.to_csv`` gives, but that no text in it is a formula to a
        spreadsheet (:func:`atlas.text.plain_text.csv_cell`).  pandas asks of every number by itself
        whether it is missing; a landmark table has 100,000 of them.

    Examples
    --------
    >>> table = {"level": np.array(["L1", "L2, left"]), "mean_mm": np.array([1.25e-9, np.nan])}
    >>> print(tidy_csv(table), end="")
    level,mean_mm
    L1,1.25e-09
    "L2, left",
    """
    return "".join(tidy_pieces(table))


def tidy_pieces(table: pd.DataFrame | Columns) -> Iterator[str]:
    """The text of :func:`tidy_csv`, some rows at a time: fields take more room than numbers."""
    columns = [column for _, column in table.items()]
    yield ",".join(map(_field, table)) + "\n"
    step = max(1, FIELDS_AT_ONCE // len(columns))
    for first in range(0, len(columns[0]), step):
        rows = slice(first, first + step)
        fields = [_fields(_rows(column, rows)) for column in columns]
        yield "\n".join([*map(",".join, zip(*fields, strict=True)), ""])


def _rows(column: pd.Series | NDArray[Any], rows: slice) -> pd.Series | NDArray[Any]:
    return column[rows] if isinstance(column, np.ndarray) else column.iloc[rows]


def _fields(column: pd.Series | NDArray[Any]) -> list[str]:
    """A column as it stands in the file."""
    if column.dtype.kind == "f":
        numbers = (
            column if isinstance(column, np.ndarray) else column.to_numpy(float, na_value=np.nan)
        )
        return _numbers(numbers)
    values = column.tolist()
    if column.dtype == object and not set(map(type, values)) <= {str}:
        # Different objects may be equal and yet be written in different ways, as 1 and True.
        return [_field(value) for value in values]
    fields = {value: _field(value) for value in set(values)}
    return [fields[value] for value in values]


def _numbers(values: np.ndarray) -> list[str]:
    texts = (f"{FLOAT_FORMAT}\n" * len(values) % tuple(values.tolist())).split("\n")[:-1]
    for row in np.flatnonzero(np.isnan(values)).tolist():
        texts[row] = ""
    return texts


def _field(value: Any) -> str:
    """One value, no formula, in quotation marks where CSV needs them."""
    value = csv_cell(value)
    if type(value) is str and not QUOTED.search(value):
        return value
    if type(value) is int:
        return str(value)
    buffer = io.StringIO()
    # The second field keeps an empty first one from being quoted.
    csv.writer(buffer, lineterminator="\n").writerow(["" if _is_missing(value) else value, ""])
    return buffer.getvalue()[:-2]


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return value is None
    # Of pandas' own kinds of nothing some are not even unequal to themselves.
    import pandas as pd

    return bool(pd.isna(value))
