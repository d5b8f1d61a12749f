"""Traced points outside the dura or inside the cord."""

from __future__ import annotations

from collections.abc import Collection, Iterator
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
    amounts = [
        traces.split(_beyond(_sound_stack(subject, kind, told), traces.points, sign=sign))
        for kind, sign in (("dura", -1), ("cord", 1))
    ]
    findings: list[Finding] = []
    for key, beyond, into in zip(subject.roots, *amounts, strict=True):
        if Place("root", *key) not in told:
            found = [*_outside(subject, key, beyond), *_inside(subject, key, into)]
            findings += [f for f in found if f.at not in told]
    return findings


def _beyond(stack: SplineStack | None, points: np.ndarray, *, sign: int) -> np.ndarray:
    """How far points are inside (1) or outside (-1), mm; 0 or less where they are not."""
    amounts = np.zeros(len(points))
    if stack is not None:
        doubt = ~stack.surely(points, inside=sign < 0)
        amounts[doubt] = sign * stack.depth_of(points[doubt])
    return amounts


def _sound_stack(subject: Subject, kind: str, told: Collection[Place]) -> SplineStack | None:
    """The stack without slices that have a wrong contour; all of it where few would be left."""
    contours = getattr(subject, kind)
    # Of two contours in one slice, either may be the wrong one.
    heights = ContourStack.of(contours).means[:, 2]
    apart = np.abs(heights[:, None] - heights[contours_at(kind, told)])
    sound = [contours[i] for i in np.flatnonzero((apart > SAME_SLICE_MM).all(axis=1))]
    return SplineStack.of(tuple(sound) if len(sound) >= 4 else contours) if contours else None


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
    splines : ClosedSplines
        Of n contours, along the axes.
    heights : (n,) float
        Along the stack's normal, mm: the mean over the dense polygon of each.
    bends : (n,) float
        How far the dense polygon of each stays from the polygon of its corners at most, mm.
    axes : (3, 3) float
        Columns: the plane's two axes and the normal.
    """

    splines: ClosedSplines
    heights: np.ndarray
    bends: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, contours: tuple[np.ndarray, ...]) -> SplineStack:
        """The stack of periodic splines through contours (k, 3), rostral to caudal.

        A cubic with end slopes ``a`` and ``b`` over a chord ``c`` is off it by
        ``u (1 - u) ((1 - u) (a - c) - u (b - c))``, 0 <= u <= 1.
        """
        normal = stack_axis(contours)
        plane = np.linalg.svd(normal[None])[2][1:]
        axes = np.concatenate([plane, normal[None]]).T
        drawn = ContourStack.of(contours)
        splines = ClosedSplines.through(drawn.split(drawn.points @ axes))
        knots = splines.knots
        after = knots.following
        chord = knots.points[after] - knots.points
        leave = splines.chords[:, None] * splines.slopes - chord
        arrive = splines.chords[:, None] * splines.slopes[after] - chord
        off = np.maximum((leave[:, :2] ** 2).sum(axis=1), (arrive[:, :2] ** 2).sum(axis=1))
        u = np.arange(SAMPLES_PER_SEGMENT) / SAMPLES_PER_SEGMENT
        means = knots.points + u.mean() * chord
        means += (u * (1 - u) ** 2).mean() * leave - (u**2 * (1 - u)).mean() * arrive
        heights = knots.total(means[:, 2]) / knots.count
        return cls(splines, heights, np.sqrt(knots.greatest(off)) / 4, axes)

    def depth_of(self, points: np.ndarray) -> np.ndarray:
        """How deep points lie inside, each by the contour of its slice.

        Parameters
        ----------
        points : (n, 3) float

        Returns
        -------
        (n,) float
            mm to the nearest place of the contour: positive inside, negative outside; NaN for
            points more than half a slice from every contour.
        """
        local, slices, within = self._slices_of(points)
        depth = np.full(len(points), np.nan)
        asked, which = np.unique(slices[within], return_inverse=True)
        dense = ContourStack.of([self.splines[k : k + 1].sample().T for k in asked])
        depth[within] = depths_in_contours(local[within, :2], dense, which)
        return depth

    def surely(self, points: np.ndarray, *, inside: bool) -> np.ndarray:
        """Points that are certainly inside, or certainly outside, or without a depth.

        Parameters
        ----------
        points : (n, 3) float
        inside : bool

        Returns
        -------
        (n,) bool
            By the polygon of the corners: a point farther from it than the contour bends away is on
            the same side of both.
        """
        local, slices, within = self._slices_of(points)
        sure = np.ones(len(points), dtype=bool)
        depth = depths_in_contours(local[within, :2], self.splines.knots, slices[within])
        margin = self.bends[slices[within]] + ROUNDING_MM
        sure[within] = depth > margin if inside else depth < -margin
        return sure

    def _slices_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (n, 3) along the axes, the contour (n,) of each, and whether it is near enough."""
        local = points @ self.axes
        reach = np.median(np.abs(np.diff(self.heights))) / 2
        which, offset = nearest(self.heights, local[:, 2])
        return local, which, offset <= reach
