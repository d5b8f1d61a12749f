"""Traced points outside the dura or inside the cord."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from atlas.data.subject import Finding, RootKey, Severity, Subject, stack_axis
from atlas.shape.contours import sample_contours
from atlas.shape.polygons import depths_in_polygons


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
        np.split(-dura.depth_of(together), cuts),
        np.split(cord.depth_of(together), cuts),
        strict=True,
    )
    for (key, points), (beyond, into) in zip(subject.roots.items(), depths, strict=False):
        if f"root {key.level} {key.side}" in told:
            continue
        found = [*_outside(subject.id, key, points, beyond)]
        found += _inside(subject.id, key, points, into)
        findings += [f for f in found if f.place not in told]
    return findings


def _sound_stack(subject: Subject, kind: str, told: Collection[str]) -> ContourStack:
    """The stack without contours that are wrong themselves; all of it where few would be left."""
    contours = getattr(subject, kind)
    sound = tuple(c for c in contours if f"{kind} contour at z {c[:, 2].mean():.1f} mm" not in told)
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
    """Contours as dense polygons in their common plane, each at its height.

    Parameters
    ----------
    polygons : tuple of (k, 2) float
        Closed: the first point stands again at the end.
    heights : (n,) float
        Along the stack's normal, mm.
    axes : (3, 3) float
        Columns: the plane's two axes and the normal.
    """

    polygons: tuple[np.ndarray, ...]
    heights: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, contours: tuple[np.ndarray, ...]) -> ContourStack:
        """The stack of periodic splines through contours (k, 3), rostral to caudal."""
        normal = stack_axis(contours)
        plane = np.linalg.svd(normal[None])[2][1:]
        axes = np.concatenate([plane, normal[None]]).T
        dense = [polygon @ axes for polygon in sample_contours(contours)]
        return cls(tuple(d[:, :2] for d in dense), np.array([d[:, 2].mean() for d in dense]), axes)

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
        local = points @ self.axes
        offset = np.abs(local[:, 2, None] - self.heights)
        reach = np.median(np.abs(np.diff(self.heights))) / 2
        nearest = offset.argmin(axis=1)
        within = offset[np.arange(len(points)), nearest] <= reach
        depth = np.full(len(points), np.nan)
        for k in np.unique(nearest[within]):
            here = within & (nearest == k)
            depth[here] = depths_in_polygons(local[here, :2], self.polygons[k][None, :-1])
        return depth
