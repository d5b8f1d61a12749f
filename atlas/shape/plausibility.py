"""Does an annotation keep to anatomy?  Findings, never refusals of a little overlap.

Real annotations break anatomy a little: a root's last point lies outside the dura because it
leaves the sac there, a point grazes the cord.  Each is said with its place and amount.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.data.dataset import Dataset
from atlas.data.subject import LEVELS, Finding, RootKey, Severity, Subject, stack_axis
from atlas.shape.contours import sample_contours
from atlas.shape.polygons import depths_in_polygons


def find_implausible(dataset: Dataset) -> tuple[Finding, ...]:
    """Check every subject of a dataset against anatomy.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple of Finding
        By subject: ``swapped-sides`` and ``reversed-root`` (errors), ``outside-dura`` and
        ``inside-cord`` (warnings), ``dural-exit`` (notes).
    """
    findings: list[Finding] = []
    for subject in dataset.subjects:
        findings += swapped_sides(subject)
        findings += reversed_roots(subject)
        findings += misplaced_points(subject)
    return tuple(findings)


def swapped_sides(subject: Subject) -> list[Finding]:
    """Levels whose left root or ganglion lies to the right of its right partner (LPS x)."""
    wrong = []
    for kind in ("roots", "ganglia"):
        places = getattr(subject, kind)
        for level in LEVELS:
            left, right = RootKey(level, "left"), RootKey(level, "right")
            if left in places and right in places:
                across = _mean_x(places[left]) - _mean_x(places[right])
                if across < 0:
                    wrong.append(f"{kind} {level} ({across:+.1f} mm)")
    if not wrong:
        return []
    return [
        Finding(
            Severity.ERROR,
            "swapped-sides",
            subject.id,
            "",
            "expected left roots and ganglia at larger x than right ones (LPS: + is left), got "
            f"{', '.join(wrong)}; left and right are swapped, or the files are mirrored or hold "
            "RAS coordinates that they declare LPS",
        )
    ]


def reversed_roots(subject: Subject) -> list[Finding]:
    """Roots whose points run from the ganglion to the cord instead of away from it.

    By the ganglion where there is one, in any pose; by the direction of the sac otherwise.
    """
    findings = []
    for key, points in subject.roots.items():
        if key in subject.ganglia:
            first, last = np.linalg.norm(points[[0, -1]] - subject.ganglia[key], axis=1)
            wrong = first < last
            got = f"its first point {first:.1f} mm and its last {last:.1f} mm from the ganglion"
        else:
            rise = float((points[-1] - points[0]) @ stack_axis(subject.dura))
            wrong = rise > 0
            got = f"its last point {rise:.1f} mm above its first"
        if wrong:
            findings.append(
                Finding(
                    Severity.ERROR,
                    "reversed-root",
                    subject.id,
                    f"root {key.level} {key.side}",
                    f"expected points from the cord towards the ganglion, got {got}; the trace is "
                    "in reverse order: turn it round",
                )
            )
    return findings


def _mean_x(points: np.ndarray) -> float:
    return float(np.atleast_2d(points)[:, 0].mean())


def misplaced_points(subject: Subject) -> list[Finding]:
    """Traced root points outside the dura or inside the cord, by the interpolated contours."""
    dura, cord = ContourStack.of(subject.dura), ContourStack.of(subject.cord)
    findings: list[Finding] = []
    together = np.concatenate([np.empty((0, 3)), *subject.roots.values()])
    cuts = np.cumsum([len(points) for points in subject.roots.values()])[:-1]
    depths = zip(
        np.split(-dura.depth_of(together), cuts),
        np.split(cord.depth_of(together), cuts),
        strict=True,
    )
    for (key, points), (beyond, into) in zip(subject.roots.items(), depths, strict=False):
        leaving = _trailing_run(beyond > 0)
        for i in np.flatnonzero(beyond > 0):
            left_sac = i >= leaving
            findings.append(
                Finding(
                    Severity.NOTE if left_sac else Severity.WARNING,
                    "dural-exit" if left_sac else "outside-dura",
                    subject.id,
                    _place(key, points[i]),
                    f"traced point {beyond[i]:.2f} mm outside the dura"
                    + (": the root leaves the sac here" if left_sac else "; check the tracing"),
                )
            )
        findings += [
            Finding(
                Severity.WARNING,
                "inside-cord",
                subject.id,
                _place(key, points[i]),
                f"traced point {into[i]:.2f} mm inside the cord; check the tracing",
            )
            for i in np.flatnonzero(into > 0)
        ]
    return findings


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
