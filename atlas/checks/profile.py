"""One subject along its own axes, measured once for all rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from atlas.checks.rules import finding_of
from atlas.checks.sides import own_axes
from atlas.checks.stacks import STRAY_MM, Bulk, bulk, standing_together
from atlas.curves.contour_stack import ContourStack, at_heights
from atlas.data.subject import LEVELS, SIDES, Finding, Place, RootKey, Severity, Subject

# Median distance of a dura's points from its middle, mm: 6.5 to 9 in the built-in cohort, warped
# copies of sub-03 and sub-03 (Liu et al. 2024).  Outside these bounds the unit is not mm.
REACH_MM = (2.0, 25.0)
USUAL_REACH_MM = 7.5


@dataclass(frozen=True, slots=True, eq=False)
class Sections:
    """The contours of one stack that stand together, measured as straight polygons.

    Parameters
    ----------
    kind : str
        ``dura`` or ``cord``.
    members : (n,) int
        Which of the subject's contours they are.
    drawn : tuple of (k, 3) float
        As they were drawn, LPS mm.
    outlines : ContourStack
        mm along the subject's own axes: left, dorsal, rostral.
    centres : (n, 2) float
        Area centroids, left and dorsal, mm; of a trace that runs back on itself, which encloses
        little, the mean point.
    heights : (n,) float
        Median height, mm along rostral.
    radii : (n,) float
        Of the circle of the same area, mm.
    reach : (n,) float
        Median distance of points from their median, mm.
    spacing_mm : float
        Distance of slices: the median of the distances that are no doubling, mm.
    """

    kind: str
    members: np.ndarray
    drawn: tuple[np.ndarray, ...]
    outlines: ContourStack
    centres: np.ndarray
    heights: np.ndarray
    radii: np.ndarray
    reach: np.ndarray
    spacing_mm: float

    @classmethod
    def of(
        cls,
        kind: str,
        contours: tuple[np.ndarray, ...],
        stack: ContourStack,
        found: Bulk,
        mm: float,
    ) -> Sections:
        """Measure the contours of a stack, along the axes, that stand together; ``mm`` is 1 mm."""
        members = np.flatnonzero(standing_together(found, mm))
        outlines = stack.take(members)
        areas, centroids = outlines.areas_centroids()
        means, points = outlines.means[:, :2], outlines.points[:, :2]
        extents = (outlines.greatest(points) - outlines.least(points)).max(axis=1, initial=0.0)
        sound = (areas != 0) & (np.linalg.norm(centroids[:, :2] - means, axis=1) < extents)
        heights = found.middles[members, 2]
        return cls(
            kind,
            members,
            tuple(contours[i] for i in members),
            outlines,
            np.where(sound[:, None], centroids[:, :2], means),
            heights,
            np.sqrt(np.abs(areas) / np.pi),
            found.reach[members],
            _spacing(heights),
        )

    def native_z(self, i: int) -> float:
        """Mean LPS z of contour ``i``, mm, as findings name it."""
        return float(self.drawn[i][:, 2].mean())

    def place(self, i: int) -> Place:
        """Where contour ``i`` is."""
        return replace(contour_place(self.kind, self.drawn, i), index=int(self.members[i]))

    def without(self, excused: Collection[Place]) -> np.ndarray:
        """Contours (k,) whose places are not among those excused."""
        return np.flatnonzero(~np.isin(self.members, contours_at(self.kind, excused)))


class Apart(NamedTuple):
    """A contour that does not stand with the others of its kind, or has a point far off.

    Parameters
    ----------
    place : Place
    drawn : (k, 3) float
        LPS mm.
    middle : (3,) float
        Median of its points along the subject's axes, mm.
    reach_mm : float
        Median distance of its points from that.
    stray_mm : float
        How far its farthest point lies beyond where one may lie; 0 of a contour that stands
        elsewhere as a whole.
    """

    place: Place
    drawn: np.ndarray
    middle: np.ndarray
    reach_mm: float
    stray_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """One subject along its own axes.

    Parameters
    ----------
    subject : Subject
    axes : (3, 3) float
        Columns: left, dorsal and rostral of the subject (:func:`.sides.own_axes`).
    dura, cord : Sections
        The contours that stand together; every rule but those for what is far off sees only these.
    apart : tuple of Apart
        The other contours, and those with a point far off.
    roots : dict of RootKey to (n, 3) float
    traces : ContourStack
        The points of all roots, in their order.
    ganglia : dict of RootKey to (3,) float
        These three in mm along the axes.
    axis : (n, 3) float
        Height, left and dorsal of the sac's middle, from the bottom up.
    angle_deg : dict of RootKey to float
        Median angle of each root about that middle: from dorsal, + to the root's own side.
    """

    subject: Subject
    axes: np.ndarray
    dura: Sections
    cord: Sections
    apart: tuple[Apart, ...]
    roots: dict[RootKey, np.ndarray]
    traces: ContourStack
    ganglia: dict[RootKey, np.ndarray]
    axis: np.ndarray
    angle_deg: dict[RootKey, float]

    @classmethod
    def of(cls, subject: Subject) -> Profile:
        """Measure a subject."""
        axes = own_axes(subject)
        stacks = {kind: _along(axes, getattr(subject, kind)) for kind in ("dura", "cord")}
        found = {kind: bulk(stack) for kind, stack in stacks.items()}
        mm = _unit_mm(found["dura"])
        (dura, far_dura), (cord, far_cord) = (
            _stack_of(kind, getattr(subject, kind), stack, found[kind], mm)
            for kind, stack in stacks.items()
        )
        axis = _smooth_axis(dura)
        traces = _along(axes, tuple(subject.roots.values()))
        roots = dict(zip(subject.roots, traces.split(traces.points), strict=True))
        return cls(
            subject,
            axes,
            dura,
            cord,
            (*far_dura, *far_cord),
            roots,
            traces,
            {key: point @ axes for key, point in subject.ganglia.items()},
            axis,
            _angles_deg(traces, tuple(roots), axis),
        )

    @property
    def stacks(self) -> tuple[Sections, Sections]:
        """The dura's contours and the cord's."""
        return self.dura, self.cord

    def axis_at(self, heights: np.ndarray) -> np.ndarray:
        """The sac's middle (…, 2) at heights, by running medians of five contours; held beyond."""
        return at_heights(self.axis[:, 0], self.axis[:, 1:], heights)

    def finding(
        self, rule: str, place: Place, message: str, *, severity: Severity | None = None
    ) -> Finding:
        """A finding about this subject, as severe as its rule says unless told."""
        return finding_of(self.subject.id, rule, place, message, severity=severity)


