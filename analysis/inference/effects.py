"""Effect sizes with intervals from the noncentral t and F, and which effects a design can find."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.8


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


def effective_dimension(residual_gram: np.ndarray, freedom: int) -> float:
    """Number of equally varying, independent coordinates with the spread of these residuals.

    Parameters
    ----------
    residual_gram : (S, S) float
        Inner products of the residuals, mm².
    freedom : int
        Their degrees of freedom r.

    Returns
    -------
    float
        ``nu = tr(Sigma)² / tr(Sigma²)``, at least 1 and at most the number of coordinates one can
        see, r; NaN below two degrees of freedom.

    Notes
    -----
    Both traces are estimated without bias for normal residuals: with the sample covariance C,
    ``E tr(C)² = tr(Sigma)² + 2 tr(Sigma²)/r`` and ``E tr(C²) = (1 + 1/r) tr(Sigma²) +
    tr(Sigma)²/r`` are solved for the two (Box 1954, doi:10.1214/aoms/1177728786, for nu).
    """
    if freedom < 2:
        return np.nan
    trace = np.trace(residual_gram) / freedom
    squares = (residual_gram**2).sum() / freedom**2
    sigma_squares = (squares - trace**2 / freedom) * freedom**2 / ((freedom - 1) * (freedom + 2))
    if sigma_squares <= trace**2 / 1e6:
        return float(freedom) if trace > 0 else np.nan
    return float(np.clip((trace**2 - 2 * sigma_squares / freedom) / sigma_squares, 1, freedom))


def shape_power(r2: float, *, n: int, df1: int, df2: int, dimension: float) -> float:
    """Probability that an effect of population R² is found at 5 %.

    Parameters
    ----------
    r2 : float
        Share of the total variance the term explains in the population.
    n, df1, df2 : int
        Subjects, and degrees of freedom of the term and of the residual.
    dimension : float
        :func:`effective_dimension` of the residuals.

    Returns
    -------
    float

    Notes
    -----
    The Procrustes F is taken as F with ``(df1 nu, df2 nu)`` degrees of freedom and noncentrality
    ``nu n R²/(1 - R²)``: exact for isotropic residuals, an approximation by two moments otherwise.
    An effect that lies along the main modes of the residuals is found more rarely than this says.
    """
    a, b = df1 * dimension, df2 * dimension
    critical = stats.f.ppf(1 - ALPHA, a, b)
    return float(1 - special.ncfdtr(a, b, dimension * n * r2 / (1 - r2), critical))


def detectable_r2(*, n: int, df1: int, df2: int, dimension: float) -> float:
    """The population R² that is found at 5 % with a probability of 80 %.

    Parameters
    ----------
    n, df1, df2, dimension
        As :func:`shape_power`.

    Returns
    -------
    float
        NaN where even an R² of 0.999 is not, or there is no residual.
    """
    if df1 < 1 or df2 < 1 or not dimension > 0:
        return np.nan

    def lack(r2: float) -> float:
        return shape_power(r2, n=n, df1=df1, df2=df2, dimension=dimension) - POWER

    return float(optimize.brentq(lack, 1e-9, 0.999)) if lack(0.999) > 0 else np.nan
