"""Holm and Benjamini-Hochberg beside each p."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

# How descriptions of columns begin that hold them.
ADJUSTED = "p adjusted after Holm and after Benjamini & Hochberg within "


def adjusted(p: np.ndarray, method: str) -> np.ndarray:
    """P-values adjusted for their number; missing ones stay missing and are not counted.

    Parameters
    ----------
    p : (m,) float
        NaN where there was no test.
    method : str
        ``holm`` (Holm 1979, family-wise error) or ``bh`` (Benjamini & Hochberg 1995,
        doi:10.1111/j.2517-6161.1995.tb02031.x, false discovery rate).

    Returns
    -------
    (m,) float

    Examples
    --------
    >>> adjusted(np.array([0.01, np.nan, 0.04]), "holm")
    array([0.02,  nan, 0.04])
    """
    p = np.asarray(p, dtype=float)
    out = np.full(p.shape, np.nan)
    there = ~np.isnan(p)
    if there.any():
        # Not statsmodels' multipletests: it collects garbage at every call, 0.1 s a family.
        out[there] = {"holm": _holm, "bh": stats.false_discovery_control}[method](p[there])
    return out


def with_adjusted(
    table: pd.DataFrame, *, family: Sequence[str], p: str = "p", suffix: str = ""
) -> pd.DataFrame:
    """The table with ``p_holm`` and ``p_bh`` after ``p``, adjusted within each family.

    Parameters
    ----------
    table : DataFrame
    family : sequence of str
        Columns whose equal values make a family; none makes one family of all rows.
    p : str
        Column of the p-values.
    suffix : str
        Ends the names of the new columns.

    Returns
    -------
    DataFrame
        A copy.
    """
    table = table.copy()
    member = np.zeros(len(table), dtype=int)
    if family:
        member = table.groupby([*family], sort=False, dropna=False).ngroup().to_numpy()
    values = table[p].to_numpy(float)
    place = table.columns.get_loc(p)
    assert isinstance(place, int)
    for offset, method in enumerate(("holm", "bh"), start=1):
        column = np.full(len(table), np.nan)
        for number in np.unique(member):
            column[member == number] = adjusted(values[member == number], method)
        table.insert(place + offset, f"{p}_{method}{suffix}", column)
    return table


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(stepped, 1)
    return out
