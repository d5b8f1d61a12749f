"""Distances from points to the walls of sac and cord."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from analysis.morphometry.courses import Courses, Intradural
from analysis.morphometry.slices import EDGE_MM, Stack

# Stretch before the exit on which a root does nothing but come to the wall.
APPROACH_MM = 10.0
# Points whose outlines are held at once: more would not stay in a processor's cache.
TOGETHER = 128


def depth_inside(stack: Stack, local: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Distance of points to a wall in the slices they stand in, positive inside.

    Parameters
    ----------
    stack : Stack
    local : (n, 2) float
        Left and dorsal of the points in the axes of the slices, mm.
    down : (n,) float
        Their depths down the normal, mm.

    Returns
    -------
    (n,) float
        mm; NaN where there is no slice.
    """
    result = np.full(len(local), np.nan)
    seen = np.flatnonzero(~np.isnan(stack.between(stack.depths, down)))
    for part in range(0, len(seen), TOGETHER):
        some = seen[part : part + TOGETHER]
        outlines = stack.between(stack.outlines, down[some])
        outlines -= local[some, None]
        result[some] = _depth_of_origin(outlines, stack.sense)
    return result


def _depth_of_origin(outlines: np.ndarray, sense: float) -> np.ndarray:
    """Distance (n,) of the origin to each outline (n, m, 2), positive inside."""
    m = outlines.shape[1]
    nearest = np.einsum("nmi,nmi->nm", outlines, outlines).argmin(axis=1)
    row = np.arange(len(outlines))
    corners = [outlines[row, (nearest + step) % m] for step in (-1, 0, 1)]
    best = np.full(len(outlines), np.inf)
    sign = np.zeros(len(outlines))
    for begin, end in pairwise(corners):
        edge = end - begin
        share = np.clip(-(begin * edge).sum(axis=1) / (edge**2).sum(axis=1), 0, 1)
        apart = np.linalg.norm(begin + share[:, None] * edge, axis=1)
        closer = apart < best
        best = np.where(closer, apart, best)
        sign = np.where(closer, begin[:, 0] * edge[:, 1] - begin[:, 1] * edge[:, 0], sign)
    # On the inner side the cross product has the sign of the outlines' own sense.
    return best * np.where(sign * sense >= 0, 1.0, -1.0)


def wall_measures(
    courses: Courses, stretch: Intradural, dura: np.ndarray, cord: np.ndarray
) -> dict[str, np.ndarray]:
    """Distances (14,) to the walls at the begin and least over the stretch inside the sac.

    Parameters
    ----------
    courses : Courses
    stretch : Intradural
    dura, cord : (14, p) float
        Of :func:`depth_inside`.
    """
    # Every root comes to the wall on its way out: its last stretch says nothing but that.
    before = courses.lengths <= (stretch.lengths - APPROACH_MM + EDGE_MM)[:, None]
    return {
        "dura_distance_begin_mm": dura[:, 0],
        "dura_distance_least_mm": _least(dura, stretch.seen & before),
        "cord_distance_begin_mm": -cord[:, 0],
        "cord_distance_least_mm": _least(-cord, stretch.seen),
    }


def _least(distance: np.ndarray, seen: np.ndarray) -> np.ndarray:
    least = np.where(seen & ~np.isnan(distance), distance, np.inf).min(axis=1)
    return np.where(np.isfinite(least), least, np.nan)
