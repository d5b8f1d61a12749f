"""The roots of an anatomy as one block of points, their stretch inside the sac, and their lengths.

A subject's root is traced to the sac's wall or to the bottom of the image, a mean's or a sample's
runs on to the ganglion.  Measures along a root that both shall have stop where either would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.scheme import Anatomy, Status, block_name

# Length of the arms of the triangle that measures curvature: long enough to outweigh jitter.
ARM_MM = 4.0
# Below this share of twice the arms three points are taken for a straight line.
STRAIGHT = 1e-9


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


@dataclass(frozen=True, slots=True, eq=False)
class Intradural:
    """Each root from its begin to the first of: dural exit, end of the trace, last ring.

    Parameters
    ----------
    seen : (14, p) bool
        Points of the root on the stretch.
    ends : (14, 3) float
        Where the stretch ends, mm: the exit itself, or the last point of it; NaN without one.
    lengths : (14,) float
        Along the root from its begin to that end, mm.
    exits : (14, 3) float
        Dural exits, mm: last crossing from inside to outside, if the root is outside where it was
        last seen within the rings; NaN for roots that leave through the bottom of the image.
    exit_bridged : (14,) bool
        The exit stands on the bridged stretch, so that the trace ended before.
    """

    seen: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray
    exits: np.ndarray
    exit_bridged: np.ndarray

    @classmethod
    def of(cls, courses: Courses, dura: np.ndarray) -> Intradural:
        """The stretch of each root.

        Parameters
        ----------
        courses : Courses
        dura : (14, p) float
            Distance of its points to the sac's wall, mm, positive inside, NaN beyond the rings.
        """
        row, index = np.arange(len(dura)), np.arange(dura.shape[1])
        leaves, at, share = _last_crossing(dura)
        step = courses.points[row, at + 1] - courses.points[row, at]
        exits = courses.points[row, at] + share[:, None] * step
        exit_bridged = leaves & (courses.bridged[row, at] | courses.bridged[row, at + 1])
        within = courses.traced & ~np.isnan(dura)
        within &= (index <= at[:, None]) | ~leaves[:, None]
        last = last_true(within)
        seen = courses.traced & (index <= last[:, None]) & within.any(axis=1)[:, None]
        by_exit = leaves & seen[row, at] & (last == at) & ~exit_bridged
        ends = np.where(by_exit[:, None], exits, courses.points[row, last])
        walked = courses.lengths[row, last]
        walked = walked + np.where(by_exit, share * np.sqrt((step**2).sum(axis=1)), 0.0)
        empty = ~seen.any(axis=1)
        ends[empty], walked[empty] = np.nan, np.nan
        return cls(seen, ends, walked, exits, exit_bridged)


def _last_crossing(dura: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each root leaves for good, the point before (14,), and the share of the step."""
    row = np.arange(len(dura))
    crossing = (dura[:, :-1] >= 0) & (dura[:, 1:] < 0)
    at = last_true(crossing)
    leaves = crossing.any(axis=1) & (dura[row, last_true(~np.isnan(dura))] < 0)
    before, after = dura[row, at], dura[row, at + 1]
    share = np.divide(before, before - after, out=np.full(len(row), np.nan), where=leaves)
    return leaves, at, share


def length_measures(courses: Courses, stretch: Intradural) -> dict[str, np.ndarray]:
    """Lengths, tortuosities and curvatures of the roots, (14,) each.

    Notes
    -----
    Tortuosity is length over chord.  Curvature at a point is that of the circle through it and the
    points about 4 mm before and after it (Menger 1930): exact on circular
    arcs at any spacing.  It and the intradural tortuosity are taken on the stretch inside the sac.
    """
    row = np.arange(len(courses.points))
    last = np.maximum(courses.count - 1, 0)
    end = courses.last_traced
    total = courses.lengths[row, last]
    trace = np.where(courses.known & (end > 0), courses.lengths[row, end], np.nan)
    bends = curvatures(courses, stretch.seen)
    seen = ~np.isnan(bends)
    mean = np.where(seen, bends, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    largest = np.where(seen, bends, -np.inf).max(axis=1)
    return {
        "length_traced_mm": trace,
        "length_bridged_mm": total - trace,
        "length_total_mm": total,
        "tortuosity_intradural_ratio": _over_chord(stretch.lengths, stretch.ends - courses.begins),
        "tortuosity_total_ratio": _over_chord(total, courses.points[row, last] - courses.begins),
        "curvature_mean_per_mm": np.where(seen.any(axis=1), mean, np.nan),
        "curvature_largest_per_mm": np.where(seen.any(axis=1), largest, np.nan),
    }


def _over_chord(lengths: np.ndarray, chords: np.ndarray) -> np.ndarray:
    reach = np.sqrt((chords**2).sum(axis=1))
    return np.divide(lengths, reach, out=np.full(len(reach), np.nan), where=reach > 0)


def curvatures(courses: Courses, seen: np.ndarray) -> np.ndarray:
    """Curvature (14, p), 1/mm, at points seen (14, p) whose both arms end on points seen."""
    n_roots, size = seen.shape
    last = np.maximum(courses.count - 1, 1)
    spacing = courses.lengths[np.arange(n_roots), courses.last_traced] / np.maximum(
        courses.last_traced, 1
    )
    known = np.isfinite(spacing) & (spacing > 0)
    stride = np.rint(np.divide(ARM_MM, spacing, out=np.ones(n_roots), where=known))
    stride = np.clip(stride, 1, last)[:, None].astype(int)
    row, middle = np.arange(n_roots)[:, None], np.arange(size)[None]
    before, after = middle - stride, middle + stride
    fits = (before >= 0) & (after < size)
    before, after = np.clip(before, 0, size - 1), np.clip(after, 0, size - 1)
    fits &= seen[row, before] & seen & seen[row, after]
    return _menger(courses.points, courses.points[row, before], courses.points[row, after], fits)


def _menger(
    points: np.ndarray, before: np.ndarray, after: np.ndarray, fits: np.ndarray
) -> np.ndarray:
    """Curvature of the circles through three points each (..., 3), ``4 area / (a b c)``."""
    a, b = points - before, after - points
    twice_area = np.linalg.norm(np.cross(a, b), axis=-1)
    arms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    sides = arms * np.linalg.norm(a + b, axis=-1)
    bent = np.where(twice_area <= STRAIGHT * arms, 0.0, twice_area)
    return np.divide(2 * bent, sides, out=np.full(fits.shape, np.nan), where=fits & (sides > 0))
