"""Traced points outside the dura or inside the cord."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from atlas.checks.profile import contours_without, nearest
from atlas.curves.contours import SAMPLES_PER_SEGMENT, ClosedSplines
from atlas.curves.polygons import depths_in_polygons
from atlas.data.subject import Finding, RootKey, Severity, Subject, stack_axis

# On which side of a contour a point is, is certain from here on, mm.
ROUNDING_MM = 1e-6
# Points times corners that are worked on at once: some tens of MiB.
AT_ONCE = 400_000


def misplaced_points(subject: Subject, *, told: Collection[str] = ()) -> list[Finding]:
    """Traced root points outside the dura or inside the cord, by the interpolated contours.

    Parameters
    ----------
    subject : Subject
    told : collection of str
        Places (``root L3 left``, also with a height; ``dura contour at z -400.0 mm``) that another
        finding accounts for; points are not held against such contours.

    Returns
    -------
    list of Finding
        ``outside-dura`` and ``inside-cord`` (warnings), ``dural-exit`` (notes).
    """
    dura, cord = (_sound_stack(subject, kind, told) for kind in ("dura", "cord"))
    findings: list[Finding] = []
    together = np.concatenate([np.empty((0, 3)), *subject.roots.values()])
    cuts = np.cumsum([len(points) for points in subject.roots.values()])[:-1]
    depths = zip(
        np.split(_where(dura, together, sign=-1), cuts),
        np.split(_where(cord, together, sign=1), cuts),
        strict=True,
    )
    for (key, points), (beyond, into) in zip(subject.roots.items(), depths, strict=False):
        if f"root {key.level} {key.side}" in told:
            continue
        found = [*_outside(subject.id, key, points, beyond)]
        found += _inside(subject.id, key, points, into)
        findings += [f for f in found if f.place not in told]
    return findings


def _where(stack: ContourStack | None, points: np.ndarray, *, sign: int) -> np.ndarray:
    """Depths of points in doubt, inside (1) or outside (-1); minus infinity for all others."""
    depths = np.full(len(points), -np.inf)
    if stack is not None:
        doubt = ~stack.surely(points, inside=sign < 0)
        depths[doubt] = sign * stack.depth_of(points[doubt])
    return depths


def _sound_stack(subject: Subject, kind: str, told: Collection[str]) -> ContourStack | None:
    """The stack without contours that are wrong themselves; all of it where few would be left."""
    contours = getattr(subject, kind)
    if not contours:
        return None
    sound = tuple(contours[i] for i in contours_without(kind, contours, told))
    return ContourStack.of(sound if len(sound) >= 4 else contours)


def _outside(subject: str, key: RootKey, points: np.ndarray, beyond: np.ndarray) -> list[Finding]:
    findings = []
    leaving = _trailing_run(beyond > 0)
    for i in np.flatnonzero(beyond > 0):
        left_sac = i >= leaving
        findings.append(
            Finding(
                Severity.NOTE if left_sac else Severity.WARNING,
                "dural-exit" if left_sac else "outside-dura",
                subject,
                _place(key, points[i]),
                f"traced point {beyond[i]:.2f} mm outside the dura"
                + (": the root leaves the sac here" if left_sac else "; check the tracing"),
            )
        )
    return findings


def _inside(subject: str, key: RootKey, points: np.ndarray, into: np.ndarray) -> list[Finding]:
    return [
        Finding(
            Severity.WARNING,
            "inside-cord",
            subject,
            _place(key, points[i]),
            f"traced point {into[i]:.2f} mm inside the cord; check the tracing",
        )
        for i in np.flatnonzero(into > 0)
    ]


def _place(key: RootKey, point: np.ndarray) -> str:
    return f"root {key.level} {key.side} at z {point[2]:.1f} mm"


def _trailing_run(flags: np.ndarray) -> int:
    """Index from which all flags are set to the end."""
    clear = np.flatnonzero(~flags)
    return int(clear[-1]) + 1 if len(clear) else 0


@dataclass(frozen=True, slots=True, eq=False)
class ContourStack:
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
    def of(cls, contours: tuple[np.ndarray, ...]) -> ContourStack:
        """The stack of periodic splines through contours (k, 3), rostral to caudal.

        A cubic with end slopes ``a`` and ``b`` over a chord ``c`` is off it by
        ``u (1 - u) ((1 - u) (a - c) - u (b - c))``, 0 <= u <= 1.
        """
        normal = stack_axis(contours)
        plane = np.linalg.svd(normal[None])[2][1:]
        axes = np.concatenate([plane, normal[None]]).T
        ends = np.cumsum([len(contour) for contour in contours])[:-1]
        splines = ClosedSplines.through(np.split(np.concatenate(contours) @ axes, ends))
        first, count = splines.first, splines.count
        after = np.arange(1, len(splines.points) + 1)
        after[first + count - 1] = first
        chord = splines.points[after] - splines.points
        leave = splines.chords[:, None] * splines.slopes - chord
        arrive = splines.chords[:, None] * splines.slopes[after] - chord
        off = np.maximum((leave[:, :2] ** 2).sum(axis=1), (arrive[:, :2] ** 2).sum(axis=1))
        u = np.arange(SAMPLES_PER_SEGMENT) / SAMPLES_PER_SEGMENT
        means = splines.points + u.mean() * chord
        means += (u * (1 - u) ** 2).mean() * leave - (u**2 * (1 - u)).mean() * arrive
        heights = np.add.reduceat(means[:, 2], first) / count
        return cls(splines, heights, np.sqrt(np.maximum.reduceat(off, first)) / 4, axes)

    def _polygon(self, k: int) -> np.ndarray:
        return self.splines[k : k + 1].sample()[:2].T

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
        for k, here in _members(slices, np.flatnonzero(within)):
            polygon = self._polygon(k)[None]
            for some in np.array_split(here, _pieces(len(here), polygon.shape[1])):
                depth[some] = depths_in_polygons(local[some, :2], polygon)
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
        # A corner that stands again as its own successor changes neither distance nor side.
        first, count = self.splines.first, self.splines.count
        sure = np.ones(len(points), dtype=bool)
        asked = np.flatnonzero(within)
        # Contours of like many corners together: one of very many does not widen all the others.
        for _, some in _members(np.log2(count[slices]).astype(int), asked):
            corners = int(count[slices[some]].max())
            for part in np.array_split(some, _pieces(len(some), corners)):
                k = slices[part, None]
                which = first[k] + np.minimum(np.arange(corners), count[k] - 1)
                depth = depths_in_polygons(local[part, :2], self.splines.points[which, :2])
                margin = self.bends[slices[part]] + ROUNDING_MM
                sure[part] = depth > margin if inside else depth < -margin
        return sure

    def _slices_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (n, 3) along the axes, the contour (n,) of each, and whether it is near enough."""
        local = points @ self.axes
        reach = np.median(np.abs(np.diff(self.heights))) / 2
        which, offset = nearest(self.heights, local[:, 2])
        return local, which, offset <= reach


def _members(groups: np.ndarray, asked: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Group and indices, of those asked, of each group (n,)."""
    order = asked[np.argsort(groups[asked], kind="stable")]
    cuts = np.flatnonzero(np.diff(groups[order])) + 1
    return [(int(groups[part[0]]), part) for part in np.split(order, cuts) if len(part)]


def _pieces(points: int, corners: int) -> int:
    """Into how many pieces points are cut, so that few are held against all corners at once."""
    return max(points * corners // AT_ONCE, 1)
