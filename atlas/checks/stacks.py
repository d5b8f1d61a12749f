"""Which contours of a stack stand together, and which stand elsewhere.

Distances are judged by what most contours do: their middles are medians of their points, their
middle line is fitted so that single contours do not draw it, and the longest run of contours is the
stack.  So a misplaced contour never sets the measure by which it is judged.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas.curves.contour_stack import ContourStack

# A middle farther from the line of the others is no bad trace: a sac is some 17 mm wide.
ASIDE_MM = 25.0
# One contour to the next in the stack; also how far a line through half of a stack may lead.
STEP_MM = 20.0
# A gap of more slices, and of more than the widest contour, parts a stack.
PARTED_SLICES = 10.0
# A gap of more slices parts contours that fill a hole of the others better.
HOLED_SLICES = 2.5
# Median radius of five neighbours times this, either way.
SIZE = 4.0
# Points beyond this many times the median distance from the middle, and so many mm more.
REACH, STRAY_MM = 1.5, 12.0
# Rounds of fitting, fewer where every middle comes so close; parabolas leave 2.5 mm at most in 14
# people of the built-in cohort, 14 warped copies of sub-03 and sub-03 (Liu et al. 2024).
ROUNDS, CLOSE_MM = 15, 5.0


class Bulk(NamedTuple):
    """Contours by what most of their points do.

    Parameters
    ----------
    middles : (n, 3) float
        Medians of points, along left, dorsal, rostral, mm.
    reach : (n,) float
        Median distance of points from the middle, across the stack, mm.
    beyond : (n,) float
        How far the farthest point lies off what a contour of such a reach takes, mm; more than
        :data:`STRAY_MM` is no trace.
    """

    middles: np.ndarray
    reach: np.ndarray
    beyond: np.ndarray


def bulk(stack: ContourStack) -> Bulk:
    """Measure contours along left, dorsal, rostral."""
    middles = np.stack([stack.medians(column) for column in stack.points.T], axis=1)
    away = stack.points - stack.spread(middles)
    flat = np.hypot(away[:, 0], away[:, 1])
    reach = stack.medians(flat)
    beyond = np.maximum(flat - REACH * stack.spread(reach), np.abs(away[:, 2]))
    return Bulk(middles, reach, stack.greatest(beyond))


def standing_together(contours: Bulk, mm: float = 1.0) -> np.ndarray:
    """Mask (n,) of the contours that make the stack: near its middle line, in a row, of like size.

    Parameters
    ----------
    contours : Bulk
    mm : float
        What 1 mm is in these coordinates: another number where the whole is in another unit.

    Returns
    -------
    (n,) bool
        All of them where there are fewer than four.
    """
    n = len(contours.reach)
    if n < 4:
        return np.ones(n, dtype=bool)
    kept = _longest_run(contours, np.argsort(contours.middles[:, 2], kind="stable"))
    kept = kept[_near_line(contours.middles[kept] / mm)]
    kept = kept[_of_like_size(contours.reach[kept])]
    mask = np.zeros(n, dtype=bool)
    mask[kept] = True
    return mask


def _longest_run(contours: Bulk, order: np.ndarray) -> np.ndarray:
    """Of contours in order of height, the longest run without a wide gap."""
    heights = contours.middles[order, 2]
    gaps = np.diff(heights)
    stepping = gaps[gaps > 1e-9 * max(float(np.abs(heights).max()), 1.0)]
    if not len(stepping):
        return order
    spacing = float(np.median(stepping))
    wide = 2 * float(np.median(contours.reach))
    run = _largest(order, gaps > max(PARTED_SLICES * spacing, wide))
    return _without_ends(contours, run, spacing)


def _largest(order: np.ndarray, parted: np.ndarray) -> np.ndarray:
    return max(np.split(order, np.flatnonzero(parted) + 1), key=len)


def _without_ends(contours: Bulk, run: np.ndarray, spacing: float) -> np.ndarray:
    """The run without contours at an end that left a hole in it and are of the hole's size."""
    heights, gaps = contours.middles[run, 2], np.diff(contours.middles[run, 2])
    slices = np.round(gaps / spacing).astype(int)
    parted = gaps > HOLED_SLICES * spacing
    if not parted.any():
        return run
    largest = _largest(run, parted)
    inside = np.isin(run, largest)
    holes = (slices > 1) & inside[:-1] & inside[1:]
    kept = list(largest)
    for part in np.split(run, np.flatnonzero(parted) + 1):
        if part[0] == largest[0]:
            continue
        hole = np.flatnonzero(holes & (slices > len(part)))
        end = largest[0] if contours.middles[part[0], 2] < heights[inside][0] else largest[-1]
        size = float(np.median(contours.reach[part]))
        there = contours.reach[run[hole]]
        fills = len(hole) and np.abs(there - size).min() < abs(contours.reach[end] - size)
        kept += [] if fills else list(part)
    return run[np.isin(run, kept)]


def _near_line(middles: np.ndarray) -> np.ndarray:
    """Mask of middles (n, 3), in order of height, near a curve and a step from the next."""
    away = np.linalg.norm(middles[:, :2] - robust_curve(middles)(middles[:, 2]), axis=1)
    near = np.flatnonzero(away <= ASIDE_MM)
    if not len(near):
        return np.zeros(len(middles), dtype=bool)
    steps = np.linalg.norm(np.diff(middles[near, :2], axis=0), axis=1)
    mask = np.zeros(len(middles), dtype=bool)
    mask[_largest(near, steps > STEP_MM + np.abs(np.diff(middles[near, 2])))] = True
    return mask


class Curve(NamedTuple):
    """A parabola of place across the stack over height.

    Parameters
    ----------
    centre, scale : float
        Of heights, mm.
    weights : (3, 2) float
    """

    centre: float
    scale: float
    weights: np.ndarray

    def __call__(self, heights: np.ndarray) -> np.ndarray:
        """Places (n, 2) at heights (n,), mm."""
        t = (np.asarray(heights) - self.centre) / self.scale
        return np.stack([np.ones_like(t), t, t**2], axis=-1) @ self.weights


def robust_curve(middles: np.ndarray) -> Curve:
    """The parabola with the least sum of distances from middles (n, 3), n >= 1.

    By iteratively reweighted least squares (Weiszfeld's weights), from medians.
    """
    centre = float(np.median(middles[:, 2]))
    scale = max(float(np.abs(middles[:, 2] - centre).max()), 1e-9)
    t = (middles[:, 2] - centre) / scale
    design = np.stack([np.ones_like(t), t, t**2], axis=1)
    weights = np.zeros((3, 2))
    weights[0] = np.median(middles[:, :2], axis=0)
    for _ in range(ROUNDS):
        away = np.linalg.norm(middles[:, :2] - design @ weights, axis=1)
        if away.max() <= CLOSE_MM:
            break
        share = (1 / np.maximum(away, 0.1))[:, None]
        weights = np.linalg.lstsq(
            design.T @ (share * design), design.T @ (share * middles[:, :2]), rcond=None
        )[0]
    return Curve(centre, scale, weights)


def _of_like_size(reach: np.ndarray) -> np.ndarray:
    """Mask of contours, in order of height, as large as the four beside them, within reason."""
    if len(reach) < 3:
        return np.ones(len(reach), dtype=bool)
    padded = np.pad(reach, 2, mode="reflect")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    usual = float(np.median(reach))
    alike = (reach <= SIZE * around) & (around <= SIZE * reach)
    return alike & (reach <= 2 * SIZE * usual)
