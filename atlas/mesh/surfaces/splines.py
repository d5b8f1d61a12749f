"""Smooth walls through rings, linear in them, and smooth centrelines through points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import solve_banded

from atlas.curves.polylines import arc_length
from atlas.mesh.surfaces.bands import turns_of


@dataclass(frozen=True, slots=True, eq=False)
class _Cubic:
    """A piecewise cubic by values (n, k) and slopes (n, k) at knots (n,)."""

    knots: np.ndarray
    values: np.ndarray
    slopes: np.ndarray

    def __call__(self, at: np.ndarray, derivative: int = 0) -> np.ndarray:
        """Values (m, k) at places (m,), or their first derivative."""
        i = np.clip(np.searchsorted(self.knots, at, side="right") - 1, 0, len(self.knots) - 2)
        width = np.diff(self.knots)
        u = ((at - self.knots[i]) / width[i])[:, None]
        h, step = width[:, None], np.diff(self.values, axis=0)
        leave, arrive = h * self.slopes[:-1], h * self.slopes[1:]
        bend, twist = 3 * step - 2 * leave - arrive, leave + arrive - 2 * step
        if derivative:
            return (leave / h)[i] + u * ((2 * bend / h)[i] + u * (3 * twist / h)[i])
        return self.values[i] + u * (leave[i] + u * (bend[i] + u * twist[i]))


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
    spline = _not_a_knot(chord, points)
    fine = np.linspace(0, chord[-1], 8 * max(intervals, len(points)) + 1)
    length = arc_length(spline(fine))
    at = np.interp(np.linspace(0, length[-1], intervals + 1), length, fine)
    line, tangent = spline(at), spline(at, 1)
    line[[0, -1]] = points[[0, -1]]
    return line, tangent / np.linalg.norm(tangent, axis=1, keepdims=True)


@lru_cache(maxsize=64)
def _along(r: int) -> _Cubic:
    return _not_a_knot(np.arange(r, dtype=float), np.eye(r))


@lru_cache(maxsize=64)
def _around(n: int) -> _Cubic:
    """Periodic cubic splines (n) that are 1 at one of n places around and 0 at the others."""
    unit = np.eye(n)
    before, after = np.roll(unit, 1, axis=0), np.roll(unit, -1, axis=0)
    slopes = np.linalg.solve(before + 4 * unit + after, 3 * (after - before))
    close = np.arange(n + 1) % n
    return _Cubic(np.arange(n + 1, dtype=float), unit[close], slopes[close])


def _not_a_knot(x: np.ndarray, y: np.ndarray) -> _Cubic:
    """The cubic spline through values (n, k) at knots (n,) that is one cubic over two end segments.

    That of ``scipy.interpolate.CubicSpline``, whose import takes longer than all meshes of a build.
    """
    n = len(x)
    h = np.diff(x)
    rate = np.diff(y, axis=0) / h[:, None]
    if n < 4:
        # Through so few points one polynomial goes: a straight line or a parabola.
        bend = np.diff(rate, axis=0) / (x[2:] - x[:-2])[:, None] if n == 3 else 0 * rate
        return _Cubic(x, y, rate[0] + bend[0] * (2 * x - x[0] - x[1])[:, None])
    banded = np.ones((3, n))
    right = np.empty_like(y)
    banded[1, 1:-1] = 2 * (h[:-1] + h[1:])
    banded[0, 2:], banded[2, :-2] = h[:-1], h[1:]
    right[1:-1] = 3 * (h[1:, None] * rate[:-1] + h[:-1, None] * rate[1:])
    for end, near, far in ((0, 0, 1), (n - 1, -1, -2)):
        width = h[near] + h[far]
        banded[1, end] = h[far]
        banded[0 if end == 0 else 2, 1 if end == 0 else n - 2] = width
        lead = (h[near] + 2 * width) * h[far] * rate[near] + h[near] ** 2 * rate[far]
        right[end] = lead / width
    return _Cubic(x, y, solve_banded((1, 1), banded, right, check_finite=False))
