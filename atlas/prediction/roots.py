"""Begin, angle and ganglion of every root of a shape, and how far off they were when left out."""

from __future__ import annotations

import numpy as np

from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.scheme import LandmarkScheme, block_name
from atlas.model.leave_one_out import Fold


def root_measures(points: np.ndarray, scheme: LandmarkScheme) -> np.ndarray:
    """Where each root begins, at what angle it runs, and where its ganglion lies.

    Parameters
    ----------
    points : (L, 3) float
        mm, z rostral, y dorsal, x left; NaN where missing.
    scheme : LandmarkScheme

    Returns
    -------
    (14, 3) float
        In the order of ``ROOT_KEYS``: begin below the first dura ring, mm; median angle about the
        nearest ring's centre beside the sac, degrees from dorsal, + left; ganglion below the
        first dura ring, mm.
    """
    dura = scheme.block("dura")
    rings = points[scheme.span("dura")].reshape(dura.levels, dura.around, 3).mean(axis=1)
    rings = rings[np.isfinite(rings).all(axis=1)]
    rows = []
    for key in ROOT_KEYS:
        root = points[scheme.span(block_name(key))]
        beside = root[np.isfinite(root).all(axis=1) & (root[:, 2] >= rings[:, 2].min())]
        nearest = np.abs(beside[:, None, 2] - rings[None, :, 2]).argmin(axis=1)
        x, y = (beside - rings[nearest])[:, :2].T
        angle = np.degrees(np.median(np.arctan2(x, y))) if len(beside) else np.nan
        rows.append((rings[0, 2] - root[0, 2], angle, rings[0, 2] - root[-1, 2]))
    return np.array(rows)


def root_radii(
    holdouts: list[Fold], predicted: list[np.ndarray], scheme: LandmarkScheme
) -> np.ndarray:
    """Half widths (14, 3): the order statistic ceil(0.95 (n + 1)) of the errors, n at the most."""
    errors = []
    for holdout, points in zip(holdouts, predicted, strict=True):
        seen = np.where(np.isfinite(holdout.given), holdout.given, points)
        errors.append(np.abs(root_measures(seen, scheme) - root_measures(holdout.truth, scheme)))
    # ROOT_KEYS runs left, right, left, …: the sides of a level are pooled.
    pooled = np.stack(errors).reshape(len(errors), 7, 2, 3).transpose(1, 3, 0, 2).reshape(7, 3, -1)
    count = np.isfinite(pooled).sum(axis=2)
    rank = np.clip(np.ceil(0.95 * (count + 1)).astype(int), 1, np.maximum(count, 1)) - 1
    radii = np.take_along_axis(np.sort(pooled, axis=2), rank[..., None], axis=2)[..., 0]
    return np.repeat(radii, 2, axis=0)
