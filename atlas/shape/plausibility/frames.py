"""Units and axes: of a whole subject, and of a single file among sound ones."""

from __future__ import annotations

from itertools import compress

import numpy as np

from atlas.data.subject import LEVELS, Finding, RootKey, Severity
from atlas.shape.plausibility.profile import Profile, Sections, medians

# Mean width of the sac, mm: 12.8 to 18.8 in the built-in cohort and warped copies of sub-03, 16.0
# in sub-03 itself (Liu et al. 2024).  Less than half or twice that is another unit.
SAC_WIDTH_MM = (5.0, 40.0)
USUAL_WIDTH_MM = 15.5
# What a value must be multiplied by to be mm, and what it then was.
UNITS = {1000.0: "metres", 10.0: "centimetres", 25.4: "inches", 0.1: "tenths of mm", 1e-3: "µm"}
# Farther than this from where it belongs, a file is in another frame, not badly traced.
ELSEWHERE_MM = 40.0
# Ends of a sac and its cord that are this much nearer below than above, mm.
UPSIDE_DOWN_MM = 5.0


def frame_findings(profile: Profile) -> list[Finding]:
    """What is wrong with a whole subject's unit or axes; empty if nothing is.

    Returns
    -------
    list of Finding
        ``wrong-unit``, or ``ras-not-lps``, ``upside-down``, ``exchanged-stacks`` (errors).
    """
    unit = _wrong_unit(profile)
    if unit:
        return unit
    return [*_exchanged_stacks(profile)] or [*_wrong_axes(profile)]


def _wrong_unit(profile: Profile) -> list[Finding]:
    width = 2 * float(np.median(profile.dura.radii))
    if SAC_WIDTH_MM[0] <= width <= SAC_WIDTH_MM[1]:
        return []
    factor = _likely_factor(width)
    return [
        profile.finding(
            Severity.ERROR,
            "wrong-unit",
            "",
            f"expected a sac {SAC_WIDTH_MM[0]:g} to {SAC_WIDTH_MM[1]:g} mm wide, got {width:.3g}; "
            f"the coordinates look like {UNITS[factor]} declared as mm: multiply by {factor:g} or "
            "declare the unit in the files",
        )
    ]


def _likely_factor(size: float, usual: float = USUAL_WIDTH_MM) -> float:
    return min(UNITS, key=lambda factor: abs(np.log(max(size, 1e-12) * factor / usual)))


def _exchanged_stacks(profile: Profile) -> list[Finding]:
    """The cord's contours around the dura's: the names of the two were exchanged."""
    dura, cord = profile.stacks
    order = np.argsort(dura.heights)
    inner = np.interp(cord.heights, dura.heights[order], dura.radii[order])
    within = (cord.heights >= dura.heights.min()) & (cord.heights <= dura.heights.max())
    if within.sum() < 4 or np.median(cord.radii[within] / inner[within]) <= 1:
        return []
    share = float((cord.radii[within] > inner[within]).mean())
    return [
        profile.finding(
            Severity.ERROR,
            "exchanged-stacks",
            "dura and cord",
            f"expected the cord's contours inside the dura's, got them the larger in {share:.0%} "
            f"of {int(within.sum())} slices; files of dura and cord are exchanged: rename them",
        )
    ]


def _wrong_axes(profile: Profile) -> list[Finding]:
    findings = []
    left, dorsal = _directions(profile)
    if left < 0 and dorsal < 0:
        findings.append(
            profile.finding(
                Severity.ERROR,
                "ras-not-lps",
                "",
                f"expected left roots at larger x by some mm and roots dorsal of the sac's middle, "
                f"got {left:+.1f} mm across and {dorsal:+.1f} mm dorsal; x and y are negated, as "
                "in RAS coordinates declared LPS: declare RAS in the files",
            )
        )
    above = profile.dura.heights.max() - profile.cord.heights.max()
    below = profile.cord.heights.min() - profile.dura.heights.min()
    ganglia = np.array([point[2] for point in profile.ganglia.values()])
    middle = (profile.dura.heights.max() + profile.dura.heights.min()) / 2
    upward = np.median(ganglia) > middle if len(ganglia) else above - below > UPSIDE_DOWN_MM
    if upward and profile.cord.radii[0] < profile.cord.radii[-1]:
        findings.append(
            profile.finding(
                Severity.ERROR,
                "upside-down",
                "",
                f"expected the cord to begin at the top of the sac and to thin downwards, got "
                f"{above:.1f} mm of sac above it, {below:.1f} mm below, and its thin end on top; "
                "z is negated: check the coordinate system of the files",
            )
        )
    return findings


def _directions(profile: Profile) -> tuple[float, float]:
    """Mean of left minus right, and of the roots dorsal of the sac's middle, mm."""
    across = [
        float(np.mean(np.atleast_2d(places[RootKey(level, "left")])[:, 0]))
        - float(np.mean(np.atleast_2d(places[RootKey(level, "right")])[:, 0]))
        for places in (profile.roots, profile.ganglia)
        for level in LEVELS
        if RootKey(level, "left") in places and RootKey(level, "right") in places
    ]
    if not across or not profile.roots:
        return 1.0, 1.0
    points = np.concatenate(list(profile.roots.values()))
    return float(np.mean(across)), float(
        (points[:, 1] - profile.axis_at(points[:, 2])[:, 1]).mean()
    )


