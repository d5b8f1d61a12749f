"""The gap between a trace and its ganglion: how far a root may wander where nobody looked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from atlas.shape.curves import SAMPLES_PER_SEGMENT, arc_length, bridge

if TYPE_CHECKING:
    from atlas.shape.fitting import FittedRoot

# Samples of a bridge: it is one cubic, as long as many traced segments.
BRIDGE_SAMPLES = 20 * SAMPLES_PER_SEGMENT
# Parts of a trace that are hidden to learn how roots wander: their gaps span those of the data.
HIDDEN_PARTS = (0.3, 0.5, 0.7)


def bridge_variance(share: np.ndarray) -> np.ndarray:
    """Variance of a bridge at shares of its gap, for a gap and a roughness of 1.

    Notes
    -----
    The bridge, the cubic that leaves along the trace and arrives without curvature, is the
    expected path of an integrated Wiener process that starts with known place and tangent and
    ends at a known place (Wahba 1978, J. R. Stat. Soc. B 40:364).  Its variance follows from the
    covariance ``k(s, t) = s^2 (3 t - s) / 6``, s <= t: ``k(u, u) - k(u, 1)^2 / k(1, 1)``.

    Examples
    --------
    >>> bridge_variance(np.array([0.0, 0.5, 1.0])).round(4)
    array([0.    , 0.0091, 0.    ])
    """
    return np.maximum(share**3 / 3 - share**4 * (3 - share) ** 2 / 12, 0.0)


def bridge_roughness(roots: Iterable[FittedRoot]) -> float:
    """How much roots wander where nobody looked, from the traces themselves.

    The last part of each trace is hidden and bridged; how far the trace then lies from its
    bridge says how rough roots are.  Squared errors are summed over all roots before they are
    divided by what would be expected, so that long gaps, where it matters, count most.

    Parameters
    ----------
    roots : iterable of FittedRoot

    Returns
    -------
    float
        Intensity q (1/mm) of :func:`bridge_variance`: a bridge over a gap of g mm has the variance
        ``q g^3 bridge_variance(share)`` mm² per axis across the root.  0 without any root.
    """
    sums = np.array([_hidden_error(root, part) for root in roots for part in HIDDEN_PARTS])
    if not sums.size:
        return 0.0
    squared, expected = sums.sum(axis=0)
    return float(squared / expected)


def _hidden_error(root: FittedRoot, part: float) -> tuple[float, float]:
    """Squared error and its expectation for q = 1 of a bridge over a hidden part of a trace."""
    kept = int(np.searchsorted(root.lengths, (1 - part) * root.traced_mm))
    tangent = root.line[kept] - root.line[kept - 1]
    line = bridge(
        root.line[kept],
        tangent / np.linalg.norm(tangent),
        root.line[-1],
        samples=BRIDGE_SAMPLES,
    )
    hidden = root.line[kept + 1 : root.traced_points]
    distance, nearest = cKDTree(line).query(hidden)
    gap = float(arc_length(line)[-1])
    expected = 2 * gap**3 * bridge_variance(nearest / (BRIDGE_SAMPLES - 1))
    return float((distance**2).sum()), float(expected.sum())
