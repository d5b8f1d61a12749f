"""The order of a root's points: along the root, rostral first.

Annotators mark one point a slice in any order.  Height alone orders a root that runs
steadily down; one that bends back needs continuity.  So height is the first guess and the
shortest open path through the points is the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np

# A root of 2 mm slices has up to 50; a table of all pairs of many more takes long.
MOST_POINTS = 100
NEIGHBOURS = 7
# Steps of a path that a reversal spans at most.
SPAN = 24
ROUNDS = 25
# Of all rounds together, so that a file of any size is done with.
MOST_STEPS = 500_000
LEAST_GAIN = 1e-9


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
    neighbours are looked at (:mod:`atlas.data.ordering`), in time n log n.

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
        from atlas.data.ordering import order_dense_points

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


def order_dense_points(points: np.ndarray, starts: Iterable[np.ndarray]) -> np.ndarray:
    """Order many points along a short open path through them.

    Parameters
    ----------
    points : (n, 3) float
        LPS mm, no two alike, n >= 3.
    starts : iterable of (n,) int
        Orders to begin from besides the one that is found here; the first wins on a tie.

    Returns
    -------
    (n,) int
        Indices, from either end.

    Notes
    -----
    Greedy edges among neighbours (Bentley 1992, doi:10.1287/ijoc.4.4.387), then 2-opt over
    ``SPAN`` steps and or-opt to neighbours for ``ROUNDS`` rounds at most: O(n log n).
    """
    from scipy.spatial import KDTree

    near = KDTree(points).query(points, k=min(NEIGHBOURS, len(points)))[1][:, 1:]
    paths = [*starts, _greedy_path(points, near)]
    lengths = [np.linalg.norm(np.diff(points[path], axis=0), axis=1).sum() for path in paths]
    path = paths[int(np.argmin(np.round(lengths, 9)))]
    for _ in range(min(ROUNDS, max(1, MOST_STEPS // len(points)))):
        path, reversed_some = _reversed(points, path)
        path, moved_some = _relocated(points, path, near)
        if not (reversed_some or moved_some):
            break
    return path


class _Fragments:
    """Pieces of a path: which points follow each other, and which belong together."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))
        self.next: list[list[int]] = [[] for _ in range(n)]
        self.count = n

    def root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Join each pair whose points are ends of two fragments, in the order given."""
        for i, j in pairs:
            if len(self.next[i]) == 2 or len(self.next[j]) == 2:
                continue
            a, b = self.root(i), self.root(j)
            if a != b:
                self.parent[a] = b
                self.next[i].append(j)
                self.next[j].append(i)
                self.count -= 1

    def along(self) -> Iterator[int]:
        """Points of the one fragment that is left, from end to end."""
        here: int | None = next(i for i, other in enumerate(self.next) if len(other) < 2)
        before = -1
        while here is not None:
            yield here
            before, here = here, next((j for j in self.next[here] if j != before), None)


def _greedy_path(points: np.ndarray, near: np.ndarray) -> np.ndarray:
    from scipy.spatial import KDTree

    fragments = _Fragments(len(points))
    fragments.join(_by_length(points, np.arange(len(points)), near))
    while fragments.count > 1:
        ends = np.array([i for i, other in enumerate(fragments.next) if len(other) < 2])
        # Itself and its fragment's other end are two of them: the others are ends elsewhere.
        around = KDTree(points[ends]).query(points[ends], k=min(5, len(ends)))[1][:, 1:]
        fragments.join(_by_length(points, ends, ends[around]))
    return np.fromiter(fragments.along(), dtype=int, count=len(points))


def _by_length(points: np.ndarray, of: np.ndarray, near: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of each point of ``of`` (m,) and its neighbours (m, k), the shortest first."""
    first, second = np.repeat(of, near.shape[1]), near.ravel()
    length = np.linalg.norm(points[first] - points[second], axis=1)
    order = np.lexsort((second, first, length))
    return zip(first[order].tolist(), second[order].tolist(), strict=True)


def _reversed(points: np.ndarray, path: np.ndarray) -> tuple[np.ndarray, bool]:
    """Reverse short stretches wherever that makes the path shorter; whether it did anywhere."""
    along, n = points[path], len(path)
    best, width = np.zeros(n), np.zeros(n, dtype=int)
    for span in range(1, min(SPAN, n - 1) + 1):
        first = np.arange(n - span)
        gain = _stretch(along, first - 1, first) + _stretch(along, first + span, first + span + 1)
        gain -= _stretch(along, first - 1, first + span) + _stretch(along, first, first + span + 1)
        better = gain > best[: n - span]
        best[: n - span][better], width[: n - span][better] = gain[better], span
    path, touched, some = path.copy(), np.zeros(n + 2, dtype=bool), False
    for i in np.argsort(-best, kind="stable")[: int((best > LEAST_GAIN).sum())].tolist():
        # One place on, as the table has a border; ends of the stretches to close count as touched.
        j = i + int(width[i])
        if not touched[i : j + 3].any():
            touched[i : j + 3], some = True, True
            path[i : j + 1] = path[i : j + 1][::-1].copy()
    return path, some


def _relocated(points: np.ndarray, path: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, bool]:
    """Take single points out and put them beside a neighbour; whether any was."""
    along, n = points[path], len(path)
    place = np.empty(n, dtype=int)
    place[path] = np.arange(n)
    k = np.arange(n)
    closed = np.where((k == 0) | (k == n - 1), 0.0, _stretch(along, k - 1, k + 1))
    freed = _stretch(along, k - 1, k) + _stretch(along, k, k + 1) - closed
    best, edge = np.zeros(n), np.zeros(n, dtype=int)
    for neighbour in place[near[path]].T:
        # Edge e lies before point e of the path, the last one beyond its end.
        for e in (neighbour, neighbour + 1):
            cost = _stretch(along, e - 1, k) + _stretch(along, e, k) - _stretch(along, e - 1, e)
            gain = np.where((e == k) | (e == k + 1), 0.0, freed - cost)
            better = gain > best
            best[better], edge[better] = gain[better], e[better]
    key, touched, some = k.astype(float), np.zeros(n + 2, dtype=bool), False
    for i in np.argsort(-best, kind="stable")[: int((best > LEAST_GAIN).sum())].tolist():
        e = int(edge[i])
        if not touched[i : i + 3].any() and not touched[e : e + 2].any():
            touched[i : i + 3], touched[e : e + 2], some = True, True, True
            key[i] = e - 0.5
    return path[np.argsort(key, kind="stable")], some


def _stretch(along: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of point a of a path from point b, 0 where either lies beyond an end."""
    n = len(along)
    inside = (a >= 0) & (b >= 0) & (a < n) & (b < n)
    apart = along[np.clip(a, 0, n - 1)] - along[np.clip(b, 0, n - 1)]
    return np.where(inside, np.sqrt((apart**2).sum(axis=1)), 0.0)
