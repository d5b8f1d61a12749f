"""Principal components and what they say about missing entries; pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.errors import AtlasError

# Modes whose variance is less than this share of the first are rounding, not anatomy.
RELATIVE_TOLERANCE = 1e-10
# Share of the variance of the landmarks everybody has that stands for signal.
VARIANCE_HELD = 0.99


class ShapeModelError(AtlasError):
    """Shapes or coefficients that do not fit the model; the text says expected and got."""


def principal_components(deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes of centred data by the smaller of its two Gram matrices.

    Parameters
    ----------
    deviations : (n, p) float
        Rows sum to zero over n.

    Returns
    -------
    modes : (K, p) float
        Orthonormal rows.
    variance : (K,) float
        Eigenvalues of the covariance (n - 1), falling; those below a relative 1e-10 are dropped.

    Notes
    -----
    ``X X^T`` (n, n) and ``X^T X`` (p, p) share their non-zero eigenvalues; from the first the
    axes are ``X^T u / |X^T u|``, made orthonormal to rounding by a QR step.
    """
    n, p = deviations.shape
    if n <= p:
        eigenvalues, u = np.linalg.eigh(deviations @ deviations.T)
    else:
        eigenvalues, u = np.linalg.eigh(deviations.T @ deviations)
    eigenvalues, u = eigenvalues[::-1][: n - 1], u[:, ::-1][:, : n - 1]
    keep = eigenvalues > RELATIVE_TOLERANCE * max(eigenvalues[0], np.finfo(float).tiny)
    if not keep.any():
        raise ShapeModelError("expected shapes that differ, got the same shape in every subject")
    axes = deviations.T @ u[:, keep] if n <= p else u[:, keep]
    q, r = np.linalg.qr(axes)
    return (q * np.sign(np.diag(r))).T, eigenvalues[keep] / (n - 1)


def signal_modes(points: np.ndarray, present: np.ndarray) -> int:
    """How many modes hold 99 % of the variance of the landmarks that every shape has.

    Parameters
    ----------
    points : (S, L, 3) float
        Weighted; ignored where not present.
    present : (S, L) bool

    Returns
    -------
    int
        1 to S - 2: noise needs what is left.
    """
    common = points[:, present.all(axis=0)].reshape(len(points), -1)
    limit = max(len(points) - 2, 1)
    if not common.size:
        return limit
    variance = principal_components(common - common.mean(axis=0))[1]
    share = np.cumsum(variance) / variance.sum()
    return min(int(np.searchsorted(share, VARIANCE_HELD)) + 1, limit)


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """A low-rank Gaussian in closed form: ``y = mean + loadings z + e``.

    Parameters
    ----------
    mean : (L, 3) float
    loadings : (L, 3, K) float
    noise : float
        Variance per coordinate; positive.
    """

    mean: np.ndarray
    loadings: np.ndarray
    noise: float

    @classmethod
    def of(cls, shapes: np.ndarray, k: int) -> Factors:
        """The k leading components of whole shapes (S, L, 3), the rest being noise.

        Tipping & Bishop 1999, doi:10.1111/1467-9868.00196, eq. 7 and 8, with n - 1.
        """
        mean = shapes.mean(axis=0)
        modes, variance = principal_components((shapes - mean).reshape(len(shapes), -1))
        k = min(k, len(variance))
        rest = float(variance[k:].sum()) / (mean.size - k)
        noise = max(rest, RELATIVE_TOLERANCE * float(variance[0]))
        loadings = modes[:k].T * np.sqrt(np.maximum(variance[:k] - noise, 0.0))
        return cls(mean, loadings.reshape(*mean.shape, k), noise)

    def turned(self, rotation: np.ndarray) -> Factors:
        """The same after one rotation (3, 3) of everything."""
        loadings = np.einsum("cd,ldk->lck", rotation, self.loadings)
        return Factors(self.mean @ rotation.T, loadings, self.noise)

    def expected(self, shapes: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Shapes (S, L, 3) with what is not present (S, L) replaced by its expectation."""
        filled = shapes.copy()
        for i in np.flatnonzero(~present.all(axis=1)):
            there = present[i]
            scores = expected_scores(
                self.loadings[there].reshape(-1, self.loadings.shape[2]),
                (shapes[i] - self.mean)[there].ravel(),
                self.noise,
            )
            filled[i, ~there] = self.mean[~there] + self.loadings[~there] @ scores
        return filled


def expected_scores(loadings: np.ndarray, deviation: np.ndarray, noise: float) -> np.ndarray:
    """Posterior mean (K,) of standard normal scores given entries they load on.

    Parameters
    ----------
    loadings : (m, K) float
    deviation : (m,) float
        Observed minus mean.
    noise : float
        Variance per entry.

    Returns
    -------
    (K,) float
        ``(noise I + A^T A)^-1 A^T d``; the least-squares solution where noise is 0.
    """
    if noise == 0:
        return np.linalg.lstsq(loadings, deviation, rcond=None)[0]
    information = noise * np.eye(loadings.shape[1]) + loadings.T @ loadings
    return np.linalg.solve(information, loadings.T @ deviation)
