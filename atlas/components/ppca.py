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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atlas.components.principal import Factors

MAXIMUM_ROUNDS = 2000
# Gain of the log-likelihood per observed coordinate from round to round.
TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """What some subjects have between them; that of more subjects is their sum.

    Parameters
    ----------
    common : (L,) bool
        Landmarks that every subject has.
    apart : (L - 1,) bool
        Where one of two neighbours is present in a subject without the other.
    """

    common: np.ndarray
    apart: np.ndarray

    @classmethod
    def of(cls, present: np.ndarray) -> Presence:
        """Of subjects that have landmarks (S, L)."""
        return cls(np.asarray(present.all(axis=0)), apart(present))

    def __add__(self, other: Presence) -> Presence:
        return Presence(self.common & other.common, self.apart | other.apart)


def apart(present: np.ndarray) -> np.ndarray:
    """Where neighbours among landmarks (S, L) are not present in the same shapes, (L - 1,)."""
    return (present[:, 1:] != present[:, :-1]).any(axis=0)


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
class Patterns:
    """Runs of landmarks that every subject has or lacks together: they share their sums.

    Parameters
    ----------
    starts : (G,) int
        First landmark of each run.
    size : int
        Number of landmarks L.
    """

    starts: np.ndarray
    size: int

    @classmethod
    def of(cls, apart: np.ndarray) -> Patterns:
        """Runs that end where ``apart`` (L - 1,) says that two neighbours differ."""
        return cls(np.append(0, np.flatnonzero(apart) + 1), len(apart) + 1)

    @property
    def lengths(self) -> np.ndarray:
        """Landmarks of each run, (G,)."""
        return np.diff(np.append(self.starts, self.size))

    @property
    def run(self) -> np.ndarray:
        """Run of each landmark, (L,)."""
        return np.repeat(np.arange(len(self.starts)), self.lengths)

    def summed(self, values: np.ndarray) -> np.ndarray:
        """Values (L, ...) added up within each run, (G, ...)."""
        sums: np.ndarray = np.add.reduceat(values, self.starts, axis=0)
        return sums

    def products(self, loadings: np.ndarray) -> np.ndarray:
        """Inner products of the loadings (L, 3, K) of each run, (G, K, K)."""
        if len(self.starts) == self.size:
            return np.swapaxes(loadings, 1, 2) @ loadings
        parts = np.split(loadings, self.starts[1:])
        flat = [part.reshape(-1, loadings.shape[2]) for part in parts]
        return np.stack([part.T @ part for part in flat])


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What maximisation needs of shapes, added up over them; latent variables are (z, 1).

    Parameters
    ----------
    left : (G, K + 1, K + 1) float
        Expected second moments of the latent variables, by precision.
    right : (L, K + 1, 3) float
        Products of latent variables and entries, by precision.
    clean_left, clean_right : float arrays of the same shapes
        The same over entries without extra variance, each counted once.
    squares, count : float
        Sum of squares of these entries, and how many coordinates they are.
    second : (K + 1, K + 1) float
        Second moments over all shapes.
    shapes : (G,) float
        How many shapes have each run; ``second`` knows how many there are.
    log_likelihood, observed : float
        Of the observed entries, and how many coordinates they are.
    """

    left: np.ndarray
    right: np.ndarray
    clean_left: np.ndarray
    clean_right: np.ndarray
    squares: float
    count: float
    second: np.ndarray
    shapes: np.ndarray
    log_likelihood: float
    observed: float

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(getattr(self, n) + getattr(other, n) for n in Moments.__slots__))


def runs_of(apart: np.ndarray, extra: np.ndarray | None) -> Patterns:
    """The runs whose sums are shared; with extra variance each landmark stands alone."""
    return Patterns.of(apart if extra is None else np.ones_like(apart))


def climb(
    expect: Callable[[Factors], Moments],
    start: Factors,
    *,
    patterns: Patterns,
    rounds: int = MAXIMUM_ROUNDS,
) -> FactorFit:
    """Expectation and maximisation by turns until the likelihood rests.

    Parameters
    ----------
    expect : callable
        :func:`expectation` of all shapes at given factors.
    start : Factors
    patterns : Patterns
    rounds : int

    Returns
    -------
    FactorFit
    """
    factors, gain, observed = start, np.inf, 1.0
    trace: list[float] = []
    while gain > TOLERANCE * observed and len(trace) < rounds:
        moments = expect(factors)
        observed = moments.observed
        gain = moments.log_likelihood - trace[-1] if trace else np.inf
        trace.append(moments.log_likelihood)
        factors = maximisation(moments, factors, patterns)
    return FactorFit(factors, tuple(trace), bool(gain <= TOLERANCE * observed))


def expectation(
    y: np.ndarray,
    present: np.ndarray,
    factors: Factors,
    *,
    patterns: Patterns,
    extra: np.ndarray | None = None,
) -> Moments:
    """Posterior of the latent variables of some shapes, as the sums that maximisation needs.

    Parameters
    ----------
    y : (S, L, 3) float
        Finite where present.
    present : (S, L) bool
    factors : Factors
    patterns : Patterns
        Runs of landmarks; each alone where there is extra variance.
    extra : (S, L) float, optional

    Returns
    -------
    Moments
        About the mean of ``factors``.
    """
    s, k, loadings = len(y), factors.loadings.shape[2], factors.loadings
    # About the mean: squares of the whole coordinates would drown the noise.
    y = np.where(present[..., None], y - factors.mean, 0.0)
    seen = present[:, patterns.starts].astype(float)
    precision = seen / factors.noise if extra is None else present / (factors.noise + extra)
    weighted = y / factors.noise if extra is None else precision[..., None] * y
    inner = patterns.products(loadings).reshape(-1, k * k)
    information = np.eye(k) + (precision @ inner).reshape(s, k, k)
    projected = weighted.reshape(s, -1) @ loadings.reshape(-1, k)
    covariance = np.linalg.inv(information)
    latent = np.ones((s, k + 1))
    latent[:, :k] = np.einsum("skj,sj->sk", covariance, projected)
    second = latent[:, :, None] * latent[:, None, :]
    second[:, :k, :k] += covariance
    log_precision = np.log(precision, out=np.zeros_like(precision), where=precision > 0)
    observed = 3 * float((seen @ patterns.lengths).sum())
    quadratic = (weighted * y).sum() - (projected * latent[:, :k]).sum()
    determinant = np.linalg.slogdet(information)[1].sum()
    determinant -= 3 * (log_precision @ patterns.lengths).sum()
    left, right = _moments(precision, weighted, latent, second)
    if extra is None:
        clean_left, clean_right = factors.noise * left, factors.noise * right
        squares, count = float((y**2).sum()), observed
    else:
        clean = (present & (extra == 0)).astype(float)
        clean_left, clean_right = _moments(clean, clean[..., None] * y, latent, second)
        squares, count = float((clean[..., None] * y**2).sum()), 3 * float(clean.sum())
    return Moments(
        left=left,
        right=right,
        clean_left=clean_left,
        clean_right=clean_right,
        squares=squares,
        count=count,
        second=second.sum(axis=0),
        shapes=seen.sum(axis=0),
        log_likelihood=-float(quadratic + determinant + observed * np.log(2 * np.pi)) / 2,
        observed=observed,
    )


def _moments(
    precision: np.ndarray, weighted: np.ndarray, latent: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Second moments (G, K + 1, K + 1), and products with the entries (L, K + 1, 3)."""
    s, size = latent.shape
    left = (precision.T @ second.reshape(s, -1)).reshape(-1, size, size)
    right = (latent.T @ weighted.reshape(s, -1)).reshape(size, -1, 3)
    return left, np.swapaxes(right, 0, 1)


