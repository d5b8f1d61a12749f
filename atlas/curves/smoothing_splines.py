"""How stiff smooth curves are: as stiff as an annotation's own jitter warrants, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import cholesky_banded
from scipy.linalg.lapack import dtbtrs

from atlas.curves.natural_splines import NaturalSpline, natural_splines

# Halvings of the interval in which a stiffness lies before Newton's method takes over.
HALVINGS = 12
# Where Newton's method would leave what is left it is halved again: this many find the last digit.
ROUNDS = 50
# Newton's method doubles the digits: what follows a step as small is below the last one.
SETTLED = 1e-9


class _Spectrum(NamedTuple):
    """Roughness ``int g''^2 = sum(roughness * (shapes.T @ g)^2)`` over knots.

    Straight lines have none: ``shapes`` (n, n - 2) is orthonormal and orthogonal to them,
    ``roughness`` (n - 2,) is above 0 and falls.
    """

    roughness: np.ndarray
    shapes: np.ndarray


def annotation_noise(t: np.ndarray, y: np.ndarray) -> float:
    """Standard deviation of the jitter from slice to slice, per in-plane axis.

    Parameters
    ----------
    t : (n,) float
        Positions along the structure, increasing.
    y : (n, m, 3) float
        m points a slice.

    Returns
    -------
    float
        In the unit of ``y``; the jitter lies in the slice, so its squared length has two
        degrees of freedom.  0 for fewer than three slices.

    Notes
    -----
    Residual of each point from the line through its neighbours, scaled to unit noise variance:
    Gasser, Sroka & Jennen-Steinmetz 1986, doi:10.1093/biomet/73.3.625.
    """
    if len(t) < 3:
        return 0.0
    before = ((t[2:] - t[1:-1]) / (t[2:] - t[:-2]))[:, None, None]
    residual = before * y[:-2] + (1 - before) * y[2:] - y[1:-1]
    squared = (residual**2).sum(axis=2, keepdims=True) / (before**2 + (1 - before) ** 2 + 1)
    return float(np.sqrt(squared.mean() / 2))


def smoothing_spline(t: np.ndarray, y: np.ndarray, *, noise_sd: float) -> NaturalSpline:
    """Natural cubic spline that leaves residuals of the size of the annotation noise.

    Parameters
    ----------
    t : (n,) float
        Positions, increasing.
    y : (n, m, 3) float
        Values.
    noise_sd : float
        Per in-plane axis, as :func:`annotation_noise` gives it; 0 interpolates.

    Returns
    -------
    NaturalSpline
        ``spline(t)`` has shape (len(t), m, 3).  It reproduces straight lines exactly.

    Notes
    -----
    Minimises ``sum |y - g|^2 + lambda int |g''|^2`` (Green & Silverman 1994, ch. 2).  Lambda solves
    ``RSS / (n - df) = 2 m noise_sd^2``: as stiff as the noise warrants, no stiffer
    (the discrepancy principle with the residual degrees of freedom of the fit).
    """
    return smoothing_splines([t], [y], noise_sd=[noise_sd])[0]


def smoothing_splines(
    knots: Sequence[np.ndarray], values: Sequence[np.ndarray], *, noise_sd: Sequence[float]
) -> list[NaturalSpline]:
    """As :func:`smoothing_spline`, of many curves at once, each with a stiffness of its own.

    Parameters
    ----------
    knots : sequence of (n_i,) float
        Curves of one and the same knots are fastest where these are one and the same array.
    values : sequence of (n_i, ..., 3) float
    noise_sd : sequence of float

    Returns
    -------
    list of NaturalSpline
    """
    smooth = list(values)
    rough = [i for i, t in enumerate(knots) if len(t) >= 3 and noise_sd[i] > 0]
    spectra = {key: _spectrum(t) for key, t in {id(knots[i]): knots[i] for i in rough}.items()}
    of = [spectra[id(knots[i])] for i in rough]
    parts = [s.shapes.T @ _off_chord(knots[i], values[i]) for i, s in zip(rough, of, strict=True)]
    stiffness = _stiffness(
        [spectrum.roughness for spectrum in of],
        [(part**2).sum(axis=1) for part in parts],
        np.array([2.0 / 3.0 * values[i][0].size * noise_sd[i] ** 2 for i in rough]),
    )
    for i, spectrum, part, weight in zip(rough, of, parts, stiffness, strict=True):
        lost = 1 - 1 / (1 + weight * spectrum.roughness)
        taken = spectrum.shapes @ (lost[:, None] * part)
        smooth[i] = values[i] - taken.reshape(values[i].shape)
    return natural_splines(knots, smooth)


def _off_chord(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values (n, k) less the line from the first to the last.

    A line has no roughness, but far from the frame's origin it would cost the digits of what has.
    """
    share = ((t - t[0]) / (t[-1] - t[0]))[:, None]
    flat = y.reshape(len(t), -1)
    return flat - flat[0] - share * (flat[-1] - flat[0])


