"""Probabilistic principal components by expectation-maximisation, with missing entries.

``y_il = mu_l + W_l z_i + e_il``, z standard normal, e of variance ``noise + extra_il`` in each of a
landmark's three coordinates.  Tipping & Bishop 1999, doi:10.1111/1467-9868.00196; with missing
entries Ilin & Raiko 2010 (JMLR 11:1957), whose rotation of the latent space, a parameter-expanded
step (Liu, Rubin & Wu 1998, doi:10.1093/biomet/85.4.755), makes it converge in tens of rounds.

A landmark that few shapes have says little about its own loadings, and maximum likelihood would
overfit them.  As Ilin & Raiko advise they get a Gaussian prior, here with the mean square loading
of all landmarks as its variance; landmarks that every shape has need none and get none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.shape.components import Factors

MAXIMUM_ROUNDS = 2000
# Gain of the log-likelihood per observed coordinate from round to round.
TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class FactorFit:
    """What expectation-maximisation found.

    Parameters
    ----------
    factors : Factors
        Mean, loadings W, and the noise per coordinate of entries without extra variance; maximum
        likelihood, divisor S.
    log_likelihood : tuple of float
        Of the observed entries, a value a round; never falls where every shape is whole.
    converged : bool
    """

    factors: Factors
    log_likelihood: tuple[float, ...]
    converged: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Latent:
    """Posterior of the latent variables: ``mean`` (S, K), ``covariance`` (S, K, K)."""

    mean: np.ndarray
    covariance: np.ndarray
    log_likelihood: float

    @property
    def second(self) -> np.ndarray:
        """Expected ``z z^T``, (S, K, K)."""
        return self.covariance + self.mean[:, :, None] * self.mean[:, None, :]


def fit_factors(
    y: np.ndarray,
    present: np.ndarray,
    *,
    start: Factors,
    extra: np.ndarray | None = None,
    rounds: int = MAXIMUM_ROUNDS,
) -> FactorFit:
    """Maximum likelihood of the factor model.

    Parameters
    ----------
    y : (S, L, 3) float
        Finite; ignored where not present.
    present : (S, L) bool
        Every landmark in at least one shape.
    start : Factors
        Where to begin; noise positive.
    extra : (S, L) float, optional
        Known variance of entries beyond the noise.
    rounds : int
        At the most.

    Returns
    -------
    FactorFit
    """
    seen = present.astype(float)
    extra = np.zeros(seen.shape) if extra is None else extra
    y = y * seen[..., None]
    mean, loadings, noise = start.mean, start.loadings, start.noise
    trace: list[float] = []
    gain = np.inf
    count = 3 * seen.sum()
    while gain > TOLERANCE * count and len(trace) < rounds:
        precision = seen / (noise + extra)
        latent = _expect(y, mean, loadings, precision)
        gain = latent.log_likelihood - trace[-1] if trace else np.inf
        trace.append(latent.log_likelihood)
        prior = np.where(present.all(axis=0), 0.0, 1 / max((loadings**2).mean(), noise))
        mean, loadings = _maximise(y, precision, latent, prior)
        noise = _residual_variance(y, mean, loadings, latent, seen * (extra == 0))
        mean, loadings = _whiten(mean, loadings, latent)
    found = Factors(mean, loadings, noise)
    return FactorFit(found, tuple(trace), bool(gain <= TOLERANCE * count))


def _expect(
    y: np.ndarray, mean: np.ndarray, loadings: np.ndarray, precision: np.ndarray
) -> _Latent:
    s, k = len(y), loadings.shape[2]
    inner = np.einsum("lck,lcj->lkj", loadings, loadings).reshape(-1, k * k)
    information = np.eye(k) + (precision @ inner).reshape(s, k, k)
    weighted = precision[..., None] * (y - mean)
    projected = weighted.reshape(s, -1) @ loadings.reshape(-1, k)
    covariance = np.linalg.inv(information)
    z = np.einsum("skj,sj->sk", covariance, projected)
    observed = precision > 0
    log_precision = np.log(precision, out=np.zeros_like(precision), where=observed)
    quadratic = (weighted * (y - mean)).sum() - (projected * z).sum()
    determinant = np.linalg.slogdet(information)[1].sum() - 3 * log_precision.sum()
    constant = 3 * observed.sum() * np.log(2 * np.pi)
    return _Latent(z, covariance, float(-(quadratic + determinant + constant) / 2))


def _maximise(
    y: np.ndarray, precision: np.ndarray, latent: _Latent, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Regress each landmark on the latent variables and a constant, weighted by precision.

    ``prior`` (L,) is the precision of the prior on each landmark's loadings.
    """
    s, k = latent.mean.shape
    z = np.concatenate([latent.mean, np.ones((s, 1))], axis=1)
    second = z[:, :, None] * z[:, None, :]
    second[:, :k, :k] = latent.second
    left = (precision.T @ second.reshape(s, -1)).reshape(-1, k + 1, k + 1)
    left[:, np.arange(k), np.arange(k)] += prior[:, None]
    right = np.einsum("slc,sk->lkc", precision[..., None] * y, z, optimize=True)
    solved = np.swapaxes(np.linalg.solve(left, right), 1, 2)
    return solved[:, :, k], solved[:, :, :k]


def _residual_variance(
    y: np.ndarray, mean: np.ndarray, loadings: np.ndarray, latent: _Latent, clean: np.ndarray
) -> float:
    """Expected squared residual per coordinate over entries without extra variance."""
    k = latent.mean.shape[1]
    shapes = mean + (latent.mean @ loadings.reshape(-1, k).T).reshape(y.shape)
    squared = ((y - shapes) ** 2).sum(axis=2)
    inner = np.einsum("lck,lcj->lkj", loadings, loadings).reshape(-1, k * k)
    spread = latent.covariance.reshape(len(y), -1) @ inner.T
    return float((clean * (squared + spread)).sum() / (3 * clean.sum()))


def _whiten(
    mean: np.ndarray, loadings: np.ndarray, latent: _Latent
) -> tuple[np.ndarray, np.ndarray]:
    """Give the latent variables mean 0 and covariance 1 again; the model stays the same."""
    middle = latent.mean.mean(axis=0)
    second = latent.second.mean(axis=0) - np.outer(middle, middle)
    return mean + loadings @ middle, loadings @ np.linalg.cholesky(second)
