"""Roots and ganglia of a generated subject, inside a drawn canal.

A root begins at the cord near the midline, turns to the angle drawn for its level and side, and
drifts outward.  Published figures: Liu et al. 2024, doi:10.6084/m9.figshare.26403442.v1, CC BY 4.0.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from atlas.data.builtin.builtin_profiles import (
    PROFILE_SCALE,
    Canal,
    Outline,
    PublishedSubject,
    wander,
)
from atlas.data.subject import LEVELS, SIDES, RootKey

# Angle about the sac's centre, degrees from dorsal, of the 14 published subjects: mean and SD of
# L1 to S2 by side (right as magnitudes).
ANGLE_MEAN = np.array(
    [[69.5, 72.7, 70.4, 60.3, 51.0, 40.2, 31.9], [72.1, 73.1, 69.1, 58.5, 48.0, 35.0, 24.1]]
)
ANGLE_SD = np.array([[7.5, 7.4, 7.7, 8.6, 7.6, 8.0, 7.8], [6.5, 5.7, 4.6, 5.0, 6.0, 6.2, 8.1]])
# Assumed, as only means and SD are published: neighbouring levels go together, and a subject who
# lies rolled turns both sides one way (sub-03: left +0.5 SD, right -1 SD at most levels).
LEVEL_CORRELATION, SIDE_CORRELATION = 0.9, -0.3
# Measured on sub-03, mean of both sides: angle where the trace begins; how much of the way to the
# last angle is steady rather than quick; distance to the wall once in the bundle and at its end.
BEGIN_ANGLE = np.array([38.5, 38.0, 35.0, 32.0, 32.0, 26.5, 20.0])
STEADY_SHARE = np.array([0.8, 0.6, 0.55, 0.3, 0.3, 0.35, 0.3])
WALL_GAP = np.array([[1.5, 1.7, 2.5, 3.2, 1.8, 1.2, 1.3], [0.6, 0.7, 1.15, 2.2, 1.6, 1.05, 2.0]])
# Depth over which a root leaves its begin: sub-03 is near its angle in 25 mm, in its bundle in 20.
TURN_LENGTH, DRIFT_LENGTH = 14.0, 10.0
# First points lie 0.1-0.9 mm from the cord's surface in sub-03, last points of L1 and L2 from
# 0.4 mm outside the sac to 0.6 inside.
EXITING = LEVELS[:2]
BEGIN_GAP, EXIT_GAP = (0.2, 0.8), (-0.2, 0.6)
# Nearest neighbours in one slice of sub-03 are 0.86-1.5 mm apart; what noise takes is added.
SEPARATION = 1.25
# From cord and wall before noise, mm.
CLEARANCE = 0.35
# Rounds of keeping apart and aiming again: medians are within about 1 degree then.
AIMS = 8

# Ganglia of sub-03, mean of both sides: below the disc of the level (L5-S1 for S1 and S2), to the
# side of the sac's centre at the top, and behind it, mm.
BELOW_DISC = np.array([-9.9, -11.9, -10.9, -11.8, -11.8, 10.2, 32.1])
GANGLION_LATERAL = np.array([16.7, 17.7, 17.7, 18.0, 18.9, 13.1, 13.2])
GANGLION_DORSAL = np.array([-1.2, -3.5, -6.7, -13.4, -16.3, -5.8, 14.8])
DISC_OF_LEVEL = np.array([0, 1, 2, 3, 4, 4, 4])
# Spread about those, mm: lateral over subjects as the issue asks; sides of sub-03 differ by 1-3 mm.
LATERAL_SD, SIDE_SD, DEPTH_SD = 1.5, 0.7, 1.5
# No ganglion lies nearer: the least vertical gap between trace and ganglion in sub-03 is 6.3 mm.
LEAST_GAP, LEAST_OUTSIDE = 6.0, 2.0


def draw_angles(rng: np.random.Generator, n_subjects: int) -> np.ndarray:
    """Draw each root's angle for a whole cohort, (n_subjects, 2, 7) degrees off dorsal.

    The draw is standardised over the cohort, because mean and SD are published of these very
    subjects: their sample figures are met, not only those of a population.
    """
    apart = np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    sides = np.array([[1, SIDE_CORRELATION], [SIDE_CORRELATION, 1]])
    covariance = np.kron(sides, LEVEL_CORRELATION**apart)
    z = rng.normal(size=(n_subjects, 14)) @ np.linalg.cholesky(covariance).T
    z = (z - z.mean(axis=0)) / z.std(axis=0, ddof=1)
    return ANGLE_MEAN + ANGLE_SD * z.reshape(n_subjects, 2, 7)


def begin_slices(subject: PublishedSubject) -> np.ndarray:
    """Slice of each root's first point, (7, 2) int.

    Published is the mean of left and right; of the pairs that keep it within half a slice, the
    one whose sides differ least and which end at the bottom of the field of view is taken.
    """
    return np.array(
        [
            _begin_pair(begin / subject.spacing_mm, subject.n_dura - counts)
            for begin, counts in zip(subject.begin_depth_mm, subject.n_points, strict=True)
        ]
    )


def _begin_pair(begin: float, latest: np.ndarray) -> tuple[int, int]:
    near = range(int(begin) - 2, int(begin) + 4)
    pairs = [pair for pair in product(near, near) if (np.array(pair) <= latest).all()]

    def cost(pair: tuple[int, int]) -> float:
        off = abs(sum(pair) / 2 - begin)
        at_bottom = np.count_nonzero(np.array(pair) == latest)
        return off + 10 * (off > 0.5) + 0.2 * abs(pair[0] - pair[1]) - 0.15 * at_bottom

    return min(pairs, key=cost)


def draw_roots(
    rng: np.random.Generator, canal: Canal, angles: np.ndarray
) -> dict[RootKey, tuple[np.ndarray, np.ndarray]]:
    """Draw the roots of a subject.

    Parameters
    ----------
    rng : numpy.random.Generator
    canal : Canal
    angles : (2, 7) float
        Median angle of each root, degrees off dorsal, by side.

    Returns
    -------
    dict of RootKey to (slices, points)
        Slice numbers (n,) and points (n, 2) LPS mm in the plane, rostral to caudal.
    """
    subject = canal.subject
    first = begin_slices(subject)
    together = 1.5 * wander(rng, subject.depth_mm, 2).T
    roots = {}
    for s, side in enumerate(SIDES):
        sign = 1 if side == "left" else -1
        last = first[:, s] + subject.n_points[:, s] - 1
        gaps = _draw_gaps(rng)
        turned = _angles(rng, subject, first[:, s], last, angles[s])
        traced, onset = _traced(subject, first[:, s], last), _onset(subject, first[:, s])
        turned += together[s] * onset
        aim = turned
        # Keeping neighbours apart moves the medians: aim beside them by as much.
        for attempt in range(AIMS):
            # The section is not round: where a root turns, its distance from the centre changes.
            if attempt in (0, 2, AIMS - 1):
                reach = _reach(canal, sign * np.radians(turned), first[:, s], last, gaps)
            turned = _keep_apart(aim, reach)
            aim = aim + (angles[s] - _medians(turned, traced))[:, None] * onset
        reach = _reach(canal, sign * np.radians(turned), first[:, s], last, gaps)
        angle = sign * np.radians(turned)
        points = canal.sac.centre + reach[..., None] * np.stack(
            [np.sin(angle), np.cos(angle)], axis=-1
        )
        for i, level in enumerate(LEVELS):
            slices = np.arange(first[i, s], last[i] + 1)
            roots[RootKey(level, side)] = slices, points[i, slices]
    return roots


def _traced(subject: PublishedSubject, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Which slices hold a point of which root, (7, n_dura) bool."""
    at = np.arange(subject.n_dura)
    return (at >= first[:, None]) & (at <= last[:, None])


