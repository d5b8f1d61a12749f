"""Angles of roots: about the centroids of sac and cord, and at which they leave the cord."""

from __future__ import annotations

import numpy as np

from analysis.morphometry.courses import Courses, Intradural
from analysis.morphometry.slices import Stack
from atlas.data.subject import ROOT_KEYS

TAKE_OFF_MM = 10.0
# +1 left, -1 right.
OUTWARD = np.array([1.0 if key.side == "left" else -1.0 for key in ROOT_KEYS])


def median_angles(offsets: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Median of ``atan2(left, dorsal)`` of each row, degrees; taken about the row's mean direction.

    Parameters
    ----------
    offsets : (r, n, 2) float
        To the left and to dorsal, mm.
    seen : (r, n) bool
        Which of them count.

    Returns
    -------
    (r,) float
        0 dorsal, + left; NaN where none counts.
    """
    angles = np.where(seen, np.arctan2(offsets[..., 0], offsets[..., 1]), np.nan)
    # About the mean direction no angle jumps from +180 to -180 between two points.
    turns = np.exp(1j * angles)
    mean = np.angle(np.nansum(turns, axis=1))
    turned = np.sort(np.angle(turns * np.exp(-1j * mean)[:, None]), axis=1)
    count = (~np.isnan(turned)).sum(axis=1)
    row = np.arange(len(turned))
    upper = turned[row, np.minimum(count // 2, turned.shape[1] - 1)]
    median = (turned[row, np.maximum(count - 1, 0) // 2] + upper) / 2
    return np.where(count, np.degrees(np.angle(np.exp(1j * (mean + median)))), np.nan)


def angle_measures(
    courses: Courses,
    stretch: Intradural,
    dura: Stack,
    cord: Stack,
    *,
    rings: np.ndarray,
    axes: np.ndarray,
    down: np.ndarray,
) -> dict[str, np.ndarray]:
    """Angles (14,) of the roots about sac and cord, degrees, 0 dorsal, + left.

    Medians run over the trace; where its end is unknown, over the stretch inside the sac.

    Parameters
    ----------
    rings : (k, around, 3) float
        Of the dura, for the published definition: the mean point of the ring nearest in z.
    axes : (3, 3) float
        Of :func:`anatomy_axes`.
    down : (14, p) float
        Depth of each point down the normal of the slices, mm.
    """
    result = {}
    along = np.where(courses.known[:, None], courses.traced, stretch.seen)
    for part, stack in (("sac", dura), ("cord", cord)):
        centres = stack.between(stack.centres, down.ravel()).reshape(courses.points.shape)
        offsets = (courses.points - centres) @ axes[:, :2]
        seen = along & ~np.isnan(offsets).any(axis=2)
        result[f"angle_{part}_deg"] = median_angles(offsets, seen)
        begin = np.arctan2(offsets[:, 0, 0], offsets[:, 0, 1])
        result[f"angle_begin_{part}_deg"] = np.degrees(begin)
        if part == "sac":
            means = rings[stack.whole].mean(axis=1)
            result["angle_image_deg"] = _image_angles(courses.points, seen, means)
    return result


def _image_angles(points: np.ndarray, seen: np.ndarray, means: np.ndarray) -> np.ndarray:
    nearest = np.abs(np.nan_to_num(points[..., 2:]) - means[:, 2]).argmin(axis=2)
    return median_angles((points - means[nearest])[..., :2], seen)


def take_off_measures(
    courses: Courses, cord: Stack, axes: np.ndarray, down: np.ndarray
) -> dict[str, np.ndarray]:
    """Angles (14,) between the root's first 10 mm and the cord's caudal direction, degrees.

    Notes
    -----
    The cord's direction is the chord of its centroids from 5 mm above to 5 mm below the begin.  In
    space the angle is 0 when the root runs down along the cord.  Seen from behind (coronal) it is
    positive away from the midline, seen from the side (sagittal) positive dorsal: neither changes
    sign when the anatomy is mirrored.
    """
    leaves = _first_stretch(courses)
    caudal = cord.caudal_at(down[:, 0], window_mm=TAKE_OFF_MM)
    along = (leaves * caudal).sum(axis=1)
    left = axes[:, 0] - (caudal @ axes[:, 0])[:, None] * caudal
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    dorsal = np.cross(left, caudal)
    dorsal *= np.sign(dorsal @ axes[:, 1])[:, None]
    sideways = OUTWARD * (leaves * left).sum(axis=1)
    backwards = (leaves * dorsal).sum(axis=1)
    return {
        "angle_takeoff_deg": np.degrees(np.arctan2(np.hypot(sideways, backwards), along)),
        "angle_takeoff_coronal_deg": np.degrees(np.arctan2(sideways, along)),
        "angle_takeoff_sagittal_deg": np.degrees(np.arctan2(backwards, along)),
    }


def _first_stretch(courses: Courses) -> np.ndarray:
    """Vectors (14, 3) from the begin to 10 mm along the root, or to where it breaks off."""
    lengths = courses.lengths
    whole = ~np.isnan(lengths)
    last = np.where(whole[:, 1], np.where(whole, np.arange(lengths.shape[1]), 0).max(axis=1), 0)
    row = np.arange(len(lengths))
    goal = np.minimum(TAKE_OFF_MM, np.nan_to_num(lengths[row, last]))
    upper = np.clip((np.where(whole, lengths, np.inf) < goal[:, None]).sum(axis=1), 1, None)
    upper = np.minimum(upper, np.maximum(last, 1))
    before, after = lengths[row, upper - 1], lengths[row, upper]
    share = ((goal - before) / (after - before))[:, None]
    points = courses.points
    place = points[row, upper - 1] + share * (points[row, upper] - points[row, upper - 1])
    return place - points[:, 0]
