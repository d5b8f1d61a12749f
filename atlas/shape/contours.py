"""Closed contours, many at once: periodic splines, area, equal-arc rings from the dorsal midline.

The interpolant is the periodic cubic spline by chord length, that of
``scipy.interpolate.CubicSpline(..., bc_type="periodic")``; a stack has a hundred contours, and
solving them together is what makes reading a cohort quick.  All functions are equivariant
under rigid motion.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Samples a segment for area, arc length and crossings: the chord error of a cubic falls with the
# square, and 16 leaves it under 1e-4 of the length on annotated contours.
SAMPLES_PER_SEGMENT = 16


@dataclass(frozen=True, slots=True, eq=False)
class ClosedSplines:
    """Periodic cubic splines through contours of equally many points.

    Parameters
    ----------
    points : (g, n + 1, 3) float
        Knots; the first stands again at the end.
    slopes : (g, n + 1, 3) float
        First derivative by chord length at the knots.
    chords : (g, n) float
        Chord length of each segment.
    """

    points: np.ndarray
    slopes: np.ndarray
    chords: np.ndarray

    @classmethod
    def through(cls, contours: np.ndarray) -> ClosedSplines:
        """Splines through contours (g, n, 3), n >= 3, the first point not repeated.

        The slopes make the second derivative continuous: with chords ``h`` and knots ``y``,
        ``s[i-1]/h[i-1] + 2 (1/h[i-1] + 1/h[i]) s[i] + s[i+1]/h[i]``
        ``= 3 (y[i] - y[i-1])/h[i-1]^2 + 3 (y[i+1] - y[i])/h[i]^2``, indices cyclic.
        """
        step = np.roll(contours, -1, axis=1) - contours
        chords = np.linalg.norm(step, axis=2)
        inverse = 1 / chords
        before = np.roll(inverse, 1, axis=1)
        n = contours.shape[1]
        i = np.arange(n)
        matrix = np.zeros((len(contours), n, n))
        matrix[:, i, i] = 2 * (before + inverse)
        matrix[:, i, (i + 1) % n] += inverse
        matrix[:, i, (i - 1) % n] += before
        rate = 3 * step * inverse[..., None] ** 2
        slopes = np.linalg.solve(matrix, rate + np.roll(rate, 1, axis=1))
        close = np.arange(n + 1) % n
        return cls(contours[:, close], slopes[:, close], chords)

    def at(self, segment: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Points (g, m, 3) at segments (g, m) and shares of them (g, m), 0 to 1."""
        row = np.arange(len(self.points))[:, None]
        h, u = self.chords[row, segment][..., None], share[..., None]
        begin, end = self.points[row, segment], self.points[row, segment + 1]
        leave, arrive = h * self.slopes[row, segment], h * self.slopes[row, segment + 1]
        bend = 3 * (end - begin) - 2 * leave - arrive
        twist = leave + arrive - 2 * (end - begin)
        return begin + u * (leave + u * (bend + u * twist))

    def sample(self) -> np.ndarray:
        """Dense closed polygons (g, k + 1, 3), k samples a contour and the first again."""
        n = self.chords.shape[1]
        k = np.arange(n * SAMPLES_PER_SEGMENT)
        shape = (len(self.points), len(k))
        segment = np.broadcast_to(k // SAMPLES_PER_SEGMENT, shape)
        share = np.broadcast_to(k % SAMPLES_PER_SEGMENT / SAMPLES_PER_SEGMENT, shape)
        dense = self.at(segment, share)
        return np.concatenate([dense, dense[:, :1]], axis=1)


def sample_contours(contours: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Dense closed polygons (k_i + 1, 3) on the periodic splines through contours (n_i, 3)."""
    dense: list[np.ndarray] = [np.empty(0)] * len(contours)
    for members, stacked in _by_size(contours):
        for i, polygon in zip(members, ClosedSplines.through(stacked).sample(), strict=True):
            dense[i] = polygon
    return dense


def area_centroids(polygons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and area centroids of closed planar polygons in space.

    Parameters
    ----------
    polygons : (g, k + 1, 3) float
        The first point again at the end; any orientation.

    Returns
    -------
    areas : (g,) float
    centroids : (g, 3) float

    Examples
    --------
    >>> area_centroids(np.array([[[0, 0, 1], [2, 0, 1], [2, 1, 1], [0, 1, 1], [0, 0, 1.0]]]))
    (array([2.]), array([[1. , 0.5, 1. ]]))
    """
    origin = polygons[:, :-1].mean(axis=1, keepdims=True)
    a, b = polygons[:, :-1] - origin, polygons[:, 1:] - origin
    cross = np.cross(a, b)
    normal = cross.sum(axis=1)
    twice = np.linalg.norm(normal, axis=1)
    weight = np.einsum("gkj,gj->gk", cross, normal / twice[:, None])
    moment = np.einsum("gk,gkj->gj", weight, a + b)
    return twice / 2, origin[:, 0] + moment / (3 * twice[:, None])


def resample_contours(
    contours: Sequence[np.ndarray], n: int, *, start: np.ndarray, towards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Resample closed contours to equal arc lengths from an anatomical start.

    Parameters
    ----------
    contours : sequence of (k_i, 3) float
        Simple, nearly planar; their own first points and orientations do not matter.
    n : int
        Points a ring.
    start : (3,) float
        Direction from the centroid in which point 0 lies (dorsal).
    towards : (3,) float
        Direction in which the order leaves point 0 (left).

    Returns
    -------
    rings : (S, n, 3) float
        On the periodic splines through the contours.
    centroids : (S, 3) float
        Of the areas inside the splines.
    """
    rings = np.empty((len(contours), n, 3))
    centroids = np.empty((len(contours), 3))
    for members, stacked in _by_size(contours):
        splines = ClosedSplines.through(stacked)
        dense = splines.sample()
        centroids[members] = area_centroids(dense)[1]
        relative = dense - centroids[members, None]
        rings[members] = _equal_arcs(splines, dense, relative @ start, relative @ towards, n)
    return rings, centroids


def _equal_arcs(
    splines: ClosedSplines, dense: np.ndarray, along: np.ndarray, across: np.ndarray, n: int
) -> np.ndarray:
    """Rings (g, n, 3) from where ``across`` vanishes at the greatest ``along`` (g, k + 1)."""
    row = np.arange(len(dense))
    crossing = (across[:, :-1] < 0) != (across[:, 1:] < 0)
    share = np.divide(
        across[:, :-1], across[:, :-1] - across[:, 1:], out=np.zeros(crossing.shape), where=crossing
    )
    reach = along[:, :-1] + share * (along[:, 1:] - along[:, :-1])
    at = np.where(crossing, reach, -np.inf).argmax(axis=1)
    steps = np.linalg.norm(np.diff(dense, axis=1), axis=2)
    length = np.concatenate([np.zeros((len(dense), 1)), np.cumsum(steps, axis=1)], axis=1)
    begin = length[row, at] + share[row, at] * steps[row, at]
    sense = np.where(across[row, at + 1] > across[row, at], 1.0, -1.0)
    total = length[:, -1:]
    goal = (begin[:, None] + sense[:, None] * total * np.arange(n) / n) % total
    # One search for all rows: each row's lengths moved clear of the row before it.
    offset = (row * (2 * total.max()))[:, None]
    found = np.searchsorted((length + offset).ravel(), (goal + offset).ravel(), side="right") - 1
    cell = np.clip(
        found.reshape(goal.shape) - row[:, None] * length.shape[1], 0, steps.shape[1] - 1
    )
    part = (goal - np.take_along_axis(length, cell, 1)) / np.take_along_axis(steps, cell, 1)
    place = cell + np.clip(part, 0, 1)
    segment = np.minimum(place // SAMPLES_PER_SEGMENT, splines.chords.shape[1] - 1).astype(int)
    return splines.at(segment, place / SAMPLES_PER_SEGMENT - segment)


def _by_size(contours: Sequence[np.ndarray]) -> list[tuple[list[int], np.ndarray]]:
    """Contours stacked by their number of points: indices and (g, n, 3) each."""
    groups: dict[int, list[int]] = defaultdict(list)
    for i, contour in enumerate(contours):
        groups[len(contour)].append(i)
    return [(g, np.stack([contours[i] for i in g])) for g in groups.values()]
