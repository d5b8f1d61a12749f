"""Closed contours, many at once: periodic splines, area, equal-arc rings from the dorsal midline.

The interpolant is the periodic cubic spline by chord length, that of
``scipy.interpolate.CubicSpline(..., bc_type="periodic")``; a stack has a hundred contours of
twenty lengths, and one banded system for all of them is what makes reading a cohort quick.  All
functions are equivariant under rigid motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

# Samples a segment for area, arc length and crossings: the chord error of a cubic falls with the
# square, and 16 leaves it under 1e-4 of the length on annotated contours.
SAMPLES_PER_SEGMENT = 16
# Contours whose samples are held at once: more would not stay in a processor's cache.
TOGETHER = 8


@dataclass(frozen=True, slots=True, eq=False)
class ClosedSplines:
    """Periodic cubic splines through g contours of m points in all, one after the other.

    Parameters
    ----------
    points : (m, 3) float
        Knots; the first of a contour does not stand again at its end.
    slopes : (m, 3) float
        First derivative by chord length at the knots; NaN for a contour with two knots at one
        place.
    chords : (m,) float
        Chord length of the segment from each knot to the next.
    first : (g,) int
        Where each contour begins.
    count : (g,) int
        Its number of points.
    """

    points: np.ndarray
    slopes: np.ndarray
    chords: np.ndarray
    first: np.ndarray
    count: np.ndarray

    @classmethod
    def through(cls, contours: Sequence[np.ndarray] | np.ndarray) -> ClosedSplines:
        """Splines through contours (n_i, 3), n_i >= 3, the first point not repeated."""
        count = np.array([len(contour) for contour in contours], dtype=int)
        points = np.concatenate(list(contours)) if len(count) else np.empty((0, 3))
        first = np.cumsum(count) - count
        step = points[_following(first, count)] - points
        chords = np.sqrt((step**2).sum(axis=1))
        slopes = _periodic_slopes(step, chords, first, count)
        return cls(points, slopes, chords, first, count)

    def __getitem__(self, which: slice) -> ClosedSplines:
        """The splines of neighbouring contours."""
        first, count = self.first[which], self.count[which]
        knots = slice(first[0], first[-1] + count[-1])
        return ClosedSplines(
            self.points[knots], self.slopes[knots], self.chords[knots], first - first[0], count
        )

    def at(self, segment: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Points (..., 3) at segments (...), counted over all contours, and shares of them."""
        after = _following(self.first, self.count)[segment]
        h, u = self.chords[segment][..., None], share[..., None]
        begin, end = self.points[segment], self.points[after]
        leave, arrive = h * self.slopes[segment], h * self.slopes[after]
        bend = 3 * (end - begin) - 2 * leave - arrive
        twist = leave + arrive - 2 * (end - begin)
        return begin + u * (leave + u * (bend + u * twist))

    def sample(self, each: int = SAMPLES_PER_SEGMENT) -> np.ndarray:
        """Points (3, each m) at equal shares of every segment, knots included.

        Coordinates come first: what is computed from so many points runs along memory.
        """
        u = np.arange(each) / each
        # Of a knot, the step from it and the slopes at both ends: a plane contour stays in it.
        weights = np.stack([u**0, u**2 * (3 - 2 * u), u * (1 - u) ** 2, u**2 * (u - 1)])
        after = _following(self.first, self.count)
        h = self.chords[:, None]
        step = self.points[after] - self.points
        parts = (self.points, step, h * self.slopes, h * self.slopes[after])
        segments = np.stack([part.T for part in parts], axis=2)
        return (segments.reshape(-1, 4) @ weights).reshape(3, -1)


