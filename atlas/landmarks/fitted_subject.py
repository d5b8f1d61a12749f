"""What fitting makes of one subject's annotation: smooth surfaces and centrelines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.curves.natural_splines import NaturalSpline
from atlas.curves.polylines import points_along
from atlas.data.subject import RootKey, Subject
from atlas.errors import AtlasError
from atlas.landmarks.bridging import bridge_variance
from atlas.landmarks.scheme import Status

# Depth compared with an extent that was itself computed from it.
DEPTH_TOLERANCE_MM = 1e-6


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
