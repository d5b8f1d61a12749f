"""Intervals that are exact for normal data: mean, SD, reference limits and tolerance."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
# Simpson's rule over 200 steps.
SIMPSON = np.concatenate([[1.0], np.tile([4.0, 2.0], 99), [4.0, 1.0]])
# Central share of a population between its reference limits.
COVERAGE = 0.95


# Distributions are taken from scipy.special: the same numbers, without the third of a second that
# it takes to load scipy.stats.
def chi2_quantile(share: float, freedom: ArrayLike) -> Any:
    """The quantile of chi-square at a share, with some degrees of freedom; NaN where they are."""
    return 2 * special.gammaincinv(np.asarray(freedom) / 2, share)


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
    return special.stdtrit(freedom, 0.5 + CONFIDENCE / 2) * sd / np.sqrt(np.maximum(n, 1))


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
        sd * np.sqrt(freedom / chi2_quantile(quantile, freedom)) for quantile in (1 - tail, tail)
    )
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
    z = float(special.ndtri(0.5 + coverage / 2))
    tails = np.array([0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    low, high = special.nctdtrit(n - 1, z * np.sqrt(n), tails) / np.sqrt(n)
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
    nodes = np.linspace(0, 8 / np.sqrt(n), len(SIMPSON))
    squares = special.chndtrix(coverage, 1, np.maximum(nodes, 1e-9) ** 2)
    density = 2 * np.sqrt(n / (2 * np.pi)) * np.exp(-n * nodes**2 / 2)

    weights = SIMPSON * (nodes[1] - nodes[0]) / 3 * density
    # Halving, because the root finders of scipy take longer to load than a build to measure.
    low, high = 0.5, 1000.0
    while high - low > 1e-13 * high:
        k = (low + high) / 2
        sure = float(weights @ special.chdtrc(n - 1, (n - 1) * squares / k**2))
        low, high = (k, high) if sure < confidence else (low, k)
    return (low + high) / 2