def sample_contours(contours: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Dense closed polygons (k_i + 1, 3) on the periodic splines through contours (n_i, 3)."""
    splines = ClosedSplines.through(contours)
    dense = np.ascontiguousarray(splines.sample().T)
    begins = SAMPLES_PER_SEGMENT * splines.first
    ends = begins + SAMPLES_PER_SEGMENT * splines.count
    return [
        np.concatenate([dense[a:b], dense[a : a + 1]]) for a, b in zip(begins, ends, strict=True)
    ]


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
    g, k = len(polygons), polygons.shape[1] - 1
    corners = np.moveaxis(polygons[:, :-1], 2, 0).reshape(3, -1)
    first, count = k * np.arange(g), np.full(g, k)
    areas, centroids = _areas_centroids(corners, _next(corners, first, count), first, count)
    return areas, centroids.T


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
    splines = ClosedSplines.through(contours)
    parts = [
        _equal_arc_rings(splines[i : i + TOGETHER], n, start, towards)
        for i in range(0, len(contours), TOGETHER)
    ]
    if not parts:
        return np.empty((0, n, 3)), np.empty((0, 3))
    rings, centroids = zip(*parts, strict=True)
    return np.concatenate(rings), np.concatenate(centroids)


def _equal_arc_rings(
    splines: ClosedSplines, n: int, start: np.ndarray, towards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rings (g, n, 3) and area centroids (g, 3) of contours."""
    dense = splines.sample()
    first, count = SAMPLES_PER_SEGMENT * splines.first, SAMPLES_PER_SEGMENT * splines.count
    after = _next(dense, first, count)
    centroids = _areas_centroids(dense, after, first, count)[1]
    along, across = (
        direction @ dense - np.repeat(direction @ centroids, count)
        for direction in (start, towards)
    )
    steps = np.sqrt(((after - dense) ** 2).sum(axis=0))
    begin, share, sense = _starts(along, across, first, count)
    place = _equal_arcs(steps, begin, share, sense, first=first, count=count, n=n)
    whole = np.fmax(place, 0.0) // SAMPLES_PER_SEGMENT
    segment = np.minimum(whole, splines.count[:, None] - 1).astype(int)
    rings = splines.at(splines.first[:, None] + segment, place / SAMPLES_PER_SEGMENT - segment)
    return rings, centroids.T


def _starts(
    along: np.ndarray, across: np.ndarray, first: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where ``across`` (k,) vanishes at the greatest ``along`` (k,) of each contour.

    The sample before it (g,), the share of the step to the next, and +1 where ``across`` rises.
    """
    after = _next(across, first, count)
    crossing = np.flatnonzero((across < 0) != (after < 0))
    contour = np.searchsorted(first, crossing, side="right") - 1
    share = across[crossing] / (across[crossing] - after[crossing])
    reach = along[crossing]
    reach = reach + share * (_next(along, first, count)[crossing] - reach)
    farthest_first = np.lexsort((-reach, contour))
    found, best = np.unique(contour[farthest_first], return_index=True)
    best = farthest_first[best]
    begin, shares = first.copy(), np.zeros(len(first))
    begin[found], shares[found] = crossing[best], share[best]
    return begin, shares, np.where(after[begin] > across[begin], 1.0, -1.0)


def _equal_arcs(
    steps: np.ndarray,
    begin: np.ndarray,
    share: np.ndarray,
    sense: np.ndarray,
    *,
    first: np.ndarray,
    count: np.ndarray,
    n: int,
) -> np.ndarray:
    """Places (g, n), in steps (k,) from each contour's own first, at equal arc lengths."""
    row, longest = np.arange(len(first))[:, None], int(count.max())
    length = np.zeros((len(first), longest + 1))
    # Summed row by row: a contour's ring is the same to the last digit wherever it stands.
    # One without a length must not spoil the search in the others.
    length[:, 1:][np.arange(longest) < count[:, None]] = np.fmax(steps, 0.0)
    np.cumsum(length, axis=1, out=length)
    total = length[:, -1:]
    start = length[row[:, 0], begin - first] + share * steps[begin]
    goal = (start[:, None] + sense[:, None] * total * np.arange(n) / n) % total
    # One search for all rows: each row's lengths moved clear of the row before it.
    offset = row * (2 * total.max())
    found = np.searchsorted((length + offset).ravel(), (goal + offset).ravel(), side="right") - 1
    cell = np.clip(found.reshape(goal.shape) - row * (longest + 1), 0, count[:, None] - 1)
    part = (goal - length[row, cell]) / steps[first[:, None] + cell]
    return cell + np.clip(part, 0, 1)


def _areas_centroids(
    corners: np.ndarray, after: np.ndarray, first: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Areas (g,) and area centroids (3, g) of polygons with corners (3, k), one after the other."""
    # An annotated contour is not quite planar: about its middle each side counts alike.
    origin = np.add.reduceat(corners, first, axis=1) / count
    about = np.repeat(origin, count, axis=1)
    a, b = corners - about, after - about
    cross = np.stack([a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)])
    normal = np.add.reduceat(cross, first, axis=1)
    twice = np.sqrt((normal**2).sum(axis=0))
    weight = (cross * np.repeat(normal / twice, count, axis=1)).sum(axis=0)
    a += b
    a *= weight
    return twice / 2, origin + np.add.reduceat(a, first, axis=1) / (3 * twice)


def _following(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Index (m,) of the next of each of m points, at the end of a contour its first."""
    following = np.arange(1, int(count.sum()) + 1)
    following[first + count - 1] = first
    return following


def _next(values: np.ndarray, first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Values (..., k) of the next point, at the end of a contour those of its first."""
    after = np.empty_like(values)
    after[..., :-1] = values[..., 1:]
    after[..., first + count - 1] = values[..., first]
    return after


def _periodic_slopes(
    step: np.ndarray, chords: np.ndarray, first: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Slopes (m, 3) at the knots that make the second derivative continuous.

    With chords ``h`` and steps ``d`` to the next knot, indices cyclic:
    ``s[i-1]/h[i-1] + 2 (1/h[i-1] + 1/h[i]) s[i] + s[i+1]/h[i]``
    ``= 3 d[i-1]/h[i-1]^2 + 3 d[i]/h[i]^2``.
    The corners of each contour's matrix, ``1/h`` of the segment that closes it, are ``c w w'`` with
    ``w`` 1 at its first and last knot (Sherman & Morrison 1950); what is left of all contours
    together is one tridiagonal matrix.
    """
    last = first + count - 1
    known = chords > 0
    inverse = np.divide(1.0, chords, out=np.ones(len(chords)), where=known)
    rate = np.where(known[:, None], 3 * step * inverse[:, None] ** 2, 0.0)
    before, rate_before = np.empty_like(inverse), np.empty_like(rate)
    before[1:], before[first] = inverse[:-1], inverse[last]
    rate_before[1:], rate_before[first] = rate[:-1], rate[last]
    corner = inverse[last][:, None]
    banded = np.zeros((2, len(chords)))
    banded[1] = 2 * (before + inverse)
    for end in (first, last):
        banded[1, end] -= corner[:, 0]
    banded[0, 1:] = inverse[:-1]
    banded[0, first] = 0.0
    right = np.zeros((len(chords), 4))
    right[:, :3] = rate + rate_before
    right[first, 3] = right[last, 3] = 1.0
    solved = solveh_banded(banded, right, overwrite_b=True, check_finite=False)
    slopes, bent = solved[:, :3], solved[:, 3:]
    pull = corner * (slopes[first] + slopes[last]) / (1 + corner * (bent[first] + bent[last]))
    slopes = slopes - bent * np.repeat(pull, count, axis=0)
    slopes[np.repeat(~np.logical_and.reduceat(known, first), count)] = np.nan
    return slopes
