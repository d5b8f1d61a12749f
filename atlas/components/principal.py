"""Principal components and what they say about missing entries; pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.errors import AtlasError

# Modes whose variance is less than this share of the first are rounding, not anatomy.
RELATIVE_TOLERANCE = 1e-10
# Modes less orthogonal than this are mended.  In thousands of subjects rounding leaves the last
# modes beside the first at 1e-10, and mending that would take longer than all the rest.
ORTHOGONAL = 1e-8
# Share of the variance of the landmarks everybody has that stands for signal.
VARIANCE_HELD = 0.99


class ShapeModelError(AtlasError):
    """Shapes or coefficients that do not fit the model; the text says expected and got."""


def principal_components(
    deviations: np.ndarray, *, k: int | None = None, held: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes of centred data by the smaller of its two Gram matrices.

    Parameters
    ----------
    deviations : (n, p) float
        Rows sum to zero over n.
    k : int, optional
        How many leading ones; by default as many as hold ``held`` of the variance.
    held : float

    Returns
    -------
    modes : (K, p) float
        Orthonormal rows.
    variance : (K,) float
        Eigenvalues of the covariance (n - 1), falling; those below a relative 1e-10 are dropped.

    Notes
    -----
    ``X X^T`` (n, n) and ``X^T X`` (p, p) share their non-zero eigenvalues; from the first the
    axes are ``X^T u / |X^T u|``.  Where rounding has left them less than orthonormal, which it
    does to small modes beside large ones, the Cholesky factor of their own Gram matrix mends it
    from the largest down.
    """
    n, p = deviations.shape
    gram = deviations @ deviations.T if n <= p else deviations.T @ deviations
    eigenvalues, u = np.linalg.eigh(gram)
    eigenvalues, u = eigenvalues[::-1][: n - 1], u[:, ::-1][:, : n - 1]
    floor = RELATIVE_TOLERANCE * max(eigenvalues[0], np.finfo(float).tiny)
    count = int((eigenvalues > floor).sum())
    if not count:
        raise ShapeModelError("expected shapes that differ, got the same shape in every subject")
    count = min(count, k or reached(eigenvalues[:count], float(np.trace(gram)), held) or count)
    eigenvalues, u = eigenvalues[:count], u[:, :count]
    if n > p:
        return np.ascontiguousarray(u.T), eigenvalues / (n - 1)
    return _orthonormal((u / np.sqrt(eigenvalues)).T @ deviations), eigenvalues / (n - 1)


def reached(variance: np.ndarray, total: float, held: float) -> int | None:
    """How many of falling variances hold a share of the total; None where all do not.

    Examples
    --------
    >>> reached(np.array([6.0, 3.0, 1.0]), 10.0, 0.9)
    2
    """
    share = np.cumsum(variance) / total
    # A sum of all of them may miss 1 by rounding.
    enough = np.flatnonzero(share >= held - 1e-12)
    return int(enough[0]) + 1 if len(enough) else None


def _orthonormal(modes: np.ndarray) -> np.ndarray:
    """Rows (K, p) that are nearly orthonormal, made so to rounding."""
    probe = np.resize([1.0, -1.0, 0.5], len(modes))
    if np.abs(modes @ (probe @ modes) - probe).max() <= ORTHOGONAL:
        return modes
    from scipy.linalg import solve_triangular

    factor = np.linalg.cholesky(modes @ modes.T)
    mended: np.ndarray = solve_triangular(factor, modes, lower=True, check_finite=False)
    return mended


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
        return cls.leading(mean, modes[:k], variance[:k], rest=float(variance[k:].sum()))

    @classmethod
    def leading(
        cls, mean: np.ndarray, modes: np.ndarray, variance: np.ndarray, *, rest: float
    ) -> Factors:
        """Of leading modes (K, 3 L) about a mean (L, 3); ``rest`` is the variance beyond them."""
        k = len(variance)
        noise = max(rest / (mean.size - k), RELATIVE_TOLERANCE * float(variance[0]))
        loadings = modes.T * np.sqrt(np.maximum(variance - noise, 0.0))
        return cls(mean, loadings.reshape(*mean.shape, k), noise)

    def turned(self, rotation: np.ndarray) -> Factors:
        """The same after one rotation (3, 3) of everything."""
        loadings = np.einsum("cd,ldk->lck", rotation, self.loadings)
        return Factors(self.mean @ rotation.T, loadings, self.noise)

    def information(self, present: np.ndarray) -> np.ndarray:
        """What present entries (S, L) tell of the scores: ``noise I + A^T A``, (S, K, K)."""
        return _information(self.loadings, present, self.noise)

    def expected(
        self, shapes: np.ndarray, present: np.ndarray, *, information: np.ndarray | None = None
    ) -> np.ndarray:
        """Shapes (S, L, 3) with what is not present (S, L) replaced by its expectation.

        ``information`` is that of :meth:`information`, where the same is asked again and again.
        """
        filled = shapes.copy()
        some = np.flatnonzero(~present.all(axis=1))
        if not len(some):
            return filled
        there = present[some]
        deviation = np.where(there[..., None], shapes[some] - self.mean, 0.0)
        told = self.information(there) if information is None else information[some]
        flat = self.loadings.reshape(-1, self.loadings.shape[2])
        scores = _told_scores(flat, deviation, told)
        expected = self.mean + (scores @ flat.T).reshape(-1, *self.mean.shape)
        filled[some] = np.where(there[..., None], shapes[some], expected)
        return filled

    def completed(
        self,
        points: np.ndarray,
        present: np.ndarray,
        weights: np.ndarray,
        *,
        information: np.ndarray | None = None,
    ) -> np.ndarray:
        """Aligned points (S, L, 3), NaN where missing, with what these weighted factors expect."""
        root = np.sqrt(weights)[:, None]
        filled = self.expected(points * root, present, information=information) / root
        return np.where(present[..., None], points, filled)


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


def batch_scores(loadings: np.ndarray, deviations: np.ndarray, noise: float) -> np.ndarray:
    """:func:`expected_scores` of many shapes, each given what it has.

    Parameters
    ----------
    loadings : (L, 3, K) float
    deviations : (S, L, 3) float
        Observed minus mean; NaN where missing.
    noise : float
        Variance per coordinate.

    Returns
    -------
    (S, K) float
    """
    k = loadings.shape[2]
    there = ~np.isnan(deviations).any(axis=2)
    if noise == 0:
        return np.stack(
            [
                expected_scores(loadings[seen].reshape(-1, k), shape[seen].ravel(), 0.0)
                for shape, seen in zip(deviations, there, strict=True)
            ]
        )
    information = _information(loadings, there, noise)
    observed = np.where(there[..., None], deviations, 0.0)
    return _told_scores(loadings.reshape(-1, k), observed, information)


def _told_scores(flat: np.ndarray, observed: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Scores (S, K): loadings (3 L, K), deviations (S, L, 3), 0 where missing, (S, K, K)."""
    projected = observed.reshape(len(observed), -1) @ flat
    scores: np.ndarray = np.linalg.solve(information, projected[..., None])[..., 0]
    return scores


def _information(loadings: np.ndarray, present: np.ndarray, noise: float) -> np.ndarray:
    """``noise I + A^T A`` of the loadings (L, 3, K) of what each shape has, (S, K, K)."""
    k = loadings.shape[2]
    inner = (np.swapaxes(loadings, 1, 2) @ loadings).reshape(-1, k * k)
    told: np.ndarray = noise * np.eye(k) + (present.astype(float) @ inner).reshape(-1, k, k)
    return told
