"""Intervals of normal data: mean, SD, sums of variances, reference limits and tolerance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
# Central share of a population between its reference limits.
COVERAGE = 0.95


def mean_interval(n: NDArray[np.int_], sd: Floats) -> Floats:
    """Half the width of the 95 % t-interval of a mean, ``t(n-1) s / sqrt(n)``.

    Parameters
    ----------
    n : (m,) int
    sd : (m,) float
        With n - 1.

    Returns
    -------
    (m,) float
        NaN below two subjects.

    Examples
    --------
    >>> mean_interval(np.array([4]), np.array([2.0])).round(4)
    array([3.1824])
    """
    freedom = np.where(n > 1, n - 1, np.nan)
    return stats.t.ppf(0.5 + CONFIDENCE / 2, freedom) * sd / np.sqrt(np.maximum(n, 1))


def sd_interval(n: NDArray[np.int_], sd: Floats) -> tuple[Floats, Floats]:
    """The 95 % chi-square interval of a standard deviation.

    Parameters
    ----------
    n : (m,) int
    sd : (m,) float
        With n - 1.

    Returns
    -------
    low, high : (m,) float
        ``s sqrt((n-1) / chi2)`` at the upper and lower quantile; NaN below two subjects.

    Examples
    --------
    >>> low, high = sd_interval(np.array([14]), np.array([10.0]))
    >>> low.round(2), high.round(2)
    (array([7.25]), array([16.11]))
    """
    freedom = np.where(n > 1, n - 1, np.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = (
        sd * np.sqrt(freedom / stats.chi2.ppf(quantile, freedom)) for quantile in (1 - tail, tail)
    )
    return low, high


def total_variance_interval(
    total: Floats, squares: Floats, n: NDArray[np.int_]
) -> tuple[Floats, Floats]:
    """The 95 % interval of sums of principal variances λ of n normal draws.

    Parameters
    ----------
    total, squares : (m,) float
        ``Σλ`` and ``Σλ²``, with n - 1.
    n : (m,) int

    Returns
    -------
    low, high : (m,) float
        ``ν Σλ / χ²(ν)`` at the upper and lower quantile; NaN below two draws.

    Notes
    -----
    The sum is taken as chi-square with Satterthwaite's degrees of freedom
    ``ν = (n - 1) (Σλ)² / Σλ²`` (1946, doi:10.2307/3002019).  As the λ are estimated, it covers 94.5
    (one long axis) to 97 % (a sphere of three) at n = 14.

    Examples
    --------
    >>> low, high = total_variance_interval(np.array([100.0]), np.array([1e4]), np.array([14]))
    >>> np.sqrt(low).round(2), np.sqrt(high).round(2)
    (array([7.25]), array([16.11]))
    """
    share = np.divide(total**2, squares, out=np.ones_like(total), where=squares > 0)
    freedom = np.where(n > 1, (n - 1) * share, np.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = (total * freedom / stats.chi2.ppf(q, freedom) for q in (1 - tail, tail))
    return low, high


@lru_cache(maxsize=256)
def reference_limit_factors(n: int, *, coverage: float = COVERAGE) -> tuple[float, float, float]:
    """The upper limit of a reference range and its 95 % interval, in SD above the mean.

    Parameters
    ----------
    n : int
        Subjects, two or more.
    coverage : float
        Central share of the population between the two limits.

    Returns
    -------
    factor, low, high : float
        The limit is ``mean + factor s``, its interval ``mean + low s`` to ``mean + high s``; the
        lower limit mirrors them.

    Notes
    -----
    Exact: ``sqrt(n) (mu + z sigma - mean) / s`` is noncentral t with n - 1 degrees of freedom and
    noncentrality ``z sqrt(n)`` (Owen 1968, doi:10.1080/00401706.1968.10490590).  The factor is
    the normal quantile z; that s is too small on average by a factor 1 - 1 / (4 n) is left in it
    and is covered by the interval.

    Examples
    --------
    >>> [round(x, 3) for x in reference_limit_factors(14)]
    [1.96, 1.262, 3.342]
    """
    z = float(stats.norm.ppf(0.5 + coverage / 2))
    tails = [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2]
    low, high = stats.nct.ppf(tails, n - 1, z * np.sqrt(n)) / np.sqrt(n)
    return z, float(low), float(high)


@lru_cache(maxsize=256)
def tolerance_factor(
    n: int, *, coverage: float = COVERAGE, confidence: float = CONFIDENCE
) -> float:
    """The k with which ``mean ± k s`` holds a share of a normal population, two-sided and exact.

    Parameters
    ----------
    n : int
        Subjects, two or more.
    coverage, confidence : float
        Share of the population held, and how sure.

    Returns
    -------
    float

    Notes
    -----
    Solves ``E[P(chi2(n-1) > (n-1) r(x)^2 / k^2)] = confidence`` over the mean x ~ N(0, 1/n) of a
    standard normal sample, where ``x ± r(x)`` holds the share: ``r(x)^2`` is the noncentral
    chi-square quantile with one degree of freedom.  It is the factor that ISO 16269-6 tabulates.

    Examples
    --------
    >>> round(tolerance_factor(10), 3)
    3.393
    """
    nodes = np.linspace(0, 8 / np.sqrt(n), 201)
    squares = stats.ncx2.ppf(coverage, 1, np.maximum(nodes, 1e-9) ** 2)
    density = 2 * stats.norm.pdf(nodes, scale=1 / np.sqrt(n))

    def lack(k: float) -> float:
        sure = stats.chi2.sf((n - 1) * squares / k**2, n - 1)
        return float(integrate.simpson(density * sure, x=nodes)) - confidence

    return float(optimize.brentq(lack, 0.5, 1000.0))
