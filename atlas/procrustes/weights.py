"""How much each landmark counts where shapes are compared.

Landmarks are placed by convenience: 1,280 on the dura, 32 on a root.  Counted alike, the dura
outvotes everything; counted by structure or by the surface they stand for, it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.components import blocks as groups
from atlas.errors import AtlasError
from atlas.landmarks.scheme import Block

WEIGHTS = ("landmark", "structure", "area")
# A root's radius is assumed, never measured; here it only says what a root counts against a wall.
ROOT_RADIUS_MM = 0.5


class WeightsError(AtlasError):
    """Weights that are not known; the text says expected and got."""


def landmark_weights(group: groups.Group, kind: str) -> np.ndarray:
    """Weights of the landmarks in every inner product.

    Parameters
    ----------
    group : Group
        In any pose.
    kind : {"landmark", "structure", "area"}
        Each landmark alike; each block the same total; or each landmark the surface it stands for,
        mean over the subjects, a root being a tube of 0.5 mm assumed radius.

    Returns
    -------
    (L,) float
        Of mean 1, so that variance stays in mm² of the whole shape.

    Raises
    ------
    WeightsError
        An unknown kind.
    """
    if kind not in WEIGHTS:
        raise WeightsError(f"weights: expected one of {WEIGHTS}, got {kind!r}")
    scheme = group.scheme
    if kind == "landmark":
        return np.ones(scheme.size)
    if kind == "structure":
        weights = np.concatenate([np.full(b.size, 1 / b.size) for b in scheme.blocks])
    else:
        sums: AreaSums = groups.total(group.each(_areas))
        weights = sums.area / np.maximum(sums.count, 1)
    return weights * scheme.size / weights.sum()


@dataclass(frozen=True, slots=True, eq=False)
class AreaSums:
    """Surface (n,) each landmark stands for, mm², and subjects (n,) that have it, added up."""

    area: np.ndarray
    count: np.ndarray

    def __add__(self, other: AreaSums) -> AreaSums:
        return AreaSums(self.area + other.area, self.count + other.count)


def _areas(subjects: groups.Block) -> AreaSums:
    points, scheme = subjects.landmarks.points, subjects.landmarks.scheme
    found = [area_sums(b, points[:, scheme.span(b.name)]) for b in scheme.blocks]
    return AreaSums(
        np.concatenate([sums.area for sums in found]),
        np.concatenate([sums.count for sums in found]),
    )


def area_sums(block: Block, points: np.ndarray) -> AreaSums:
    """Surface each landmark of a block stands for, mm², by points (S, n, 3) mm; NaN is missing."""
    grid = points.reshape(len(points), block.levels, block.around, 3)
    along = np.linalg.norm(np.diff(grid, axis=1), axis=3)
    half = np.zeros(grid.shape[:3])
    half[:, :-1] += np.nan_to_num(along) / 2
    half[:, 1:] += np.nan_to_num(along) / 2
    if block.kind == "curve":
        area = 2 * np.pi * ROOT_RADIUS_MM * half
    else:
        around = np.linalg.norm(np.roll(grid, -1, axis=2) - grid, axis=3)
        area = half * np.nan_to_num(around + np.roll(around, 1, axis=2)) / 2
    present = ~np.isnan(grid).any(axis=3)
    return AreaSums((area * present).sum(axis=0).reshape(-1), present.sum(axis=0).reshape(-1))
