"""Pure functions on open curves given as points: arc length, smoothing, resampling, bridges.

Every function is equivariant under rigid motion: moving its input moves its output.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import eigh, solveh_banded

# Samples a spline segment for arc length: the chord error of a cubic falls with the square, and
# 16 leaves it under 1e-4 of the length on annotated structures.
SAMPLES_PER_SEGMENT = 16


def arc_length(points: np.ndarray) -> np.ndarray:
    """Length along a polyline from its first point.

    Parameters
    ----------
    points : (n, 3) float

    Returns
    -------
    (n,) float
        In the unit of the points; the first is 0.

    Examples
    --------
    >>> arc_length(np.array([[0, 0, 0], [3, 4, 0], [3, 4, 2.0]]))
    array([0., 5., 7.])
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


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


def smoothing_spline(t: np.ndarray, y: np.ndarray, *, noise_sd: float) -> CubicSpline:
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
    CubicSpline
        ``spline(t)`` has shape (len(t), m, 3).  It reproduces straight lines exactly.

    Notes
    -----
    Minimises ``sum |y - g|^2 + lambda int |g''|^2`` (Green & Silverman 1994, ch. 2).  Lambda solves
    ``RSS / (n - df) = 2 m noise_sd^2``: as stiff as the noise warrants, no stiffer
    (the discrepancy principle with the residual degrees of freedom of the fit).
    """
    if len(t) < 3 or noise_sd <= 0:
        return CubicSpline(t, y, bc_type="natural")
    eigenvalues, vectors = _roughness(t)
    flat = y.reshape(len(t), -1)
    spectrum = vectors.T @ flat
    power = (spectrum**2).sum(axis=1)
    goal = 2.0 * y.shape[1] * noise_sd**2
    damping = 1.0 / (1.0 + _stiffness(eigenvalues, power, goal) * eigenvalues)
    smooth = vectors @ (damping[:, None] * spectrum)
    return CubicSpline(t, smooth.reshape(y.shape), bc_type="natural")


def _roughness(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigen-decomposition of the roughness matrix ``K``: ``g K g = int g''^2``."""
    n, h = len(t), np.diff(t)
    q = np.zeros((n, n - 2))
    r = np.zeros((2, n - 2))  # upper banded form
    k = np.arange(n - 2)
    q[k, k], q[k + 2, k] = 1 / h[:-1], 1 / h[1:]
    q[k + 1, k] = -1 / h[:-1] - 1 / h[1:]
    r[1] = (h[:-1] + h[1:]) / 3
    r[0, 1:] = h[1:-1] / 6
    matrix = q @ solveh_banded(r, q.T)
    eigenvalues, vectors = eigh((matrix + matrix.T) / 2)
    # Constants and straight lines have no roughness; rounding must not give them any.
    eigenvalues[:2] = 0.0
    return np.maximum(eigenvalues, 0.0), vectors


def _stiffness(eigenvalues: np.ndarray, power: np.ndarray, goal: float) -> float:
    """The lambda at which the residual variance meets the goal, by bisection on its logarithm."""

    def excess(log_stiffness: float) -> float:
        share = np.exp(log_stiffness) * eigenvalues
        lost = share / (1 + share)
        return float((lost**2 * power).sum() / lost.sum()) - goal

    rough = eigenvalues[2:]
    low, high = np.log(1e-6 / rough[-1]), np.log(1e6 / rough[0])
    if excess(low) >= 0:
        return float(np.exp(low))
    if excess(high) <= 0:
        return float(np.exp(high))
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return float(np.exp((low + high) / 2))


def sample_spline(spline: CubicSpline) -> tuple[np.ndarray, np.ndarray]:
    """Sample a spline densely.

    Returns
    -------
    parameter : (k,) float
    points : (k, ...) float
        Both ends included.
    """
    knots = spline.x
    step = np.linspace(0, 1, SAMPLES_PER_SEGMENT, endpoint=False)
    parameter = (knots[:-1, None] + np.diff(knots)[:, None] * step).ravel()
    parameter = np.append(parameter, knots[-1])
    return parameter, spline(parameter)


def resample_open(points: np.ndarray, n: int) -> np.ndarray:
    """Points at equal arc lengths along a polyline, both ends included.

    Parameters
    ----------
    points : (k, 3) float
        Dense enough that its chords stand for the curve.
    n : int

    Returns
    -------
    (n, 3) float
    """
    length = arc_length(points)
    goal = np.linspace(0, length[-1], n)
    return np.stack([np.interp(goal, length, points[:, axis]) for axis in range(3)], axis=1)


def bridge(
    begin: np.ndarray, direction: np.ndarray, end: np.ndarray, *, samples: int
) -> np.ndarray:
    """Smooth curve over a gap: leaves along a direction, arrives without curvature.

    Parameters
    ----------
    begin, end : (3,) float
    direction : (3,) float
        Unit tangent at the beginning.
    samples : int

    Returns
    -------
    (samples, 3) float
        Both ends included: the cubic with the given value and tangent at the beginning and the
        given value at the end that bends least (its second derivative vanishes there).
    """
    u = np.linspace(0, 1, samples)[:, None]
    chord = end - begin
    leave = direction * np.linalg.norm(chord)
    # r = b + leave u + p u^2 + q u^3 with r(1) = end and r''(1) = 0.
    p = 1.5 * (chord - leave)
    q = -p / 3
    return begin + leave * u + p * u**2 + q * u**3
