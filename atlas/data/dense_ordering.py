"""The order of very many points along a root, as a program resamples it: by neighbours only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

NEIGHBOURS = 7
# Steps of a path that a reversal spans at most.
SPAN = 24
ROUNDS = 25
# Of all rounds together, so that a file of any size is done with.
MOST_STEPS = 500_000
LEAST_GAIN = 1e-9


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
