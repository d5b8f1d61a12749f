"""The angle of a root as the published figures define it, on contours as they were drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.morphometry.definitions import COLUMNS
from analysis.morphometry.directions import median_angle
from atlas.data.subject import ROOT_KEYS, Subject


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
            value = median_angle((points - nearest)[:, :2])
        rows.append(
            (*key, "angle_published_deg", value, "missing" if np.isnan(value) else "measured")
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
