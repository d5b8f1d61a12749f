"""The roots of an anatomy as one block of points, which of them were traced, and their lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.scheme import Anatomy, Status, block_name


@dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """All fourteen roots, absent ones NaN, short ones filled up with NaN.

    Parameters
    ----------
    points : (14, p, 3) float
        From begin to ganglion, mm.
    count : (14,) int
        Points of each root; 0 where absent.
    traced : (14, p) bool
        Points before the ganglion that were traced, or that are present where none can say.
    bridged : (14, p) bool
    known : (14,) bool
        There is a status, so that the end of the trace is known.
    ganglia : (14, 3) float
    lengths : (14, p) float
        Along the root from its begin, mm; NaN from the first missing point on.
    """

    points: np.ndarray
    count: np.ndarray
    traced: np.ndarray
    bridged: np.ndarray
    known: np.ndarray
    ganglia: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, anatomy: Anatomy) -> Courses:
        """The roots of an anatomy in the order of ``ROOT_KEYS``."""
        size = max((len(root) for root in anatomy.roots.values()), default=1)
        shape = (len(ROOT_KEYS), max(size, 2))
        points, count = np.full((*shape, 3), np.nan), np.zeros(len(ROOT_KEYS), dtype=int)
        status = np.full(shape, Status.MISSING)
        known = np.zeros(len(ROOT_KEYS), dtype=bool)
        ganglia = np.full((len(ROOT_KEYS), 3), np.nan)
        for i, key in enumerate(ROOT_KEYS):
            ganglia[i] = anatomy.ganglia.get(key, np.nan)
            own = anatomy.status.get(block_name(key))
            known[i] = own is not None
            if key not in anatomy.roots:
                continue
            root = anatomy.roots[key]
            points[i, : len(root)], count[i] = root, len(root)
            status[i, : len(root)] = Status.MEASURED if own is None else own
        # The ganglion was marked on another sequence; what is measured before the gap is the trace.
        before = np.arange(shape[1]) < count[:, None] - 1
        traced = before & (status == Status.MEASURED) & ~np.isnan(points).any(axis=2)
        steps = np.diff(points, axis=1)
        walked = np.cumsum(np.sqrt((steps**2).sum(axis=2)), axis=1)
        lengths = np.concatenate([points[:, :1, 0] * 0, walked], axis=1)
        return cls(points, count, traced, status == Status.BRIDGED, known, ganglia, lengths)

    @property
    def begins(self) -> np.ndarray:
        """First points (14, 3)."""
        return self.points[:, 0]

    @property
    def last_traced(self) -> np.ndarray:
        """Index (14,) of the last traced point, 0 where there is none."""
        return last_true(self.traced)


def last_true(mask: np.ndarray) -> np.ndarray:
    """Index (n,) of the last true of each row of a mask (n, p), 0 where there is none.

    Examples
    --------
    >>> last_true(np.array([[True, True, False], [False, False, False]]))
    array([1, 0])
    """
    backwards = mask[:, ::-1].argmax(axis=1)
    return np.where(mask.any(axis=1), mask.shape[1] - 1 - backwards, 0)
