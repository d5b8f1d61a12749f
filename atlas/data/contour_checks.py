"""What reading asks of contours, many at once: doubled points, area, height, width.

A subject has a hundred and more contours; those of equally many points are measured together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# On a line is what is this much narrower than long.
LINE = 1e-6
# Of the vector area over the sum of squares: at least this in what is not on a line.
CERTAIN_AREA = 1e-5


@dataclass(frozen=True, slots=True)
class ContourCheck:
    """One contour as reading needs it.

    Parameters
    ----------
    doubled : int
        Points at the same place as the point before them; the first follows the last.
    encloses_nothing : bool
        All points lie on a line.
    height : float
        Mean z, mm.
    width : float
        Greatest extent along an axis, mm.
    """

    doubled: int
    encloses_nothing: bool
    height: float
    width: float


def check_contours(contours: Sequence[np.ndarray]) -> list[ContourCheck | None]:
    """Check contours (n_i, 3), mm.

    Returns
    -------
    list of ContourCheck or None
        In their order; None for a contour without points.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for i, contour in enumerate(contours):
        by_size[len(contour)].append(i)
    by_size.pop(0, None)
    checks: list[ContourCheck | None] = [None] * len(contours)
    for members in by_size.values():
        stacked = np.stack([contours[i] for i in members])
        columns = (
            repeats(stacked).sum(axis=1),
            _enclose_nothing(stacked),
            stacked[:, :, 2].mean(axis=1),
            np.ptp(stacked, axis=1).max(axis=1),
        )
        for i, *values in zip(members, *(column.tolist() for column in columns), strict=True):
            checks[i] = ContourCheck(*values)
    return checks


def repeats(contours: np.ndarray) -> np.ndarray:
    """Mask (g, n) of points of contours (g, n, 3) that stand where the point before them does."""
    if contours.shape[1] == 1:
        return np.zeros(contours.shape[:2], dtype=bool)
    return np.linalg.norm(contours - np.roll(contours, 1, axis=1), axis=2) == 0


def _enclose_nothing(contours: np.ndarray) -> np.ndarray:
    """Mask (g,) of contours (g, n, 3) on a line, by their singular values.

    With singular values ``s1 >= s2``, the vector area is ``sqrt(3) s1 s2`` at most, so that most
    are known not to lie on a line without a decomposition.
    """
    centred = contours - contours.mean(axis=1, keepdims=True)
    area = np.cross(centred, np.roll(centred, -1, axis=1)).sum(axis=1) / 2
    doubtful = ~(np.linalg.norm(area, axis=1) > CERTAIN_AREA * (centred**2).sum(axis=(1, 2)))
    nothing = np.zeros(len(contours), dtype=bool)
    for i in np.flatnonzero(doubtful):
        extents = np.linalg.svd(centred[i], compute_uv=False)
        nothing[i] = len(extents) < 2 or extents[1] <= LINE * extents[0]
    return nothing
