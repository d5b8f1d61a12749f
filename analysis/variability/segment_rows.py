"""A table of measures as rows of one value a subject: sides, both sides pooled, grounds apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.morphometry.definitions import GROUNDS, SIGNED, RestsOn, grounds_of
from atlas.data.subject import LEVELS
from atlas.errors import AtlasError

KEYS = ["level", "side", "measure"]
# What a subject's value rests on in a row that does not list the subject.
ABSENT = -1
BASES = ("all", "measured", "bridged", "generated")
SIDES = ("left", "right", "pooled", "both")


class SegmentError(AtlasError):
    """A table of measures that cannot be summarised."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRows:
    """Rows of a segment table before anything is summarised.

    Parameters
    ----------
    keys : DataFrame
        R rows of ``level, side, measure, basis``.
    values : (R, S) float
        One column a subject, in the unit the measure's name ends in; NaN where there is none.
    grounds : (R, S) int
        :class:`~analysis.morphometry.definitions.RestsOn`, or -1 where the subject is not listed.
    """

    keys: pd.DataFrame
    values: NDArray[np.float64]
    grounds: NDArray[np.int_]

    def take(self, rows: NDArray[np.int_], **columns: str) -> SegmentRows:
        """Some of the rows, with columns of ``keys`` replaced."""
        keys = self.keys.iloc[rows].assign(**columns).reset_index(drop=True)
        return SegmentRows(keys, self.values[rows], self.grounds[rows])


def segment_rows(measures: pd.DataFrame) -> SegmentRows:
    """Lay out a table of measures by row and subject.

    Parameters
    ----------
    measures : DataFrame
        ``subject, level, side, measure, value, rests_on``.

    Returns
    -------
    SegmentRows
        Sides ``left``, ``right`` and, after each level's two, ``pooled``: within a subject the mean
        of the sides that are there, a signed measure's right side mirrored first.  Basis ``all``
        (``generated`` where nothing else is), followed by ``measured``, ``bridged`` and
        ``generated`` apart where a row has more than one of them.  A pooled value is bridged if
        either side is.

    Raises
    ------
    SegmentError
        ``rests_on`` holds something unknown.
    """
    sided = _by_subject(measures)
    return _by_basis(_joined([sided, _pooled(sided)]))


def whole_rows(keys: pd.DataFrame) -> pd.DataFrame:
    """The rows of all values: of each level, side and measure one, ``generated`` if all are."""
    whole = keys[keys["basis"].isin(["all", "generated"])]
    return whole.sort_values("basis", kind="stable").drop_duplicates(KEYS).sort_index()


def _by_subject(measures: pd.DataFrame) -> SegmentRows:
    """A row a level, side and measure as they first appear, a column a subject, basis ``all``."""
    codes = measures["rests_on"].map({name: code for code, name in enumerate(GROUNDS)})
    if codes.isna().any():
        unknown = ", ".join(sorted(set(measures.loc[codes.isna(), "rests_on"].astype(str))))
        raise SegmentError(
            f"rests_on: expected one of {', '.join(GROUNDS)}, got {unknown}; "
            "give the table that measure_group returns"
        )
    rows = measures.groupby(KEYS, sort=False, observed=True).ngroup().to_numpy()
    subjects, names = pd.factorize(measures["subject"])
    keys = measures[KEYS].drop_duplicates(ignore_index=True).astype(str).assign(basis="all")
    values = np.full((len(keys), len(names)), np.nan)
    grounds = np.full(values.shape, ABSENT)
    values[rows, subjects] = measures["value"].to_numpy(float)
    grounds[rows, subjects] = grounds_of(values[rows, subjects], codes.to_numpy(int))
    return SegmentRows(keys, values, grounds)


def _pooled(sided: SegmentRows) -> SegmentRows:
    """The mean of the two sides within each subject."""
    keys = sided.keys.reset_index(names="row")
    pairs = keys[keys["side"] == "left"].merge(
        keys[keys["side"] == "right"], on=["level", "measure"], suffixes=("", "_right")
    )
    left, right = pairs["row"].to_numpy(int), pairs["row_right"].to_numpy(int)
    flip = np.where(pairs["measure"].isin(SIGNED), -1.0, 1.0)
    both = np.stack([sided.values[left], flip[:, None] * sided.values[right]])
    seen = ~np.isnan(both)
    count = seen.sum(axis=0)
    total = np.where(seen, both, 0.0).sum(axis=0)
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    sides = np.stack([sided.grounds[left], sided.grounds[right]])
    known = np.where(seen, sides, ABSENT).max(axis=0)
    nobody = np.where((sides == ABSENT).all(axis=0), ABSENT, RestsOn.MISSING)
    keys = sided.take(left, side="pooled").keys
    return SegmentRows(keys, values, np.where(count > 0, known, nobody))


def _by_basis(rows: SegmentRows) -> SegmentRows:
    """Each row with the kinds of its values apart below it where it has several."""
    kinds = (RestsOn.MEASURED, RestsOn.BRIDGED, RestsOn.GENERATED)
    has = {kind: (rows.grounds == kind).any(axis=1) for kind in kinds}
    several = np.sum(list(has.values()), axis=0) > 1
    basis = np.where(has[RestsOn.GENERATED] & ~several, "generated", "all")
    parts = [SegmentRows(rows.keys.assign(basis=basis), rows.values, rows.grounds)]
    for kind in kinds:
        part = rows.take(np.flatnonzero(several & has[kind]), basis=GROUNDS[kind])
        off = (part.grounds != kind) & (part.grounds != RestsOn.MISSING)
        values, grounds = np.where(off, np.nan, part.values), np.where(off, ABSENT, part.grounds)
        parts.append(SegmentRows(part.keys, values, grounds))
    return _joined(parts)


def _joined(parts: list[SegmentRows]) -> SegmentRows:
    """Parts in one, by level, side, measure and basis."""
    keys = pd.concat([p.keys for p in parts], ignore_index=True)
    orders = {"basis": BASES, "side": SIDES, "level": (*LEVELS, "all")}
    ranks = {name: keys[name].map(known.index) for name, known in orders.items()}
    ranks["measure"] = pd.Series(pd.factorize(keys["measure"])[0])
    order = np.lexsort([ranks[name] for name in ("basis", "measure", "side", "level")])
    values = np.concatenate([p.values for p in parts])
    grounds = np.concatenate([p.grounds for p in parts])
    return SegmentRows(keys, values, grounds).take(order)
