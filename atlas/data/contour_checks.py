"""What reading asks of contours, many at once: doubled points, area, height, width.

A subject has a hundred and more contours; they are measured together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas.curves.contour_stack import ContourStack

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
    stack = ContourStack.of([contour for contour in contours if len(contour)])
    columns = (
        stack.total(repeats(stack).astype(int)),
        _enclose_nothing(stack),
        stack.means[:, 2],
        (stack.greatest(stack.points) - stack.least(stack.points)).max(axis=1, initial=0.0),
    )
    checks = iter([ContourCheck(*row) for row in zip(*(c.tolist() for c in columns), strict=True)])
    return [next(checks) if len(contour) else None for contour in contours]


def repeats(stack: ContourStack) -> np.ndarray:
    """Mask (m,) of points that stand where the point before them does; not of a point alone."""
    after, mask = stack.following, np.zeros(len(stack.points), dtype=bool)
    mask[after] = (stack.points[after] == stack.points).all(axis=1)
    return np.asarray(mask & (stack.spread(stack.count) > 1))


def _enclose_nothing(stack: ContourStack) -> np.ndarray:
    """Mask (g,) of contours on a line, by their singular values.

    With singular values ``s1 >= s2``, the vector area is ``sqrt(3) s1 s2`` at most, so that most
    are known not to lie on a line without a decomposition.
    """
    centred = stack.points - stack.spread(stack.means)
    area = stack.total(np.cross(centred, centred[stack.following])) / 2
    size = stack.total((centred**2).sum(axis=1))
    nothing = ~(np.linalg.norm(area, axis=1) > CERTAIN_AREA * size)
    for i in np.flatnonzero(nothing):
        own = slice(stack.first[i], stack.first[i] + stack.count[i])
        extents = np.linalg.svd(centred[own], compute_uv=False)
        nothing[i] = len(extents) < 2 or extents[1] <= LINE * extents[0]
    return nothing