def _medians(values: np.ndarray, traced: np.ndarray) -> np.ndarray:
    return np.array([np.median(v[t]) for v, t in zip(values, traced, strict=True)])


def _onset(subject: PublishedSubject, first: np.ndarray) -> np.ndarray:
    """From 0 at a root's begin to 1 where it has turned, (7, n_dura)."""
    below = np.maximum(subject.depth_mm - subject.spacing_mm * first[:, None], 0)
    return 1 - np.exp(-below / TURN_LENGTH)


def _angles(
    rng: np.random.Generator,
    subject: PublishedSubject,
    first: np.ndarray,
    last: np.ndarray,
    median: np.ndarray,
) -> np.ndarray:
    """Angle of each root at every slice, (7, n_dura) degrees; above the begin, where it points."""
    below = subject.depth_mm - subject.spacing_mm * first[:, None]
    length = subject.spacing_mm * (last - first)[:, None]
    steady = STEADY_SHARE[:, None]
    course = (1 - steady) * _onset(subject, first) + steady * np.clip(below / length, 0, 1)
    # A root that ends more to the side begins more to the side, by half as much.
    begin = BEGIN_ANGLE * (0.5 + 0.5 * median / ANGLE_MEAN.mean(axis=0)) + rng.normal(0, 1.5, 7)
    amplitude = (median - begin) / _medians(course, _traced(subject, first, last))
    wave = 1.2 * wander(rng, subject.depth_mm, len(LEVELS)).T * _onset(subject, first)
    return begin[:, None] + amplitude[:, None] * course + wave + np.minimum(below, 0)


