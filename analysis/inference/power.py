"""What a design of n subjects can find: power of F tests of shape, and the detectable R²."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special, stats

ALPHA = 0.05
POWER = 0.8


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
