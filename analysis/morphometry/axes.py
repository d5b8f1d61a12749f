"""Left, dorsal and rostral of an anatomy, found from the anatomy alone."""

from __future__ import annotations

import numpy as np

from analysis.morphometry.courses import Courses
from atlas.curves.transforms import frame, line_direction
from atlas.landmarks.scheme import Anatomy


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
    return axes_of(anatomy.dura, Courses.of(anatomy))


def axes_of(dura: np.ndarray, courses: Courses) -> np.ndarray:
    """As :func:`anatomy_axes`, from the dura's rings (k, around, 3) and the roots' courses."""
    rings = dura[~np.isnan(dura).any(axis=(1, 2))]
    if len(rings) < 2:
        raise ValueError(f"Anatomy.dura: expected at least 2 whole rings, got {len(rings)}")
    centroids = rings.mean(axis=1)
    rostral = line_direction(centroids)
    low, high = np.sort((centroids @ rostral)[[0, -1]])
    height = courses.points @ rostral
    inside = courses.traced & (low <= height) & (height <= high)
    count = inside.sum(axis=1)
    total = np.where(inside[..., None], courses.points, 0.0).sum(axis=1)
    centres = (total / np.maximum(count, 1)[:, None]).reshape(-1, 2, 3)
    pairs = (count > 0).reshape(-1, 2).all(axis=1)
    if pairs.any():
        # The roots' keys run level by level, left before right.
        across = centres[pairs, 0] - centres[pairs, 1]
        return frame(across.mean(axis=0), rostral)
    return frame(np.cross((rings[:, 0] - centroids).mean(axis=0), rostral), rostral)
