"""From annotated subjects to fixed-length landmarks, each measured, bridged or missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from atlas.arrays import read_only
from atlas.data.dataset import Dataset
from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey, Subject, contour_heights, stack_axis
from atlas.shape.curves import (
    SAMPLES_PER_SEGMENT,
    annotation_noise,
    arc_length,
    bridge,
    resample_closed,
    resample_open,
    sample_spline,
    smoothing_spline,
)
from atlas.shape.scheme import Anatomy, Block, LandmarkScheme, Status, block_name
from atlas.shape.transforms import frame

__all__ = [
    "Anatomy",
    "Block",
    "FittedRoot",
    "FittedSubject",
    "FittedTube",
    "LandmarkScheme",
    "LandmarkSet",
    "Status",
    "fit_subject",
    "place_landmarks",
    "subject_anatomy",
    "subject_axes",
]

# Samples of a bridge: it is one cubic, as long as many traced segments.
BRIDGE_SAMPLES = 20 * SAMPLES_PER_SEGMENT
# Depth compared with an extent that was itself computed from it.
DEPTH_TOLERANCE_MM = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkSet:
    """Landmarks of a group, in each subject's own frame.

    Parameters
    ----------
    subject_ids : tuple of str
    scheme : LandmarkScheme
        With the depths that were used.
    points : (S, L, 3) float
        LPS mm; NaN where missing.
    status : (S, L) int
        :class:`Status` of each.
    """

    subject_ids: tuple[str, ...]
    scheme: LandmarkScheme
    points: np.ndarray
    status: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.subject_ids), self.scheme.size)
        object.__setattr__(self, "points", read_only(self.points, (*shape, 3), "points"))
        object.__setattr__(self, "status", read_only(self.status, shape, "status", dtype=np.uint8))
        missing = self.status == Status.MISSING
        if (np.isnan(self.points).any(axis=2) != missing).any():
            raise ValueError("points: expected NaN exactly where status is missing")

    def anatomy(self, index: int) -> Anatomy:
        """One subject as named structures, in its own frame."""
        return self.scheme.anatomy(self.points[index], status=self.status[index])


@dataclass(frozen=True, slots=True, eq=False)
class FittedTube:
    """A stack of contours as a smooth surface.

    Parameters
    ----------
    tracks : CubicSpline
        Height below the dura's top plane (mm) to the ring (around, 3).
    heights : (k,) float
        Dense heights from the first to the last contour, mm.
    depths : (k,) float
        Length along the centreline at these heights from the first contour, mm.
    noise_mm : float
        Annotation noise of its contours, SD per in-plane axis.
    """

    tracks: CubicSpline
    heights: np.ndarray
    depths: np.ndarray
    noise_mm: float

    @property
    def length_mm(self) -> float:
        """Length of the centreline, mm."""
        return float(self.depths[-1])

    def depth_at(self, height: float) -> float:
        """Length along the centreline at a height, mm."""
        return float(np.interp(height, self.heights, self.depths))

    def rings(self, depths: np.ndarray) -> np.ndarray:
        """Rings (n, around, 3) at depths (n,) mm from the first contour; NaN outside the stack."""
        heights = np.interp(depths, self.depths, self.heights)
        rings = self.tracks(heights)
        outside = (depths < -DEPTH_TOLERANCE_MM) | (depths > self.length_mm + DEPTH_TOLERANCE_MM)
        rings[outside] = np.nan
        return rings


@dataclass(frozen=True, slots=True, eq=False)
class FittedRoot:
    """A root as a smooth centreline from its first traced point to its ganglion.

    Parameters
    ----------
    line : (k, 3) float
        Dense, mm; the last point is the ganglion.
    lengths : (k,) float
        Length along it, mm.
    traced_points : int
        How many points of the line were traced; what follows is bridged.
    noise_mm : float
        Annotation noise of its points, SD per in-plane axis.
    """

    line: np.ndarray
    lengths: np.ndarray
    traced_points: int
    noise_mm: float

    @property
    def traced_mm(self) -> float:
        """Length of the part that was traced, mm."""
        return float(self.lengths[self.traced_points - 1])

    def landmarks(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Points (n, 3) at equal arc lengths and their status (n,)."""
        goal = np.linspace(0, self.lengths[-1], n)
        points = np.stack([np.interp(goal, self.lengths, axis) for axis in self.line.T], axis=1)
        traced = goal <= self.traced_mm + DEPTH_TOLERANCE_MM
        status = np.where(traced, Status.MEASURED, Status.BRIDGED)
        # The ganglion was marked, on another sequence than the trace.
        status[-1] = Status.MEASURED
        return points, status


