"""Effect sizes and their intervals, by inverting the noncentral t and F distributions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

CONFIDENCE = 0.95


def standardised_mean(differences: np.ndarray) -> tuple[float, float, float]:
    """Mean of paired differences in their own SD (Cohen's dz) and its 95 % interval.

    Parameters
    ----------
    differences : (n,) float
        Finite.

    Returns
    -------
    dz, low, high : float
        NaN below two differences or without spread.

    Notes
    -----
    ``t = dz sqrt(n)`` is noncentral t with n - 1 degrees of freedom and noncentrality
    ``delta sqrt(n)`` for normal differences; the interval holds every delta that t does not
    refuse (Cumming & Finch 2001, doi:10.1177/0013164401614002).
    """
    n = len(differences)
    spread = differences.std(ddof=1) if n > 1 else 0.0
    # Differences of equal numbers leave rounding behind, and a dz of 1e15 with it.
    if n < 2 or spread <= 1e-12 * np.abs(differences).max():
        return np.nan, np.nan, np.nan
    dz = float(differences.mean() / spread)
    t, tail = dz * np.sqrt(n), (1 - CONFIDENCE) / 2
    reach = abs(t) + 10 + abs(t) * 10 / np.sqrt(n)

    def refused(tail: float) -> float:
        return _root(lambda d: noncentral_t_cdf(t, n - 1, d) - tail, -reach, reach)

    return dz, refused(1 - tail) / np.sqrt(n), refused(tail) / np.sqrt(n)


def noncentral_t_cdf(t: float, freedom: int, noncentrality: float) -> float:
    """Distribution function of noncentral t.

    Parameters
    ----------
    t : float
    freedom : int
    noncentrality : float

    Returns
    -------
    float
        ``E Phi(t X - noncentrality)`` over ``X = sqrt(chi² / freedom)`` by Gauss-Legendre; scipy's
        own gives NaN where both tails are far.
    """
    x, weights = _chi_rule(freedom)
    return float(weights @ special.ndtr(t * x - noncentrality))


@lru_cache(maxsize=64)
def _chi_rule(freedom: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the mean over ``sqrt(chi² / freedom)``."""
    low, high = np.sqrt(stats.chi2.ppf([1e-14, 1 - 1e-14], freedom) / freedom)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x = low + (high - low) * (nodes + 1) / 2
    density = stats.chi2.pdf(x**2 * freedom, freedom) * 2 * x * freedom
    return x, (high - low) / 2 * weights * density


def noncentrality_interval(f: float, df1: float, df2: float) -> tuple[float, float]:
    """The 95 % interval of the noncentrality of an observed F.

    Parameters
    ----------
    f, df1, df2 : float

    Returns
    -------
    low, high : float
        0 where F is smaller than a central one is apt to be (Steiger 2004,
        doi:10.1037/1082-989X.9.2.164).
    """
    if not (np.isfinite(f) and df1 > 0 and df2 > 0):
        return np.nan, np.nan
    tail = (1 - CONFIDENCE) / 2

    def refused(tail: float) -> float:
        def excess(x: float) -> float:
            return float(special.ncfdtr(df1, df2, x, f)) - tail

        if excess(0.0) <= 0:
            return 0.0
        high = df1 * f + 10.0
        while excess(high) > 0 and high < 1e8:
            high *= 2
        return _root(excess, 0.0, high)

    return refused(1 - tail), refused(tail)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    if not function(low) * function(high) < 0:
        return np.nan
    return float(optimize.brentq(function, low, high, xtol=1e-10))
