"""One subject's annotation as smooth curves and surfaces, in its own frame.

How stiff they are follows from the annotation's own jitter, structure by structure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from atlas.curves.closed_splines import resample_contours
from atlas.curves.natural_splines import NaturalSpline, sample_knots, sample_splines
from atlas.curves.polylines import (
    BRIDGE_SAMPLES,
    SAMPLES_PER_SEGMENT,
    arc_length,
    bridge,
    bridge_variance,
    points_along,
)
from atlas.curves.smoothing_splines import annotation_noise, smoothing_splines
from atlas.curves.transforms import frame
from atlas.data.subject import LEVELS, RootKey, Subject, stack_axis
from atlas.errors import AtlasError
from atlas.landmarks.scheme import Anatomy, Status, block_name

# Depth compared with an extent that was itself computed from it.
DEPTH_TOLERANCE_MM = 1e-6
# Points a ring that follow a contour of up to 32 points without rounding its corners.
EXACT_AROUND = {"dura_around": 64, "cord_around": 48}
# Share of a step by which a spacing may be exceeded.
SPACING_TOLERANCE = 0.25


class MissingCordError(AtlasError):
    """A cord that was not annotated where one is needed; the text names the subject."""

    @classmethod
    def of(cls, subject_id: str) -> MissingCordError:
        """The error for a subject."""
        return cls(
            f"{subject_id}: expected cord contours, got none; landmarks counted from the "
            "conus, and measures of the cord, need them"
        )


@dataclass(frozen=True, slots=True, eq=False)
class FittedTube:
    """A stack of contours as a smooth surface.

    Parameters
    ----------
    tracks : NaturalSpline
        Height below the dura's top plane (mm) to the ring (around, 3).
    heights : (k,) float
        Dense heights from the first to the last contour, mm.
    depths : (k,) float
        Length along the centreline at these heights from the first contour, mm.
    noise_mm : float
        Annotation noise of its contours, SD per in-plane axis.
    """

    tracks: NaturalSpline
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
        points = points_along(self.line, self.lengths, goal)
        traced = goal <= self.traced_mm + DEPTH_TOLERANCE_MM
        status = np.where(traced, Status.MEASURED, Status.BRIDGED)
        # The ganglion was marked, on another sequence than the trace.
        status[-1] = Status.MEASURED
        return points, status

    def bridge_sd(self, n: int, roughness: float) -> np.ndarray:
        """Uncertainty of the n landmarks across the root, SD per axis (n,) mm.

        0 where traced and at the ganglion; in the gap that of :func:`bridge_variance`.
        """
        gap = self.lengths[-1] - self.traced_mm
        goal = np.linspace(0, self.lengths[-1], n)
        share = np.clip((goal - self.traced_mm) / max(gap, DEPTH_TOLERANCE_MM), 0, 1)
        return np.sqrt(roughness * gap**3 * bridge_variance(share))


@dataclass(frozen=True, slots=True, eq=False)
class FittedSubject:
    """A subject's structures as smooth curves and surfaces in its own frame.

    ``drawn_cord`` is None where the cord was not annotated; asking for ``cord`` is then an error.
    """

    subject: Subject
    dura: FittedTube
    drawn_cord: FittedTube | None
    roots: dict[RootKey, FittedRoot]

    @property
    def cord(self) -> FittedTube:
        """The cord; MissingCordError where none was annotated."""
        if self.drawn_cord is None:
            raise MissingCordError.of(self.subject.id)
        return self.drawn_cord

    @property
    def conus_depth_mm(self) -> float:
        """Depth of the last cord contour along the sac below the top plane, mm."""
        return self.dura.depth_at(self.cord.heights[-1])


class SmoothingError(AtlasError):
    """A smoothing that cannot be; the text says expected and got."""


def fit_subject(
    subject: Subject, *, dura_around: int = 32, cord_around: int = 24, smoothing: float = 1.0
) -> FittedSubject:
    """Fit smooth curves and surfaces to one subject's annotation.

    Asked again, it answers with the same object.

    Parameters
    ----------
    subject : Subject
    dura_around, cord_around : int
        Points a ring.
    smoothing : float
        How much of the annotation's jitter from slice to slice is taken out: 1 all of it, 0 none,
        so that the surfaces pass through the contours and the centrelines through the points.

    Returns
    -------
    FittedSubject
        In the subject's own frame.  Roots without a ganglion are absent: where they end is unknown.

    Raises
    ------
    SmoothingError
        The smoothing is not a number from 0 up.
    """
    if not 0 <= smoothing < np.inf:
        raise SmoothingError(
            f"smoothing: expected 0 (through every annotated point) or more, 1 for as much as the "
            f"annotation jitters, got {smoothing}"
        )
    return _fit_subject(subject, dura_around, cord_around, float(smoothing))


# A build asks for the same subjects several times: landmarks, the other origin, measures.
@lru_cache(maxsize=32)
def _fit_subject(
    subject: Subject, dura_around: int, cord_around: int, smoothing: float
) -> FittedSubject:
    left, dorsal, axis = subject_axes(subject).T
    top = subject.dura[0].mean(axis=0)
    keys = [key for key in subject.roots if key in subject.ganglia]
    curves: list[tuple[np.ndarray, np.ndarray]] = []
    for contours, around in ((subject.dura, dura_around), (subject.cord, cord_around)):
        if contours:
            rings, middles = resample_contours(contours, around, start=dorsal, towards=left)
            heights = (top - middles) @ axis
            curves += [(heights, rings), (heights, middles)]
    curves += [(arc_length(subject.roots[key]), subject.roots[key]) for key in keys]
    noise = [annotation_noise(t, y.reshape(len(t), -1, 3)) for t, y in curves]
    splines = smoothing_splines(
        [t for t, _ in curves],
        [y for _, y in curves],
        noise_sd=[smoothing * sd for sd in noise],
    )
    first = len(curves) - len(keys)
    tubes = [_tube(*splines[i : i + 2], noise_mm=noise[i]) for i in range(0, first, 2)]
    roots = _roots(
        keys, splines[first:], noise[first:], np.array([subject.ganglia[key] for key in keys])
    )
    return FittedSubject(subject, tubes[0], tubes[1] if subject.cord else None, roots)


def _tube(tracks: NaturalSpline, centreline: NaturalSpline, *, noise_mm: float) -> FittedTube:
    return FittedTube(
        tracks=tracks,
        heights=sample_knots(tracks.x),
        depths=arc_length(sample_splines([centreline])[0]),
        noise_mm=noise_mm,
    )


def _roots(
    keys: list[RootKey], splines: list[NaturalSpline], noise: list[float], ganglia: np.ndarray
) -> dict[RootKey, FittedRoot]:
    """Smooth traces and the bridges from their ends to ganglia (r, 3)."""
    if not keys:
        return {}
    traced = sample_splines(splines)
    tangents = np.array([spline(spline.x[-1], 1) for spline in splines])
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    ends = np.array([line[-1] for line in traced])
    gaps = bridge(ends, tangents, ganglia, samples=BRIDGE_SAMPLES)
    lines = [np.concatenate([trace, gap[1:]]) for trace, gap in zip(traced, gaps, strict=True)]
    return {
        key: FittedRoot(line, arc_length(line), len(trace), sd)
        for key, line, trace, sd in zip(keys, lines, traced, noise, strict=True)
    }


def subject_anatomy(
    subject: Subject, *, spacing_mm: float = 2.0, smoothing: float = 1.0
) -> Anatomy:
    """One subject over its whole field of view, as annotated and smoothed.

    Not a landmark shape: as many rings and points as the extent holds, so that measures lose
    nothing to the sampling.  A point of each root stands exactly where its trace ends.

    Parameters
    ----------
    subject : Subject
    spacing_mm : float
        Distance of rings and of root points, mm, at the most.
    smoothing : float
        As in :func:`fit_subject`.  At 0 every annotated slice has a ring on the spline through
        its contour, with twice as many points, and every annotated root point is a point of the
        root.

    Returns
    -------
    Anatomy
        In the subject's own frame (LPS mm), with the status of every point.
    """
    exact = smoothing == 0
    around = EXACT_AROUND if exact else {}
    fitted = fit_subject(subject, smoothing=smoothing, **around)
    tubes: dict[str, np.ndarray] = {}
    status: dict[str, np.ndarray] = {}
    for name, tube in (("dura", fitted.dura), ("cord", fitted.cord)):
        if exact:
            tubes[name] = tube.tracks(_refined(tube.tracks.x, spacing_mm))
        else:
            count = int(np.ceil(tube.length_mm / spacing_mm)) + 1
            tubes[name] = tube.rings(np.linspace(0, tube.length_mm, count))
        status[name] = np.full(tubes[name].shape[:2], Status.MEASURED)
    roots = {}
    for key, root in fitted.roots.items():
        roots[key], n_traced = _root_points(root, spacing_mm, exact=exact)
        state = np.full(len(roots[key]), Status.BRIDGED)
        state[:n_traced] = Status.MEASURED
        state[-1] = Status.MEASURED
        status[block_name(key)] = state
    return Anatomy(tubes["dura"], tubes["cord"], roots, dict(subject.ganglia), status)


def _root_points(root: FittedRoot, spacing_mm: float, *, exact: bool) -> tuple[np.ndarray, int]:
    """Points (n, 3) of a root, no further apart than told, and how many of them were traced."""
    last = root.traced_points - 1
    trace, gap = (_evenly(part, spacing_mm) for part in (root.line[: last + 1], root.line[last:]))
    if exact:
        goal = _refined(root.lengths[: last + 1 : SAMPLES_PER_SEGMENT], spacing_mm)
        trace = points_along(root.line[: last + 1], root.lengths[: last + 1], goal)
    return np.concatenate([trace, gap[1:]]), len(trace)


def _evenly(points: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Points at equal arc lengths along a polyline, no further apart than told."""
    length = arc_length(points)
    count = int(np.ceil(length[-1] / spacing_mm)) + 1
    return points_along(points, length, np.linspace(0, length[-1], count))


def _refined(knots: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Knots with as many even steps between them as a spacing, mm, asks for."""
    # Slices 2 mm apart to the last digit or so are one step of 2 mm.
    steps = np.maximum(1, np.ceil(np.diff(knots) / spacing_mm - SPACING_TOLERANCE)).astype(int)
    parts = [
        np.linspace(a, b, n, endpoint=False)
        for a, b, n in zip(knots, knots[1:], steps, strict=False)
    ]
    return np.append(np.concatenate(parts), knots[-1])


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
