"""Single contours: a stray click, round more than once, crossing itself, open, not in one plane.

A contour is judged about the middle its neighbours give, and against their outline.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from atlas.checks.profile import Profile, Sections
from atlas.checks.regular import (
    Outlines,
    out_of_plane_mm,
    rounds,
    stray_mm,
    turn_steadily,
    widest_gaps_deg,
)
from atlas.curves.polygons import crossing_depths
from atlas.data.subject import Finding, Severity

# Largest values of 42 subjects of the built-in cohort, 28 warped copies of sub-03 and sub-03 itself
# (Liu et al. 2024): a point off its neighbours' outline by 1.2 mm (dura) and 1.0 (cord), an angle
# without points of 40 and 104 degrees, 1.02 rounds, 0.003 mm out of plane.
STRAY_MM = {"dura": 2.2, "cord": 1.8}
OPEN_DEG = {"dura": 80.0, "cord": 135.0}
# At the conus a contour is a mm wide, and its middle not known well enough for angles.
OPEN_MM = 2.5
OUT_OF_PLANE_MM = 0.2
OVERLAP_ROUNDS = 1.04
# A closing edge that runs back over fewer points than this is two points out of order.
OVERLAPPED_POINTS = 2
# Contours of more than 2 mm radius never ran back in those subjects.
BACK_ROUNDS = 1.012
# A point alone stands off this many times farther than any other of its contour.
ALONE = 2.0
# Crossings shallower than this are the annotation's noise where a contour is a mm wide.
CROSSING_MM = 0.1
# Points of a contour that are looked at for crossings: a tenth of a mm apart in a dura of them.
CORNERS = 500
# Below a limit by less than this, a measure of the whole stack leaves the contour in doubt.
ROUNDING = 1e-6


def outline_findings(
    profile: Profile, excused: Collection[str] = ()
) -> tuple[list[Finding], set[str]]:
    """What is wrong with single contours: the first rule that a contour breaks.

    Parameters
    ----------
    profile : Profile
    excused : collection of str
        Places another finding accounts for.

    Returns
    -------
    findings : list of Finding
        ``contour-not-planar``, ``stray-point``, ``overlapping-contour``, ``open-contour``,
        ``self-crossing-contour`` (warnings).
    places : set of str
        Of these.
    """
    findings = []
    for stack in (stack for stack in profile.stacks if stack.outlines):
        centres = _expected_centres(stack)
        for i in np.flatnonzero(in_doubt(stack, centres)).tolist():
            if stack.place(i) not in excused:
                findings += _of_one(profile, stack, i, centres[i])
    return findings, {f.place for f in findings}


def in_doubt(stack: Sections, centres: np.ndarray) -> np.ndarray:
    """Contours that may break a rule; of the others it is certain that they break none.

    Parameters
    ----------
    stack : Sections
    centres : (n, 2) float
        Expected middles, mm.

    Returns
    -------
    (n,) bool
    """
    n = len(stack.outlines)
    if n < 3:
        return np.ones(n, dtype=bool)
    outlines = Outlines.of(stack.outlines)
    flat = outlines.about(np.arange(n), centres)
    doubt = out_of_plane_mm(stack, outlines) > OUT_OF_PLANE_MM - ROUNDING
    doubt |= stray_mm(outlines, centres) > STRAY_MM[stack.kind] - ROUNDING
    # Whoever overlaps also runs back.
    doubt |= rounds(flat) > min(BACK_ROUNDS, OVERLAP_ROUNDS) - ROUNDING
    doubt |= widest_gaps_deg(flat) > OPEN_DEG[stack.kind] - ROUNDING
    return np.asarray(doubt | ~turn_steadily(flat))


def _expected_centres(stack: Sections) -> np.ndarray:
    """Middles (n, 2) by running medians of five contours."""
    padded = np.pad(stack.centres, ((2, 2), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=0)
    return np.median(windows, axis=2)


def _of_one(profile: Profile, stack: Sections, i: int, centre: np.ndarray) -> list[Finding]:
    outline = stack.outlines[i]
    out_of_plane = np.abs(outline[:, 2] - np.median(outline[:, 2]))
    if out_of_plane.max() > OUT_OF_PLANE_MM:
        got = f"expected all points in one slice, got one {out_of_plane.max():.2f} mm off it"
        return [_said(profile, stack, i, "contour-not-planar", got)]
    flat = outline[:, :2] - centre
    deviation = outline_deviations(stack, i, centre)
    stray = _stray(deviation, STRAY_MM[stack.kind])
    if stray is not None:
        got = (
            f"expected points near the outline of the slices beside it, got point {stray + 1} of "
            f"{len(outline)} {deviation[stray]:+.1f} mm off it"
        )
        return [_said(profile, stack, i, "stray-point", got)]
    rounds, back = _rounds(flat)
    if rounds > OVERLAP_ROUNDS and back >= OVERLAPPED_POINTS:
        got = f"expected one round, got {rounds:.2f}: the trace runs over its own beginning"
        return [_said(profile, stack, i, "overlapping-contour", got)]
    gap, chord = _widest_gap(flat)
    own_gap = _widest_gap(outline[:, :2] - stack.centres[i])[0]
    # A contour moved aside as a whole has no gap about its own middle.
    if gap > OPEN_DEG[stack.kind] and own_gap > 0.75 * OPEN_DEG[stack.kind] and chord > OPEN_MM:
        got = f"expected points all round, got none over {gap:.0f} degrees: the contour is open"
        return [_said(profile, stack, i, "open-contour", got)]
    # Every corner is held against every other; of very many, some are enough.
    thinned = flat[:: -(-len(flat) // CORNERS)]
    crossing = float(crossing_depths(thinned[None]).max())
    runs_back = rounds > BACK_ROUNDS and stack.radii[i] > 2
    if crossing > CROSSING_MM or runs_back:
        got = (
            f"expected a simple contour, got one that crosses itself by {crossing:.2f} mm and runs "
            f"back by {360 * (rounds - 1):.0f} degrees: points out of order"
        )
        return [_said(profile, stack, i, "self-crossing-contour", got)]
    return []


def _said(profile: Profile, stack: Sections, i: int, rule: str, got: str) -> Finding:
    return profile.finding(
        Severity.WARNING, rule, stack.place(i), f"{got}; correct or remove the contour"
    )


def outline_deviations(stack: Sections, i: int, centre: np.ndarray) -> np.ndarray:
    """How far each point of a contour lies outside the outlines of the slices beside it.

    Parameters
    ----------
    stack : Sections
    i : int
    centre : (2,) float
        About which distances and directions are taken, mm.

    Returns
    -------
    (k,) float
        mm, + outside; of two neighbours the lesser deviation, 0 where they disagree in sign.
    """
    n = len(stack.outlines)
    beside = [j for j in (i - 1, i + 1) if 0 <= j < n]
    if len(beside) == 1 and n > 2:
        beside.append(2 if i == 0 else n - 3)
    flat = stack.outlines[i][:, :2] - centre
    angle, reach = np.arctan2(flat[:, 1], flat[:, 0]), np.hypot(*flat.T)
    if not beside:
        return np.zeros(len(reach))
    off = np.array([reach - _reach_at(stack.outlines[j][:, :2] - centre, angle) for j in beside])
    agree = np.sign(off[0]) == np.sign(off[-1])
    return np.where(agree, np.sign(off[0]) * np.abs(off).min(axis=0), 0.0)


def _reach_at(flat: np.ndarray, angle: np.ndarray) -> np.ndarray:
    own = np.arctan2(flat[:, 1], flat[:, 0])
    order = np.argsort(own)
    return np.interp(angle, own[order], np.hypot(*flat.T)[order], period=2 * np.pi)


def _stray(deviation: np.ndarray, limit: float) -> int | None:
    """The point that stands off alone, or None: a contour moved as a whole has many."""
    size = np.abs(deviation)
    worst = int(size.argmax())
    others = np.delete(size, worst)
    alone = size[worst] > limit and size[worst] > ALONE * others.max()
    return worst if alone else None


def _rounds(flat: np.ndarray) -> tuple[float, int]:
    """Rounds made forwards, and how many points lie under one edge that runs back; 0 if several."""
    angle = np.arctan2(flat[:, 1], flat[:, 0])
    turn = (np.diff(np.r_[angle, angle[0]]) + np.pi) % (2 * np.pi) - np.pi
    if turn.sum() < 0:
        turn, angle = -turn, -angle
    forwards, at = turn[turn > 0].sum(), int(turn.argmin())
    rest = np.delete(turn, at)
    usual = float(np.median(rest))
    # Noise where the trace runs over its beginning; another edge back is another fault.
    one_edge = turn[at] < 0 and -rest[rest < 0].sum() < 0.5 * usual + 0.05
    after = (angle[at] - angle) % (2 * np.pi)
    under = int(((after > 1e-9) & (after < -turn[at] - 1e-9)).sum()) if one_edge else 0
    return float(forwards / (2 * np.pi)), under


def _widest_gap(flat: np.ndarray) -> tuple[float, float]:
    """The widest angle without points, degrees, and the chord across it, mm."""
    angle = np.arctan2(flat[:, 1], flat[:, 0])
    order = np.argsort(angle)
    gaps = np.diff(np.r_[angle[order], angle[order[0]] + 2 * np.pi])
    at = int(gaps.argmax())
    begin, end = order[at], order[(at + 1) % len(order)]
    return float(np.degrees(gaps[at])), float(np.linalg.norm(flat[end] - flat[begin]))