def maximisation(moments: Moments, factors: Factors, patterns: Patterns) -> Factors:
    """Regress each landmark on the latent variables and a constant; then the noise that is left.

    Parameters
    ----------
    moments : Moments
        Of all shapes at ``factors``, about their mean.
    factors : Factors
    patterns : Patterns

    Returns
    -------
    Factors
        With latent variables of mean 0 and covariance 1 again, which leaves the model as it is.
    """
    k = factors.loadings.shape[2]
    everybody = moments.second[k, k]
    strength = 1 / max((factors.loadings**2).mean(), factors.noise)
    prior = np.where(np.isclose(moments.shapes, everybody), 0.0, strength)
    left = moments.left.copy()
    left[:, np.arange(k), np.arange(k)] += prior[:, None]
    run = patterns.run
    solved = np.swapaxes(np.linalg.inv(left)[run] @ moments.right, 1, 2)
    loadings, mean = np.ascontiguousarray(solved[:, :, :k]), solved[:, :, k]
    spread = patterns.products(solved)
    residual = moments.squares - 2 * (np.swapaxes(solved, 1, 2) * moments.clean_right).sum()
    residual += (spread * moments.clean_left).sum()
    middle = moments.second[k, :k] / everybody
    second = moments.second[:k, :k] / everybody - np.outer(middle, middle)
    return Factors(
        factors.mean + mean + loadings @ middle,
        loadings @ np.linalg.cholesky(second),
        float(residual / moments.count),
    )
