"""The volume within an outline of regions, and how it is given back what better triangles cost.

Contracting an edge of a bent wall changes the volume behind it a little.  The whole bent wall then
moves along its normals by one length, some nanometres, until the volume is what it was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from atlas.mesh.solids.complexes import WallComplex

# Cosine of the turn from which on a wall counts as bent: ends cut flat stay in their plane.
FLAT_COSINE = 1 - 1e-9
# Steps of Newton's method; volume is all but linear in so small a move.
STEPS = 3


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
