"""The order of a root's points: along the root, rostral first.

Annotators mark one point a slice in any order.  Height alone orders a root that runs
steadily down; one that bends back needs continuity.  So height is the first guess and the
shortest open path through the points is the rule.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# A root of 2 mm slices has up to 50; a table of all pairs of many more takes long.
MOST_POINTS = 100


def order_along_root(points: np.ndarray) -> np.ndarray:
    """Order points along the shortest open path through them.

    Parameters
    ----------
    points : (n, 3) float
        LPS mm, in any order, no two alike.

    Returns
    -------
    (n,) int
        Indices, rostral end (higher z) first.

    Notes
    -----
    A 2-opt and or-opt descent (Croes 1958, doi:10.1287/opre.6.6.791; Or 1976) from three starts:
    by height, as in the file, and nearest neighbour from the top.  The shortest path wins,
    height on a tie.  It looks at all pairs of points; of more than ``MOST_POINTS`` only
    neighbours are looked at (:mod:`atlas.data.dense_ordering`), in time n log n.

    Examples
    --------
    >>> order_along_root(np.array([[0, 0, 0], [0, 0, 4], [0, 0, 2.0]]))
    array([1, 2, 0])
    """
    by_height = np.argsort(-points[:, 2], kind="stable")
    best = _shortest(points, by_height)
    return best if points[best[0], 2] >= points[best[-1], 2] else best[::-1]


def _shortest(points: np.ndarray, by_height: np.ndarray) -> np.ndarray:
    """The shortest path that is found, from either end."""
    if len(points) > MOST_POINTS:
        from atlas.data.dense_ordering import order_dense_points

        return order_dense_points(points, (by_height, np.arange(len(points))))
    apart = points[:, None] - points
    distance = np.sqrt((apart**2).sum(axis=2))
    starts = (by_height, np.arange(len(points)), _nearest_neighbour(distance, by_height))
    # Of a root that runs steadily down, the three are one.
    seen: set[bytes] = set()
    paths = []
    for start in starts:
        if start.tobytes() in seen:
            continue
        paths.append(_descend(distance, start))
        seen.add(start.tobytes())
        if paths[-1] is start:
            # What cannot be improved cannot from its other end.
            seen.add(start[::-1].tobytes())
    lengths = [_length(distance, path) for path in paths]
    return paths[int(np.argmin(np.round(lengths, 9)))]


def _length(distance: np.ndarray, path: np.ndarray) -> float:
    return float(distance[path[:-1], path[1:]].sum())


def _nearest_neighbour(distance: np.ndarray, by_height: np.ndarray) -> np.ndarray:
    """From the highest point to the nearest that is left, the first in the file of equals."""
    if _each_is_nearest(distance[np.ix_(by_height, by_height)]):
        return by_height
    path, remaining = [int(by_height[0])], np.ones(len(distance), dtype=bool)
    remaining[path[0]] = False
    while remaining.any():
        step = np.where(remaining, distance[path[-1]], np.inf)
        path.append(int(step.argmin()))
        remaining[path[-1]] = False
    return np.array(path)


def _each_is_nearest(along: np.ndarray) -> bool:
    """Whether the next point of a path is nearer than any after it; distances in its order."""
    beyond = np.where(_pairs(len(along))[2], along, np.inf).min(axis=1, initial=np.inf)
    return bool((np.diagonal(along, 1) < beyond[:-1]).all())


@lru_cache(maxsize=256)
def _pairs(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Begins and ends of the stretches of a path, and mask (n, n) of ends two steps on or more."""
    begin, end = np.triu_indices(n, 1)
    return begin, end, np.triu(np.ones((n, n), dtype=bool), 2)


def _descend(distance: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Apply the best improving reversal or relocation until there is none."""
    while True:
        candidates = [_best_reversal(distance, path), _best_relocation(distance, path)]
        gain, improved = max(candidates, key=lambda c: c[0])
        if gain <= 1e-9:
            return path
        path = improved


def _best_reversal(distance: np.ndarray, path: np.ndarray) -> tuple[float, np.ndarray]:
    """The 2-opt move: reverse ``path[i:j+1]``; an open path has no edge beyond its ends."""
    n = len(path)
    padded = np.zeros((n + 2, n + 2))
    padded[1:-1, 1:-1] = distance[np.ix_(path, path)]
    i, j, _ = _pairs(n)
    # Index k of the path is k + 1 in the padded table, whose border costs nothing.
    gain = padded[i, i + 1] + padded[j + 1, j + 2] - padded[i, j + 1] - padded[i + 1, j + 2]
    best = int(gain.argmax())
    a, b = int(i[best]), int(j[best])
    return float(gain[best]), np.r_[path[:a], path[a : b + 1][::-1], path[b + 1 :]]


def _best_relocation(distance: np.ndarray, path: np.ndarray) -> tuple[float, np.ndarray]:
    """The or-opt move: take one point out and put it between two others, or at an end."""
    n = len(path)
    padded = np.zeros((n + 2, n + 2))
    padded[1:-1, 1:-1] = distance[np.ix_(path, path)]
    k = np.arange(1, n + 1)
    # At an end there is no edge to close after the point is taken out.
    closed = np.where((k == 1) | (k == n), 0.0, padded[k - 1, k + 1])
    freed = padded[k - 1, k] + padded[k, k + 1] - closed
    edge = np.arange(n + 1)
    interior = (edge > 0) & (edge < n)
    joined = np.where(interior, padded[edge, edge + 1], 0.0)
    cost = padded[k][:, edge] + padded[k][:, edge + 1] - joined[None, :]
    touching = (edge[None, :] == k[:, None]) | (edge[None, :] == k[:, None] - 1)
    gain = np.where(touching, -np.inf, freed[:, None] - cost)
    best_point, best_edge = np.unravel_index(int(gain.argmax()), gain.shape)
    point = int(best_point)
    rest = np.delete(path, point)
    place = int(best_edge) - (int(best_edge) > point)
    return float(gain[best_point, best_edge]), np.insert(rest, place, path[point])
