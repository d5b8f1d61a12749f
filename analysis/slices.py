"""Rings of sac and cord as slices: the slice a point stands in, its areas and its dorsal CSF.

A slice is the plane of a ring.  Between two neighbouring rings the slice through a point is their
interpolation, point by point; beyond the first and last ring, or next to a missing one, there is no
slice and everything measured in it is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.shape.contours import SAMPLES_PER_SEGMENT, ClosedSplines, area_centroids
from atlas.shape.scheme import Anatomy

# A begin may stand in the very plane of the first or last ring, to rounding.
EDGE_MM = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The rings of one structure as a stack of slices.

    Parameters
    ----------
    rings : (k, around, 3) float
        Rostral to caudal, mm; NaN where missing.
    centroids : (k, 3) float
        Of the area of each ring.
    normal : (3,) float
        Of the slices, pointing rostral.
    """

    rings: np.ndarray
    centroids: np.ndarray
    normal: np.ndarray

    @classmethod
    def of(cls, rings: np.ndarray, normal: np.ndarray) -> Stack:
        """The stack of an anatomy's ``dura`` or ``cord``."""
        return cls(rings, areas_centroids(rings)[1], normal)

    @property
    def whole(self) -> np.ndarray:
        """Mask (k,) of the rings that are not missing."""
        return ~np.isnan(self.centroids).any(axis=1)

    def rings_at(self, points: np.ndarray) -> np.ndarray:
        """Rings (n, around, 3) of the slices that points (n, 3) stand in."""
        return self._between(self.rings, -points @ self.normal)

    def centroid_at(self, points: np.ndarray) -> np.ndarray:
        """Centroids (n, 3) of the slices that points (n, 3) stand in."""
        return self._between(self.centroids, -points @ self.normal)

    def caudal_at(self, point: np.ndarray, *, window_mm: float) -> np.ndarray:
        """Direction (3,) of the centroids over a window about a point's slice, pointing caudal.

        The window is cut where the stack ends; NaN for a point beyond it.
        """
        height = -point @ self.normal
        heights = -self.centroids[self.whole] @ self.normal
        if not len(heights) or np.isnan(self._between(self.centroids, height[None])).any():
            return np.full(3, np.nan)
        ends = np.clip(height + np.array([-0.5, 0.5]) * window_mm, heights[0], heights[-1])
        above, below = self._between(self.centroids, ends)
        return (below - above) / np.linalg.norm(below - above)

    def _between(self, values: np.ndarray, heights: np.ndarray) -> np.ndarray:
        """Values of rings interpolated at heights (n,) mm down the normal; NaN outside."""
        index = np.flatnonzero(self.whole)
        result = np.full((len(heights), *values.shape[1:]), np.nan)
        if len(index) < 2:
            return result
        known = -self.centroids[index] @ self.normal
        inside = (heights >= known[0] - EDGE_MM) & (heights <= known[-1] + EDGE_MM)
        upper = np.clip(np.searchsorted(known, heights, side="right") - 1, 0, len(index) - 2)
        inside &= index[upper + 1] - index[upper] == 1
        upper = upper[inside]
        share = (heights[inside] - known[upper]) / (known[upper + 1] - known[upper])
        share = share.reshape(-1, *[1] * (values.ndim - 1))
        result[inside] = (1 - share) * values[index[upper]] + share * values[index[upper + 1]]
        return result


def slice_normal(anatomy: Anatomy) -> np.ndarray:
    """Unit normal (3,) of the slices, pointing rostral: least squares over all dura rings."""
    rings = anatomy.dura[~np.isnan(anatomy.dura).any(axis=(1, 2))]
    centroids = rings.mean(axis=1)
    centred = (rings - centroids[:, None]).reshape(-1, 3)
    normal = np.linalg.eigh(centred.T @ centred)[1][:, 0]
    return normal if normal @ (centroids[0] - centroids[-1]) >= 0 else -normal


def areas_centroids(rings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area and area centroid of rings (k, n, 3), the first point not repeated; NaN gives NaN."""
    return area_centroids(np.concatenate([rings, rings[:, :1]], axis=1))


def smooth_rings(rings: np.ndarray) -> np.ndarray:
    """Dense points on the periodic interpolating cubic spline through each ring.

    Parameters
    ----------
    rings : (k, n, 3) float
        NaN gives NaN.

    Returns
    -------
    (k, 16 n, 3) float
    """
    k, n, _ = rings.shape
    result = np.full((k, n * SAMPLES_PER_SEGMENT, 3), np.nan)
    whole = ~np.isnan(rings).any(axis=(1, 2))
    result[whole] = ClosedSplines.through(rings[whole]).sample()[:, :-1]
    return result


def section_measures(
    dura: Stack, cord: Stack, points: np.ndarray, *, left: np.ndarray, dorsal: np.ndarray
) -> dict[str, np.ndarray]:
    """Areas and dorsal CSF in the slices that points stand in.

    Parameters
    ----------
    dura, cord : Stack
    points : (n, 3) float
        mm.
    left, dorsal : (3,) float
        Anatomical axes.

    Returns
    -------
    dict of str to (n,) float
        ``cord_area_mm2`` and ``sac_area_mm2``: area inside the periodic cubic spline through the
        ring, in the slice (not across the cord's own direction).  ``csf_dorsal_mm``: distance
        between the dorsal edges of cord and sac on the sac's midline, which runs dorsal through
        the sac's centroid.  NaN outside the rings, and the CSF where the cord misses the midline.
    """
    sac_rings = smooth_rings(dura.rings_at(points))
    cord_rings = smooth_rings(cord.rings_at(points))
    sac_area, centre = areas_centroids(sac_rings)
    edges = [
        _dorsal_edge(rings, centre, left=left, dorsal=dorsal) for rings in (sac_rings, cord_rings)
    ]
    gap = edges[0] - edges[1]
    # Signed, so that a cord that leaves the sac shows as negative CSF.
    csf = np.copysign(np.linalg.norm(gap, axis=1), gap @ dorsal)
    return {
        "cord_area_mm2": areas_centroids(cord_rings)[0],
        "sac_area_mm2": sac_area,
        "csf_dorsal_mm": csf,
    }


def _dorsal_edge(
    rings: np.ndarray, centre: np.ndarray, *, left: np.ndarray, dorsal: np.ndarray
) -> np.ndarray:
    """Most dorsal crossing (k, 3) of each ring (k, n, 3) with the midline through its centre."""
    following = np.roll(rings, -1, axis=1)
    across = (rings - centre[:, None]) @ left
    change = across - (following - centre[:, None]) @ left
    with np.errstate(divide="ignore", invalid="ignore"):
        share = across / change
    crosses = (share >= 0) & (share < 1)
    share = np.where(crosses, share, 0.0)
    places = rings + share[..., None] * (following - rings)
    reach = np.where(crosses, (places - centre[:, None]) @ dorsal, -np.inf)
    best = places[np.arange(len(rings)), reach.argmax(axis=1)]
    return np.where(crosses.any(axis=1)[:, None], best, np.nan)
