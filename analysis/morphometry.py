"""An anatomy to a tidy table of measures: what each is, once, and in which unit.

Every measure but one is intrinsic: it is taken along axes found from the anatomy itself, so that
moving the anatomy changes nothing.  The exception, ``angle_image_deg``, is the published definition
and belongs to the frame the anatomy is given in.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.slices import Stack, section_measures, slice_normal
from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey, Subject
from atlas.shape.curves import arc_length
from atlas.shape.scheme import Anatomy, Status, block_name
from atlas.shape.transforms import frame, line_direction

# Name of each measure to what it says; the unit ends the name.
MEASURES = {
    "length_traced_mm": "root along its trace, first to last traced point",
    "length_total_mm": "root from its first point to its ganglion, the gap bridged",
    "begin_below_apex_mm": "first point of the root below the centroid of the first dura ring",
    "begin_above_conus_mm": "first point of the root above the centroid of the last cord ring",
    "ganglion_below_apex_mm": "ganglion below the centroid of the first dura ring",
    "ganglion_below_conus_mm": "ganglion below the centroid of the last cord ring",
    "angle_sac_deg": "root about the sac's centroid, 0 dorsal, + left, own axes",
    "angle_image_deg": "root about the sac's centroid, 0 dorsal, + left, x and y of the frame",
    "angle_takeoff_deg": "root's first 10 mm to the cord's caudal direction",
    "csf_dorsal_mm": "dorsal edge of cord to dorsal edge of sac on the midline, at the begin",
    "cord_area_mm2": "cord in the slice of the begin",
    "sac_area_mm2": "sac in the slice of the begin",
}
COLUMNS = ["level", "side", "measure", "value", "rests_on"]
UNITS = {"_mm": "mm", "_mm2": "mm2", "_deg": "deg"}
TAKE_OFF_MM = 10.0


def unit(measure: str) -> str:
    """Unit of a measure, from the end of its name.

    Examples
    --------
    >>> unit("cord_area_mm2")
    'mm2'
    """
    return UNITS["_" + measure.rsplit("_", 1)[1]]


def measure(anatomy: Anatomy) -> pd.DataFrame:
    """Every measure of every root of one anatomy, tidy.

    Parameters
    ----------
    anatomy : Anatomy
        mm, in any frame; rings and roots may be missing (NaN) or absent.

    Returns
    -------
    DataFrame
        One row a level, side and measure: ``level, side, measure, value, rests_on``.  What cannot
        be measured has the value NaN.  ``rests_on`` is ``measured``, ``bridged`` (something it is
        computed from stands in a gap between trace and ganglion) or ``missing`` (the value is NaN);
        ``generated`` throughout for shapes without status, such as a mean or a sample.

    Notes
    -----
    Axes are those of :func:`anatomy_axes`.  Depths are distances along the rostral axis.  Lengths
    run along the root's points; on landmark shapes the traced length is short by less than one
    spacing, since a trace may end between two landmarks.

    ``angle_sac_deg`` is the median over the root's points inside the sac of the angle about the
    sac's centroid in the slice of the point; ``angle_image_deg`` the median of
    ``atan2(x - cx, y - cy)`` about the mean point of the ring nearest in z, which is the published
    definition on rings (:func:`published_angles` has it on the contours as drawn).  With status
    only traced points count; without, all but the ganglion.

    ``angle_takeoff_deg`` is the angle between the chord over the root's first 10 mm and the chord
    of the cord's centroids from 5 mm above to 5 mm below the begin, 0 when the root runs down along
    the cord.  Slices, areas and CSF are those of :mod:`analysis.slices`.
    """
    axes = anatomy_axes(anatomy)
    normal = slice_normal(anatomy)
    dura, cord = Stack.of(anatomy.dura, normal), Stack.of(anatomy.cord, normal)
    begins = np.array([_begin(anatomy, key) for key in ROOT_KEYS])
    sections = section_measures(dura, cord, begins, left=axes[:, 0], dorsal=axes[:, 1])
    rows = []
    for i, key in enumerate(ROOT_KEYS):
        traced = _traced_points(anatomy, key)
        values = _lengths(anatomy, key, traced)
        values |= _depths(anatomy, key, axes[:, 2], dura, cord)
        values |= _angles(anatomy, key, traced, axes, dura)
        values["angle_takeoff_deg"] = _take_off(anatomy, key, cord)
        values |= {name: column[i] for name, column in sections.items()}
        grounds = _grounds(anatomy, key)
        rows += [(*key, name, values[name], grounds[name]) for name in MEASURES]
    table = pd.DataFrame(rows, columns=COLUMNS)
    lost = table["value"].isna() & (table["rests_on"] != "generated")
    table.loc[lost, "rests_on"] = "missing"
    return table


def measure_group(anatomies: Mapping[str, Anatomy]) -> pd.DataFrame:
    """The tables of :func:`measure` of a group, one below the other, after a ``subject`` column."""
    if not anatomies:
        raise ValueError("anatomies: expected at least one, got none")
    tables = {name: measure(anatomy) for name, anatomy in anatomies.items()}
    return pd.concat(tables, names=["subject"]).reset_index("subject").reset_index(drop=True)


def published_angles(subject: Subject) -> pd.DataFrame:
    """Angle of each root as the published figures give it, on the annotation as it was drawn.

    Parameters
    ----------
    subject : Subject
        In its native frame.

    Returns
    -------
    DataFrame
        As :func:`measure` returns, with the one measure ``angle_published_deg``: the median over
        the traced points of ``atan2(x - cx, y - cy)`` about the mean of the points of the dura
        contour nearest in z, 0 dorsal, + left.  It leans on how evenly a contour was
        clicked: on evenly resampled ones (``angle_image_deg``) sub-03 differs by up to 3.3 degrees.
    """
    means = np.array([contour.mean(axis=0) for contour in subject.dura])
    rows = []
    for key in ROOT_KEYS:
        value = np.nan
        if key in subject.roots:
            points = subject.roots[key]
            nearest = means[np.abs(points[:, 2:] - means[:, 2]).argmin(axis=1)]
            value = _median_angle((points - nearest)[:, :2])
        rows.append(
            (*key, "angle_published_deg", value, "missing" if np.isnan(value) else "measured")
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def anatomy_axes(anatomy: Anatomy) -> np.ndarray:
    """Left, dorsal and rostral directions of a shape, found from the shape alone.

    Rostral is the least-squares line through the centroids of the dura's rings, pointing up; left
    the mean difference of left and right root of a level over their points inside the sac, across
    it; dorsal is rostral x left.  Without a pair of roots the rings' first points say where
    dorsal is.

    Parameters
    ----------
    anatomy : Anatomy

    Returns
    -------
    (3, 3) float
        Columns left, dorsal, rostral: a proper rotation from the anatomical (LPS) frame.

    Raises
    ------
    ValueError
        Fewer than two dura rings.
    """
    whole = ~np.isnan(anatomy.dura).any(axis=(1, 2))
    rings = anatomy.dura[whole]
    if len(rings) < 2:
        raise ValueError(f"Anatomy.dura: expected at least 2 whole rings, got {len(rings)}")
    centroids = rings.mean(axis=1)
    rostral = line_direction(centroids)
    low, high = np.sort((centroids @ rostral)[[0, -1]])
    centres = {}
    for key, root in anatomy.roots.items():
        points = root[:-1][_traced_points(anatomy, key)]
        height = points @ rostral
        points = points[(low <= height) & (height <= high)]
        if len(points):
            centres[key] = points.mean(axis=0)
    pairs = [(RootKey(v, "left"), RootKey(v, "right")) for v in LEVELS]
    across = [centres[a] - centres[b] for a, b in pairs if a in centres and b in centres]
    if across:
        return frame(np.mean(across, axis=0), rostral)
    return frame(np.cross((rings[:, 0] - centroids).mean(axis=0), rostral), rostral)


def _begin(anatomy: Anatomy, key: RootKey) -> np.ndarray:
    return anatomy.roots[key][0] if key in anatomy.roots else np.full(3, np.nan)


def _traced_points(anatomy: Anatomy, key: RootKey) -> np.ndarray:
    """Mask over the root's points before its ganglion: traced, or present where none can say."""
    if key not in anatomy.roots:
        return np.zeros(0, dtype=bool)
    status = anatomy.status.get(block_name(key))
    present = ~np.isnan(anatomy.roots[key][:-1]).any(axis=1)
    # The ganglion was marked on another sequence; what is measured before the gap is the trace.
    return present if status is None else present & (status[:-1] == Status.MEASURED)


