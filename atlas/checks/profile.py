"""One subject along its own axes, measured once for all rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from atlas.checks.sides import own_axes
from atlas.checks.stacks import Bulk, bulk, standing_together
from atlas.data.subject import Finding, RootKey, Severity, Subject

# Median distance of a dura's points from its middle, mm: 6.5 to 9 in the built-in cohort, warped
# copies of sub-03 and sub-03 (Liu et al. 2024).  Outside these bounds the unit is not mm.
REACH_MM = (2.0, 25.0)
USUAL_REACH_MM = 7.5


@dataclass(frozen=True, slots=True, eq=False)
class Sections:
    """The contours of one stack, measured as straight polygons.

    Parameters
    ----------
    kind : str
        ``dura`` or ``cord``.
    outlines : tuple of (k, 3) float
        mm along the subject's own axes: left, dorsal, rostral.
    centres : (n, 2) float
        Area centroids, left and dorsal, mm.
    heights : (n,) float
        Median height, mm along rostral.
    radii : (n,) float
        Of the circle of the same area, mm.
    drawn : tuple of (k, 3) float
        The contours as they were drawn, LPS mm.
    spacing_mm : float
        Distance of slices: the median of the distances that are no doubling, mm.
    """

    kind: str
    outlines: tuple[np.ndarray, ...]
    centres: np.ndarray
    heights: np.ndarray
    radii: np.ndarray
    drawn: tuple[np.ndarray, ...]
    spacing_mm: float

    @classmethod
    def of(cls, kind: str, contours: tuple[np.ndarray, ...], axes: np.ndarray) -> Sections:
        """Measure contours (k, 3) along the columns of ``axes`` (3, 3)."""
        count = np.array([len(c) for c in contours], dtype=int)
        first = np.cumsum(count) - count
        together = np.concatenate([np.empty((0, 3)), *contours]) @ axes
        areas, centres = _areas_centroids(together[:, :2], first, count)
        heights = medians(together[:, 2], first, count)
        return cls(
            kind,
            tuple(np.split(together, first[1:])) if len(count) else (),
            centres,
            heights,
            np.sqrt(areas / np.pi),
            contours,
            _spacing(heights),
        )

    def native_z(self, i: int) -> float:
        """Mean LPS z of contour ``i``, mm, as findings name it."""
        return float(self.drawn[i][:, 2].mean())

    def place(self, i: int) -> str:
        """How findings name contour ``i``."""
        return contour_place(self.kind, self.drawn[i])

    def without(self, excused: Collection[str]) -> np.ndarray:
        """Contours (k,) whose places are not among those excused."""
        return contours_without(self.kind, self.drawn, excused)


class Apart(NamedTuple):
    """A contour that does not stand with the others of its kind, or has a point far off.

    Parameters
    ----------
    kind : str
        ``dura`` or ``cord``.
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

    kind: str
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
    ganglia : dict of RootKey to (3,) float
        Both mm along the axes.
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
    ganglia: dict[RootKey, np.ndarray]
    axis: np.ndarray
    angle_deg: dict[RootKey, float]

    @classmethod
    def of(cls, subject: Subject) -> Profile:
        """Measure a subject."""
        axes = own_axes(subject)
        drawn = [_drawn(contours, axes) for contours in (subject.dura, subject.cord)]
        found = [bulk(*stack) for stack in drawn]
        mm = _unit_mm(found[0])
        if mm != 1:
            found = [bulk(*stack, mm) for stack in drawn]
        dura, far_dura = _stack_of("dura", subject.dura, axes, found[0], mm)
        cord, far_cord = _stack_of("cord", subject.cord, axes, found[1], mm)
        axis = _smooth_axis(dura)
        roots = {key: points @ axes for key, points in subject.roots.items()}
        return cls(
            subject,
            axes,
            dura,
            cord,
            (*far_dura, *far_cord),
            roots,
            {key: point @ axes for key, point in subject.ganglia.items()},
            axis,
            _angles_deg(roots, axis),
        )

    @property
    def stacks(self) -> tuple[Sections, Sections]:
        """The dura's contours and the cord's."""
        return self.dura, self.cord

    def axis_at(self, heights: np.ndarray) -> np.ndarray:
        """The sac's middle (…, 2) at heights, by running medians of five contours; held beyond."""
        return _on(self.axis, heights)

    def finding(self, severity: Severity, rule: str, place: str, message: str) -> Finding:
        """A finding about this subject."""
        return Finding(severity, rule, self.subject.id, place, message)


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def _drawn(contours: tuple[np.ndarray, ...], axes: np.ndarray) -> Drawn:
    """Points (m, 3) of contours along the axes, where each begins, and how many it has."""
    count = np.array([len(c) for c in contours], dtype=int)
    return np.concatenate([np.empty((0, 3)), *contours]) @ axes, np.cumsum(count) - count, count