@dataclass(frozen=True, slots=True, eq=False)
class FittedSubject:
    """A subject's structures as smooth curves and surfaces in its own frame."""

    subject: Subject
    dura: FittedTube
    cord: FittedTube
    roots: dict[RootKey, FittedRoot]

    @property
    def conus_depth_mm(self) -> float:
        """Depth of the last cord contour along the sac below the top plane, mm."""
        return self.dura.depth_at(self.cord.heights[-1])


def place_landmarks(dataset: Dataset, scheme: LandmarkScheme | None = None) -> LandmarkSet:
    """Put a group into correspondence.

    Dura rings lie at equal depths along the sac over the extent that all subjects share.  From the
    dura apex the cord runs from its top plane to the conus; from the conus it, too, lies at equal
    depths over the shared extent, because its top plane is the top of the image.  A root runs from
    its first traced point to its ganglion by arc length.

    Parameters
    ----------
    dataset : Dataset
    scheme : LandmarkScheme, optional
        The standard one by default.  A scheme whose tubes have an extent (that of a finished model)
        keeps it; rings beyond a subject's image are missing.

    Returns
    -------
    LandmarkSet
        In each subject's own frame; its scheme holds the depths that were used.

    Raises
    ------
    ValueError
        No subject.
    """
    if not dataset.subjects:
        raise ValueError(f"{dataset.root}: expected at least one subject, got none")
    scheme = scheme or LandmarkScheme.standard()
    around = {b.name: b.around for b in scheme.blocks if b.kind == "tube"}
    fitted = [
        fit_subject(s, dura_around=around["dura"], cord_around=around["cord"])
        for s in dataset.subjects
    ]
    scheme = _with_shared_extents(scheme, fitted)
    placed = [_place(f, scheme) for f in fitted]
    return LandmarkSet(
        subject_ids=tuple(s.id for s in dataset.subjects),
        scheme=scheme,
        points=np.stack([points for points, _ in placed]),
        status=np.stack([status for _, status in placed]),
    )


def _with_shared_extents(
    scheme: LandmarkScheme, fitted: Iterable[FittedSubject]
) -> LandmarkScheme:
    if scheme.block("dura").extent_mm is not None:
        return scheme
    fitted = list(fitted)
    if scheme.origin == "dura-apex":
        return scheme.with_extents({"dura": (0.0, min(f.dura.length_mm for f in fitted))})
    above = min(f.conus_depth_mm for f in fitted)
    below = min(f.dura.length_mm - f.conus_depth_mm for f in fitted)
    cord = min(f.cord.length_mm for f in fitted)
    return scheme.with_extents({"dura": (-above, below), "cord": (-cord, 0.0)})


def _place(fitted: FittedSubject, scheme: LandmarkScheme) -> tuple[np.ndarray, np.ndarray]:
    """Points (L, 3) and status (L,) of one subject."""
    points = np.full((scheme.size, 3), np.nan)
    status = np.full(scheme.size, Status.MISSING, dtype=np.uint8)
    from_conus = scheme.origin == "conus"
    zero = {
        "dura": fitted.conus_depth_mm if from_conus else 0.0,
        "cord": fitted.cord.length_mm if from_conus else 0.0,
    }
    for name, tube in (("dura", fitted.dura), ("cord", fitted.cord)):
        block = scheme.block(name)
        whole = np.linspace(0, tube.length_mm, block.levels)
        depths = block.depths_mm + zero[name] if block.extent_mm else whole
        rings = tube.rings(depths).reshape(-1, 3)
        points[scheme.span(name)] = rings
        status[scheme.span(name)] = np.where(
            np.isnan(rings).any(axis=1), Status.MISSING, Status.MEASURED
        )
    for key in ROOT_KEYS:
        span = scheme.span(block_name(key))
        if key in fitted.roots:
            points[span], status[span] = fitted.roots[key].landmarks(span.stop - span.start)
        elif key in fitted.subject.ganglia:
            # Without a trace the ganglion is all there is, and it has its landmark: the last.
            points[span.stop - 1] = fitted.subject.ganglia[key]
            status[span.stop - 1] = Status.MEASURED
    return points, status


