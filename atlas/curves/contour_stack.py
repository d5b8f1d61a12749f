"""Contours of a stack in one array, one after the other: middles, areas, sizes.

What is asked of contours is asked of a hundred and more at once, each of its own number of points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class ContourStack:
    """Points of g contours (or open traces), one after the other, m in all.

    Parameters
    ----------
    points : (m, d) float
        The first of a contour does not stand again at its end.
    first, count : (g,) int
        Where each contour begins, and its number of points, at least 1.
    """

    points: np.ndarray
    first: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, contours: Sequence[np.ndarray] | np.ndarray) -> ContourStack:
        """Join contours (n_i, d)."""
        count = np.array([len(contour) for contour in contours], dtype=int)
        points = np.concatenate(list(contours)) if len(count) else np.empty((0, 3))
        return cls(points, np.cumsum(count) - count, count)

    def __len__(self) -> int:
        return len(self.count)

    def __getitem__(self, i: int) -> np.ndarray:
        """The points (n_i, d) of a contour."""
        return self.points[self.first[i] : self.first[i] + self.count[i]]

    @property
    def owner(self) -> np.ndarray:
        """Contour (m,) of each point."""
        return np.repeat(np.arange(len(self.count)), self.count)

    @property
    def following(self) -> np.ndarray:
        """The next point (m,) of the same contour; the first follows the last."""
        return following(self.first, self.count)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values (g, ...) of contours at each of their points, (m, ...)."""
        return np.repeat(values, self.count, axis=0)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Values (m, ...) of points by contour."""
        return np.split(values, self.first[1:]) if len(self) else []

    def take(self, members: np.ndarray) -> ContourStack:
        """Contours ``members`` (h,), in that order."""
        count = self.count[members]
        first = np.cumsum(count) - count
        which = np.repeat(self.first[members] - first, count) + np.arange(count.sum())
        return ContourStack(self.points[which], first, count)

    def about(self, centres: np.ndarray) -> ContourStack:
        """Contours in the plane of the first two axes, each about a centre of its own (g, 2)."""
        return ContourStack(self.points[:, :2] - self.spread(centres), self.first, self.count)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sums (g, ...) of values (m, ...) over the points of each contour."""
        return np.asarray(np.add.reduceat(values, self.first))

    def least(self, values: np.ndarray) -> np.ndarray:
        """Least (g, ...) of values (m, ...) over the points of each contour."""
        return np.asarray(np.minimum.reduceat(values, self.first))

    def greatest(self, values: np.ndarray) -> np.ndarray:
        """Greatest (g, ...) of values (m, ...) over the points of each contour."""
        return np.asarray(np.maximum.reduceat(values, self.first))

    def rising(self, values: np.ndarray) -> np.ndarray:
        """Order (m,) in which values (m,) rise within each contour; of equal ones as they were."""
        return np.lexsort((values, self.owner))

    def medians(self, values: np.ndarray) -> np.ndarray:
        """Medians (g,) of values (m,) over the points of each contour."""
        ordered = values[self.rising(values)]
        low, high = self.first + (self.count - 1) // 2, self.first + self.count // 2
        return np.asarray((ordered[low] + ordered[high]) / 2)

    @property
    def means(self) -> np.ndarray:
        """Mean points (g, d)."""
        return self.total(self.points) / self.count[:, None]

    def areas_centroids(self) -> tuple[np.ndarray, np.ndarray]:
        """Signed areas (g,) and area centroids (g, d), see :func:`areas_centroids`."""
        areas, centroids = areas_centroids(self.points.T, self.first, self.count)
        return areas, centroids.T

    def turn_steadily(self) -> np.ndarray:
        """Mask (g,) of plane contours that turn once, steadily, about their mean: so are simple."""
        x, y = (self.points - self.spread(self.means)).T
        after = self.following
        cross = x * y[after] - y * x[after]
        steady = (self.least(cross) > 0) | (self.greatest(cross) < 0)
        # A steady turn may go round more than once; each round passes the half axis once.
        return np.asarray(steady & (self.total(((y > 0) & (y[after] <= 0)).astype(int)) == 1))


def following(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Index (m,) of the next of each of m points of contours, at the end of one its first."""
    after = np.arange(1, int(count.sum()) + 1)
    after[first + count - 1] = first
    return after


def areas_centroids(
    corners: np.ndarray, first: np.ndarray, count: np.ndarray, *, in_space: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Areas and area centroids of polygons, one after the other.

    Parameters
    ----------
    corners : (d, m) float
        Coordinates come first, so that sums run along memory.
    first, count : (g,) int
        As of :class:`ContourStack`.
    in_space : bool
        Measure each in a plane of its own, by the vector area (d = 3), not in that of the first two
        axes.

    Returns
    -------
    areas : (g,) float
        Positive where a polygon turns from the first axis to the second, and in space; NaN of NaN.
    centroids : (d, g) float
        All axes are weighted alike; the mean corner of a polygon of no area.
    """
    # An annotated contour is not quite planar: about its middle each side counts alike.
    origin = np.add.reduceat(corners, first, axis=1) / count
    a = corners - np.repeat(origin, count, axis=1)
    b = a[:, following(first, count)]
    if in_space:
        cross = np.stack([a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)])
        normal = np.add.reduceat(cross, first, axis=1)
        twice = np.sqrt((normal**2).sum(axis=0))
        weight = (cross * np.repeat(normal / np.where(twice == 0, 1, twice), count, 1)).sum(axis=0)
    else:
        weight = a[0] * b[1] - a[1] * b[0]
        twice = np.add.reduceat(weight, first)
    a += b
    a *= weight
    moments = np.add.reduceat(a, first, axis=1)
    enclosing = np.where(twice == 0, 1, 3 * twice)
    return twice / 2, origin + np.where(twice == 0, 0, moments) / enclosing


def ring_areas_centroids(rings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed areas (k,) and area centroids (k, d) of rings (k, n, d), see :func:`areas_centroids`.

    Examples
    --------
    >>> ring_areas_centroids(np.array([[[0, 0], [2, 0], [2, 1], [0, 1.0]]]))
    (array([2.]), array([[1. , 0.5]]))
    """
    k, n, d = rings.shape
    corners = np.moveaxis(rings, 2, 0).reshape(d, -1)
    areas, centroids = areas_centroids(corners, n * np.arange(k), np.full(k, n))
    return areas, centroids.T


def nearest(heights: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of heights (n,), n >= 1, is nearest to each of others (m,), and how far it is."""
    order = np.argsort(heights, kind="stable")
    ordered = heights[order]
    after = np.clip(np.searchsorted(ordered, of), 1, len(order) - 1) if len(order) > 1 else 0
    before = np.maximum(after - 1, 0)
    gaps = np.abs(of - ordered[before]), np.abs(ordered[after] - of)
    which = np.where(gaps[0] <= gaps[1], before, after)
    return order[which], np.minimum(*gaps)


def at_heights(heights: np.ndarray, values: np.ndarray, of: np.ndarray | float) -> np.ndarray:
    """Values (n, ...) at heights (n,), in any order, interpolated at others and held beyond."""
    order = np.argsort(heights)
    columns = values[order].reshape(len(order), -1).T
    at = np.stack([np.interp(of, heights[order], column) for column in columns], axis=-1)
    return at.reshape((*np.shape(of), *values.shape[1:]))
