"""Which columns of a result a paper shows, and under which headings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.tables.rounding import EN_DASH, NOTHING, plain, rounded
from analysis.tables.typeset import (
    INTERVAL,
    Paper,
    interval_columns,
    joined,
    paper_table,
    spans,
    unit_text,
)

EMPTY = "An en dash stands where nothing can be said."
SIDES = {"both": "", "left": "left", "right": "right", "pooled": "pooled"}
SIDE_HEADINGS = {
    "measure": "measure",
    "level": "level",
    "unit": "unit",
    "n": "n pairs",
    "estimate": "left minus right",
    "dz": "dz",
    "fluctuating_sd": "fluctuating SD",
    "p": "p",
    "p_holm": "p (Holm)",
    "p_bh": "p (BH)",
}
MIXED_HEADINGS = {
    "measure": "measure",
    "effect": "effect",
    "unit": "unit",
    "n": "n",
    "estimate": "estimate, or partial eta² of a test",
    "f": "F",
    "df1": "df",
    "df2": "df within",
    "p": "p",
    "p_holm": "p (Holm)",
    "p_bh": "p (BH)",
}
COMPONENT_HEADINGS = {
    "measure": "measure",
    "component": "component",
    "level": "level",
    "unit": "unit",
    "n": "n",
    "estimate": "SD or ICC",
    "share": "share of variance",
    "p": "p",
    "p_holm": "p (Holm)",
    "p_bh": "p (BH)",
}
COVARIATE_HEADINGS = {
    "response": "response",
    "ss_type": "sums of squares",
    "term": "term",
    "n": "n",
    "estimate": "R²",
    "r2_detectable": "detectable R²",
    "f": "F",
    "z": "Z",
    "p": "p",
    "p_holm": "p (Holm)",
    "p_bh": "p (BH)",
    "note": "note",
}
NEIGHBOUR_HEADINGS = {
    "measure": "measure",
    "side": "side",
    "level": "level",
    "next_level": "next level",
    "unit": "unit",
    "n": "n",
    "sd": "SD",
    "next_sd": "SD of the next",
    "correlation": "correlation",
}
LITERATURE_HEADINGS = {
    "measure": "measure",
    "level": "level",
    "side": "side",
    "unit": "unit",
    "n": "n",
    "mean": "mean",
    "sd": "SD",
    "published_mean": "published",
    "published_sd": "its SD",
    "published_low": "from",
    "published_high": "to",
    "published_n": "its n",
    "difference": "difference",
    "effect": "in its SD",
    "outside": "outside",
    "definition_agrees": "same measure",
    "source": "source",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Whose tables these are: what every caption says.

    Parameters
    ----------
    n : int
        Subjects.
    anchor : str
        Point held fixed, or that there was no alignment.
    notice : str
        What generated data say of themselves.
    """

    n: int
    anchor: str
    notice: str

    @property
    def said(self) -> str:
        """Number of subjects and anchor in a sentence."""
        return f"n = {self.n} subject{'s' * (self.n != 1)}; anchor: {self.anchor}."

    def caption(self, text: str, *, intervals: str = "") -> str:
        """A caption: what the table shows, n, anchor, what the intervals are."""
        parts = [f"{text}.", self.said]
        if intervals:
            parts.append(f"In brackets the {INTERVAL}: {intervals}.")
        return " ".join([*parts, EMPTY])


def segment_report(
    segments: pd.DataFrame, group: Group, *, texts: Mapping[str, str], intervals: str
) -> list[Paper]:
    """A table a measure: level by side with n, mean, SD, median and 95 % range.

    Parameters
    ----------
    segments : DataFrame
        As ``summarise_segments`` gives it.
    group : Group
    texts : mapping of measure to str
        Definitions.
    intervals : str
        What the intervals are.

    Returns
    -------
    list of Paper
        Measures of which no subject has a value are left out.
    """
    papers = []
    for name, rows in segments.groupby("measure", sort=False, observed=True):
        if not rows["n"].any():
            continue
        text = group.caption(f"{name}: {texts.get(str(name), name)}", intervals=intervals)
        cells = _segment_cells(rows, unit_text(str(rows["unit"].iloc[0])))
        papers.append(Paper(f"segments-{name}", text, cells, group.notice))
    return papers


def _segment_cells(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    pairs = interval_columns(list(rows.columns))
    of = f", {unit}" if unit else ""
    cells: dict[str, list[str]] = {
        "level": list(rows["level"].astype(str)),
        "side": [SIDES.get(str(side), str(side)) for side in rows["side"]],
    }
    if rows["basis"].nunique() > 1:
        cells["rests on"] = list(rows["basis"].astype(str))
    cells["n"] = list(rows["n"].astype(str))
    if rows["n_bridged"].any():
        cells["of these bridged"] = list(rows["n_bridged"].astype(str))
    cells[f"mean{of} ({INTERVAL})"] = joined(rows, "mean", *pairs["mean"])
    cells[f"SD{of} ({INTERVAL})"] = joined(rows, "sd", *pairs["sd"])
    like = pairs["mean"]
    cells[f"median{of} (IQR)"] = _medians(rows, spans(rows, "q25", "q75", like=like))
    cells[f"95 % range{of}"] = spans(rows, "range_low", "range_high", like=like)
    return pd.DataFrame(cells, dtype=object)


def chosen_columns(
    table: pd.DataFrame,
    name: str,
    title: str,
    group: Group,
    *,
    headings: Mapping[str, str],
    intervals: str,
) -> list[Paper]:
    """One table of the columns of a result that a paper shows; rows without subjects left out."""
    rows = table[table["n"] > 0] if "n" in table else table
    text = group.caption(title, intervals=intervals)
    return [paper_table(rows, name, text, headings=headings, notice=group.notice)]


def _medians(rows: pd.DataFrame, quartiles: list[str]) -> list[str]:
    """Medians at the precision of their quartiles, which stand in brackets."""
    cells = []
    for value, text in zip(rows["median"], quartiles, strict=True):
        ending = text.rpartition(EN_DASH)[2] if EN_DASH in text else text.rpartition(" ")[2]
        decimals = len(ending.partition(".")[2])
        cells.append(plain(value) if text == NOTHING else f"{rounded(value, decimals)} ({text})")
    return cells
