"""What is measured in one slice: areas, extents and CSF of sac and cord."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.morphometry.axes import anatomy_axes
from analysis.morphometry.slices import Stack, slice_axes
from atlas.curves.contour_stack import ring_areas_centroids
from atlas.curves.polygons import line_crossings
from atlas.landmarks.scheme import Anatomy

SECTION_COLUMNS = {
    "depth_mm": "below the plane of the first dura ring, down the normal of the slices",
    "measure": "as in MEASURES, of the slice",
    "value": "in the unit the measure's name ends in; NaN where there is no slice",
}


def section_profile(anatomy: Anatomy, depths_mm: np.ndarray) -> pd.DataFrame:
    """Section measures at depths below the plane of the first dura ring.

    Parameters
    ----------
    anatomy : Anatomy
    depths_mm : (n,) float

    Returns
    -------
    DataFrame
        Tidy, columns of ``SECTION_COLUMNS``; what the measures say stands in ``MEASURES``.
    """
    plane = slice_axes(anatomy, anatomy_axes(anatomy)[:, 0])
    dura, cord = Stack.of(anatomy.dura, plane), Stack.of(anatomy.cord, plane)
    depths = np.asarray(depths_mm, dtype=float)
    values = section_measures(dura, cord, depths + dura.depths[0])
    wide = pd.DataFrame({"depth_mm": depths} | values)
    return wide.melt("depth_mm", var_name="measure", value_name="value")


def section_measures(dura: Stack, cord: Stack, down: np.ndarray) -> dict[str, np.ndarray]:
    """Areas, extents and CSF in slices at depths (n,) down the normal, mm.

    Returns
    -------
    dict of str to (n,) float
        Areas lie inside the periodic cubic spline through the ring, in the slice (not across the
        cord's own direction); width is the extent left to right, depth that front to back.  Dorsal
        and ventral CSF run between the edges of cord and sac on the sac's midline, the line
        through the sac's centroid along dorsal; negative where the cord leaves the sac.  NaN
        outside the rings, and the CSF where the cord misses the midline.
    """
    return outline_measures(dura.between(dura.outlines, down), cord.between(cord.outlines, down))


def outline_measures(sac: np.ndarray, cord: np.ndarray) -> dict[str, np.ndarray]:
    """As :func:`section_measures`, of outlines (n, m, 2) of sac and cord, left and dorsal, mm."""
    outlines = {"cord": cord, "sac": sac}
    result, centres = {}, {}
    for part, outline in outlines.items():
        area, centres[part] = ring_areas_centroids(outline)
        extent = outline.max(axis=1) - outline.min(axis=1)
        result[f"{part}_area_mm2"] = abs(area)
        result[f"{part}_width_mm"], result[f"{part}_depth_mm"] = extent.T
        result[f"{part}_aspect_ratio"] = extent[:, 0] / extent[:, 1]
    middle = centres["sac"][:, 0]
    cord_low, cord_high = line_crossings(cord, middle, along=1)
    sac_low, sac_high = line_crossings(sac, middle, along=1)
    apart = centres["cord"] - centres["sac"]
    return result | {
        "csf_dorsal_mm": sac_high - cord_high,
        "csf_ventral_mm": cord_low - sac_low,
        "cord_left_of_sac_mm": apart[:, 0],
        "cord_dorsal_of_sac_mm": apart[:, 1],
    }


def lateral_csf(dura: Stack, cord: Stack, down: np.ndarray, outward: np.ndarray) -> np.ndarray:
    """CSF (n,) beside the cord, mm, on the line left to right through the cord's centroid.

    ``outward`` (n,) is +1 for the left side, -1 for the right.
    """
    level = cord.between(cord.centroids, down)[:, 1]
    inner = line_crossings(cord.between(cord.outlines, down), level, along=0)
    outer = line_crossings(dura.between(dura.outlines, down), level, along=0)
    return np.where(outward > 0, outer[1] - inner[1], inner[0] - outer[0])
