"""Handedness of a subject from its own anatomy, in whatever pose it came.

Left is where the roots named left lie, rostral follows from the sac; dorsal is then decided, and
the roots lie on one side of the sac's middle.  In a mirror image, or where left and right were
swapped, they lie on the other.  The order of points around a ring says nothing here: it was laid
out by these same directions, and so agrees with them whether they are right or wrong.
"""

from __future__ import annotations

import numpy as np

from atlas.components.blocks import Block, Group, joined
from atlas.curves.transforms import frame, line_direction
from atlas.landmarks.scheme import LandmarkScheme
from atlas.procrustes.canonical_frame import Look, all_roots, left_roots
from atlas.procrustes.similarity import AlignmentError

# A subject whose first look gives less than this share of the group's offset is looked at whole.
CLEAR_SHARE = 0.5


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
    roots, left = all_roots(scheme), left_roots(scheme)
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


def refuse_wrong_handed(group: Group, *, group_mm: float | None = None) -> None:
    """Refuse subjects whose roots lie on the other side of the sac's middle than in the group.

    Parameters
    ----------
    group : Group
        In any pose.
    group_mm : float, optional
        Dorsal offset to hold them against, such as that of a finished mean; their own median by
        default, so that a majority that is wrong goes unnoticed.

    Raises
    ------
    AlignmentError
        Names each subject that is mirrored or has left and right swapped, with the amount.
    """
    looked = joined(group.each(_looks))
    if np.isnan(looked).all():
        return
    about = float(np.nanmedian(looked)) if group_mm is None else group_mm
    # NaN compares as clear: without roots or rings there is nothing to tell.
    unclear = looked * about < CLEAR_SHARE * about**2
    if not unclear.any():
        return
    offsets = joined(group.each(_offsets, own=(unclear, looked)))
    wrong = offsets * about < 0
    if wrong.any():
        named = ", ".join(
            f"{subject} ({offset:+.1f} mm)"
            for subject, offset, bad in zip(group.subject_ids, offsets, wrong, strict=True)
            if bad
        )
        raise AlignmentError(
            f"{named}: expected roots dorsal of the sac's middle by about {about:+.1f} mm, as in "
            "the group, got them on its other side; left and right are swapped, or the specimen is "
            "a mirror image: check its labels and the coordinate system of its files"
        )


def _offsets(block: Block, unclear: np.ndarray, looked: np.ndarray) -> np.ndarray:
    """Dorsal offset of each subject (S,), mm: worked out in full where a look left it unclear."""
    offsets = looked.copy()
    for i in np.flatnonzero(unclear):
        offsets[i] = dorsal_offset(block.landmarks.points[i], block.landmarks.scheme)
    return offsets


def _looks(block: Block) -> np.ndarray:
    """Dorsal offset of each subject (S,), mm, from a few of its landmarks.

    It differs from :func:`dorsal_offset` by the bend of the sac between two of the few rings,
    a small part of the offset itself.
    """
    scheme, points = block.landmarks.scheme, block.landmarks.points
    look = Look.at(points, scheme)
    if look is None:
        return np.array([dorsal_offset(p, scheme) for p in points])
    dorsal = np.cross(look.rostral, look.across)
    dorsal /= np.linalg.norm(dorsal, axis=1, keepdims=True)
    offset = _beside(look.rings, look.roots, look.rostral, dorsal)
    # What has gaps is looked at whole.
    for i in np.flatnonzero(np.isnan(offset)):
        offset[i] = dorsal_offset(points[i], scheme)
    return offset


def _beside(
    rings: np.ndarray, seen: np.ndarray, rostral: np.ndarray, dorsal: np.ndarray
) -> np.ndarray:
    """Mean offset (S,) of points (S, m, 3) beside the line through rings (S, n, 3), to dorsal."""
    depth = -np.einsum("snk,sk->sn", rings, rostral)
    middle = np.einsum("snk,sk->sn", rings, dorsal)
    at = -np.einsum("smk,sk->sm", seen, rostral)
    last = depth.shape[1] - 2
    before = np.clip((at[:, :, None] >= depth[:, None, 1:]).sum(axis=2), 0, last)
    low, high = (np.take_along_axis(depth, before + step, axis=1) for step in (0, 1))
    left, right = (np.take_along_axis(middle, before + step, axis=1) for step in (0, 1))
    line = left + (right - left) * (at - low) / (high - low)
    offset = np.einsum("smk,sk->sm", seen, dorsal) - line
    inside = (at >= depth[:, :1]) & (at <= depth[:, -1:])
    counted = inside.sum(axis=1)
    mean = (offset * inside).sum(axis=1) / np.maximum(counted, 1)
    result: np.ndarray = np.where(counted > 0, mean, np.nan)
    return result