def _unit_mm(dura: Bulk) -> float:
    """What 1 mm is in a dura's coordinates: 1, but where no dura is so wide."""
    if not len(dura.reach):
        return 1.0
    reach = float(np.median(dura.reach))
    return 1.0 if REACH_MM[0] <= reach <= REACH_MM[1] or reach == 0 else reach / USUAL_REACH_MM


def _stack_of(
    kind: str, contours: tuple[np.ndarray, ...], axes: np.ndarray, found: Bulk, mm: float
) -> tuple[Sections, list[Apart]]:
    """The contours that stand together, and the others with those that have a point far off."""
    if not contours:
        return Sections.of(kind, contours, axes), []
    together = standing_together(found, mm)
    apart = [
        Apart(
            kind,
            contours[i],
            found.middles[i],
            float(found.reach[i]),
            float(found.stray[i]) if together[i] else 0.0,
        )
        for i in np.flatnonzero(~together | (found.stray > 0)).tolist()
    ]
    kept = tuple(c for c, stands in zip(contours, together.tolist(), strict=True) if stands)
    return Sections.of(kind, kept, axes), apart


def _areas_centroids(
    points: np.ndarray, first: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Areas (g,), mm², and middles (g, 2) of straight polygons (m, 2), one after the other.

    The middle is the area centroid, of either orientation; of a trace that runs back on itself,
    which encloses little, the mean point stands in.
    """
    if not len(count):
        return np.zeros(0), np.zeros((0, 2))
    after = np.arange(1, len(points) + 1)
    after[first + count - 1] = first
    a = points - np.repeat(points[first], count, axis=0)
    b = a[after]
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    twice = np.add.reduceat(cross, first)
    moments = np.add.reduceat(cross[:, None] * (a + b), first)
    means = np.add.reduceat(points, first) / count[:, None]
    centroids = points[first] + moments / np.where(twice == 0, 1, 3 * twice)[:, None]
    extents = np.maximum.reduceat(points, first) - np.minimum.reduceat(points, first)
    sound = (twice != 0) & (np.linalg.norm(centroids - means, axis=1) < extents.max(axis=1))
    return np.abs(twice) / 2, np.where(sound[:, None], centroids, means)


def contour_place(kind: str, contour: np.ndarray) -> str:
    """How findings name a contour (k, 3) as it was drawn."""
    return f"{kind} contour at z {contour[:, 2].mean():.1f} mm"


def contours_without(
    kind: str, contours: Sequence[np.ndarray], excused: Collection[str]
) -> np.ndarray:
    """Which contours (k,) of a kind, as drawn, have places that are not among those excused."""
    every = np.arange(len(contours))
    # Nearly always none is, and names take time to make.
    if not any(place.startswith(f"{kind} contour ") for place in excused):
        return every
    return every[[contour_place(kind, contour) not in excused for contour in contours]]


def medians(values: np.ndarray, first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Medians (g,) of values (m,) of groups that stand one after the other."""
    ordered = values[np.lexsort((values, np.repeat(np.arange(len(count)), count)))]
    return np.asarray((ordered[first + (count - 1) // 2] + ordered[first + count // 2]) / 2)


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


def _angles_deg(roots: dict[RootKey, np.ndarray], axis: np.ndarray) -> dict[RootKey, float]:
    if not roots:
        return {}
    count = np.array([len(points) for points in roots.values()])
    points = np.concatenate(list(roots.values()))
    away = points[:, :2] - _on(axis, points[:, 2])
    outward = np.repeat([1.0 if key.side == "left" else -1.0 for key in roots], count)
    angles = np.arctan2(outward * away[:, 0], away[:, 1])
    middle = np.degrees(medians(angles, np.cumsum(count) - count, count))
    return dict(zip(roots, middle.tolist(), strict=True))


def _on(axis: np.ndarray, heights: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(heights, axis[:, 0], axis[:, k]) for k in (1, 2)], axis=-1)


def nearest(heights: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of heights (n,), n >= 1, is nearest to each of others (m,), and how far it is."""
    order = np.argsort(heights, kind="stable")
    ordered = heights[order]
    after = np.clip(np.searchsorted(ordered, of), 1, len(order) - 1) if len(order) > 1 else 0
    before = np.maximum(after - 1, 0)
    gaps = np.abs(of - ordered[before]), np.abs(ordered[after] - of)
    which = np.where(gaps[0] <= gaps[1], before, after)
    return order[which], np.minimum(*gaps)


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
