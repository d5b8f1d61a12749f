"""Handedness of a subject from its own anatomy, in whatever pose it came.

Left is where the roots named left lie, rostral follows from the sac; dorsal is then decided, and
the roots lie on one side of the sac's middle.  In a mirror image, or where left and right were
swapped, they lie on the other.  The order of points around a ring says nothing here: it was laid
out by these same directions, and so agrees with them whether they are right or wrong.
"""

from __future__ import annotations

import numpy as np

from atlas.shape.landmarks import LandmarkSet
from atlas.shape.pose import AlignmentError
from atlas.shape.scheme import LandmarkScheme
from atlas.shape.transforms import frame, line_direction


def dorsal_offset(points: np.ndarray, scheme: LandmarkScheme) -> float:
    """How far to dorsal of the sac's middle the roots run, by the labels of their sides.

    Parameters
    ----------
    points : (L, 3) float
        mm, in any pose; NaN where missing.
    scheme : LandmarkScheme

    Returns
    -------
    float
        mm, mean over the root landmarks beside the sac; rigid motion does not change it and
        a reflection changes its sign.  NaN without a pair of roots or two rings of the dura.

    Notes
    -----
    With ``l`` the mean of left minus right roots, ``r`` the direction of the sac and ``o`` the mean
    offset of the roots from the sac's middle at their height, it is the triple product
    ``det[l, o, r]`` over the area of the parallelogram of l and r.
    """
    dura = scheme.block("dura")
    rings = points[scheme.span("dura")].reshape(dura.levels, dura.around, 3).mean(axis=1)
    rings = rings[~np.isnan(rings).any(axis=1)]
    roots = np.array([name.startswith("root/") for name in scheme.names])
    left = np.array(["/left/" in name for name in scheme.names])
    across = points[left] - points[scheme.mirror[left]]
    across = across[~np.isnan(across).any(axis=1)]
    if len(rings) < 2 or not len(across):
        return float("nan")
    rostral = line_direction(rings)
    dorsal = frame(across.mean(axis=0), rostral)[:, 1]
    depth, middle = -(rings @ rostral), rings @ dorsal
    seen = points[roots & ~np.isnan(points).any(axis=1)]
    at = -(seen @ rostral)
    beside = (at >= depth[0]) & (at <= depth[-1])
    if not beside.any():
        return float("nan")
    return float((seen[beside] @ dorsal - np.interp(at[beside], depth, middle)).mean())


def refuse_wrong_handed(landmarks: LandmarkSet, *, group_mm: float | None = None) -> None:
    """Refuse subjects whose roots lie on the other side of the sac's middle than in the group.

    Parameters
    ----------
    landmarks : LandmarkSet
        In any pose.
    group_mm : float, optional
        Dorsal offset to hold them against, such as that of a finished mean; their own median by
        default, so that a majority that is wrong goes unnoticed.

    Raises
    ------
    AlignmentError
        Names each subject that is mirrored or has left and right swapped, with the amount.
    """
    offsets = np.array([dorsal_offset(p, landmarks.scheme) for p in landmarks.points])
    if np.isnan(offsets).all():
        return
    group = float(np.nanmedian(offsets)) if group_mm is None else group_mm
    wrong = offsets * group < 0
    if wrong.any():
        named = ", ".join(
            f"{subject} ({offset:+.1f} mm)"
            for subject, offset, bad in zip(landmarks.subject_ids, offsets, wrong, strict=True)
            if bad
        )
        raise AlignmentError(
            f"{named}: expected roots dorsal of the sac's middle by about {group:+.1f} mm, as in "
            "the group, got them on its other side; left and right are swapped, or the specimen is "
            "a mirror image: check its labels and the coordinate system of its files"
        )
