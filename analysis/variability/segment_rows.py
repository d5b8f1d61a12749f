"""A table of measures as rows of one value a subject: sides, both sides pooled, grounds apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.morphometry import MEASURES
from atlas.data.subject import LEVELS
from atlas.errors import AtlasError

KEYS = ["level", "side", "measure"]
# What a value rests on, by its code; a subject that a row does not list has `ABSENT`.
GROUNDS = ("measured", "bridged", "generated", "missing")
MEASURED, BRIDGED, GENERATED, MISSING = range(4)
ABSENT = -1
BASES = ("all", "measured", "bridged", "generated")
SIDES = ("left", "right", "pooled", "both")
# Taken on annotations as they were drawn, so not one of an anatomy's measures; it has a side too.
SIGNED = frozenset({"angle_published_deg", *(name for name, m in MEASURES.items() if m.signed)})


class SegmentError(AtlasError):
    """A table of measures that cannot be summarised."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRows:
    """Rows of a segment table before anything is summarised.

    Parameters
    ----------
    keys : DataFrame
        ``level, side, measure, basis``; R rows.
    values : (R, S) float
        One column a subject, in the unit the measure's name ends in; NaN where there is none.
    grounds : (R, S) int
        Place in ``GROUNDS``, or -1 where the subject is not listed.
    """

    keys: pd.DataFrame
    values: NDArray[np.float64]
    grounds: NDArray[np.int_]

    def take(self, rows: NDArray[np.int_], **columns: str) -> SegmentRows:
        """Some of the rows, with columns of ``keys`` replaced."""
        keys = self.keys.iloc[rows].assign(**columns)
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
    sided = _unfolded(measures)
    return _by_basis(_joined([sided, _pooled(sided)]))


def whole_rows(keys: pd.DataFrame) -> pd.DataFrame:
    """The rows of all values: of each level, side and measure one, ``generated`` if all are."""
    whole = keys[keys["basis"].isin(["all", "generated"])]
    return whole.sort_values("basis", kind="stable").drop_duplicates(KEYS).sort_index()


def _unfolded(measures: pd.DataFrame) -> SegmentRows:
    rows, index = pd.factorize(pd.MultiIndex.from_frame(measures[KEYS].astype(object)))
    subjects, names = pd.factorize(measures["subject"])
    values = np.full((len(index), len(names)), np.nan)
    grounds = np.full(values.shape, ABSENT)
    values[rows, subjects] = measures["value"].to_numpy(float)
    grounds[rows, subjects] = _codes(measures["rests_on"])
    grounds[np.isnan(values) & (grounds != ABSENT)] = MISSING
    keys = pd.DataFrame(list(index), columns=KEYS, dtype=object).assign(basis="all")
    return SegmentRows(keys, values, grounds)


def _codes(rests_on: pd.Series) -> NDArray[np.int_]:
    unknown = sorted(set(rests_on.astype(str)) - set(GROUNDS))
    if unknown:
        raise SegmentError(
            f"rests_on: expected one of {', '.join(GROUNDS)}, got {', '.join(unknown)}; "
            "give the table that measure_group returns"
        )
    return np.asarray(pd.Categorical(rests_on, categories=list(GROUNDS)).codes, dtype=int)


def _pooled(sided: SegmentRows) -> SegmentRows:
    """The mean of the two sides within each subject."""
    place = {key: i for i, key in enumerate(sided.keys[KEYS].itertuples(index=False, name=None))}
    pairs = [
        (i, place.get((level, "right", name), ABSENT))
        for (level, side, name), i in place.items()
        if side == "left"
    ]
    left, right = np.array([p for p in pairs if p[1] != ABSENT], dtype=int).reshape(-1, 2).T
    flip = np.where(sided.keys["measure"].iloc[right].isin(SIGNED), -1.0, 1.0)
    both = np.stack([sided.values[left], flip[:, None] * sided.values[right]])
    seen = ~np.isnan(both)
    count = seen.sum(axis=0)
    total = np.where(seen, both, 0.0).sum(axis=0)
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    sides = np.stack([sided.grounds[left], sided.grounds[right]])
    known = np.where(seen, sides, ABSENT).max(axis=0)
    grounds = np.where(count > 0, known, np.where((sides == ABSENT).all(axis=0), ABSENT, MISSING))
    keys = sided.keys.iloc[left].assign(side="pooled")
    return SegmentRows(keys, values, grounds)


def _by_basis(rows: SegmentRows) -> SegmentRows:
    """Each row with the kinds of its values apart below it where it has several."""
    kinds = np.stack([(rows.grounds == g).any(axis=1) for g in (MEASURED, BRIDGED, GENERATED)])
    several = kinds.sum(axis=0) > 1
    only_generated = kinds[2] & ~several
    whole = rows.keys.assign(basis=np.where(only_generated, "generated", "all"))
    parts = [SegmentRows(whole, rows.values, rows.grounds)]
    for ground, has in enumerate(kinds):
        chosen = np.flatnonzero(several & has)
        part = rows.take(chosen, basis=GROUNDS[ground])
        off = (part.grounds != ground) & (part.grounds != MISSING)
        values, grounds = part.values.copy(), part.grounds.copy()
        values[off], grounds[off] = np.nan, ABSENT
        parts.append(SegmentRows(part.keys, values, grounds))
    return _joined(parts)


def _joined(parts: list[SegmentRows]) -> SegmentRows:
    """Parts in one, by level, side, measure and basis."""
    keys = pd.concat([p.keys for p in parts], ignore_index=True)
    ranks = {"measure": pd.factorize(keys["measure"])[0]}
    for name, places in {"level": (*LEVELS, "all"), "side": SIDES, "basis": BASES}.items():
        ranks[name] = np.array([places.index(value) for value in keys[name]], dtype=int)
    order = np.lexsort([ranks[name] for name in ("basis", "measure", "side", "level")])
    values = np.concatenate([p.values for p in parts])[order]
    grounds = np.concatenate([p.grounds for p in parts])[order]
    return SegmentRows(keys.iloc[order].reset_index(drop=True), values, grounds)
