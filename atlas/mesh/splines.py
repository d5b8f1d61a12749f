"""Smooth walls through rings, linear in them, and smooth centrelines through points."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from atlas.mesh.bands import turns_of
from atlas.shape.curves import arc_length


def rings_at(rings: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Rings (m, n, 3) at shares (m,) of a stack (r, n, 3): not-a-knot cubic in the ring's index."""
    return np.tensordot(_along(len(rings))(shares * (len(rings) - 1)), rings, axes=1)


def ring_slopes_at(rings: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Derivative (m, n, 3) of :func:`rings_at` by the share of the stack."""
    steps = len(rings) - 1
    return np.tensordot(steps * _along(len(rings))(shares * steps, 1), rings, axes=1)


@lru_cache(maxsize=1024)
def around_weights(n: int, count: int, ring: int) -> np.ndarray:
    """Weights (count, n) of a ring's n landmarks in the vertices of the ring of that number.

    Periodic cubic spline in the landmark's index.
    """
    return _around(n)(turns_of(count, ring) * n)


def centreline(points: np.ndarray, intervals: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and unit tangents (intervals + 1, 3) at equal distances along a curve.

    The cubic spline by chord length through the points (n, 3); it begins and ends with them.
    """
    chord = arc_length(points)
    spline = CubicSpline(chord, points, bc_type="not-a-knot")
    fine = np.linspace(0, chord[-1], 8 * max(intervals, len(points)) + 1)
    length = arc_length(spline(fine))
    at = np.interp(np.linspace(0, length[-1], intervals + 1), length, fine)
    line, tangent = spline(at), spline(at, 1)
    line[[0, -1]] = points[[0, -1]]
    return line, tangent / np.linalg.norm(tangent, axis=1, keepdims=True)


@lru_cache(maxsize=64)
def _along(r: int) -> CubicSpline:
    return CubicSpline(np.arange(r), np.eye(r), bc_type="not-a-knot")


@lru_cache(maxsize=64)
def _around(n: int) -> CubicSpline:
    unit = np.eye(n)
    return CubicSpline(np.arange(n + 1), np.concatenate([unit, unit[:1]]), bc_type="periodic")
