"""A table of measures as rows of one value a subject: sides, both sides pooled, grounds apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.columns import Columns, as_frame, below, places, repeated
from analysis.morphometry import MEASURES
from atlas.data.subject import LEVELS
from atlas.errors import AtlasError

if TYPE_CHECKING:
    import pandas as pd

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
    keys : dict of str to (R,) array
        ``level, side, measure, basis``.
    values : (R, S) float
        One column a subject, in the unit the measure's name ends in; NaN where there is none.
    grounds : (R, S) int
        Place in ``GROUNDS``, or -1 where the subject is not listed.
    """

    keys: Columns
    values: NDArray[np.float64]
    grounds: NDArray[np.int_]

    def take(self, rows: NDArray[np.int_], **columns: str) -> SegmentRows:
        """Some of the rows, with columns of ``keys`` replaced."""
        keys = {name: column[rows] for name, column in self.keys.items()}
        keys |= {name: repeated(text, len(rows)) for name, text in columns.items()}
        return SegmentRows(keys, self.values[rows], self.grounds[rows])


def segment_rows(measures: pd.DataFrame | Columns) -> SegmentRows:
    """Lay out a table of measures by row and subject.

    Parameters
    ----------
    measures : DataFrame, or its columns
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
    sided = unfolded(measures)
    return _by_basis(_joined([sided, _pooled(sided)]))


def whole_rows(keys: pd.DataFrame | Columns) -> pd.DataFrame:
    """The rows of all values: of each level, side and measure one, ``generated`` if all are."""
    keys = as_frame(keys) if isinstance(keys, dict) else keys
    whole = keys[keys["basis"].isin(["all", "generated"])]
    return whole.sort_values("basis", kind="stable").drop_duplicates(KEYS).sort_index()


def unfolded(measures: pd.DataFrame | Columns) -> SegmentRows:
    """A table of measures by level, side and measure as they first appear, basis ``all``.

    Parameters and errors as of :func:`segment_rows`.
    """
    rows, found = places(zip(*(measures[name] for name in KEYS), strict=True))
    subjects, names = places(measures["subject"])
    values = np.full((len(found), len(names)), np.nan)
    grounds = np.full(values.shape, ABSENT)
    values[rows, subjects] = np.asarray(measures["value"], dtype=float)
    grounds[rows, subjects] = _codes(measures["rests_on"])
    grounds[np.isnan(values) & (grounds != ABSENT)] = MISSING
    columns = np.array(found, dtype=object).reshape(-1, len(KEYS)).T
    keys = dict(zip(KEYS, columns, strict=True)) | {"basis": repeated("all", len(found))}
    return SegmentRows(keys, values, grounds)


def _codes(rests_on: pd.Series | NDArray[Any]) -> NDArray[np.int_]:
    found, kinds = places(rests_on)
    unknown = sorted(set(map(str, kinds)) - set(GROUNDS))
    if unknown:
        raise SegmentError(
            f"rests_on: expected one of {', '.join(GROUNDS)}, got {', '.join(unknown)}; "
            "give the table that measure_group returns"
        )
    return np.array([GROUNDS.index(kind) for kind in kinds], dtype=int)[found]


def _pooled(sided: SegmentRows) -> SegmentRows:
    """The mean of the two sides within each subject."""
    keys = zip(*(sided.keys[name] for name in KEYS), strict=True)
    place = {key: i for i, key in enumerate(keys)}
    pairs = [
        (i, place.get((level, "right", name), ABSENT))
        for (level, side, name), i in place.items()
        if side == "left"
    ]
    left, right = np.array([p for p in pairs if p[1] != ABSENT], dtype=int).reshape(-1, 2).T
    flip = np.array([-1.0 if name in SIGNED else 1.0 for name in sided.keys["measure"][right]])
    both = np.stack([sided.values[left], flip[:, None] * sided.values[right]])
    seen = ~np.isnan(both)
    count = seen.sum(axis=0)
    total = np.where(seen, both, 0.0).sum(axis=0)
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    sides = np.stack([sided.grounds[left], sided.grounds[right]])
    known = np.where(seen, sides, ABSENT).max(axis=0)
    grounds = np.where(count > 0, known, np.where((sides == ABSENT).all(axis=0), ABSENT, MISSING))
    return SegmentRows(sided.take(left, side="pooled").keys, values, grounds)


def _by_basis(rows: SegmentRows) -> SegmentRows:
    """Each row with the kinds of its values apart below it where it has several."""
    kinds = np.stack([(rows.grounds == g).any(axis=1) for g in (MEASURED, BRIDGED, GENERATED)])
    several = kinds.sum(axis=0) > 1
    only_generated = kinds[2] & ~several
    whole = np.where(only_generated, "generated", "all").astype(object)
    parts = [SegmentRows(rows.keys | {"basis": whole}, rows.values, rows.grounds)]
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
    keys = below([p.keys for p in parts])
    ranks = {"measure": places(keys["measure"])[0]}
    for name, known in {"level": (*LEVELS, "all"), "side": SIDES, "basis": BASES}.items():
        ranks[name] = np.array([known.index(value) for value in keys[name]], dtype=int)
    order = np.lexsort([ranks[name] for name in ("basis", "measure", "side", "level")])
    values = np.concatenate([p.values for p in parts])
    grounds = np.concatenate([p.grounds for p in parts])
    return SegmentRows(keys, values, grounds).take(order)
