"""Natural cubic splines, many at once.

Values at knots and second derivatives there say everything about such a spline, and the second
derivatives of all splines of one kind come from one banded system.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

from atlas.curves.polylines import SAMPLES_PER_SEGMENT


@dataclass(frozen=True, slots=True, eq=False)
class NaturalSpline:
    """A cubic spline without curvature at its ends.

    Parameters
    ----------
    x : (n,) float
        Knots, increasing.
    values : (n, ...) float
    bends : (n, ...) float
        Second derivative at the knots; 0 at both ends.
    """

    x: np.ndarray
    values: np.ndarray
    bends: np.ndarray

    def __call__(self, at: np.ndarray, derivative: int = 0) -> np.ndarray:
        """Values (..., of a knot) at places (...), or their first derivative.

        Beyond the ends the first and the last cubic go on.
        """
        at = np.asarray(at, dtype=float)
        k = np.clip(np.searchsorted(self.x, at, side="right") - 1, 0, len(self.x) - 2)
        rank = self.values.ndim - 1
        h = (self.x[k + 1] - self.x[k]).reshape(*at.shape, *[1] * rank)
        after = (at - self.x[k]).reshape(h.shape) / h
        before = 1 - after
        step = self.values[k + 1] - self.values[k]
        if derivative == 1:
            lead, trail = 1 - 3 * before**2, 3 * after**2 - 1
            return step / h + h / 6 * (lead * self.bends[k] + trail * self.bends[k + 1])
        lead, trail = before**3 - before, after**3 - after
        curved = lead * self.bends[k] + trail * self.bends[k + 1]
        return self.values[k] + after * step + h**2 / 6 * curved


def natural_splines(
    knots: Sequence[np.ndarray], values: Sequence[np.ndarray]
) -> list[NaturalSpline]:
    """Natural cubic splines through values (n_i, ...) at knots (n_i,), n_i >= 2.

    Raises
    ------
    ValueError
        Knots that do not increase.
    """
    if any(len(t) < 2 or not (np.diff(t) > 0).all() for t in knots):
        raise ValueError("knots: expected at least 2 that increase, got others")
    alike: dict[int, list[int]] = defaultdict(list)
    for i, value in enumerate(values):
        alike[value[0].size].append(i)
    bends: dict[int, np.ndarray] = {}
    for size, members in alike.items():
        ends = np.cumsum([len(knots[i]) for i in members])
        together = _bends(
            np.concatenate([knots[i] for i in members]),
            np.concatenate([values[i].reshape(-1, size) for i in members]),
            ends,
        )
        bends |= dict(zip(members, np.split(together, ends[:-1]), strict=True))
    return [
        NaturalSpline(t, value, bends[i].reshape(value.shape))
        for i, (t, value) in enumerate(zip(knots, values, strict=True))
    ]


def _bends(t: np.ndarray, y: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Second derivatives (n, k) of splines one after the other, which end before ``ends``."""
    h = np.diff(t)
    # Between one curve and the next there is no segment; what stands there is not used.
    h[ends[:-1] - 1] = 1.0
    inner = np.ones(len(t), dtype=bool)
    inner[ends - 1] = inner[0] = inner[ends[:-1]] = False
    rate = np.diff(y, axis=0) / h[:, None]
    right = np.zeros_like(y)
    right[1:-1] = np.where(inner[1:-1, None], np.diff(rate, axis=0), 0.0)
    banded = np.zeros((2, len(t)))
    banded[1] = 1.0
    banded[1, 1:-1] = np.where(inner[1:-1], (h[:-1] + h[1:]) / 3, 1.0)
    banded[0, 1:] = np.where(inner[1:] & inner[:-1], h / 6, 0.0)
    return solveh_banded(banded, right, overwrite_b=True, check_finite=False)


def sample_splines(splines: Sequence[NaturalSpline]) -> list[np.ndarray]:
    """Dense points (k_i, 3) on splines with values (n_i, 3), both ends included.

    ``SAMPLES_PER_SEGMENT`` to a segment, as :func:`sample_knots` places them.
    """
    u = np.arange(SAMPLES_PER_SEGMENT) / SAMPLES_PER_SEGMENT
    # Of a knot, the step from it, and the second derivatives at both ends.
    weights = np.stack([u**0, u, (1 - u) ** 3 - (1 - u), u**3 - u], axis=1)
    dense = []
    for spline in splines:
        sixth = np.diff(spline.x)[:, None] ** 2 / 6
        y, bends = spline.values, spline.bends
        parts = np.stack(
            [y[:-1], np.diff(y, axis=0), sixth * bends[:-1], sixth * bends[1:]], axis=1
        )
        dense.append(np.concatenate([(weights @ parts).reshape(-1, 3), y[-1:]]))
    return dense


def sample_knots(knots: np.ndarray) -> np.ndarray:
    """Parameters (k,) of dense samples of a spline with knots (n,), both ends included."""
    step = np.linspace(0, 1, SAMPLES_PER_SEGMENT, endpoint=False)
    between = (knots[:-1, None] + np.diff(knots)[:, None] * step).ravel()
    return np.append(between, knots[-1])
