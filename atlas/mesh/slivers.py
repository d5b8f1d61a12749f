"""Slivers out of a complex of walls, while it stays closed, conformal and untangled.

Booleans leave thin triangles along the curves where surfaces met.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from atlas.mesh.complexes import WallComplex, compact
from atlas.mesh.intersections import self_intersections
from atlas.mesh.patchwork import GOOD, Patchwork
from atlas.mesh.points import shapes_of

# How far a vertex that goes may lie off the triangles that stay, mm.
DEVIATION_MM = 0.03
# Share by which the volume of the outline may change.
DRIFT = 5e-7
ROUNDS = 8


def without_slivers(
    walls: WallComplex,
    *,
    outline: np.ndarray | None = None,
    drift: float = DRIFT,
    deviation_mm: float = DEVIATION_MM,
) -> WallComplex:
    """The complex with its thin triangles collapsed or flipped away where that harms nothing.

    Parameters
    ----------
    walls : WallComplex
    outline : (regions,) bool, optional
        Which of ``walls.names`` lie within an outline whose volume must stay.
    drift : float
        Share by which that volume may change in all.
    deviation_mm : float
        How far a vertex that goes may lie off each wall that stays.

    Returns
    -------
    WallComplex
        The same regions; near what changed, no two triangles meet outside what they share.
    """
    within = np.zeros(len(walls.names), dtype=bool) if outline is None else outline
    budget = drift * _volume(walls, within)
    shape = shapes_of(walls.vertices[walls.triangles])
    frozen = np.zeros(len(walls.vertices), dtype=bool)
    for _ in range(ROUNDS):
        rows = _within_rings(walls.triangles, shape < GOOD)
        still = frozen.copy()
        still[np.delete(walls.triangles, rows, axis=0)] = True
        patch = Patchwork(walls, rows, still, deviation=deviation_mm, within=within, budget=budget)
        patch.improve()
        better, changed = patch.complex()
        pairs = _meetings(better, changed)
        if not len(pairs):
            return compact(better)
        frozen[better.triangles[np.unique(pairs)]] = True
    return walls


def _within_rings(triangles: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Rows of triangles within three rings of chosen ones (mask)."""
    for _ in range(3):
        near = np.zeros(int(triangles.max(initial=0)) + 1, dtype=bool)
        near[triangles[chosen]] = True
        chosen = near[triangles].any(axis=1)
    return np.flatnonzero(chosen)


def _meetings(walls: WallComplex, changed: np.ndarray) -> np.ndarray:
    """Pairs of triangles (n, 2) near changed ones (mask) that meet outside what they share."""
    corners = walls.vertices[walls.triangles]
    centres = corners.mean(axis=1)
    reach = np.linalg.norm(corners - centres[:, None], axis=2).max(axis=1)
    widest = reach[changed].max(initial=0.0)
    near = (
        cKDTree(centres[changed]).query(centres)[0] <= reach + widest if changed.any() else changed
    )
    rows = np.flatnonzero(near)
    pairs = self_intersections(walls.vertices, walls.triangles[rows])
    return rows[pairs] if len(pairs) else pairs


def _volume(walls: WallComplex, within: np.ndarray) -> float:
    """Volume within an outline of regions (mask over names), mm³."""
    behind, front = walls.sides.T
    sign = within[behind].astype(float) - within[front]
    a, b, c = (walls.vertices[walls.triangles] - walls.vertices[0]).swapaxes(0, 1)
    return float((sign * (a * np.cross(b, c)).sum(axis=1)).sum() / 6)