def places_of(findings: Iterable[Finding]) -> set[Place]:
    """The places in subjects that findings are about."""
    return {f.at for f in findings if isinstance(f.at, Place)}


def contours_at(kind: str, places: Collection[Place]) -> list[int]:
    """Contours of a kind, by their index in the subject, among places."""
    return [p.index for p in places if p.structure == kind and p.index is not None]


def contour_place(kind: str, contours: Sequence[np.ndarray], i: int) -> Place:
    """Where contour ``i`` of a kind is, at its mean LPS z."""
    return Place(kind, index=i, z_mm=float(contours[i][:, 2].mean()))


def point_place(subject: Subject, key: RootKey, i: int) -> Place:
    """Where point ``i`` of a root is."""
    return Place("root", *key, index=i, z_mm=float(subject.roots[key][i, 2]))


def partner_of(key: RootKey) -> RootKey:
    """The root, or ganglion, of the other side."""
    return RootKey(key.level, "right" if key.side == "left" else "left")


def pairs_of(places: Mapping[RootKey, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Left and right of the levels that have both."""
    return {
        level: (places[RootKey(level, "left")], places[RootKey(level, "right")])
        for level in LEVELS
        if all(RootKey(level, side) in places for side in SIDES)
    }


def _along(axes: np.ndarray, contours: tuple[np.ndarray, ...]) -> ContourStack:
    drawn = ContourStack.of(contours)
    return ContourStack(drawn.points @ axes, drawn.first, drawn.count)


def _unit_mm(dura: Bulk) -> float:
    """What 1 mm is in a dura's coordinates: 1, but where no dura is so wide."""
    if not len(dura.reach):
        return 1.0
    reach = float(np.median(dura.reach))
    return 1.0 if REACH_MM[0] <= reach <= REACH_MM[1] or reach == 0 else reach / USUAL_REACH_MM


def _stack_of(
    kind: str, contours: tuple[np.ndarray, ...], stack: ContourStack, found: Bulk, mm: float
) -> tuple[Sections, list[Apart]]:
    """The contours that stand together, and the others with those that have a point far off."""
    stray = np.maximum(found.beyond - STRAY_MM * mm, 0.0)
    sections = Sections.of(kind, contours, stack, found, mm)
    together = np.isin(np.arange(len(stack)), sections.members)
    apart = [
        Apart(
            contour_place(kind, contours, i),
            contours[i],
            found.middles[i],
            float(found.reach[i]),
            float(stray[i]) if together[i] else 0.0,
        )
        for i in np.flatnonzero(~together | (stray > 0)).tolist()
    ]
    return sections, apart


def _spacing(heights: np.ndarray) -> float:
    falls = -np.diff(np.sort(heights)[::-1])
    falls = falls[falls > 1e-3]
    return float(np.median(np.abs(falls))) if len(falls) else 0.0


def _smooth_axis(dura: Sections) -> np.ndarray:
    """Height, left, dorsal (n, 3) of the sac's middle from the bottom up, by medians of five."""
    if not len(dura.heights):
        return np.zeros((1, 3))
    order = np.argsort(dura.heights)
    padded = np.pad(dura.centres[order], ((2, 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=0)
    return np.column_stack([dura.heights[order], np.median(windows, axis=2)])


def _angles_deg(
    traces: ContourStack, keys: tuple[RootKey, ...], axis: np.ndarray
) -> dict[RootKey, float]:
    away = traces.points[:, :2] - at_heights(axis[:, 0], axis[:, 1:], traces.points[:, 2])
    outward = traces.spread(np.array([1.0 if key.side == "left" else -1.0 for key in keys]))
    angles = traces.medians(np.arctan2(outward * away[:, 0], away[:, 1]))
    return dict(zip(keys, np.degrees(angles).tolist(), strict=True))


def neighbour_gaps(heights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far each value lies from the straight line between its neighbours in the stack.

    Parameters
    ----------
    heights : (n,) float
    values : (n, d) float
        First and last are held against the line through the next two.

    Returns
    -------
    (n, d) float
    """
    n = len(heights)
    i = np.arange(n)
    a = np.where(i == 0, 1, i - 1)
    b = np.where(i == n - 1, n - 2, i + 1)
    b[0], a[-1] = 2, n - 3
    run = heights[b] - heights[a]
    share = np.divide(heights - heights[a], run, out=np.full(n, 0.5), where=np.abs(run) > 1e-9)
    return values - (values[a] + share[:, None] * (values[b] - values[a]))


def peel(
    heights: np.ndarray, values: np.ndarray, *, inner_mm: float, end_mm: float
) -> list[tuple[int, float]]:
    """Values that stand out of a smooth run, the worst first; each is taken out before the next.

    Parameters
    ----------
    heights : (n,) float
    values : (n, d) float
    inner_mm, end_mm : float
        How far a value may lie from the line through its neighbours, between them and beyond.
        Widened to :data:`OWN_JITTER` times the run's own median gap where that is more, so that an
        unsteady annotator is not reported slice by slice.

    Returns
    -------
    list of (int, float)
        Index and distance, of :data:`PEELED` values or so at most.
    """
    kept = np.arange(len(heights))
    found: list[tuple[int, float]] = []
    while len(kept) >= 5 and len(found) <= min(len(heights) // 4, PEELED):
        gaps = np.linalg.norm(neighbour_gaps(heights[kept], values[kept]), axis=1)
        limits = np.full(len(kept), max(inner_mm, OWN_JITTER * float(np.median(gaps))))
        limits[[0, -1]] *= end_mm / inner_mm
        worst = int((gaps / limits).argmax())
        if gaps[worst] <= limits[worst]:
            break
        found.append((int(kept[worst]), float(gaps[worst])))
        kept = np.delete(kept, worst)
    return found


# Of more than that, a run is no run.
PEELED = 200
# The largest gap of a run over its median was 4.4 at most in 588 roots, 42 dura and 42 cord stacks
# of the built-in cohort, and 3.8 in sub-03 of Liu et al. 2024 (14 roots).
OWN_JITTER = 6.0
