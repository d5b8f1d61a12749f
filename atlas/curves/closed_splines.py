"""Periodic splines through closed contours, many at once; equal-arc rings from the dorsal midline.

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

from atlas.curves.contour_stack import ContourStack, areas_centroids, following

# Samples a segment for area, arc length and crossings: the chord error of a cubic falls with the
# square, and 16 leaves it under 1e-4 of the length on annotated contours.
SAMPLES_PER_SEGMENT = 16
# Contours whose samples are held at once: more would not stay in a processor's cache.
TOGETHER = 8


@dataclass(frozen=True, slots=True, eq=False)
class ClosedSplines:
    """Periodic cubic splines through g contours of m points in all.

    Parameters
    ----------
    knots : ContourStack
        In space.
    slopes : (m, 3) float
        First derivative by chord length at the knots; NaN for a contour with two knots at one
        place.
    chords : (m,) float
        Chord length of the segment from each knot to the next.
    """

    knots: ContourStack
    slopes: np.ndarray
    chords: np.ndarray

    @classmethod
    def through(cls, contours: Sequence[np.ndarray] | np.ndarray) -> ClosedSplines:
        """Splines through contours (n_i, 3), n_i >= 3, the first point not repeated."""
        knots = ContourStack.of(contours)
        step = knots.points[knots.following] - knots.points
        chords = np.sqrt((step**2).sum(axis=1))
        return cls(knots, _periodic_slopes(step, chords, knots.first, knots.count), chords)

    def __getitem__(self, which: slice) -> ClosedSplines:
        """The splines of neighbouring contours."""
        first, count = self.knots.first[which], self.knots.count[which]
        at = slice(first[0], first[-1] + count[-1])
        knots = ContourStack(self.knots.points[at], first - first[0], count)
        return ClosedSplines(knots, self.slopes[at], self.chords[at])

    def at(self, segment: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Points (..., 3) at segments (...), counted over all contours, and shares of them."""
        after = self.knots.following[segment]
        h, u = self.chords[segment][..., None], share[..., None]
        begin, end = self.knots.points[segment], self.knots.points[after]
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
        points, after = self.knots.points, self.knots.following
        h = self.chords[:, None]
        parts = (points, points[after] - points, h * self.slopes, h * self.slopes[after])
        segments = np.stack([part.T for part in parts], axis=2)
        return (segments.reshape(-1, 4) @ weights).reshape(3, -1)


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
    knots = splines.knots
    first, count = SAMPLES_PER_SEGMENT * knots.first, SAMPLES_PER_SEGMENT * knots.count
    after = following(first, count)
    centroids = areas_centroids(dense, first, count, in_space=True)[1]
    along, across = (
        direction @ dense - np.repeat(direction @ centroids, count)
        for direction in (start, towards)
    )
    steps = np.sqrt(((dense[:, after] - dense) ** 2).sum(axis=0))
    begin, share, sense = _starts(along, across, first, after)
    place = _equal_arcs(steps, begin, share, sense, first=first, count=count, n=n)
    whole = np.fmax(place, 0.0) // SAMPLES_PER_SEGMENT
    segment = np.minimum(whole, knots.count[:, None] - 1).astype(int)
    rings = splines.at(knots.first[:, None] + segment, place / SAMPLES_PER_SEGMENT - segment)
    return rings, centroids.T


def _starts(
    along: np.ndarray, across: np.ndarray, first: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where ``across`` (k,) vanishes at the greatest ``along`` (k,) of each contour.

    The sample before it (g,), the share of the step to the next, and +1 where ``across`` rises.
    """
    next_across = across[after]
    crossing = np.flatnonzero((across < 0) != (next_across < 0))
    contour = np.searchsorted(first, crossing, side="right") - 1
    share = across[crossing] / (across[crossing] - next_across[crossing])
    reach = along[crossing]
    reach = reach + share * (along[after[crossing]] - reach)
    farthest_first = np.lexsort((-reach, contour))
    found, best = np.unique(contour[farthest_first], return_index=True)
    best = farthest_first[best]
    begin, shares = first.copy(), np.zeros(len(first))
    begin[found], shares[found] = crossing[best], share[best]
    return begin, shares, np.where(next_across[begin] > across[begin], 1.0, -1.0)


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
