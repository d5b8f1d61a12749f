"""Contours beyond doubt, a whole stack at once: what the rules for single contours need not see.

Nearly every contour is plain: flat, one steady round, near the outlines beside it.  The measures
of the rules in ``outlines`` are taken here over all points of a stack, one contour after the other
in one array; a contour that passes none of their limits by more than rounding has no fault.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.checks.profile import Sections

FULL = 2 * np.pi
# Between the directions of one contour and those of the next, so that all sort at once.
APART = 8.0
# Of directions and the sums of them with APART.
SLACK = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Points of g contours, one after the other, m in all.

    Parameters
    ----------
    points : (m, d) float
    first, count : (g,) int
        Where each contour begins, and its number of points.
    """

    points: np.ndarray
    first: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, contours: tuple[np.ndarray, ...]) -> Outlines:
        """Join contours (n_i, d), n_i >= 1."""
        count = np.array([len(c) for c in contours], dtype=int)
        return cls(np.concatenate(contours), np.cumsum(count) - count, count)

    @property
    def owner(self) -> np.ndarray:
        """Contour of each point, (m,)."""
        return np.repeat(np.arange(len(self.count)), self.count)

    @property
    def following(self) -> np.ndarray:
        """The next point of the same contour, (m,); the first follows the last."""
        after = np.arange(1, len(self.points) + 1)
        after[self.first + self.count - 1] = self.first
        return after

    def about(self, members: np.ndarray, centres: np.ndarray) -> Outlines:
        """Contours ``members`` (h,) in the plane, each about a centre of its own (h, 2)."""
        count = self.count[members]
        first = np.cumsum(count) - count
        which = np.repeat(self.first[members] - first, count) + np.arange(count.sum())
        return Outlines(self.points[which, :2] - np.repeat(centres, count, axis=0), first, count)

    @property
    def angles(self) -> np.ndarray:
        """Directions of points in the plane, (m,) radians."""
        return np.arctan2(self.points[:, 1], self.points[:, 0])


def stray_mm(outlines: Outlines, centres: np.ndarray) -> np.ndarray:
    """Greatest distance (g,) of a point from the outlines of the two slices beside its own."""
    n = len(centres)
    i = np.arange(n)
    above, below = np.where(i == 0, 2, i - 1), np.where(i == n - 1, n - 3, i + 1)
    own = outlines.about(i, centres)
    reach, angles, owner = np.hypot(*own.points.T), own.angles, own.owner
    off = [reach - _reach_at(outlines.about(j, centres), angles, owner) for j in (above, below)]
    agree = np.sign(off[0]) == np.sign(off[1])
    least = np.where(agree, np.minimum(np.abs(off[0]), np.abs(off[1])), 0.0)
    return np.asarray(np.maximum.reduceat(least, own.first))


def _reach_at(beside: Outlines, angles: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """How far contours reach in given directions (m,), each of the contour ``owner`` (m,)."""
    own = beside.angles % FULL
    key = own + APART * beside.owner
    order = np.argsort(key)
    own, reach = own[order], np.hypot(*beside.points.T)[order]
    angles = angles % FULL
    after = np.searchsorted(key[order], angles + APART * owner, side="right")
    first = beside.first[owner]
    end = first + beside.count[owner]
    # Before the first direction stands the last, and after the last the first.
    begin, after = np.where(after == first, end, after) - 1, np.where(after == end, first, after)
    width = (own[after] - own[begin]) % FULL
    # A direction may come out a rounding error before the one it stands after.
    past = (angles - own[begin] + SLACK) % FULL - SLACK
    share = past / np.where(width > 0, width, FULL)
    return np.asarray(reach[begin] + np.clip(share, 0, 1) * (reach[after] - reach[begin]))


def rounds(outlines: Outlines) -> np.ndarray:
    """Rounds (g,) that plane contours make forwards about the origin."""
    angles = outlines.angles
    turn = (angles[outlines.following] - angles + np.pi) % FULL - np.pi
    left = np.add.reduceat(np.maximum(turn, 0), outlines.first)
    right = np.add.reduceat(np.maximum(-turn, 0), outlines.first)
    return np.asarray(np.where(left >= right, left, right) / FULL)


def widest_gaps_deg(outlines: Outlines) -> np.ndarray:
    """Widest angle (g,) without points of plane contours, seen from the origin."""
    angles = outlines.angles
    angles = angles[np.argsort(angles + APART * outlines.owner)]
    gaps = np.diff(angles, append=0.0)
    last = outlines.first + outlines.count - 1
    gaps[last] = angles[outlines.first] + FULL - angles[last]
    return np.degrees(np.maximum.reduceat(gaps, outlines.first))


def turn_steadily(outlines: Outlines) -> np.ndarray:
    """Mask (g,) of plane contours that turn once, steadily, about their mean: these are simple."""
    means = np.add.reduceat(outlines.points, outlines.first) / outlines.count[:, None]
    x, y = (outlines.points - np.repeat(means, outlines.count, axis=0)).T
    after = outlines.following
    cross = x * y[after] - y * x[after]
    steady = np.minimum.reduceat(cross, outlines.first) > 0
    steady |= np.maximum.reduceat(cross, outlines.first) < 0
    passes = np.add.reduceat(((y > 0) & (y[after] <= 0)).astype(int), outlines.first)
    return np.asarray(steady & (passes == 1))


def out_of_plane_mm(stack: Sections, outlines: Outlines) -> np.ndarray:
    """Greatest distance (g,) of a point from the height of its contour."""
    away = np.abs(outlines.points[:, 2] - np.repeat(stack.heights, outlines.count))
    return np.asarray(np.maximum.reduceat(away, outlines.first))