def _lengths(anatomy: Anatomy, key: RootKey, traced: np.ndarray) -> dict[str, float]:
    if key not in anatomy.roots:
        return {"length_traced_mm": np.nan, "length_total_mm": np.nan}
    lengths = arc_length(anatomy.roots[key])
    known = block_name(key) in anatomy.status and traced.any()
    return {
        "length_traced_mm": lengths[np.flatnonzero(traced)[-1]] if known else np.nan,
        "length_total_mm": lengths[-1],
    }


def _depths(
    anatomy: Anatomy, key: RootKey, rostral: np.ndarray, dura: Stack, cord: Stack
) -> dict[str, float]:
    apex, conus = dura.centroids[0], cord.centroids[-1]
    begin = _begin(anatomy, key)
    ganglion = anatomy.ganglia.get(key, np.full(3, np.nan))
    return {
        "begin_below_apex_mm": (apex - begin) @ rostral,
        "begin_above_conus_mm": (begin - conus) @ rostral,
        "ganglion_below_apex_mm": (apex - ganglion) @ rostral,
        "ganglion_below_conus_mm": (conus - ganglion) @ rostral,
    }


def _angles(
    anatomy: Anatomy, key: RootKey, traced: np.ndarray, axes: np.ndarray, dura: Stack
) -> dict[str, float]:
    points = anatomy.roots[key][:-1][traced] if key in anatomy.roots else np.empty((0, 3))
    centroids = dura.centroid_at(points)
    inside = ~np.isnan(centroids).any(axis=1)
    if not inside.any():
        return {"angle_sac_deg": np.nan, "angle_image_deg": np.nan}
    points, centroids = points[inside], centroids[inside]
    means = dura.rings[dura.whole].mean(axis=1)
    nearest = means[np.abs(points[:, 2:] - means[:, 2]).argmin(axis=1)]
    return {
        "angle_sac_deg": _median_angle((points - centroids) @ axes[:, :2]),
        "angle_image_deg": _median_angle((points - nearest)[:, :2]),
    }


