"""Rings of sac and cord as slices: outlines, and the slice any point stands in.

All rings of an anatomy lie in (nearly) parallel planes.  Between two neighbouring rings the slice
through a point is their interpolation, point by point; beyond the first and last ring, or next to a
missing one, there is no slice and everything measured in it is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.curves.closed_splines import ClosedSplines
from atlas.curves.contour_stack import ring_areas_centroids
from atlas.curves.transforms import frame
from atlas.landmarks.scheme import Anatomy

# A begin may stand in the very plane of the first or last ring, to rounding.
EDGE_MM = 1e-6
# Chords a spline segment: 24 points a ring make 96 chords, which lose 0.07 % of a circle's area.
CHORDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The rings of one structure as a stack of outlines in the axes of the slices.

    Parameters
    ----------
    outlines : (k, m, 2) float
        Left and dorsal of dense points on the spline through each ring, mm; NaN where missing.
    depths : (k,) float
        Of each ring, down the normal of the slices, mm; increasing.
    areas : (k,) float
        In the slice, mm².
    centroids : (k, 2) float
        Of the areas.
    centres : (k, 3) float
        The same points in the frame of the anatomy.
    sense : float
        +1 if the outlines turn from left to dorsal, -1 from dorsal to left.
    """

    outlines: np.ndarray
    depths: np.ndarray
    areas: np.ndarray
    centroids: np.ndarray
    centres: np.ndarray
    sense: float

    @classmethod
    def of(cls, rings: np.ndarray, axes: np.ndarray) -> Stack:
        """The stack of an anatomy's ``dura`` or ``cord`` in :func:`slice_axes`."""
        dense = smooth_rings(rings @ axes)
        signed, middles = ring_areas_centroids(dense)
        sense = 1.0 if np.nansum(signed) >= 0 else -1.0
        outlines, centres = np.ascontiguousarray(dense[..., :2]), middles @ axes.T
        return cls(outlines, -middles[:, 2], abs(signed), middles[:, :2], centres, sense)

    @property
    def whole(self) -> np.ndarray:
        """Mask (k,) of the rings that are not missing."""
        return ~np.isnan(self.depths)

    def between(self, values: np.ndarray, depths: np.ndarray) -> np.ndarray:
        """Values (k, ...) of rings interpolated at depths (n,) down the normal; NaN outside.

        NaN too between two rings of which a neighbour in the stack is missing.
        """
        index = np.flatnonzero(self.whole)
        result = np.full((len(depths), *values.shape[1:]), np.nan)
        if len(index) < 2:
            return result
        known = self.depths[index]
        inside = (depths >= known[0] - EDGE_MM) & (depths <= known[-1] + EDGE_MM)
        upper = np.clip(np.searchsorted(known, depths, side="right") - 1, 0, len(index) - 2)
        inside &= index[upper + 1] - index[upper] == 1
        upper = upper[inside]
        share = (depths[inside] - known[upper]) / (known[upper + 1] - known[upper])
        above, step = values[index[upper]], values[index[upper + 1]]
        step -= above
        step *= share.reshape(-1, *[1] * (values.ndim - 1))
        step += above
        if inside.all():
            return step
        result[inside] = step
        return result

    def caudal_at(self, depths: np.ndarray, *, window_mm: float) -> np.ndarray:
        """Directions (n, 3) of the centroids over a window about depths (n,), pointing caudal.

        The window is cut where the stack ends; NaN for a depth beyond it.
        """
        known = self.depths[self.whole]
        if not len(known):
            return np.full((len(depths), 3), np.nan)
        half = window_mm / 2
        above = self.between(self.centres, np.clip(depths - half, known[0], known[-1]))
        below = self.between(self.centres, np.clip(depths + half, known[0], known[-1]))
        away = below - above
        away[np.isnan(self.between(self.depths, depths))] = np.nan
        return away / np.linalg.norm(away, axis=1, keepdims=True)


def slice_axes(anatomy: Anatomy, left: np.ndarray) -> np.ndarray:
    """Left, dorsal and rostral directions of the slices, (3, 3) columns, a proper rotation.

    The normal is the least-squares one over all whole dura rings; ``left`` (3,) says which way left
    is, and only its part in the slice counts.
    """
    rings = anatomy.dura[~np.isnan(anatomy.dura).any(axis=(1, 2))]
    centroids = rings.mean(axis=1)
    centred = (rings - centroids[:, None]).reshape(-1, 3)
    normal = np.linalg.eigh(centred.T @ centred)[1][:, 0]
    return frame(left, normal if normal @ (centroids[0] - centroids[-1]) >= 0 else -normal)


def smooth_rings(rings: np.ndarray) -> np.ndarray:
    """Dense points on the periodic interpolating cubic spline through each ring.

    Parameters
    ----------
    rings : (k, n, 3) float
        NaN gives NaN.

    Returns
    -------
    (k, 4 n, 3) float
    """
    k, n, _ = rings.shape
    result = np.full((k, n * CHORDS, 3), np.nan)
    whole = ~np.isnan(rings).any(axis=(1, 2))
    if whole.any():
        dense = ClosedSplines.through(rings[whole]).sample(CHORDS)
        result[whole] = np.moveaxis(dense.reshape(3, -1, n * CHORDS), 0, 2)
    return result
