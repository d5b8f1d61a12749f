"""The smallest smooth displacement of points along chains that meets linear constraints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, cholesky, solve_triangular
from scipy.optimize import nnls

# Weight of the squared second difference along a chain against the squared displacement.
STIFFNESS = 4.0
# Relative to the largest diagonal element: keeps constraints that depend on each other solvable.
RIDGE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Linear constraints ``sum over points of gradient . displacement >= bound``.

    Parameters
    ----------
    points : (m, s) int
        Points a constraint reaches.
    gradients : (m, s, 3) float
    bounds : (m,) float
        mm.
    """

    points: np.ndarray
    gradients: np.ndarray
    bounds: np.ndarray

    @classmethod
    def none(cls) -> Constraints:
        """No constraint."""
        return cls(np.empty((0, 4), int), np.empty((0, 4, 3)), np.empty(0))

    @classmethod
    def of(cls, points: np.ndarray, gradients: np.ndarray, bounds: np.ndarray) -> Constraints:
        """Constraints on up to four points each, filled up with zero gradients."""
        spare = 4 - points.shape[1]
        return cls(
            np.pad(points, ((0, 0), (0, spare))),
            np.pad(gradients, ((0, 0), (0, spare), (0, 0))),
            bounds,
        )

    def and_also(self, other: Constraints) -> Constraints:
        """Both sets of constraints."""
        return Constraints(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ("points", "gradients", "bounds")
            )
        )


def smallest_displacement(
    shape: tuple[int, int],
    free: np.ndarray,
    constraints: Constraints,
    *,
    stiffness: float = STIFFNESS,
) -> np.ndarray:
    """Displace points of chains as little and as smoothly as constraints allow.

    Minimises ``sum |u|^2 + stiffness * sum |u[i-1] - 2 u[i] + u[i+1]|^2`` over each chain, which
    does not move beyond its ends.

    Parameters
    ----------
    shape : (int, int)
        Chains, points a chain.
    free : (chains, points) bool
        Points that may move.
    constraints : Constraints
        Points are numbered along the chains.  A constraint on no free point is left out.
    stiffness : float

    Returns
    -------
    (chains, points, 3) float
        mm.  Where constraints contradict each other, what violates them least in the metric of the
        objective.

    Notes
    -----
    With H the matrix of the objective and G the constraints', the dual of the quadratic programme
    is ``min 1/2 l' G H^-1 G' l - b' l, l >= 0``, a non-negative least squares problem in the
    Cholesky factor; the displacement is ``H^-1 G' l``.

    References
    ----------
    Lawson & Hanson 1995, Solving Least Squares Problems, doi 10.1137/1.9781611971217.
    """
    moves = np.zeros((shape[0] * shape[1], 3))
    index = np.flatnonzero(free)
    rows = np.full(len(moves), -1)
    rows[index] = np.arange(len(index))
    matrix = np.zeros((len(constraints.bounds), len(index), 3))
    for m, (points, gradients) in enumerate(
        zip(constraints.points, constraints.gradients, strict=True)
    ):
        for point, gradient in zip(points, gradients, strict=True):
            if rows[point] >= 0:
                matrix[m, rows[point]] += gradient
    reached = np.abs(matrix).max(axis=(1, 2), initial=0.0) > 1e-9
    matrix, bounds = matrix[reached], constraints.bounds[reached]
    if not (bounds > 0).any():
        return moves.reshape(*shape, 3)
    inverse = np.linalg.inv(_objective(shape, free, stiffness))
    answers = np.einsum("ij,mjd->mid", inverse, matrix)
    dual = np.einsum("mid,nid->mn", matrix, answers)
    dual += RIDGE * dual.max() * np.eye(len(dual))
    factor = cholesky(dual, lower=True)
    forces = nnls(factor.T, solve_triangular(factor, bounds, lower=True))[0]
    moves[index] = np.einsum("m,mid->id", forces, answers)
    return moves.reshape(*shape, 3)


def _objective(shape: tuple[int, int], free: np.ndarray, stiffness: float) -> np.ndarray:
    """Matrix of the objective over the free points, chain by chain."""
    n = shape[1]
    second = np.zeros((n + 2, n + 2))
    i = np.arange(1, n + 1)
    second[i, i], second[i, i - 1], second[i, i + 1] = -2, 1, 1
    bending = second[1:-1, 1:-1].T @ second[1:-1, 1:-1]
    whole = np.eye(n) + stiffness * bending
    return block_diag(*(whole[np.ix_(chain, chain)] for chain in free if chain.any()))