def _spectrum(t: np.ndarray) -> _Spectrum:
    """The spectrum of the roughness over knots (n,), n >= 3.

    The roughness matrix is ``Q R^-1 Q' = B B'`` with ``B = Q L'^-1`` and ``R = L L'`` (Green &
    Silverman 1994, ch. 2).  Singular values of B keep the digits that eigenvalues of the product,
    the squares of them, lose: the smoothest shapes are the ones that matter.
    """
    n, h = len(t), np.diff(t)
    k = np.arange(n - 2)
    second = np.zeros((n - 2, n))
    second[k, k], second[k, k + 2] = 1 / h[:-1], 1 / h[1:]
    second[k, k + 1] = -1 / h[:-1] - 1 / h[1:]
    r = np.zeros((2, n - 2))  # lower banded form
    r[0] = (h[:-1] + h[1:]) / 3
    r[1, :-1] = h[1:-1] / 6
    lower = cholesky_banded(r, lower=True, check_finite=False)
    root = dtbtrs(lower, second, uplo="L")[0]
    shapes, singular, _ = np.linalg.svd(root.T, full_matrices=False)
    return _Spectrum(singular**2, shapes)


def _stiffness(
    roughness: Sequence[np.ndarray], power: Sequence[np.ndarray], goal: np.ndarray
) -> np.ndarray:
    """The lambdas (k,) at which residual variances meet their goals (k,).

    Found on the logarithm, from as good as none to as good as a straight line: halved often enough
    to be near, then by Newton's method within what is left.
    """
    if not len(goal):
        return np.empty(0)
    width = max(len(values) for values in roughness)
    rough, squared = (
        np.array([np.pad(values, (0, width - len(values))) for values in rows])
        for rows in (roughness, power)
    )

    def excess(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = np.exp(x)[:, None] * rough
        kept = 1 / (1 + share)
        lost = share * kept
        above, below = (lost**2 * squared).sum(axis=1), lost.sum(axis=1)
        rise, growth = 2 * (lost**2 * kept * squared).sum(axis=1), (lost * kept).sum(axis=1)
        return above / below - goal, (rise * below - above * growth) / below**2

    low = np.log([1e-6 / values[0] for values in roughness])
    high = np.log([1e6 / values[-1] for values in roughness])
    # One with less noise than the least, or more than the most, has its end for an answer.
    high = np.where(excess(low)[0] >= 0, low, high)
    low = np.where(excess(high)[0] <= 0, high, low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = excess(middle)[0] < 0
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    x = (low + high) / 2
    for _ in range(ROUNDS):
        off, slope = excess(x)
        low, high = np.where(off < 0, x, low), np.where(off < 0, high, x)
        step = np.divide(off, slope, out=np.full_like(off, np.inf), where=slope > 0)
        # A step of the size of rounding may lead out of the bracket, and is the last all the same.
        inside = (np.abs(step) < SETTLED) | ((low < x - step) & (x - step < high))
        moved = np.where(inside, x - step, (low + high) / 2)
        settled = np.abs(moved - x).max() < SETTLED
        x = moved
        if settled:
            break
    return np.exp(x)