def fit_subject(subject: Subject, *, dura_around: int = 32, cord_around: int = 24) -> FittedSubject:
    """Fit smooth curves and surfaces to one subject's annotation.

    Parameters
    ----------
    subject : Subject
    dura_around, cord_around : int
        Points a ring.

    Returns
    -------
    FittedSubject
        In the subject's own frame.  Roots without a ganglion are absent: where they end is unknown.
    """
    left, dorsal, _ = subject_axes(subject).T
    top = subject.dura[0].mean(axis=0)
    axis = stack_axis(subject.dura)
    tubes = [
        _fit_tube(contours, n, top=top, axis=axis, dorsal=dorsal, left=left)
        for contours, n in ((subject.dura, dura_around), (subject.cord, cord_around))
    ]
    roots = {
        key: _fit_root(points, subject.ganglia[key])
        for key, points in subject.roots.items()
        if key in subject.ganglia
    }
    return FittedSubject(subject, tubes[0], tubes[1], roots)


def subject_anatomy(subject: Subject, *, spacing_mm: float = 2.0) -> Anatomy:
    """One subject over its whole field of view, as annotated and smoothed.

    Not a landmark shape: as many rings and points as the extent holds, so that measures lose
    nothing to the sampling.  A point of each root stands exactly where its trace ends.

    Parameters
    ----------
    subject : Subject
    spacing_mm : float
        Distance of rings and of root points, mm, at the most.

    Returns
    -------
    Anatomy
        In the subject's own frame (LPS mm), with the status of every point.
    """
    fitted = fit_subject(subject)
    tubes, status = {}, {}
    for name, tube in (("dura", fitted.dura), ("cord", fitted.cord)):
        count = int(np.ceil(tube.length_mm / spacing_mm)) + 1
        tubes[name] = tube.rings(np.linspace(0, tube.length_mm, count))
        status[name] = np.full(tubes[name].shape[:2], Status.MEASURED)
    roots = {}
    for key, root in fitted.roots.items():
        parts = (root.line[: root.traced_points], root.line[root.traced_points - 1 :])
        traced, gap = (
            resample_open(part, int(np.ceil(arc_length(part)[-1] / spacing_mm)) + 1)
            for part in parts
        )
        roots[key] = np.concatenate([traced, gap[1:]])
        state = np.full(len(roots[key]), Status.BRIDGED)
        state[: len(traced)] = Status.MEASURED
        state[-1] = Status.MEASURED
        status[block_name(key)] = state
    return Anatomy(tubes["dura"], tubes["cord"], roots, dict(subject.ganglia), status)


def subject_axes(subject: Subject) -> np.ndarray:
    """Left, dorsal and rostral directions of a subject, found from its own anatomy.

    Rostral is the normal of the dura's slices; left is the mean direction from right roots to
    their left partners, across it.  A subject without a pair of roots falls back on its file's LPS
    axes.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    (3, 3) float
        Columns left, dorsal, rostral: a proper rotation from the anatomical (LPS) frame.
    """
    rostral = stack_axis(subject.dura)
    pairs = [
        subject.roots[RootKey(v, "left")].mean(axis=0)
        - subject.roots[RootKey(v, "right")].mean(axis=0)
        for v in LEVELS
        if RootKey(v, "left") in subject.roots and RootKey(v, "right") in subject.roots
    ]
    left = np.mean(pairs, axis=0) if pairs else np.array([1.0, 0.0, 0.0])
    return frame(left, rostral)


def _fit_tube(
    contours: tuple[np.ndarray, ...],
    around: int,
    *,
    top: np.ndarray,
    axis: np.ndarray,
    dorsal: np.ndarray,
    left: np.ndarray,
) -> FittedTube:
    resampled = [resample_closed(c, around, start=dorsal, towards=left) for c in contours]
    rings = np.stack([ring for ring, _ in resampled])
    centroids = np.stack([centroid for _, centroid in resampled])[:, None]
    heights = (top - centroids[:, 0]) @ axis
    noise = annotation_noise(heights, rings)
    centreline = smoothing_spline(
        heights, centroids, noise_sd=annotation_noise(heights, centroids)
    )
    dense, line = sample_spline(centreline)
    return FittedTube(
        tracks=smoothing_spline(heights, rings, noise_sd=noise),
        heights=dense,
        depths=arc_length(line[:, 0]),
        noise_mm=noise,
    )


def _fit_root(points: np.ndarray, ganglion: np.ndarray) -> FittedRoot:
    t = arc_length(points)
    noise = annotation_noise(t, points[:, None])
    spline = smoothing_spline(t, points[:, None], noise_sd=noise)
    traced = sample_spline(spline)[1][:, 0]
    tangent = spline(t[-1], 1)[0]
    gap = bridge(
        traced[-1], tangent / np.linalg.norm(tangent), ganglion, samples=BRIDGE_SAMPLES
    )
    line = np.concatenate([traced, gap[1:]])
    return FittedRoot(line, arc_length(line), len(traced), noise)
