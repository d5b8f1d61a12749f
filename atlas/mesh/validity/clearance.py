"""How near structures come: sections of a tube at given heights, distances between centrelines.

Everything is batched over anatomies of one layout and taken in the anatomy's own frame (columns:
left, dorsal, rostral), so that no answer depends on the pose.
"""

from __future__ import annotations

import numpy as np

# Heights may agree with a ring's to rounding.
EDGE_MM = 1e-6


def own_frames(dura: np.ndarray) -> np.ndarray:
    """Frames of anatomies by their sacs.

    Parameters
    ----------
    dura : (N, rings, around, 3) float
        Rostral to caudal, point 0 of a ring dorsal; missing rings are NaN.

    Returns
    -------
    (N, 3, 3) float
        Columns: left, dorsal, rostral.  Rostral is the common normal of the rings (least squares);
        dorsal the mean direction from their centroids to their first points, left the third of
        the right-handed frame LPS.  NaN for a sac of fewer than two rings.
    """
    seen = ~np.isnan(dura).any(axis=(2, 3))
    rings = np.where(seen[..., None, None], dura, 0.0)
    centroids = rings.mean(axis=2)
    centred = (rings - centroids[:, :, None]).reshape(len(dura), -1, 3)
    up = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred)[1][:, :, 0]
    row = np.arange(len(dura))
    last = seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    rise = centroids[row, seen.argmax(axis=1)] - centroids[row, last]
    up *= np.where((up * rise).sum(axis=1) < 0, -1.0, 1.0)[:, None]
    dorsal = (rings[:, :, 0] - centroids).sum(axis=1)
    dorsal -= (dorsal * up).sum(axis=1)[:, None] * up
    with np.errstate(invalid="ignore", divide="ignore"):
        dorsal /= np.linalg.norm(dorsal, axis=1)[:, None]
    frames = np.stack([np.cross(dorsal, up), dorsal, up], axis=2)
    frames[seen.sum(axis=1) < 2] = np.nan
    return frames


def sections_at(
    rings: np.ndarray, heights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sections of tubes in the planes at given heights.

    Parameters
    ----------
    rings : (N, R, A, 3) float
        In own frames, rostral to caudal; missing rings are NaN.
    heights : (N, M) float
        mm along rostral.

    Returns
    -------
    anatomy, point : (k,) int
        Which of the (N, M) have a section: those between two neighbouring rings.
    polygons : (k, A, 2) float
        Left and dorsal of the sections: each point of the ring goes straight to its successor,
        also where rings are tilted against the plane.
    """
    levels = rings[..., 2].mean(axis=2)
    anatomy, point = np.nonzero(~np.isnan(heights))
    above = levels[anatomy] >= heights[anatomy, point][:, None] - EDGE_MM
    upper = levels.shape[1] - 1 - above[:, ::-1].argmax(axis=1)
    upper = np.minimum(upper, levels.shape[1] - 2)
    within = above.any(axis=1) & ~np.isnan(levels[anatomy, upper])
    within &= levels[anatomy, upper + 1] <= heights[anatomy, point] + EDGE_MM
    anatomy, point, index = anatomy[within], point[within], upper[within]
    # Whole rows taken at once, heights apart from the plane: half the time of picking places.
    at = anatomy * rings.shape[1] + index
    flat = rings.reshape(-1, *rings.shape[2:])
    height, plane = np.ascontiguousarray(flat[..., 2]), np.ascontiguousarray(flat[..., :2])
    top = height.take(at, axis=0)
    fall = top - height.take(at + 1, axis=0)
    share = (top - heights[anatomy, point][:, None]) / np.where(fall > 0, fall, np.inf)
    polygons = plane.take(at, axis=0)
    polygons += share[..., None] * (plane.take(at + 1, axis=0) - polygons)
    return anatomy, point, polygons


def segment_distances(
    p: np.ndarray, p_end: np.ndarray, q: np.ndarray, q_end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least distances between segments in space.

    Parameters
    ----------
    p, p_end, q, q_end : (m, 3) float
        Ends of the segments of each pair.

    Returns
    -------
    distance, on_p, on_q : (m,) float
        mm, and the shares of the segments, 0 to 1, where they are nearest.

    References
    ----------
    Lumelsky 1985, doi 10.1016/0020-0190(85)90032-8.
    """
    u, v, w = p_end - p, q_end - q, p - q
    a, b, c = _dot(u, u), _dot(u, v), _dot(v, v)
    d, e = _dot(u, w), _dot(v, w)
    tiny = np.finfo(float).tiny
    a, c = np.maximum(a, tiny), np.maximum(c, tiny)
    across = a * c - b * b
    # Parallel segments have a whole range of nearest places: start from the beginning of p.
    free = across > 1e-12 * a * c
    s = np.where(free, np.clip((b * e - c * d) / np.where(free, across, 1), 0, 1), 0.0)
    t = np.clip((b * s + e) / c, 0, 1)
    s = np.clip((b * t - d) / a, 0, 1)
    t = np.clip((b * s + e) / c, 0, 1)
    apart = w + s[:, None] * u - t[:, None] * v
    return np.sqrt(_dot(apart, apart)), s, t


def near_segments(curves: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of segments of different or the same curves that may come within reach.

    Parameters
    ----------
    curves : (N, K, P, 3) float
        Centrelines; NaN after the end of the shorter ones.
    reach : float
        mm; pairs farther apart than this may be left out.

    Returns
    -------
    anatomy, first, second : (m,) int
        Segments numbered ``curve * (P - 1) + index``, the first below the second; neighbours on
        the same curve are left out.

    Notes
    -----
    Segments of half lengths g, h about midpoints a, b are no nearer than ``|a - b| - g - h``; that
    this is under the reach is one product of matrices, ``|a|^2 - g^2 + |b|^2 - h^2 - 2 (a.b + gh)``
    with half the reach added to g and h.
    """
    n, k, p, _ = curves.shape
    middle = ((curves[:, :, 1:] + curves[:, :, :-1]) / 2).reshape(n, k * (p - 1), 3)
    half = np.linalg.norm(np.diff(curves, axis=2), axis=3).reshape(middle.shape[:2]) / 2 + reach / 2
    seen = ~np.isnan(half)
    place = np.where(seen[..., None], middle, 0.0)
    own = np.where(seen, (place**2).sum(axis=2) - half**2, 1e9)
    one = np.ones_like(own)
    left = np.concatenate([place, np.where(seen, half, 0.0)[..., None]], axis=2)
    # Single precision halves the time; the slack covers its rounding over a few hundred mm.
    a = np.concatenate([left, own[..., None], one[..., None]], axis=2).astype(np.float32)
    b = np.concatenate([-2 * left, one[..., None], own[..., None]], axis=2).astype(np.float32)
    near = np.flatnonzero(a @ np.swapaxes(b, 1, 2) < 0.1)
    anatomy, pair = np.divmod(near, own.shape[1] ** 2)
    first, second = np.divmod(pair, own.shape[1])
    neighbours = (second - first == 1) & (second % (p - 1) != 0)
    kept = (first < second) & ~neighbours
    return anatomy[kept], first[kept], second[kept]


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)
