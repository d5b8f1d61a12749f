"""Take thin triangles out of a complex of walls, which stays closed, conformal and untangled.

Booleans leave them along the curves where surfaces met.  Contracting an edge of a bent wall changes
the volume behind it a little: the whole bent wall then moves along its normals by one length, some
nanometres, until the volume within an outline of regions is what it was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from atlas.mesh.solids.complexes import WallComplex, compact
from atlas.mesh.solids.intersections import self_intersections
from atlas.mesh.solids.remeshing import GOOD, Patch, shapes_of

# Cosine of the turn from which on a wall counts as bent: ends cut flat stay in their plane.
FLAT_COSINE = 1 - 1e-9
# Steps of Newton's method; volume is all but linear in so small a move.
STEPS = 3
# How far a vertex that goes may lie off the triangles that stay, mm.
DEVIATION_MM = 0.03
# Share by which the volume of the outline may change in the end, and while there is a bent wall
# that takes the difference back.
DRIFT = 5e-7
LOOSE = 1e-4
ROUNDS = 8


def outlined_volume(walls: WallComplex, within: np.ndarray) -> float:
    """Volume within an outline of regions (mask over names), mm³."""
    sign = _signs(walls, within)
    a, b, c = (walls.vertices[walls.triangles] - walls.vertices[0]).swapaxes(0, 1)
    return float((sign * (a * np.cross(b, c)).sum(axis=1)).sum() / 6)


def bent_vertices(walls: WallComplex, within: np.ndarray) -> np.ndarray:
    """Vertices (n,) of the outline off curves and off flat parts."""
    sign = _signs(walls, within)
    size = len(walls.vertices)
    normals = _normals(walls)
    area = np.linalg.norm(normals, axis=1)
    units = np.divide(normals, area[:, None], out=np.zeros_like(normals), where=area[:, None] > 0)
    lead = np.zeros((size, 3))
    lead[walls.triangles] = (sign[:, None] * units)[:, None]
    alike = (lead[walls.triangles] * (sign[:, None] * units)[:, None]).sum(axis=2)
    bent = np.zeros(size, dtype=bool)
    bent[walls.triangles[(alike < FLAT_COSINE) & (area[:, None] > 0)]] = True
    # Only vertices whose triangles are all of the outline: what lies within stays where it is.
    bent[walls.triangles[sign == 0]] = False
    lowest, highest = np.ones(size), -np.ones(size)
    np.minimum.at(lowest, walls.triangles, alike)
    np.maximum.at(highest, walls.triangles, alike)
    bent &= lowest > 0
    return np.flatnonzero(bent)


def restored_volume(
    walls: WallComplex, within: np.ndarray, volume_mm3: float, *, drift: float
) -> WallComplex:
    """The complex with the volume within an outline as it was, by moving the outline's bent wall.

    Parameters
    ----------
    walls : WallComplex
    within : (regions,) bool
        Which of ``walls.names`` lie within the outline.
    volume_mm3 : float
        What the volume is to be.
    drift : float
        Share by which it may be off without a move.

    Returns
    -------
    WallComplex
        The same triangles.  Vertices on curves, and on flat parts of the outline, stay.
    """
    free = bent_vertices(walls, within)
    sign = _signs(walls, within)
    for _ in range(STEPS):
        lack = volume_mm3 - outlined_volume(walls, within)
        if not len(free) or abs(lack) <= 1e-9 * drift * abs(volume_mm3):
            return walls
        # The volume's gradient by a vertex is a third of the area vectors about it.
        gradient = np.zeros((len(walls.vertices), 3))
        np.add.at(gradient, walls.triangles, (sign[:, None] * _normals(walls) / 6)[:, None])
        way = gradient[free] / np.linalg.norm(gradient[free], axis=1, keepdims=True)
        points = walls.vertices.copy()
        points[free] += lack / (gradient[free] * way).sum() * way
        walls = replace(walls, vertices=points)
    return walls


def _signs(walls: WallComplex, within: np.ndarray) -> np.ndarray:
    """1 (T,) where the outline's inside is behind a triangle, -1 where in front, 0 off it."""
    behind, front = walls.sides.T
    return np.asarray(within[behind].astype(float) - within[front])


def _normals(walls: WallComplex) -> np.ndarray:
    """Twice the area vectors (T, 3), mm²."""
    a, b, c = walls.vertices[walls.triangles].swapaxes(0, 1)
    return np.cross(b - a, c - a)


def without_thin_triangles(
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
        patch = Patch(
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


def _untangled(patch: Patch) -> tuple[WallComplex, np.ndarray, set[int]]:
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
