"""Slivers out of a complex of walls, while it stays closed, conformal and untangled.

Booleans leave thin triangles along the curves where surfaces met.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from atlas.mesh.solids.complexes import WallComplex, compact
from atlas.mesh.solids.conserved_volume import bent_vertices, outlined_volume, restored_volume
from atlas.mesh.solids.intersections import self_intersections
from atlas.mesh.solids.patchwork import Patchwork
from atlas.mesh.solids.points import GOOD, shapes_of

# How far a vertex that goes may lie off the triangles that stay, mm.
DEVIATION_MM = 0.03
# Share by which the volume of the outline may change in the end, and while there is a bent wall
# that takes the difference back.
DRIFT = 5e-7
LOOSE = 1e-4
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
    before = outlined_volume(walls, within)
    free = bent_vertices(walls, within)
    budget = (LOOSE if len(free) else drift) * abs(before)
    rows = _within_rings(walls.triangles, shapes_of(walls.vertices[walls.triangles]) < GOOD)
    frozen: set[int] = set()
    spent: dict[int, float] = {}
    for _ in range(ROUNDS):
        still = np.zeros(len(walls.vertices), dtype=bool)
        still[sorted(frozen)] = True
        still[np.delete(walls.triangles, rows, axis=0)] = True
        patch = Patchwork(
            walls,
            rows,
            still,
            deviation=deviation_mm,
            within=within,
            budget=budget,
            spent=spent,
        )
        patch.improve()
        walls, again, met = _untangled(patch)
        if not again.any():
            break
        # Only what met last stays: what is beside it has changed since, and may have made room.
        frozen = {patch.sources.get(v, v) for v in met}
        rows = _within_rings(walls.triangles, again)
    return restored_volume(compact(walls), within, before, drift=drift)


def _untangled(patch: Patchwork) -> tuple[WallComplex, np.ndarray, set[int]]:
    """The complex after a patch, with what made triangles meet undone.

    Returns it, which of its triangles are as they were before (mask), and vertices that met.
    """
    undone: set[int] = set()
    met: set[int] = set()
    mixed, leaders, fresh = patch.complex(undone)
    while True:
        pairs = np.unique(_meetings(mixed, fresh))
        at_fault = set(leaders[pairs].tolist()) - {-1} - undone
        met |= set(np.unique(mixed.triangles[pairs]).tolist())
        if not at_fault:
            return mixed, np.isin(leaders, sorted(undone)), met
        undone |= at_fault
        mixed, leaders, _ = patch.complex(undone)
        fresh = np.isin(leaders, sorted(at_fault))


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
