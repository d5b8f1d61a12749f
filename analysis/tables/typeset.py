"""A tidy table as one for a paper: values with their intervals in one cell, units in headings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.tables.rounding import (
    NOTHING,
    decimals_of,
    plain,
    probability,
    rounded,
    span,
    with_interval,
)

INTERVAL = "95 % CI"
UNITS = {
    "mm": "mm",
    "mm2": "mm²",
    "mm3": "mm³",
    "1/mm": "1/mm",
    "ml": "ml",
    "deg": "°",
    "sd": "SD",
    "1": "",
}
# Columns that hold counts, whatever they are counts of.
COUNTS = ("n", "mode")
FREEDOM = ("df1", "df2")


@dataclass(frozen=True, slots=True, eq=False)
class Paper:
    """A table ready to typeset: plain text in every cell.

    Parameters
    ----------
    name : str
        For anchors and files: letters, digits, ``_`` and ``-``.
    caption : str
        n, anchor, what intervals are.
    cells : DataFrame of str
        One row a row; column names are the headings.
    notice : str
        What generated data say of themselves; empty for imaged people.

    Raises
    ------
    ValueError
        A cell that is not text, or two equal headings.
    """

    name: str
    caption: str
    cells: pd.DataFrame
    notice: str = ""

    def __post_init__(self) -> None:
        if not self.cells.columns.is_unique:
            raise ValueError(f"{self.name}: expected different headings, got {list(self.cells)}")
        wrong = {type(v).__name__ for v in self.cells.to_numpy().ravel()} - {"str"}
        if wrong:
            raise ValueError(f"{self.name}: expected cells of str, got {sorted(wrong)}")

    @property
    def said(self) -> str:
        """Caption and notice."""
        return f"{self.caption} Cohort: {self.notice}." if self.notice else self.caption


def unit_text(unit: str) -> str:
    """A unit as printed: ``mm2`` is ``mm²``."""
    return UNITS.get(unit, unit)


def interval_columns(columns: list[str]) -> dict[str, tuple[str, str]]:
    """Columns that have an interval beside them, to its two columns.

    ``x`` with ``x_low`` and ``x_high``; ``x_mm`` with ``x_low_mm`` and ``x_high_mm``; ``estimate``
    with ``low`` and ``high``.

    Examples
    --------
    >>> interval_columns(["sd_mm", "sd_low_mm", "sd_high_mm", "n"])
    {'sd_mm': ('sd_low_mm', 'sd_high_mm')}
    """
    found: dict[str, tuple[str, str]] = {}
    for name in columns:
        stem, _, unit = name.rpartition("_")
        pairs = [(f"{name}_low", f"{name}_high")]
        if unit in UNITS and stem:
            pairs.append((f"{stem}_low_{unit}", f"{stem}_high_{unit}"))
        if name == "estimate":
            pairs.append(("low", "high"))
        for pair in pairs:
            if set(pair) <= set(columns):
                found[name] = pair
    return found


def joined(table: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    """Cells of a value with its interval."""
    rows = table[[value, low, high]].astype(float).to_numpy()
    return [with_interval(*map(float, row)) for row in rows]


def spans(table: pd.DataFrame, low: str, high: str, *, like: tuple[str, str]) -> list[str]:
    """Cells of a range, with the decimals that the interval in the columns ``like`` justifies."""
    half = (table[like[1]].astype(float) - table[like[0]].astype(float)) / 2
    return [
        span(float(a), float(b), decimals_of(h) if np.isfinite(h) and h > 0 else 1)
        for a, b, h in zip(table[low], table[high], half, strict=True)
    ]


def paper_table(
    table: pd.DataFrame,
    name: str,
    caption: str,
    *,
    headings: Mapping[str, str] | None = None,
    notice: str = "",
) -> Paper:
    """Any tidy table as a paper prints it.

    Parameters
    ----------
    table : DataFrame
    name, caption : str
    headings : mapping of column to str, optional
        Which columns, in this order, and what stands above them; all by default, by their names.
    notice : str

    Returns
    -------
    Paper
        A value and its interval are one column; the unit stands in the heading.
    """
    pairs = interval_columns(list(table.columns))
    ends = {end for pair in pairs.values() for end in pair}
    chosen = headings or {c: heading(c) for c in table.columns if c not in ends}
    cells = {}
    for column, text in chosen.items():
        if column not in table:
            continue
        if column in pairs:
            cells[f"{text} ({INTERVAL})"] = joined(table, column, *pairs[column])
        else:
            cells[text] = _texts(table[column]) if column != "unit" else _units(table[column])
    return Paper(name, caption, pd.DataFrame(cells, index=range(len(table)), dtype=object), notice)


def heading(column: str) -> str:
    """A column's name as a heading, its unit in brackets.

    Examples
    --------
    >>> heading("variance_mm2"), heading("n_measured"), heading("p_holm")
    ('variance (mm²)', 'n measured', 'p holm')
    """
    stem, _, unit = column.rpartition("_")
    if stem and unit in UNITS:
        return f"{stem.replace('_', ' ')} ({unit_text(unit)})"
    return column.replace("_", " ")


def _texts(column: pd.Series) -> list[str]:
    name = str(column.name)
    show: Callable[[Any], str] = _text
    if name.partition("_")[0] == "p" and pd.api.types.is_numeric_dtype(column):
        show = probability
    elif name in COUNTS or name.startswith("n_") or name.endswith("_n"):
        show = _count
    elif name in FREEDOM:
        show = _freedom
    return [show(value) for value in column]


def _freedom(value: float) -> str:
    return rounded(value, 0 if float(value).is_integer() else 1)


def _units(column: pd.Series) -> list[str]:
    return [unit_text(str(unit)) or "1" for unit in column]


def _text(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return NOTHING
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return rounded(int(value), 0)
    return plain(float(value)) if isinstance(value, (float, np.floating)) else str(value)


def _count(value: object) -> str:
    number = float(value)  # type: ignore[arg-type]
    return rounded(number, 0)
