"""The angle of a root as the published figures define it, on contours as they were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.columns import Columns, as_frame, repeated, texts
from analysis.morphometry.directions import median_angles
from atlas.curves.contour_stack import ContourStack
from atlas.data.subject import ROOT_KEYS, Subject

if TYPE_CHECKING:
    import pandas as pd


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
    return as_frame(published_columns(subject))


def published_columns(subject: Subject) -> Columns:
    """The columns of :func:`published_angles`."""
    values = median_angles(*_offsets(subject))
    level, side = zip(*ROOT_KEYS, strict=True)
    return {
        "level": texts(level),
        "side": texts(side),
        "measure": repeated("angle_published_deg", len(values)),
        "value": values,
        "rests_on": np.where(np.isnan(values), "missing", "measured").astype(object),
    }


def _offsets(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Left and dorsal (14, p, 2) of the points of each root from their contours' means, mm.

    The second array (14, p) says where there is a point.
    """
    means = ContourStack.of(subject.dura).means
    size = max((len(points) for points in subject.roots.values()), default=1)
    points = np.full((len(ROOT_KEYS), size, 3), np.nan)
    for i, key in enumerate(ROOT_KEYS):
        if key in subject.roots:
            points[i, : len(subject.roots[key])] = subject.roots[key]
    seen = ~np.isnan(points[..., 2])
    offsets = np.full((*seen.shape, 2), np.nan)
    nearest = np.abs(points[seen][:, 2:] - means[:, 2]).argmin(axis=1)
    offsets[seen] = (points[seen] - means[nearest])[:, :2]
    return offsets, seen
