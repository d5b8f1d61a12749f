"""Tables as plain columns: what a build writes without loading pandas.

pandas takes as long to load as all measures of a group to take.  What a build writes is made of
arrays, one a column; whoever works on with a table has it as a ``DataFrame`` of the same columns.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

# Name of each column to its values (rows,), in the order of the table; texts are objects.
Columns = dict[str, NDArray[Any]]


def as_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """The same table for pandas."""
    import pandas as pd

    return pd.DataFrame(columns)


def texts(values: Iterable[str]) -> NDArray[np.object_]:
    """A column of texts."""
    return np.array(list(values), dtype=object)


def repeated(text: str, rows: int) -> NDArray[np.object_]:
    """A column with the same text in every row."""
    return np.full(rows, text, dtype=object)


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Columns of a table given row by row; what a row lacks is NaN.

    Examples
    --------
    >>> of_rows([{"n": 4, "remark": ""}, {"remark": "too few"}])
    {'n': array([ 4., nan]), 'remark': array(['', 'too few'], dtype=object)}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name, np.nan) for row in rows] for name in names}
    return {
        name: np.array(values, dtype=object if any(isinstance(v, str) for v in values) else None)
        for name, values in columns.items()
    }


def below(parts: Sequence[Mapping[str, Any]]) -> Columns:
    """Tables of the same columns, one below the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def places(values: Iterable[Hashable]) -> tuple[NDArray[np.int_], list[Any]]:
    """Which of the values that differ each one is; those stand as they first appear.

    Examples
    --------
    >>> places(["L2", "L1", "L2"])
    (array([0, 1, 0]), ['L2', 'L1'])
    """
    found: dict[Hashable, int] = {}
    codes = [found.setdefault(value, len(found)) for value in values]
    return np.array(codes, dtype=int), list(found)
