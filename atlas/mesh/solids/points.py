"""Arithmetic of single points and triangles, for loops where arrays would be slower."""

from __future__ import annotations

import numpy as np

Point = tuple[float, float, float]

# Shape of a triangle: 4 sqrt(3) area over the sum of squared edges; 1 where equilateral.
GOOD = 0.35


def cost(shape: float) -> float:
    """What a triangle costs: nothing where good, without bound where flat."""
    return GOOD / max(shape, 1e-9) - 1 if shape < GOOD else 0.0


def shapes_of(corners: np.ndarray) -> np.ndarray:
    """Shape (T,) of triangles (T, 3, 3)."""
    edges = np.roll(corners, -1, axis=1) - corners
    twice = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    return 2 * np.sqrt(3) * twice / np.maximum((edges**2).sum(axis=(1, 2)), 1e-300)


def shape_of(a: Point, b: Point, c: Point) -> float:
    """4 sqrt(3) area over the sum of squared edges: 1 where equilateral, 0 where flat."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    # The third edge squared is the sum of the other two squared less twice their product.
    squares = ux * ux + uy * uy + uz * uz + vx * vx + vy * vy + vz * vz
    total = 2 * (squares - ux * vx - uy * vy - uz * vz)
    return 2 * 3**0.5 * (x * x + y * y + z * z) ** 0.5 / total if total else 0.0


def normal_of(a: Point, b: Point, c: Point) -> Point:
    """Twice the area vector of a triangle."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


def minus(a: Point, b: Point) -> Point:
    """From b to a."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def dot(a: Point, b: Point) -> float:
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Point, b: Point) -> Point:
    """Vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def aside(p: Point, a: Point, b: Point) -> float:
    """Distance of a point from a segment."""
    along, to = minus(b, a), minus(p, a)
    length = dot(along, along)
    share = min(1.0, max(0.0, dot(to, along) / length)) if length else 0.0
    off = (to[0] - share * along[0], to[1] - share * along[1], to[2] - share * along[2])
    return dot(off, off) ** 0.5