def _median_angle(offsets: np.ndarray) -> float:
    """Median of ``atan2(left, dorsal)`` over offsets (n, 2), degrees; taken about their mean."""
    angles = np.arctan2(offsets[:, 0], offsets[:, 1])
    # About the mean direction no angle jumps from +180 to -180 between two points.
    mean = np.angle(np.exp(1j * angles).mean())
    turned = np.angle(np.exp(1j * (angles - mean)))
    return float(np.degrees(np.angle(np.exp(1j * (mean + np.median(turned))))))


def _take_off(anatomy: Anatomy, key: RootKey, cord: Stack) -> float:
    if key not in anatomy.roots:
        return np.nan
    root = anatomy.roots[key]
    gaps = np.isnan(root).any(axis=1)
    root = root[: gaps.argmax()] if gaps.any() else root
    if len(root) < 2:
        return np.nan
    lengths = arc_length(root)
    end = np.array([np.interp(TAKE_OFF_MM, lengths, axis) for axis in root.T])
    leaves, caudal = end - root[0], cord.caudal_at(root[0], window_mm=TAKE_OFF_MM)
    sine = np.linalg.norm(np.cross(leaves, caudal))
    return float(np.degrees(np.arctan2(sine, leaves @ caudal)))


def _grounds(anatomy: Anatomy, key: RootKey) -> dict[str, str]:
    """What each measure of a root rests on, where its value is not missing."""
    if not anatomy.status:
        return dict.fromkeys(MEASURES, "generated")
    grounds = dict.fromkeys(MEASURES, "measured")
    status = anatomy.status.get(block_name(key))
    if status is not None and key in anatomy.roots:
        bridged = status == Status.BRIDGED
        if bridged.any():
            grounds["length_total_mm"] = "bridged"
        if bridged[arc_length(anatomy.roots[key]) <= TAKE_OFF_MM].any():
            grounds["angle_takeoff_deg"] = "bridged"
    return grounds
