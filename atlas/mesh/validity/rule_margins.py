"""What a rule of anatomy measures: margins in mm, batched over anatomies of one layout.

A margin is positive where there is room to spare, negative by how far a rule is broken, NaN where
there is nothing to hold it against.  The tubes are what a solid is made of: straight from ring
point to ring point; a section's chords cut at most ``r (1 - cos(pi / around))`` off a circle
(0.04 mm for a sac of 9 mm and 32 points).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atlas.curves.polygons import depths_in_polygons
from atlas.data.subject import RootKey
from atlas.mesh.validity.clearance import sections_at

# Margins above this are not told apart: roots farther than this from touching are apart.
REACH_MM = 2.0
# Rounding of coordinates of some hundred mm, over all that is computed from them.
TOLERANCE_MM = 1e-6
# Of a ring's points, every which one is held first.
STRIDE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Anatomies of one layout in their own frames (columns: left, dorsal, rostral).

    Parameters
    ----------
    dura, cord : (N, rings, around, 3) float
        mm; missing rings are NaN.
    roots : (N, K, P, 3) float
        Shorter roots end in NaN.
    ganglia : (N, K, 3) float
    keys : tuple of RootKey
        (K,)
    radii : (K, P) float
        Assumed radii of the roots' points, mm.
    """

    dura: np.ndarray
    cord: np.ndarray
    roots: np.ndarray
    ganglia: np.ndarray
    keys: tuple[RootKey, ...]
    radii: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """What a rule measured.

    Parameters
    ----------
    values : (N, M) float
        mm; NaN where there is nothing to measure.
    allowance : float or (M,) float
        mm by which a margin may be negative.
    place : callable
        From anatomy and column to the name of the place.
    note : callable
        From an anatomy to what else there is to say.
    """

    values: np.ndarray
    allowance: float | np.ndarray
    place: Callable[[int, int], str]
    note: Callable[[int], str] = lambda _: ""


def depths_in_tube(rings: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How deep points lie in tubes, in the planes of the points.

    Parameters
    ----------
    rings : (N, R, A, 3) float
    points : (N, M, 3) float

    Returns
    -------
    (N, M) float
        mm; negative outside; NaN above the first, below the last and beside missing rings.
    """
    anatomy, point, polygons = sections_at(rings, points[..., 2])
    depths = np.full(points.shape[:2], np.nan)
    depths[anatomy, point] = depths_in_polygons(points[anatomy, point, :2], polygons)
    return depths


def least_depths(rings: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Depths of the points of inner rings in tubes, exact where they are least or negative.

    Parameters
    ----------
    rings : (N, R, A, 3) float
    inner : (N, r, a, 3) float

    Returns
    -------
    (N, r, a) float
        As :func:`depths_in_tube`.  A depth changes by no more than the way between two points, so
        every ``STRIDE``-th point of a ring bounds its neighbours from below; those whose bound is
        above zero and the least known keep the bound.
    """
    n, r, a, _ = inner.shape
    known = inner[:, :, ::STRIDE]
    depths = depths_in_tube(rings, known.reshape(n, -1, 3)).reshape(n, r, -1)
    limit = np.maximum(np.where(np.isnan(depths), np.inf, depths).min(axis=(1, 2)), 0.0)
    nearest = (np.arange(a) + STRIDE // 2) // STRIDE % known.shape[2]
    way = np.linalg.norm(inner - known[:, :, nearest], axis=3)
    # Neighbours of a tilted ring lie in other planes, where the tube is a little another.
    bound = depths[:, :, nearest] - 1.2 * way
    anatomy, ring, point = np.nonzero((bound < limit[:, None, None]) | np.isnan(bound))
    wanted = np.full(inner.shape[:3], np.nan)
    wanted[anatomy, ring, point] = inner[anatomy, ring, point, 2]
    chosen = np.concatenate([inner[..., :2], wanted[..., None]], axis=3)
    bound[anatomy, ring, point] = np.nan
    found = depths_in_tube(rings, chosen.reshape(n, -1, 3)).reshape(n, r, a)
    return np.where(np.isnan(found), bound, found)


def extreme(values: np.ndarray, axis: int) -> np.ndarray:
    """Greatest of what is there; NaN where nothing is."""
    most = np.where(np.isnan(values), -np.inf, values).max(axis=axis)
    return np.where(np.isinf(most), np.nan, most)


def midline(rings: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Left coordinate (N, ...) of the sac's centroid at the heights of points (N, ..., 3)."""
    centroids = rings.mean(axis=2)
    middle = np.full(points.shape[:-1], np.nan)
    for i, (track, heights) in enumerate(zip(centroids, points[..., 2], strict=True)):
        seen = ~np.isnan(track[:, 0])
        if seen.any():
            down = np.argsort(-track[seen, 2])
            middle[i] = np.interp(-heights, -track[seen][down, 2], track[seen][down, 0])
    return middle
