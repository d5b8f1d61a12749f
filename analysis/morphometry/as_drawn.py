"""Annotations measured as they were drawn: through the clicked points, without any curve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from analysis.morphometry.definitions import GROUNDS, RestsOn, grounds_of
from analysis.morphometry.directions import median_angles
from analysis.morphometry.sections import outline_measures
from atlas.curves.contour_stack import ContourStack
from atlas.curves.transforms import frame
from atlas.data.subject import ROOT_KEYS, Subject, contour_heights, stack_axis

DRAWN_COLUMNS = {
    "depth_mm": "of the annotated slice below the first one, down the normal of the dura's slices",
    "measure": "as in MEASURES, of the slice; csf_*_extremes_mm between the edges of the extents",
    "value": "in the unit the measure's name ends in; NaN in slices without a cord",
}
# A cord contour belongs to the dura contour nearer than this share of the slices' spacing.
SAME_SLICE = 0.5


def drawn_sections(subject: Subject) -> pd.DataFrame:
    """Section measures of every annotated slice on straight polygons through its points.

    Parameters
    ----------
    subject : Subject
        In its native frame.

    Returns
    -------
    DataFrame
        Tidy, columns of ``DRAWN_COLUMNS``, a row for each dura contour and measure.  Left is x of
        the frame in the slices, not the anatomy's own left.  Two measures stand beside those of
        :func:`section_profile`: ``csf_dorsal_extremes_mm`` and ``csf_ventral_extremes_mm``, the gap
        between the most dorsal (ventral) points of cord and sac, wherever these stand left to
        right.  They are what a table of extents gives, not what a line along the midline meets.
    """
    axes = frame(np.array([1.0, 0.0, 0.0]), stack_axis(subject.dura))
    depths = contour_heights(subject.dura)
    sac = _outlines(subject.dura, axes)
    cord = _outlines(_paired(subject, depths, axes), axes)
    values = outline_measures(sac, cord)
    for side, towards in (("dorsal", 1.0), ("ventral", -1.0)):
        edge = [(towards * part[..., 1]).max(axis=1) for part in (sac, cord)]
        values[f"csf_{side}_extremes_mm"] = edge[0] - edge[1]
    wide = pd.DataFrame({"depth_mm": depths} | values)
    return wide.melt("depth_mm", var_name="measure", value_name="value")


def _paired(subject: Subject, depths: np.ndarray, axes: np.ndarray) -> list[np.ndarray]:
    """The cord's contour in the slice of each dura contour, empty where there is none."""
    paired = [np.empty((0, 3))] * len(depths)
    top = subject.dura[0].mean(axis=0)
    for contour in subject.cord:
        apart = np.abs((top - contour.mean(axis=0)) @ axes[:, 2] - depths)
        if apart.min() < SAME_SLICE * max(subject.spacing_mm, np.finfo(float).tiny):
            paired[int(apart.argmin())] = contour
    return paired


def _outlines(contours: Sequence[np.ndarray], axes: np.ndarray) -> np.ndarray:
    """Polygons (n, m, 2) in the axes of the slices, short ones filled up with their last point."""
    size = max((len(contour) for contour in contours), default=1)
    result = np.full((len(contours), max(size, 1), 2), np.nan)
    for i, contour in enumerate(contours):
        # A side of no length adds neither area nor a crossing.
        if len(contour):
            result[i] = (contour[[*range(len(contour)), *[-1] * (size - len(contour))]] @ axes)[
                :, :2
            ]
    return result


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
    values = median_angles(*_offsets(subject))
    table = pd.DataFrame(ROOT_KEYS, columns=["level", "side"])
    grounds = np.array(GROUNDS)[grounds_of(values, RestsOn.MEASURED)]
    return table.assign(measure="angle_published_deg", value=values, rests_on=grounds)


def with_published_angles(measures: pd.DataFrame, subjects: Iterable[Subject]) -> pd.DataFrame:
    """A table of ``measure_group`` and below it the :func:`published_angles` of its subjects."""
    drawn = pd.concat({s.id: published_angles(s) for s in subjects}, names=["subject"])
    return pd.concat([measures, drawn.reset_index("subject")], ignore_index=True)


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