def single_file_findings(profile: Profile) -> tuple[list[Finding], set[str]]:
    """Files in another unit or frame than the rest of their subject, and their places.

    Returns
    -------
    findings : list of Finding
        ``wrong-unit``, ``ras-not-lps`` (errors), ``misplaced-file`` (errors): far from the sac.
    places : set of str
        Nothing more needs to be said of these.
    """
    findings = []
    files = {f"root {k.level} {k.side}": points for k, points in profile.roots.items()}
    files |= {f"ganglion {k.level} {k.side}": p[None] for k, p in profile.ganglia.items()}
    for place in _far(profile, files):
        findings += _elsewhere(profile, place, files[place])
    for stack in profile.stacks:
        aside = np.linalg.norm(stack.centres - profile.axis_at(stack.heights), axis=1)
        odd = (aside > ELSEWHERE_MM / 2) | (np.abs(np.log(stack.radii + 1e-12)) > np.log(20))
        odd |= stack.heights > profile.dura.heights.max() + 1
        odd |= np.isin(np.arange(len(odd)), _lonely(stack))
        for i in np.flatnonzero(odd).tolist():
            outline = stack.outlines[i]
            findings += _elsewhere(profile, stack.place(i), outline, size=_size_off(stack, i))
    return findings, {f.place for f in findings}


def _lonely(stack: Sections) -> np.ndarray:
    """Indices of contours that stand apart from their stack: ten slices or more from the next."""
    order = np.argsort(stack.heights)
    gaps = np.diff(stack.heights[order])
    far = gaps > 10 * max(stack.spacing_mm, 1e-9)
    if not far.any():
        return np.empty(0, dtype=int)
    parts = np.split(order, np.flatnonzero(far) + 1)
    largest = max(parts, key=len)
    return np.setdiff1d(order, largest)


def _size_off(stack: Sections, i: int) -> float:
    return float(stack.radii[i] / max(np.median(stack.radii), 1e-12))


def _elsewhere(
    profile: Profile, place: str, points: np.ndarray, *, size: float = 1.0
) -> list[Finding]:
    off = _distance(profile, points)
    if off <= ELSEWHERE_MM and 0.02 < size < 50:
        return []
    rescaled = {f: _distance(profile, points * f) for f in (1000.0, 1e-3)}
    best = min(rescaled, key=lambda factor: rescaled[factor])
    native = points @ profile.axes.T
    negated = _distance(profile, (native * (-1, -1, 1)) @ profile.axes)
    if rescaled[best] <= ELSEWHERE_MM and negated > ELSEWHERE_MM:
        rule, cure = (
            "wrong-unit",
            (f"multiplied by {best:g} it is in place: it looks like {UNITS[best]} declared as mm"),
        )
    elif negated <= ELSEWHERE_MM:
        rule, cure = "ras-not-lps", "with x and y negated it is in place: declare RAS in the file"
    else:
        rule, cure = (
            "misplaced-file",
            "it may belong to another subject: trace it again or exclude it",
        )
    return [
        profile.finding(
            Severity.ERROR,
            rule,
            place,
            f"expected it within {ELSEWHERE_MM:g} mm of the sac's middle, got {off:.1f} mm; {cure}",
        )
    ]


def _far(profile: Profile, files: dict[str, np.ndarray]) -> list[str]:
    """Which files (n, 3) lie farther from the sac than a bad trace."""
    if not files:
        return []
    count = np.array([len(points) for points in files.values()])
    first = np.cumsum(count) - count
    together = np.concatenate(list(files.values()))
    middles = np.stack([medians(column, first, count) for column in together.T], axis=1)
    return list(compress(files, _distances(profile, middles) > ELSEWHERE_MM))


def _distance(profile: Profile, points: np.ndarray) -> float:
    """How far the middle point of a file lies from the sac's middle line, run on below, mm."""
    return float(_distances(profile, np.median(points, axis=0)[None])[0])


def _distances(profile: Profile, middles: np.ndarray) -> np.ndarray:
    """As :func:`_distance`, (n,) mm, of middle points (n, 3)."""
    heights = middles[:, 2]
    top, bottom = profile.dura.heights.max(), profile.dura.heights.min()
    length = top - bottom
    beyond = np.maximum(np.maximum(heights - top, (bottom - length * 1.5) - heights), 0.0)
    aside = np.linalg.norm(middles[:, :2] - profile.axis_at(heights), axis=1)
    # Below the sac its line is not known: a pose of a few degrees and the sacrum's curve add up.
    aside -= np.maximum(bottom - heights, 0.0) * 0.35
    return np.hypot(np.maximum(aside, 0.0), beyond)
