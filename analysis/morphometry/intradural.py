"""The stretch of each root inside the sac: what subjects and generated shapes have in common.

A subject's root is traced to the sac's wall or to the bottom of the image, a mean's or a sample's
runs on to the ganglion.  Measures along a root that both shall have stop where either would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.morphometry.courses import Courses, last_true


@dataclass(frozen=True, slots=True, eq=False)
class Intradural:
    """Each root from its begin to the first of: dural exit, end of the trace, last ring.

    Parameters
    ----------
    seen : (14, p) bool
        Points of the root on the stretch.
    ends : (14, 3) float
        Where the stretch ends, mm: the exit itself, or the last point of it; NaN without one.
    lengths : (14,) float
        Along the root from its begin to that end, mm.
    exits : (14, 3) float
        Dural exits, mm: last crossing from inside to outside, if the root is outside where it was
        last seen within the rings; NaN for roots that leave through the bottom of the image.
    exit_bridged : (14,) bool
        The exit stands on the bridged stretch, so that the trace ended before.
    """

    seen: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray
    exits: np.ndarray
    exit_bridged: np.ndarray

    @classmethod
    def of(cls, courses: Courses, dura: np.ndarray) -> Intradural:
        """The stretch of each root.

        Parameters
        ----------
        courses : Courses
        dura : (14, p) float
            Distance of its points to the sac's wall, mm, positive inside, NaN beyond the rings.
        """
        row, index = np.arange(len(dura)), np.arange(dura.shape[1])
        leaves, at, share = _last_crossing(dura)
        step = courses.points[row, at + 1] - courses.points[row, at]
        exits = courses.points[row, at] + share[:, None] * step
        exit_bridged = leaves & (courses.bridged[row, at] | courses.bridged[row, at + 1])
        within = courses.traced & ~np.isnan(dura)
        within &= (index <= at[:, None]) | ~leaves[:, None]
        last = last_true(within)
        seen = courses.traced & (index <= last[:, None]) & within.any(axis=1)[:, None]
        by_exit = leaves & seen[row, at] & (last == at) & ~exit_bridged
        ends = np.where(by_exit[:, None], exits, courses.points[row, last])
        walked = courses.lengths[row, last]
        walked = walked + np.where(by_exit, share * np.sqrt((step**2).sum(axis=1)), 0.0)
        empty = ~seen.any(axis=1)
        ends[empty], walked[empty] = np.nan, np.nan
        return cls(seen, ends, walked, exits, exit_bridged)


def _last_crossing(dura: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each root leaves for good, the point before (14,), and the share of the step."""
    row = np.arange(len(dura))
    crossing = (dura[:, :-1] >= 0) & (dura[:, 1:] < 0)
    at = last_true(crossing)
    leaves = crossing.any(axis=1) & (dura[row, last_true(~np.isnan(dura))] < 0)
    before, after = dura[row, at], dura[row, at + 1]
    share = np.divide(before, before - after, out=np.full(len(row), np.nan), where=leaves)
    return leaves, at, share
