"""The gap between a trace and its ganglion: how far a root may wander where nobody looked."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np

from atlas.curves.polylines import BRIDGE_SAMPLES, bridge, bridge_cubic, bridge_variance
from atlas.landmarks.fitting_curves import FittedRoot, FittedSubject

# Parts of a trace that are hidden to learn how roots wander: their gaps span those of the data.
HIDDEN_PARTS = (0.3, 0.5, 0.7)
# Every how many samples of a bridge the nearest is looked for before it is narrowed down.
COARSE = 32


class HiddenError(NamedTuple):
    """How far traces lie from bridges over parts of them that were hidden.

    Parameters
    ----------
    squared_mm2 : float
        Squared distances, summed over hidden points.
    expected : float
        The sum that a roughness of 1 (1/mm) leads to expect, mm³.
    """

    squared_mm2: float
    expected: float


def hidden_error(roots: Iterable[FittedRoot]) -> HiddenError:
    """What roots say of how far they wander: the last part of each trace is hidden and bridged.

    Parameters
    ----------
    roots : iterable of FittedRoot

    Returns
    -------
    HiddenError
        Summed over the roots; of groups of any size those of its subjects combine by
        :func:`combined_roughness`.
    """
    hidden = [(root, _kept(root, part)) for root in roots for part in HIDDEN_PARTS]
    if not hidden:
        return HiddenError(0.0, 0.0)
    begin = np.array([root.line[kept] for root, kept in hidden])
    tangent = np.array([root.line[kept] - root.line[kept - 1] for root, kept in hidden])
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    end = np.array([root.line[-1] for root, _ in hidden])
    lines = bridge(begin, tangent, end, samples=BRIDGE_SAMPLES)
    gaps = np.sqrt((np.diff(lines, axis=1) ** 2).sum(axis=2)).sum(axis=1)
    points = [root.line[kept + 1 : root.traced_points] for root, kept in hidden]
    count = [len(part) for part in points]
    nearest = _nearest_samples(bridge_cubic(begin, tangent, end), begin, points)
    places = lines[np.repeat(np.arange(len(lines)), count), nearest]
    expected = 2 * np.repeat(gaps**3, count) * bridge_variance(nearest / (BRIDGE_SAMPLES - 1))
    squared = ((places - np.concatenate(points)) ** 2).sum()
    return HiddenError(float(squared), float(expected.sum()))


# A build places the same subjects from two origins; as many are remembered as fits are.
@lru_cache(maxsize=32)
def subject_hidden_error(fitted: FittedSubject) -> HiddenError:
    """:func:`hidden_error` of all roots of a subject; asked again, it does not look again."""
    return hidden_error(fitted.roots.values())


def combined_roughness(errors: Iterable[HiddenError]) -> float:
    """How much roots wander where nobody looked, from the traces themselves.

    How far traces lie from the bridges over their hidden parts says how rough roots are.  Squared
    errors are summed over all roots before they are divided by what would be expected, so that
    long gaps, where it matters, count most.

    Parameters
    ----------
    errors : iterable of HiddenError
        Of each subject: nothing else of it is needed.

    Returns
    -------
    float
        Intensity q (1/mm) of :func:`bridge_variance`: a bridge over a gap of g mm has the variance
        ``q g^3 bridge_variance(share)`` mm² per axis across the root.  0 without any root.

    Examples
    --------
    >>> combined_roughness([HiddenError(1.0, 50.0), HiddenError(2.0, 100.0)])
    0.02
    """
    squared, expected = np.array([*errors]).reshape(-1, 2).sum(axis=0)
    return float(squared / expected) if expected > 0 else 0.0


def bridge_roughness(roots: Iterable[FittedRoot]) -> float:
    """:func:`combined_roughness` of roots (FittedRoot) that are all at hand."""
    return combined_roughness([hidden_error(roots)])


def _kept(root: FittedRoot, part: float) -> int:
    """Index of the last point of a trace that is not hidden."""
    return int(np.searchsorted(root.lengths, (1 - part) * root.traced_mm))


def _nearest_samples(cubics: np.ndarray, begin: np.ndarray, points: list[np.ndarray]) -> np.ndarray:
    """Index (n,) of the sample of its bridge nearest to each point.

    Parameters
    ----------
    cubics : (g, 3, 3) float
        Of :func:`atlas.curves.polylines.bridge_cubic`.
    begin : (g, 3) float
        Where each bridge begins.
    points : list of (n_i, 3) float
        What is compared with each bridge.

    Notes
    -----
    The squared distance is a polynomial of degree 6 along the bridge.  Where it has one valley
    among a few samples, that valley is narrowed down to one sample; a point with several, beside a
    sharp bend, is compared with every sample.
    """
    last = BRIDGE_SAMPLES - 1
    distance = _squared_distances(cubics, begin, points)
    coarse = np.append(np.arange(0, last, COARSE), last)
    squared = distance.T @ _powers(coarse / last)[1:]
    lowest = squared.argmin(axis=1)
    low = coarse[np.maximum(lowest - 1, 0)]
    high = coarse[np.minimum(lowest + 1, len(coarse) - 1)]
    rise = _step_matrix(1 / last) @ distance
    while (low < high).any():
        middle = (low + high) // 2
        falling = (_value(rise, middle / last) < 0) & (low < high)
        low, high = np.where(falling, middle + 1, low), np.where(falling, high, middle)
    falls = squared[:, 1:] < squared[:, :-1]
    several = (~falls[:, :-1] & falls[:, 1:]).any(axis=1)
    every = _powers(np.linspace(0, 1, BRIDGE_SAMPLES))[1:]
    low[several] = (distance[:, several].T @ every).argmin(axis=1)
    return low


def _squared_distances(
    cubics: np.ndarray, begin: np.ndarray, points: list[np.ndarray]
) -> np.ndarray:
    """Coefficients (6, n) of the powers 1 to 6 in the squared distance, but for its constant."""
    products = cubics @ np.swapaxes(cubics, 1, 2)
    own = np.zeros((6, len(cubics)))
    for i, j in np.ndindex(3, 3):
        own[i + j + 1] += products[:, i, j]
    coefficients = np.repeat(own, [len(part) for part in points], axis=1)
    along = [c @ (part - b).T for c, b, part in zip(cubics, begin, points, strict=True)]
    coefficients[:3] -= 2 * np.concatenate(along, axis=1)
    return coefficients


def _step_matrix(step: float) -> np.ndarray:
    """Takes powers 1 to 6 of u to powers 0 to 5 of what they grow by from u to u + step, (6, 6)."""
    return np.array(
        [[comb(j, i) * step ** (j - i) if i < j else 0.0 for j in range(1, 7)] for i in range(6)]
    )


def _value(coefficients: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Polynomials with coefficients (k, n), constants first, each at its own place (n,)."""
    value = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        value = value * u + coefficient
    return value


def _powers(u: np.ndarray) -> np.ndarray:
    """Powers 0 to 6 of places (k,), (7, k)."""
    return u ** np.arange(7)[:, None]