def _keep_apart(angles: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Turn neighbouring levels away from each other, half each, where they would run together.

    A root not begun yet counts with the place where it will, so that the next higher one is
    already out of its way.
    """
    angles = angles.copy()
    across = np.sqrt(np.maximum(SEPARATION**2 - np.diff(reach, axis=0) ** 2, 0.25))
    needed = np.degrees(across / np.minimum(reach[:-1], reach[1:]))
    for _ in range(5):
        for i in range(len(LEVELS) - 1):
            overlap = np.maximum(needed[i] - (angles[i] - angles[i + 1]), 0) / 2
            angles[i] += overlap
            angles[i + 1] -= overlap
        # The two sides meet at the midline.
        angles[-1] = np.maximum(angles[-1], needed[-1] / 2)
    return angles


def _draw_gaps(rng: np.random.Generator) -> np.ndarray:
    """Distances of a side's roots, (4, 7) mm: begin to cord; in bundle, at end, at exit to wall."""
    n = len(LEVELS)
    bundle = np.maximum(WALL_GAP * np.exp(rng.normal(0, 0.2, n)), 0.5)
    return np.stack([rng.uniform(*BEGIN_GAP, n), *bundle, rng.uniform(*EXIT_GAP, n)])


def _reach(
    canal: Canal, angle: np.ndarray, first: np.ndarray, last: np.ndarray, gaps: np.ndarray
) -> np.ndarray:
    """Distance of each root from the sac's centre at every slice, (7, n_dura) mm."""
    subject = canal.subject
    below = np.maximum(subject.depth_mm - subject.spacing_mm * first[:, None], 0)
    wall, surface = canal.sac.radius(angle), _cord_along(canal, angle)
    begin = np.arange(len(LEVELS)), first
    begin_gap = (wall - surface)[begin] - gaps[0]
    share = np.clip(below / below[begin[0], last][:, None], 0, 1)
    bundle = gaps[1][:, None] + share * (gaps[2] - gaps[1])[:, None]
    fade = np.exp(-below / DRIFT_LENGTH)
    reach = wall - bundle * (1 - fade) - begin_gap[:, None] * fade
    reach = np.maximum(reach, surface + CLEARANCE)
    reach[begin] = surface[begin] + gaps[0]
    reach = np.minimum(reach, wall - CLEARANCE)
    for i in range(len(EXITING)):
        if last[i] < subject.n_dura - 1:
            # Lets go of the bundle over the last four slices and reaches the wall.
            ramp = np.clip((np.arange(subject.n_dura) - last[i] + 4) / 4, 0, 1) ** 2
            reach[i] += ramp * (wall[i] - gaps[3, i] - reach[i])
    return reach


def _cord_along(canal: Canal, angle: np.ndarray) -> np.ndarray:
    """Where a ray from the sac's centre leaves the cord, (7, n_dura) mm; 0 where it misses."""
    cord, n = canal.cord, len(canal.cord.centre)
    start = (canal.sac.centre[:n] - cord.centre) / cord.half
    ray = np.stack([np.sin(angle[:, :n]), np.cos(angle[:, :n])], axis=-1) / cord.half
    a, b = (ray**2).sum(axis=-1), (ray * start).sum(axis=-1)
    inside = b**2 - a * ((start**2).sum(axis=-1) - 1)
    out = np.zeros(angle.shape)
    out[:, :n] = np.where(inside > 0, (np.sqrt(np.maximum(inside, 0)) - b) / a, 0)
    return np.maximum(out, 0)


def draw_ganglia(
    rng: np.random.Generator, canal: Canal, roots: dict[RootKey, tuple[np.ndarray, np.ndarray]]
) -> dict[RootKey, np.ndarray]:
    """Draw the ganglia: (3,) mm left, back and below the top plane's centre."""
    subject = canal.subject
    scale = subject.body_scale / PROFILE_SCALE
    depth = subject.disc_depth_mm[DISC_OF_LEVEL] + BELOW_DISC * scale + rng.normal(0, DEPTH_SD, 7)
    lateral = GANGLION_LATERAL * scale + rng.normal(0, LATERAL_SD)
    ganglia = {}
    for side in SIDES:
        sign = 1 if side == "left" else -1
        away = rng.normal(0, SIDE_SD, (7, 3)) * (1, 1, 1.5)
        for i, level in enumerate(LEVELS):
            key = RootKey(level, side)
            end = subject.depth_mm[roots[key][0][-1]]
            below = max(depth[i] + away[i, 2], end + LEAST_GAP)
            x, y = canal.bend.shift(np.array(below))
            # Sacral ganglia are off the end of the sac as far as it was imaged.
            wall = _half_width(canal.sac, subject, below)
            x += sign * max(lateral[i] + away[i, 0], wall + LEAST_OUTSIDE)
            ganglia[key] = np.array([x, y + GANGLION_DORSAL[i] * scale + away[i, 1], below])
    return ganglia


def _half_width(sac: Outline, subject: PublishedSubject, depth: float) -> float:
    return float(np.interp(depth, subject.depth_mm, sac.half[:, 0], right=0.0))
