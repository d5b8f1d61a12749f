"""Bending energy of the thin-plate spline that carries one shape onto another, in three dimensions.

Affine maps bend nothing.  What is left is the energy of the local deformation, and it is a
quadratic form in the landmarks of the target: one matrix of the reference holds all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, lapack
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from atlas.arrays import read_only
from atlas.errors import AtlasError

# Damping of a singular system, as a share of its diagonal: first try none, then just above
# rounding, then ten times more until Cholesky goes through.
DAMPING = (0.0, *(10.0**k for k in range(-14, -3)))


class BendingError(AtlasError):
    """A reference that no thin-plate spline leaves from; the text says expected and got."""


def bending_energy_matrix(reference: np.ndarray) -> np.ndarray:
    """The matrix whose quadratic form is the bending energy of a map of the reference.

    Parameters
    ----------
    reference : (n, 3) float
        Distinct points that do not lie in one plane, mm; n >= 5.

    Returns
    -------
    (n, n) float
        Symmetric, positive semidefinite, of rank n - 4, in 1/mm.  For a target ``y`` (n, 3) the
        energy ``sum_k y_k' L y_k``, in mm, is ``int |D^2 f|^2`` over all space of the smoothest map
        ``f`` with ``f(reference) = y``.

    Raises
    ------
    BendingError
        Too few points, points in a plane, or two at one place.

    Notes
    -----
    In three dimensions ``-|r| / (8 pi)`` solves ``Laplace^2 u = delta`` and is conditionally
    positive definite, so ``L`` is the upper left block of the inverse of ``[[K, Q], [Q', 0]]`` with
    ``K_ij = -|x_i - x_j| / (8 pi)`` and ``Q = [1, x]`` (Bookstein 1989, doi:10.1109/34.24792;
    Gunz & Mitteroecker 2013, doi:10.4404/hystrix-24.1-6292, whose ``U(r) = |r|`` differs by the
    factor).  That block is ``pinv(P K P)`` with ``P`` the projector off the affine maps; it is
    computed by Cholesky of ``P K P + s (I - P)``, which is positive definite for any ``s > 0``.

    Examples
    --------
    >>> corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.0]])
    >>> matrix = bending_energy_matrix(corners)
    >>> abs((matrix @ corners).round(12)).max()
    np.float64(0.0)
    """
    _refuse_degenerate(reference)
    n = len(reference)
    centred = reference - reference.mean(axis=0)
    affine = np.linalg.qr(np.column_stack([np.ones(n), centred]))[0]
    kernel = squareform(pdist(reference)) / (-8 * np.pi)
    _project_off(kernel, affine)
    size = np.trace(kernel) / n
    kernel += size * affine @ affine.T
    factor, failed = lapack.dpotrf(kernel, lower=True, overwrite_a=True)
    if failed:
        raise BendingError("reference: expected distinct points, got some too close to tell apart")
    lower = np.tril(lapack.dpotri(factor, lower=True, overwrite_c=True)[0])
    matrix = lower + np.tril(lower, -1).T
    matrix -= affine @ affine.T / size
    # Once more, for rounding: affine maps must cost nothing at all.
    _project_off(matrix, affine)
    return (matrix + matrix.T) / 2


@dataclass(frozen=True, slots=True, eq=False)
class BendingEnergy:
    """Bending energy of shapes against one reference, and the step that lowers it.

    Parameters
    ----------
    matrix : (n, n) float
        Of :func:`bending_energy_matrix`.
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.matrix)
        object.__setattr__(self, "matrix", read_only(self.matrix, (n, n), "matrix"))

    @classmethod
    def of(cls, reference: np.ndarray) -> BendingEnergy:
        """The energy of maps of a reference (n, 3)."""
        return cls(bending_energy_matrix(reference))

    def value(self, points: np.ndarray) -> float:
        """Energy of points (n, 3), mm; never negative."""
        return max(float(np.einsum("lk,lk->", points, self.matrix @ points)), 0.0)

    def step(self, points: np.ndarray, tangents: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Change of the free parameters that minimises the energy to first order of the points.

        Parameters
        ----------
        points : (n, 3) float
        tangents : (n, p, 3) float
            Derivative of each point by its p parameters.
        free : (n, p) bool
            Which of them may change.

        Returns
        -------
        (n, p) float
            ``t = -(U' L U)^-1 U' L x``; 0 where not free.

        Notes
        -----
        Gunz & Mitteroecker 2013, doi:10.4404/hystrix-24.1-6292, eq. 4.  ``L`` acts on x, y and z
        alike, so ``(U' L U)_ab = L_l(a)m(b) u_a.u_b`` needs no matrix of 3 n rows.  Where that is
        singular to rounding, the least share of its own diagonal that makes it definite is added.
        """
        step = np.zeros(free.shape)
        if not free.any():
            return step
        owner = np.nonzero(free)[0]
        along = tangents[free]
        force = np.einsum("ak,ak->a", along, (self.matrix @ points)[owner])
        stiffness = self.matrix[np.ix_(owner, owner)]
        stiffness *= along @ along.T
        step[free] = -_solve_definite(stiffness, force)
        return step


def _solve_definite(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of a symmetric positive semidefinite system; the matrix is used up."""
    diagonal = np.diag(matrix).copy()
    for damping in DAMPING:
        try:
            np.fill_diagonal(matrix, diagonal * (1 + damping))
            return cho_solve(cho_factor(matrix, lower=True), right)
        except np.linalg.LinAlgError:
            continue
    raise BendingError(
        "sliding directions: expected them to differ from each other, got equal ones"
    )


def _project_off(matrix: np.ndarray, basis: np.ndarray) -> None:
    """``P matrix P`` in place, with ``P = I - basis basis'``, for a symmetric matrix."""
    image = matrix @ basis
    image -= basis @ (basis.T @ image) / 2
    matrix -= image @ basis.T
    matrix -= basis @ image.T


def _refuse_degenerate(reference: np.ndarray) -> None:
    n = len(reference)
    if n < 5:
        raise BendingError(f"reference: expected at least 5 points, got {n}")
    extent = np.linalg.svd(reference - reference.mean(axis=0), compute_uv=False)
    if extent[2] <= 1e-9 * extent[0]:
        raise BendingError("reference: expected points in space, got points in a plane")
    apart = cKDTree(reference).query(reference, k=2)[0][:, 1]
    if apart.min() <= 1e-9 * extent[0] / np.sqrt(n):
        raise BendingError(
            f"reference: expected distinct points, got two at one place (row {apart.argmin()})"
        )
