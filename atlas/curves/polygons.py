"""Closed polygons in the plane, many at once: how deep points lie inside, which rings cross.

A polygon is its corners in order, the first not repeated; neither orientation matters.
"""

from __future__ import annotations

import numpy as np

from atlas.curves.contour_stack import ContourStack

# Points times corners that are worked on at once: some tens of MiB.
AT_ONCE = 400_000


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


def depths_in_contours(points: np.ndarray, stack: ContourStack, which: np.ndarray) -> np.ndarray:
    """How deep points lie inside contours, as straight polygons of the first two axes.

    Parameters
    ----------
    points : (n, 2) float
    stack : ContourStack
    which : (n,) int
        The contour that each is held against.

    Returns
    -------
    (n,) float
        As :func:`depths_in_polygons`.
    """
    depths = np.empty(len(points))
    # Contours of like many corners together: one of very many does not widen all the others.
    size = np.log2(stack.count[which]).astype(int)
    for some in (np.flatnonzero(size == like) for like in np.unique(size)):
        corners = int(stack.count[which[some]].max())
        for part in np.array_split(some, max(len(some) * corners // AT_ONCE, 1)):
            k = which[part, None]
            # A corner that stands again as its own successor changes neither distance nor side.
            at = stack.first[k] + np.minimum(np.arange(corners), stack.count[k] - 1)
            depths[part] = depths_in_polygons(points[part], stack.points[at, :2])
    return depths


def line_crossings(
    outlines: np.ndarray, at: np.ndarray, *, along: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and last crossing of outlines with lines that run along an axis.

    Parameters
    ----------
    outlines : (n, m, 2) float
    at : (n,) float
        Where each line stands on the other axis.
    along : {0, 1}
        The axis it runs along.

    Returns
    -------
    low, high : (n,) float
        Along that axis; NaN where the line misses the outline.
    """
    across = outlines[..., 1 - along] - at[:, None]
    reach = outlines[..., along]
    after, reach_after = np.roll(across, -1, axis=1), np.roll(reach, -1, axis=1)
    crosses = (across >= 0) != (after >= 0)
    crosses &= ~np.isnan(across)
    share = np.divide(across, across - after, out=np.zeros_like(across), where=crosses)
    places = reach + share * (reach_after - reach)
    found = crosses.any(axis=1)
    low = np.where(crosses, places, np.inf).min(axis=1)
    high = np.where(crosses, places, -np.inf).max(axis=1)
    return np.where(found, low, np.nan), np.where(found, high, np.nan)


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
    steady = ContourStack.of(polygons).turn_steadily()
    for i in np.flatnonzero(~(steady | np.isnan(polygons).any(axis=(1, 2)))):
        depths[i] = _crossings(polygons[i])
    return depths


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
