"""Contours against the slices beside them, and the cord's against the dura's."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from atlas.checks.profile import Profile, Sections, nearest, peel
from atlas.checks.regular import Outlines
from atlas.curves.polygons import depths_in_polygons
from atlas.data.subject import Finding, Severity

# Off the line through the neighbours, between them and at the ends of the stack.  Largest values of
# 42 subjects of the built-in cohort, 28 warped copies of sub-03 and sub-03 (Liu et al. 2024):
# middles 0.36 mm, 0.64 at an end; radii 0.33 mm, 0.43 at an end.
CENTRE_MM = (0.8, 1.3)
RADIUS_MM = (0.7, 0.9)
# The cord's points stay 0.95 mm or more inside the dura in sub-03.
OUTSIDE_MM = 0.3
# Nearer to the middle than the nearest corner of the dura, allowing for chords, is inside it.
WELL_INSIDE = 0.9


def neighbour_findings(profile: Profile, excused: Collection[str] = ()) -> list[Finding]:
    """Contours that stand out of their stack, and cord contours that leave the dura.

    Parameters
    ----------
    profile : Profile
    excused : collection of str
        Places another finding accounts for.

    Returns
    -------
    list of Finding
        ``mislabelled-contour``, ``contour-out-of-line``, ``contour-size-jump``,
        ``cord-outside-dura`` (warnings), one a contour.
    """
    findings = []
    for stack in profile.stacks:
        used = stack.without(excused)
        if len(used) >= 5:
            findings += _out_of_stack(profile, stack, used)
    told = {*excused, *(f.place for f in findings)}
    return findings + _outside_dura(profile, told)


def _out_of_stack(profile: Profile, stack: Sections, used: np.ndarray) -> list[Finding]:
    findings: dict[int, Finding] = {}
    heights = stack.heights[used]
    radii = peel(heights, stack.radii[used, None], inner_mm=RADIUS_MM[0], end_mm=RADIUS_MM[1])
    centres = peel(heights, stack.centres[used], inner_mm=CENTRE_MM[0], end_mm=CENTRE_MM[1])
    odd = {used[j] for j, _ in radii} | {used[j] for j, _ in centres}
    sound = [i for i in used if i not in odd]
    for j, gap in radii:
        i = int(used[j])
        findings[i] = _mislabelled(profile, stack, i, sound) or profile.finding(
            Severity.WARNING,
            "contour-size-jump",
            stack.place(i),
            f"expected a size between those of the slices beside it, got a mean radius of "
            f"{stack.radii[i]:.1f} mm, {gap:.1f} mm off; trace it again",
        )
    for j, gap in centres:
        i = int(used[j])
        findings.setdefault(
            i,
            profile.finding(
                Severity.WARNING,
                "contour-out-of-line",
                stack.place(i),
                f"expected its middle in line with the slices beside it, got it {gap:.1f} mm off: "
                "it was moved or belongs to another slice: trace it again",
            ),
        )
    return list(findings.values())


def _mislabelled(profile: Profile, stack: Sections, i: int, sound: list[int]) -> Finding | None:
    """A contour whose size and place are those of the other structure at its height."""
    other = profile.cord if stack.kind == "dura" else profile.dura
    height = stack.heights[i]
    inside = other.heights.min() - 1 <= height <= other.heights.max() + 1
    if not inside or len(sound) < 2 or len(other.heights) < 2:
        return None
    own = _at(stack, np.array(sound), height)
    # The other structure's contour of this slice may be the one exchanged for it.
    beside = np.flatnonzero(np.abs(other.heights - height) > 0.5 * other.spacing_mm)
    theirs = _at(other, beside, height)
    radius = stack.radii[i]
    if abs(radius - theirs) >= 0.5 * abs(radius - own):
        return None
    return profile.finding(
        Severity.WARNING,
        "mislabelled-contour",
        stack.place(i),
        f"expected a {stack.kind} contour of mean radius {own:.1f} mm, got {radius:.1f} mm, as the "
        f"{other.kind} has here ({theirs:.1f} mm); it is the {other.kind}'s: rename it",
    )


def _at(stack: Sections, members: np.ndarray, height: float) -> float:
    order = members[np.argsort(stack.heights[members])]
    return float(np.interp(height, stack.heights[order], stack.radii[order]))


def _outside_dura(profile: Profile, told: Collection[str]) -> list[Finding]:
    findings = []
    dura, cord = profile.stacks
    for i, j in _not_well_inside(dura, cord):
        if cord.place(i) in told or dura.place(j) in told:
            continue
        outline = cord.outlines[i]
        beyond = -depths_in_polygons(outline[:, :2], dura.outlines[j][None, :, :2]).min()
        if beyond > OUTSIDE_MM:
            findings.append(
                profile.finding(
                    Severity.WARNING,
                    "cord-outside-dura",
                    cord.place(i),
                    f"expected the cord inside the dura, got a point {beyond:.2f} mm outside it; "
                    "correct one of the two contours",
                )
            )
    return findings


def _not_well_inside(dura: Sections, cord: Sections) -> list[tuple[int, int]]:
    """Cord contours, each with the dura's of its slice, that no circle keeps apart by far."""
    if not cord.outlines:
        return []
    beside, apart = nearest(dura.heights, cord.heights)
    near = apart <= dura.spacing_mm / 2 + 1e-6
    drawn = Outlines.of(dura.outlines).about(np.arange(len(dura.heights)), dura.centres)
    inner = np.minimum.reduceat(np.hypot(*drawn.points.T), drawn.first)[beside]
    drawn = Outlines.of(cord.outlines).about(np.arange(len(cord.heights)), dura.centres[beside])
    reach = np.maximum.reduceat(np.hypot(*drawn.points.T), drawn.first)
    doubt = np.flatnonzero(near & (reach >= WELL_INSIDE * inner))
    return list(zip(doubt.tolist(), beside[doubt].tolist(), strict=True))
