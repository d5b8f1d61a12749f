"""Lengths, tortuosity and curvature of roots."""

from __future__ import annotations

import numpy as np

from analysis.morphometry.courses import Courses
from analysis.morphometry.intradural import Intradural

# Length of the arms of the triangle that measures curvature: long enough to outweigh jitter.
ARM_MM = 4.0
# Below this share of twice the arms three points are taken for a straight line.
STRAIGHT = 1e-9


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
