"""Closed polygons in the plane, many at once: how deep points lie inside, which rings cross.

A polygon is its corners in order, the first not repeated; neither orientation matters.
"""

from __future__ import annotations

import numpy as np


def depths_in_polygons(points: np.ndarray, polygons: np.ndarray) -> np.ndarray:
    """How deep points lie inside polygons, each in its own or all in the same.

    Parameters
    ----------
    points : (m, 2) float
    polygons : (m, k, 2) or (1, k, 2) float

    Returns
    -------
    (m,) float
        Distance to the nearest edge, in the unit of the input: positive inside (even-odd rule),
        negative outside.
    """
    return nearest_edges(points, polygons)[0]


def nearest_edges(
    points: np.ndarray, polygons: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depths of points in polygons, and the nearest place of each polygon.

    Parameters
    ----------
    points : (m, 2) float
    polygons : (m, k, 2) or (1, k, 2) float

    Returns
    -------
    depth : (m,) float
        Positive inside, negative outside.
    edge : (m,) int
        The nearest edge, by the corner it starts from.
    share : (m,) float
        Where on that edge, 0 to 1.
    """
    x = polygons[..., 0] - points[:, :1]
    y = polygons[..., 1] - points[:, 1:]
    along_x = np.roll(polygons[..., 0], -1, axis=1) - polygons[..., 0]
    along_y = np.roll(polygons[..., 1], -1, axis=1) - polygons[..., 1]
    squared = along_x**2 + along_y**2
    share = -(x * along_x + y * along_y) / np.where(squared > 0, squared, 1)
    np.clip(share, 0, 1, out=share)
    distance = (x + share * along_x) ** 2 + (y + share * along_y) ** 2
    edge = distance.argmin(axis=1)
    row = np.arange(len(points))
    # Even-odd rule: how many edges a ray from the point towards +x crosses.
    below, after = y > 0, np.roll(y, -1, axis=1) > 0
    right = (x * along_y - y * along_x > 0) == (along_y > 0)
    inside = ((below != after) & right).sum(axis=1) % 2 == 1
    depth = np.sqrt(distance[row, edge])
    return np.where(inside, depth, -depth), edge, share[row, edge]


def signed_areas(polygons: np.ndarray) -> np.ndarray:
    """Areas (m,) of polygons (m, k, 2), negative where they run clockwise."""
    x, y = np.moveaxis(polygons - polygons[:, :1], -1, 0)
    return (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1) / 2


def crossing_depths(polygons: np.ndarray) -> np.ndarray:
    """How deep polygons run through themselves.

    Parameters
    ----------
    polygons : (m, k, 2) float

    Returns
    -------
    (m, k) float
        For each edge, by the corner it starts from: over the edges it crosses, the greatest of the
        least distances between an end of either edge and the other edge, which is how far a corner
        must move to undo the crossing; 0 where it crosses none.  NaN gives 0.
    """
    depths = np.zeros(polygons.shape[:2])
    for i in np.flatnonzero(~_starlike(polygons)):
        depths[i] = _crossings(polygons[i])
    return depths


def _starlike(polygons: np.ndarray) -> np.ndarray:
    """Mask (m,) of polygons that turn once, steadily, about their mean corner: those are simple."""
    centred = polygons - polygons.mean(axis=1, keepdims=True)
    x, y = np.moveaxis(centred, -1, 0)
    following_x, following_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    cross = x * following_y - y * following_x
    steady = (cross > 0).all(axis=1) | (cross < 0).all(axis=1)
    # A steady turn may go round more than once; each round passes the half axis once.
    rounds = ((y > 0) & (following_y <= 0)).sum(axis=1)
    return (steady & (rounds == 1)) | np.isnan(polygons).any(axis=(1, 2))


def _crossings(polygon: np.ndarray) -> np.ndarray:
    """One row of :func:`crossing_depths`."""
    k = len(polygon)
    a, b = polygon, np.roll(polygon, -1, axis=0)
    first, second = np.triu_indices(k, 2)
    apart = (second - first) < k - 1
    first, second = first[apart], second[apart]

    def side(edge: np.ndarray, corner: np.ndarray) -> np.ndarray:
        u, v = b[edge] - a[edge], corner - a[edge]
        return np.sign(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])

    crossed = (side(first, a[second]) * side(first, b[second]) < 0) & (
        side(second, a[first]) * side(second, b[first]) < 0
    )
    i, j = first[crossed], second[crossed]
    least = np.minimum(
        np.minimum(_to_segments(a[j], a[i], b[i]), _to_segments(b[j], a[i], b[i])),
        np.minimum(_to_segments(a[i], a[j], b[j]), _to_segments(b[i], a[j], b[j])),
    )
    depths = np.zeros(k)
    np.maximum.at(depths, i, least)
    np.maximum.at(depths, j, least)
    return depths


def _to_segments(points: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distance (m,) of each point to its segment."""
    along = ends - begins
    share = ((points - begins) * along).sum(axis=1) / (along**2).sum(axis=1)
    nearest = begins + np.clip(share, 0, 1)[:, None] * along
    return np.asarray(np.linalg.norm(nearest - points, axis=1))
