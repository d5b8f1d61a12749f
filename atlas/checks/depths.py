"""Traced points outside the dura or inside the cord."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from atlas.checks.profile import contours_at, point_place
from atlas.checks.rules import finding_of
from atlas.curves.closed_splines import SAMPLES_PER_SEGMENT, ClosedSplines
from atlas.curves.contour_stack import ContourStack, nearest
from atlas.curves.polygons import depths_in_contours
from atlas.data.subject import Finding, Place, RootKey, Subject, stack_axis

# On which side of a contour a point is, is certain from here on, mm.
ROUNDING_MM = 1e-6
SAME_SLICE_MM = 0.05


def misplaced_points(subject: Subject, *, told: Collection[Place] = ()) -> list[Finding]:
    """Traced root points outside the dura or inside the cord, by the interpolated contours.

    Parameters
    ----------
    subject : Subject
    told : collection of Place
        Roots, points of them and contours that another finding accounts for; points are not held
        against such contours.

    Returns
    -------
    list of Finding
        ``outside-dura`` and ``inside-cord`` (warnings), ``dural-exit`` (notes).
    """
    traces = ContourStack.of(tuple(subject.roots.values()))
    amounts = []
    for kind, sign in (("dura", -1), ("cord", 1)):
        stack = _sound_stack(subject, kind, told)
        beyond = stack.beyond(traces.points, sign) if stack else np.zeros(len(traces.points))
        amounts.append(traces.split(beyond))
    findings: list[Finding] = []
    for key, out, into in zip(subject.roots, *amounts, strict=True):
        if Place("root", *key) not in told:
            found = [*_outside(subject, key, out), *_inside(subject, key, into)]
            findings += [f for f in found if f.at not in told]
    return findings


def _sound_stack(subject: Subject, kind: str, told: Collection[Place]) -> SplineStack | None:
    """The stack without slices that have a wrong contour; all of it where few would be left."""
    contours = getattr(subject, kind)
    # Of two contours in one slice, either may be the wrong one.
    heights = ContourStack.of(contours).means[:, 2]
    apart = np.abs(heights[:, None] - heights[contours_at(kind, told)])
    sound = [contours[i] for i in np.flatnonzero((apart > SAME_SLICE_MM).all(axis=1))]
    return SplineStack.of(sound if len(sound) >= 4 else contours) if contours else None


def _outside(subject: Subject, key: RootKey, beyond: np.ndarray) -> Iterator[Finding]:
    within = np.flatnonzero(~(beyond > 0))
    # From here on all points are outside, to the end.
    leaving = within[-1] + 1 if len(within) else 0
    for i in np.flatnonzero(beyond > 0).tolist():
        rule, more = (
            ("dural-exit", ": the root leaves the sac here")
            if i >= leaving
            else ("outside-dura", "; check the tracing")
        )
        text = f"traced point {beyond[i]:.2f} mm outside the dura{more}"
        yield finding_of(subject.id, rule, point_place(subject, key, i), text)


def _inside(subject: Subject, key: RootKey, into: np.ndarray) -> Iterator[Finding]:
    for i in np.flatnonzero(into > 0).tolist():
        text = f"traced point {into[i]:.2f} mm inside the cord; check the tracing"
        yield finding_of(subject.id, "inside-cord", point_place(subject, key, i), text)


@dataclass(frozen=True, slots=True, eq=False)
class SplineStack:
    """Contours as periodic splines in their common plane, each at its height.

    Parameters
    ----------
    corners, dense : ContourStack
        The points of n contours, and dense points on the splines through them, along the axes.
    heights : (n,) float
        Along the stack's normal, mm: the means of the dense points.
    bends : (n,) float
        How far the dense polygon of each stays from that of its corners at most, mm.
    axes : (3, 3) float
        Columns: the plane's two axes and the normal.
    """

    corners: ContourStack
    dense: ContourStack
    heights: np.ndarray
    bends: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, contours: Sequence[np.ndarray]) -> SplineStack:
        """The stack of periodic splines through contours (k, 3), rostral to caudal."""
        normal = stack_axis(tuple(contours))
        axes = np.concatenate([np.linalg.svd(normal[None])[2][1:], normal[None]]).T
        drawn = ContourStack.of(contours)
        splines = ClosedSplines.through(drawn.split(drawn.points @ axes))
        corners, each = splines.knots, SAMPLES_PER_SEGMENT
        points = splines.sample().T
        dense = ContourStack(points, each * corners.first, each * corners.count)
        share = np.arange(each)[:, None] / each
        step = corners.points[corners.following] - corners.points
        chords = corners.points[:, None] + share * step[:, None]
        off = np.linalg.norm((points.reshape(-1, each, 3) - chords)[..., :2], axis=2)
        bends = corners.greatest(off.max(axis=1))
        return cls(corners, dense, dense.means[:, 2], bends, axes)

    def depth_of(self, points: np.ndarray) -> np.ndarray:
        """How deep points (n, 3) lie inside, each by the contour of its slice, mm (n,).

        Negative outside; NaN for points more than half a slice from every contour.
        """
        local, which, within = self._slices_of(points)
        depth = np.full(len(points), np.nan)
        depth[within] = depths_in_contours(local[within, :2], self.dense, which[within])
        return depth

    def beyond(self, points: np.ndarray, sign: int) -> np.ndarray:
        """How far points (n, 3) are inside (1) or outside (-1), mm (n,); 0 or less if they are not.

        A point farther from the polygon of the corners than the contour bends away is on the same
        side of both, so that few are held against all dense points.
        """
        local, which, within = self._slices_of(points)
        asked = np.flatnonzero(within)
        rough = sign * depths_in_contours(local[asked, :2], self.corners, which[asked])
        asked = asked[rough >= -self.bends[which[asked]] - ROUNDING_MM]
        amounts = np.zeros(len(points))
        amounts[asked] = sign * depths_in_contours(local[asked, :2], self.dense, which[asked])
        return amounts

    def _slices_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (n, 3) along the axes, the contour (n,) of each, and whether it is near enough."""
        local = points @ self.axes
        reach = np.median(np.abs(np.diff(self.heights))) / 2
        which, offset = nearest(self.heights, local[:, 2])
        return local, which, offset <= reach
