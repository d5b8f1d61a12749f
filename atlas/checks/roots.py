"""Roots: order, strays, jumps, slices, whole roots out of place, one trace under two names."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import combinations

import numpy as np

from atlas.checks.profile import Profile, partner_of, peel, places_of, point_place
from atlas.checks.slice_order import OFF_SLICE, slice_grid
from atlas.curves.contour_stack import ContourStack, at_heights
from atlas.data.ordering import order_along_root
from atlas.data.subject import Finding, Place, RootKey

# Off the line through the neighbours in the plane, between them and at an end.  Largest of 588
# roots of the built-in cohort 0.82 and 1.34 mm; of sub-03 of Liu et al. 2024 0.54 and 0.80.
STRAY_MM = (1.6, 3.0)
# One step aside against the steps around it: 1.3 mm at most in the same roots.
JUMP_MM = 2.2
AROUND = 4
# Share of a root's points outside the sac by more than 2 mm that makes the whole trace wrong.
OUTSIDE_SHARE, OUTSIDE_MM = 0.5, 2.0
# Likewise in the inner part of the cord, by its radius.
INSIDE_SHARE, DEEP = 0.4, 0.7
# Median angle beyond the midline: -11 degrees at most (S2) in sub-03 and the built-in cohort.
OTHER_SIDE_DEG = -20.0
# Share of a root's points that stand in the slice of another, from which it is one finding.
CROWDED = 0.25
# Two files hold one trace if half of their common slices agree so well.
COPIED_MM = 0.25
# The first explain steps and gaps; the last also where points lie.
DISTURBING = ("root-jump", "root-points-out-of-order")
SETTLING = (*DISTURBING, "misplaced-root", "stray-point", "copied-structure", "root-off-slice")


def reversed_roots(profile: Profile) -> list[Finding]:
    """Roots whose points run from the ganglion to the cord instead of away from it.

    By the direction of the sac, in any pose, and by the ganglion where there is one: a ganglion of
    another level may lie nearer to the begin.
    """
    findings = []
    for key, points in profile.roots.items():
        rise = float(points[-1, 2] - points[0, 2])
        if key in profile.ganglia:
            first, last = np.linalg.norm(points[[0, -1]] - profile.ganglia[key], axis=1)
            wrong = first < last and rise > 0
            got = f"its first point {first:.1f} mm and its last {last:.1f} mm from the ganglion"
        else:
            wrong = rise > 0
            got = f"its last point {rise:.1f} mm above its first"
        if wrong:
            findings.append(
                profile.finding(
                    "reversed-root",
                    _name(key),
                    f"expected points from the cord towards the ganglion, got {got}; the trace is "
                    "in reverse order: turn it round",
                )
            )
    return findings


def trace_findings(
    profile: Profile, excused: Collection[Place] = ()
) -> tuple[list[Finding], set[Place]]:
    """What is wrong with single roots.

    Returns
    -------
    findings : list of Finding
        ``copied-structure`` (error); ``misplaced-root``, ``root-off-slice``,
        ``root-wrong-side``, ``root-points-out-of-order``, ``root-jump``, ``stray-point``,
        ``gap-in-root``, ``doubled-root-point`` (warnings).
    places : set of Place
        Roots and points of which nothing more needs to be said.
    """
    findings = copied_structures(profile)
    slices = _slices(profile)
    places = _shares_out_of_place(profile)
    for key, points in profile.roots.items():
        if _name(key) in excused:
            continue
        along = _along(profile, key, points)
        disturbed = any(f.rule in DISTURBING for f in along)
        whole = [] if disturbed else _misplaced(profile, key, *places[key])
        findings += whole or [*_wrong_side(profile, key), *along]
        if not whole and not disturbed and slices:
            findings += _off_slice(profile, key, *slices[key])
    settled = {f.at for f in findings if f.rule in SETTLING and isinstance(f.at, Place)}
    # Beyond a jump every point lies on another structure.
    jumped = {p.trace for f in findings if f.rule == "root-jump" for p in places_of([f])}
    return findings, settled | jumped


def _name(key: RootKey) -> Place:
    return Place("root", *key)


def _shares_out_of_place(profile: Profile) -> dict[RootKey, list[float]]:
    """Shares of the points of each root outside the sac and deep in the cord.

    By the radius of the sac's circle, quick and coarse.
    """
    traces, dura = profile.traces, profile.dura
    points, heights = traces.points, traces.points[:, 2]
    radius = at_heights(dura.heights, dura.radii, heights)
    away = np.linalg.norm(points[:, :2] - profile.axis_at(heights), axis=1)
    # The sac is 1.3 times as wide as deep: its far wall lies 1.14 radii out.
    beyond = away - 1.14 * radius
    beside = np.maximum(beyond, heights - dura.heights.max())
    beside = np.maximum(beside, dura.heights.min() - heights)
    both = np.column_stack([beside > OUTSIDE_MM, _deep_in_cord(profile, points)])
    shares = traces.total(both.astype(int)) / traces.count[:, None]
    return dict(zip(profile.roots, shares.tolist(), strict=True))


def _misplaced(profile: Profile, key: RootKey, outside: float, inside: float) -> list[Finding]:
    """The whole trace beside the sac."""
    if outside <= OUTSIDE_SHARE and inside <= INSIDE_SHARE:
        return []
    return [
        profile.finding(
            "misplaced-root",
            _name(key),
            f"expected the trace in the sac beside the cord, got {outside:.0%} of its points more "
            f"than {OUTSIDE_MM:g} mm outside it and {inside:.0%} deep in the cord; it may be of "
            "another subject: trace it again or exclude it",
        )
    ]


def _deep_in_cord(profile: Profile, points: np.ndarray) -> np.ndarray:
    cord = profile.cord
    if not len(cord.heights):
        return np.zeros(len(points), dtype=bool)
    at = points[:, 2]
    beside = (at >= cord.heights.min()) & (at <= cord.heights.max())
    away = np.linalg.norm(points[:, :2] - at_heights(cord.heights, cord.centres, at), axis=1)
    radius = at_heights(cord.heights, cord.radii, at)
    return np.asarray(beside & (away < DEEP * radius))


def _wrong_side(profile: Profile, key: RootKey) -> list[Finding]:
    angle = profile.angle_deg[key]
    other = partner_of(key)
    # Both beyond the midline are swapped, which is said elsewhere.
    both = other in profile.roots and profile.angle_deg[other] < 0
    if angle >= OTHER_SIDE_DEG or both:
        return []
    return [
        profile.finding(
            "root-wrong-side",
            _name(key),
            f"expected the root on the {key.side}, got it {-angle:.0f} degrees (median) beyond the "
            "midline; trace it on its own side or exclude it",
        )
    ]


def _slices(profile: Profile) -> dict[RootKey, tuple[np.ndarray, np.ndarray]]:
    """Slices (n,) of the points of each root by the dura's, and how far they are off them, mm.

    Nothing where the dura has no two slices.
    """
    traces, dura = profile.traces, profile.dura
    if dura.spacing_mm == 0 or not len(traces):
        return {}
    grid = slice_grid(dura.heights, dura.spacing_mm, traces.points[:, 2])
    return dict(zip(profile.roots, zip(*map(traces.split, grid), strict=True), strict=True))


def _off_slice(
    profile: Profile, key: RootKey, slices: np.ndarray, offsets: np.ndarray
) -> list[Finding]:
    away = np.abs(offsets)
    off = away > OFF_SLICE * profile.dura.spacing_mm
    if off.mean() > 0.25:
        return [
            profile.finding(
                "root-off-slice",
                _name(key),
                f"expected one point in each slice, got {int(off.sum())} of {len(off)} between "
                f"slices (median {np.median(away):.2f} mm off); the file may belong to another "
                "subject",
            )
        ]
    findings = [
        profile.finding(
            "root-off-slice",
            point_place(profile.subject, key, i),
            f"expected points in slices, got one {away[i]:.2f} mm off; place it in its slice",
        )
        for i in np.flatnonzero(off).tolist()
    ]
    return findings or _steps(profile, key, slices)


def _steps(profile: Profile, key: RootKey, slices: np.ndarray) -> list[Finding]:
    many = int((np.diff(slices) == 0).sum())
    if many > CROWDED * len(slices):
        got = f"got {many} more points than slices"
        return [_said(profile, "doubled-root-point", _name(key), "one in each slice", got)]
    findings = []
    for i, step in enumerate(np.diff(slices)):
        if step > 1:
            rule, got = "gap-in-root", f"got {step - 1} without below this one"
        elif step == 0:
            rule, got = "doubled-root-point", "got two in this one"
        else:
            continue
        findings.append(
            profile.finding(
                rule,
                point_place(profile.subject, key, i),
                f"expected a point in every slice of it, {got}; complete or correct the trace",
            )
        )
    return findings


def _along(profile: Profile, key: RootKey, points: np.ndarray) -> list[Finding]:
    """Points out of order, jumps and strays: the first that there is."""
    if (np.diff(points[:, 2]) > 0).any():
        order = order_along_root(profile.subject.roots[key])
        moved = int((order != np.arange(len(order))).sum())
        # From end to end is a reversed root, which has its own name.
        if moved and not (order == np.arange(len(order))[::-1]).all():
            got = f"got {moved} of {len(points)} out of order"
            return [_said(profile, "root-points-out-of-order", _name(key), "in order", got)]
    jump = _jump(points)
    if jump is not None:
        i, size = jump
        got = f"got a step of {size:.1f} mm aside below this point, to another structure"
        return [
            _said(profile, "root-jump", point_place(profile.subject, key, i), "in one line", got)
        ]
    return [
        _said(
            profile,
            "stray-point",
            point_place(profile.subject, key, i),
            "in one line",
            f"got this one {gap:.1f} mm off it",
        )
        for i, gap in peel(points[:, 2], points[:, :2], inner_mm=STRAY_MM[0], end_mm=STRAY_MM[1])
    ]


def _said(profile: Profile, rule: str, place: Place, expected: str, got: str) -> Finding:
    return profile.finding(
        rule,
        place,
        f"expected points {expected} along the root, {got}; correct it",
    )


def _jump(points: np.ndarray) -> tuple[int, float] | None:
    """Where a trace steps aside and stays there: index before the step, and mm."""
    steps = np.diff(points[:, :2], axis=0)
    if len(steps) < 2 * AROUND:
        return None
    # No step is farther from a median of steps than any two of them are apart.
    if np.linalg.norm(np.ptp(steps, axis=0)) <= JUMP_MM:
        return None
    # A single step out of nine does not move their median by much.
    padded = np.concatenate([steps[AROUND:0:-1], steps, steps[-2 : -2 - AROUND : -1]])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1, axis=0)
    around = np.partition(windows, AROUND, axis=2)[..., AROUND]
    excess = np.linalg.norm(steps - around, axis=1)
    i = int(excess.argmax())
    # A first or last point aside, or one that comes back, is a stray.
    inner = AROUND // 2 <= i < len(steps) - AROUND // 2
    if excess[i] <= JUMP_MM or not inner:
        return None
    before, after = points[i - 1 : i + 1, :2].mean(axis=0), points[i + 1 : i + 3, :2].mean(axis=0)
    stays = np.linalg.norm(after - before - 2 * around[i]) > 0.75 * excess[i]
    return (i, float(excess[i])) if stays else None


# --- one trace under two names ---


def copied_structures(profile: Profile) -> list[Finding]:
    """Roots, and ganglia, that hold one and the same trace."""
    findings = [
        _same(profile, "root", first, second, gap)
        for first, second, gap in _common_gaps_mm(profile.traces, tuple(profile.roots))
        if gap <= COPIED_MM
    ]
    for first, second in combinations(profile.ganglia, 2):
        gap = math.dist(profile.ganglia[first], profile.ganglia[second])
        if gap <= COPIED_MM:
            findings.append(_same(profile, "ganglion", first, second, gap))
    return findings


def _same(profile: Profile, kind: str, first: RootKey, second: RootKey, gap: float) -> Finding:
    return profile.finding(
        "copied-structure",
        Place(kind, *second),
        f"expected a place of its own, got that of {Place(kind, *first)} ({gap:.2f} mm apart); one "
        "is a copy under the wrong name: exclude or trace it again",
    )


def _common_gaps_mm(
    traces: ContourStack, keys: tuple[RootKey, ...]
) -> list[tuple[RootKey, RootKey, float]]:
    """Median distance of every two traces at the points of the first within the second's heights.

    Of traces that share half of their slices.
    """
    heights, gaps = traces.points[:, 2], []
    for b in range(1, len(keys)):
        other = traces[b]
        within = (heights <= other[0, 2] + 1e-6) & (heights >= other[-1, 2] - 1e-6)
        common = traces.total(within.astype(int))
        alike = np.flatnonzero(common[:b] >= 0.5 * np.maximum(traces.count[:b], len(other)))
        there = at_heights(other[:, 2], other[:, :2], heights)
        # What lies beyond comes last, and leaves the median of what is common.
        away = np.linalg.norm(traces.points[:, :2] - there, axis=1)
        ordered = np.where(within, away, np.inf)
        ordered = ordered[traces.rising(ordered)]
        low, high = traces.first + (common - 1) // 2, traces.first + common // 2
        middle = (ordered[low[alike]] + ordered[high[alike]]) / 2
        gaps += [(a, b, gap) for a, gap in zip(alike.tolist(), middle.tolist(), strict=True)]
    return [(keys[a], keys[b], gap) for a, b, gap in sorted(gaps)]
