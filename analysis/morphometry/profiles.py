"""Measures along an anatomy: of its slices along depth, and of its roots along their length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.columns import as_frame
from analysis.morphometry.axes import anatomy_axes
from analysis.morphometry.courses import Courses
from analysis.morphometry.sections import section_measures
from analysis.morphometry.slices import Stack, slice_axes
from analysis.morphometry.walls import depth_inside
from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.scheme import Anatomy, Status, block_name

if TYPE_CHECKING:
    import pandas as pd

SECTION_COLUMNS = {
    "depth_mm": "below the plane of the first dura ring, down the normal of the slices",
    "measure": "as in MEASURES, of the slice",
    "value": "in the unit the measure's name ends in; NaN where there is no slice",
}
ROOT_COLUMNS = {
    "level": "spinal level of the root",
    "side": "left or right",
    "length_mm": "along the root from its first point",
    "depth_mm": "below the plane of the first dura ring, down the normal of the slices",
    "dura_distance_mm": "to the sac's wall in the slice, + inside; NaN beyond the rings",
    "cord_distance_mm": "to the cord's surface in the slice, + outside; NaN beyond the rings",
    "status": "measured, bridged, missing, or generated for a shape without status",
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
    wide = as_frame({"depth_mm": depths} | values)
    return wide.melt("depth_mm", var_name="measure", value_name="value")


def root_profile(anatomy: Anatomy) -> pd.DataFrame:
    """Every point of every root with its distances to sac and cord.

    Parameters
    ----------
    anatomy : Anatomy

    Returns
    -------
    DataFrame
        One row a point of a root there is, columns of ``ROOT_COLUMNS``.
    """
    import pandas as pd

    plane = slice_axes(anatomy, anatomy_axes(anatomy)[:, 0])
    dura, cord = Stack.of(anatomy.dura, plane), Stack.of(anatomy.cord, plane)
    courses = Courses.of(anatomy)
    local = courses.points @ plane
    flat, down = local[..., :2].reshape(-1, 2), -local[..., 2]
    inside = depth_inside(dura, flat, down.ravel()).reshape(down.shape)
    in_cord = depth_inside(cord, flat, down.ravel()).reshape(down.shape)
    tables = []
    for i, key in enumerate(ROOT_KEYS):
        n = courses.count[i]
        if not n:
            continue
        status = anatomy.status.get(block_name(key))
        states = [Status(s).name.lower() for s in status] if status is not None else "generated"
        columns = (
            *key,
            courses.lengths[i, :n],
            down[i, :n] - dura.depths[0],
            inside[i, :n],
            -in_cord[i, :n],
            states,
        )
        tables.append(pd.DataFrame(dict(zip(ROOT_COLUMNS, columns, strict=True))))
    if not tables:
        return pd.DataFrame(columns=list(ROOT_COLUMNS))
    return pd.concat(tables, ignore_index=True)
