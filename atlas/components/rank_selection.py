"""How many components tell more than they add, beside noise from landmark to landmark.

Noise alone has components too, and with more coordinates than shapes the largest of them lie far
above its variance.  A component that hardly stands above them points nearly anywhere: it adds more
error than it takes away, and expectation-maximisation finds no rest among many that are alike.
"""

from __future__ import annotations

import numpy as np

# 99 % quantile of the Tracy-Widom law of order 1, which the largest eigenvalue of noise follows
# (Bejan 2005; Johnstone 2001, doi:10.1214/aos/1009210544).
TRACY_WIDOM = 2.0234
# With fewer components left, noise from landmark to landmark and noise that neighbours share fall
# alike by chance; the law itself would hold from about five on.
LEAST_LEFT = 20


def effective_coordinates(emphasis: np.ndarray) -> float:
    """How many coordinates of equal weight have the noise that landmarks weighted so have.

    Parameters
    ----------
    emphasis : (L,) float
        Weights of the landmarks in inner products, 0 where one does not count.

    Returns
    -------
    float
        ``3 (sum w)^2 / sum w^2``.

    Notes
    -----
    Noise of one variance v at every landmark has the variances ``v w`` in weighted coordinates.
    The Gram matrix of n such rows is ``v (3 sum w) I`` and a symmetric random matrix with entries
    of variance ``v^2 (3 sum w^2)``, so that its edge is that of p equal coordinates with p as
    returned; exact to first order in ``sqrt(n / p)``.

    Examples
    --------
    >>> effective_coordinates(np.array([1.0, 1.0, 0.0, 1.0]))
    9.0
    """
    return float(3 * emphasis.sum() ** 2 / (emphasis**2).sum())


def beyond_noise(variance: np.ndarray, total: float, n: int, coordinates: float) -> int | None:
    """How many leading components are worth keeping, where the others are seen to be noise.

    Parameters
    ----------
    variance : (K,) float
        Falling; of the leading components.
    total : float
        Variance of all.
    n : int
        Shapes, centred on their mean.
    coordinates : float
        In which they were given, or :func:`effective_coordinates`.

    Returns
    -------
    int or None
        None where all K stand above what noise would make, and more might.

    Notes
    -----
    *Is it noise?*  Component by component from the largest, as Kritchman & Nadler 2009
    (doi:10.1109/TSP.2009.2022897).  With k components found, what is left is a matrix of
    ``m = n - 1 - k`` rows by ``q = p - k`` columns of noise, were there no more: a component far
    above the noise takes ``1 + p / n`` times the variance of the noise with it (Baik & Silverstein
    2006, doi:10.1016/j.jmva.2005.08.003), which is the degrees of freedom of a matrix of rank k.
    The variance of the noise, over the divisor, is therefore ``rest / (m q)``, and what follows is
    noise where it does not exceed that times ``mu + 2.02 sd``,

        mu = (sqrt(m - 1/2) + sqrt(q - 1/2))^2
        sd = sqrt(mu) (1 / sqrt(m - 1/2) + 1 / sqrt(q - 1/2))^(1/3),

    the upper Marchenko-Pastur edge and the spread of the largest eigenvalue about it (Johnstone
    2001; corrections of Ma 2012, doi:10.3150/10-BEJ382).

    *Is it worth keeping?*  Of those before, a component just above the edge is nearly at right
    angles to what it stands for.  It takes away more error than it adds from ``c^2 max(m, q)``
    times the variance of the noise on, ``c^2 = 2 (b + 1) + 8 b / (b + 1 + sqrt(b^2 + 14 b + 1))``
    with ``b = min / max`` (Gavish & Donoho 2014, doi:10.1109/TIT.2014.2323359).

    Of all Gaussian noise of one total, that which is alike and independent in every coordinate has
    the least largest component in expectation: it is convex in the covariance, and turning leaves
    it as it is (Jensen).  Deviations that many neighbours share, as those of smoothed annotations,
    fall from component to component, stand above this edge one after the other, and lose none; what
    few neighbours share may be taken for noise beyond its first components.  Fewer than twenty
    components never are, so that groups of up to twenty shapes lose none whatever they hold.

    Examples
    --------
    >>> beyond_noise(np.array([50.0, 20.0, 1.1, 1.0]), 50 + 20 + 37 * 0.9, 40, 3000)
    2
    """
    k = np.arange(len(variance))
    m, q = n - 1.0 - k, coordinates - k
    k = k[np.minimum(m, q) >= LEAST_LEFT]
    values, m, q = variance[: len(k)], m[: len(k)], q[: len(k)]
    rest = np.maximum(total - np.append(0.0, np.cumsum(values))[:-1], 0.0)
    noise = rest / (m * q)
    within = values <= noise * _largest_of_noise(m, q)
    if not within.any():
        return None
    found = int(within.argmax())
    return int((values[:found] > noise[found] * worth_keeping(m[found], q[found])).sum())


def _largest_of_noise(m: np.ndarray, q: np.ndarray) -> np.ndarray:
    """What the largest squared singular value of m by q noise of variance 1 hardly exceeds."""
    m, q = np.sqrt(m - 0.5), np.sqrt(q - 0.5)
    largest: np.ndarray = (m + q) ** 2 + TRACY_WIDOM * (m + q) * (1 / m + 1 / q) ** (1 / 3)
    return largest


def worth_keeping(m: float, q: float) -> float:
    """The squared singular value that takes away as much error as it adds; noise of variance 1."""
    b = min(m, q) / max(m, q)
    return float(max(m, q) * (2 * (b + 1) + 8 * b / (b + 1 + np.sqrt(b**2 + 14 * b + 1))))


def foreseen_beyond_noise(
    values: np.ndarray,
    before: np.ndarray,
    passes: int,
    *,
    total: float,
    n: int,
    coordinates: float,
) -> int | None:
    """:func:`beyond_noise` of values that still grow from pass to pass; None until it is certain.

    Parameters
    ----------
    values, before : (K,) float
        Falling; after so many passes, and after one fewer, when they were fewer.
    passes : int
    total, n, coordinates
        As there.

    Returns
    -------
    int or None

    Notes
    -----
    Within noise Ritz values near its edge by the inverse square of the passes, so that what is
    still to come is less than the last gain times the passes.
    """
    known = values[: len(before)]
    foreseen = known + passes * (known - before)
    count = beyond_noise(known, total, n, coordinates)
    return count if count == beyond_noise(foreseen, total, n, coordinates) else None
