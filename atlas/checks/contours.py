"""Single contours, contours against the slices beside them, and the cord's against the dura's.

Every measure is taken of a whole stack at once, and is the rule; a contour is looked at alone only
to word what was found of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from atlas.checks.profile import Profile, Sections, peel, places_of
from atlas.curves.contour_stack import ContourStack, at_heights, nearest
from atlas.curves.polygons import crossing_depths, depths_in_contours
from atlas.data.subject import Finding, Place

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
BACK_ROUNDS, BACK_RADIUS_MM = 1.012, 2.0
# A point alone stands off this many times farther than any other of its contour.
ALONE = 2.0
# Crossings shallower than this are the annotation's noise where a contour is a mm wide.
CROSSING_MM = 0.1
# Points of a contour that are looked at for crossings: a tenth of a mm apart in a dura of them.
CORNERS = 500
# Off the line through the neighbours, between them and at the ends of the stack, in the same
# subjects: middles 0.36 mm, 0.64 at an end; radii 0.33 mm, 0.43 at an end.
CENTRE_MM = (0.8, 1.3)
RADIUS_MM = (0.7, 0.9)
# The cord's points stay 0.95 mm or more inside the dura in sub-03.
OUTSIDE_MM = 0.3
FULL = 2 * np.pi
# Between the directions of one contour and those of the next, so that all sort at once.
APART = 8.0
# Of directions and the sums of them with APART.
SLACK = 1e-9


# --- single contours ---


def outline_findings(profile: Profile, excused: Collection[Place] = ()) -> list[Finding]:
    """What is wrong with single contours: the first rule that a contour breaks.

    A contour is judged about the middle its neighbours give, and against their outline.

    Returns
    -------
    list of Finding
        ``contour-not-planar``, ``stray-point``, ``overlapping-contour``, ``open-contour``,
        ``self-crossing-contour`` (warnings).
    """
    findings = []
    for stack in (stack for stack in profile.stacks if len(stack.outlines)):
        shapes = _Shapes.of(stack)
        broken = _broken(stack, shapes)
        for i in np.flatnonzero(np.any([*broken.values()], axis=0)).tolist():
            rule = next(rule for rule, contours in broken.items() if contours[i])
            said = f"expected {shapes.said_of(i)[rule]}; correct or remove the contour"
            findings.append(profile.finding(rule, stack.place(i), said))
    return [finding for finding in findings if finding.at not in excused]


class _Shapes(NamedTuple):
    """Contours (n,) of a stack, about the middle that their neighbours give; mm and degrees.

    ``farthest`` is the point that deviates most from the outlines beside it, ``others`` the next
    greatest deviation.
    """

    points: np.ndarray
    off_plane: np.ndarray
    farthest: np.ndarray
    deviation: np.ndarray
    others: np.ndarray
    rounds: np.ndarray
    overlapped: np.ndarray
    gap: np.ndarray
    chord: np.ndarray
    crossing: np.ndarray

    @classmethod
    def of(cls, stack: Sections) -> _Shapes:
        outlines, centres = stack.outlines, expected_centres(stack)
        flat = outlines.about(centres)
        return cls(
            outlines.count,
            outlines.greatest(np.abs(outlines.points[:, 2] - outlines.spread(stack.heights))),
            *_farthest_points(flat, outline_deviations(outlines, centres)),
            *rounds_forwards(flat),
            *widest_gaps(flat),
            _crossings_mm(flat),
        )

    def said_of(self, i: int) -> dict[str, str]:
        """What a contour should be and what it is, by rule."""
        back = 360 * (self.rounds[i] - 1)
        return {
            "contour-not-planar": (
                f"all points in one slice, got one {self.off_plane[i]:.2f} mm off it"
            ),
            "stray-point": (
                "points near the outline of the slices beside it, got point "
                f"{self.farthest[i] + 1} of {self.points[i]} {self.deviation[i]:+.1f} mm off it"
            ),
            "overlapping-contour": (
                f"one round, got {self.rounds[i]:.2f}: the trace runs over its own beginning"
            ),
            "open-contour": (
                f"points all round, got none over {self.gap[i]:.0f} degrees: the contour is open"
            ),
            "self-crossing-contour": (
                f"a simple contour, got one that crosses itself by {self.crossing[i]:.2f} mm and "
                f"runs back by {back:.0f} degrees: points out of order"
            ),
        }


def _broken(stack: Sections, shapes: _Shapes) -> dict[str, np.ndarray]:
    """The rules in their order, and the contours (n,) that break each."""
    # A contour moved aside as a whole has no gap about its own middle.
    own_gap, _ = widest_gaps(stack.outlines.about(stack.centres))
    wide = (shapes.gap > OPEN_DEG[stack.kind]) & (own_gap > 0.75 * OPEN_DEG[stack.kind])
    back = (shapes.rounds > BACK_ROUNDS) & (stack.radii > BACK_RADIUS_MM)
    over = (shapes.rounds > OVERLAP_ROUNDS) & (shapes.overlapped >= OVERLAPPED_POINTS)
    limit = np.maximum(STRAY_MM[stack.kind], ALONE * shapes.others)
    return {
        "contour-not-planar": shapes.off_plane > OUT_OF_PLANE_MM,
        "stray-point": np.abs(shapes.deviation) > limit,
        "overlapping-contour": over,
        "open-contour": wide & (shapes.chord > OPEN_MM),
        "self-crossing-contour": (shapes.crossing > CROSSING_MM) | back,
    }


def expected_centres(stack: Sections) -> np.ndarray:
    """Middles (n, 2) by running medians of five contours."""
    padded = np.pad(stack.centres, ((2, 2), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=0)
    return np.asarray(np.median(windows, axis=2))


def outline_deviations(outlines: ContourStack, centres: np.ndarray) -> np.ndarray:
    """How far each point of contours lies outside the outlines of the slices beside its own.

    Parameters
    ----------
    outlines : ContourStack
        Of n contours.
    centres : (n, 2) float
        From which the points of each, and of those beside it, are measured.

    Returns
    -------
    (m,) float
        mm from the centre, + outside; of two neighbours the lesser deviation, 0 where they disagree
        in sign.
    """
    n, i = len(outlines), np.arange(len(outlines))
    # At the ends of the stack, the next two contours.
    above = np.where(i == 0, min(2, n - 1), i - 1)
    below = np.where(i == n - 1, max(n - 3, 0), i + 1)
    own = outlines.about(centres)
    reach, angles = np.hypot(*own.points.T), _angles(own)
    off = [
        reach - _reach_at(outlines.take(beside).about(centres), own.owner, angles)
        for beside in (above, below)
    ]
    least = np.minimum(np.abs(off[0]), np.abs(off[1]))
    return np.where(np.sign(off[0]) == np.sign(off[1]), np.sign(off[0]) * least, 0.0)


def _angles(flat: ContourStack) -> np.ndarray:
    return np.asarray(np.arctan2(flat.points[:, 1], flat.points[:, 0]))


def _reach_at(flat: ContourStack, which: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """How far contours reach in given directions (m,), each of the contour ``which`` (m,)."""
    own = _angles(flat) % FULL
    key = own + APART * flat.owner
    order = np.argsort(key)
    own, reach = own[order], np.hypot(*flat.points.T)[order]
    angles = angles % FULL
    after = np.searchsorted(key[order], angles + APART * which, side="right")
    first = flat.first[which]
    end = first + flat.count[which]
    # Before the first direction stands the last, and after the last the first.
    begin, after = np.where(after == first, end, after) - 1, np.where(after == end, first, after)
    width = (own[after] - own[begin]) % FULL
    # A direction may come out a rounding error before the one it stands after.
    past = (angles - own[begin] + SLACK) % FULL - SLACK
    share = past / np.where(width > 0, width, FULL)
    return np.asarray(reach[begin] + np.clip(share, 0, 1) * (reach[after] - reach[begin]))


def _farthest_points(
    flat: ContourStack, deviation: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The point (n,) of each contour that deviates most, its deviation, and the next greatest."""
    order = flat.rising(np.abs(deviation))
    last = flat.first + flat.count - 1
    farthest, next_one = order[last], order[np.maximum(last - 1, flat.first)]
    return farthest - flat.first, deviation[farthest], np.abs(deviation[next_one])


def rounds_forwards(flat: ContourStack) -> tuple[np.ndarray, np.ndarray]:
    """Rounds (n,) that contours make forwards about the origin, and how many points overlap (n,).

    Those lie under one edge that runs back, of a contour that has no other.
    """
    angles = _angles(flat)
    turn = (angles[flat.following] - angles + np.pi) % FULL - np.pi
    sense = flat.spread(np.where(flat.total(turn) >= 0, 1.0, -1.0))
    turn, angles = sense * turn, sense * angles
    order = flat.rising(turn)
    back = order[flat.first]
    # The others are one fewer, and begin one later.
    low, high = flat.first + flat.count // 2, flat.first + (flat.count + 1) // 2
    highest = flat.first + flat.count - 1
    usual = (turn[order[np.minimum(low, highest)]] + turn[order[np.minimum(high, highest)]]) / 2
    others_back = flat.total(np.minimum(turn, 0.0)) - np.minimum(turn[back], 0.0)
    # Noise where the trace runs over its beginning; another edge back is another fault.
    one_edge = (turn[back] < 0) & (-others_back < 0.5 * usual + 0.05)
    past = (flat.spread(angles[back]) - angles) % FULL
    under = flat.total(((past > 1e-9) & (past < flat.spread(-turn[back]) - 1e-9)).astype(int))
    return flat.total(np.maximum(turn, 0.0)) / FULL, np.where(one_edge, under, 0)


def widest_gaps(flat: ContourStack) -> tuple[np.ndarray, np.ndarray]:
    """Widest angle (n,) without points seen from the origin, degrees, and the chord across, mm."""
    angles = _angles(flat)
    order = flat.rising(angles)
    after = flat.following
    gaps = angles[order[after]] - angles[order]
    gaps[flat.first + flat.count - 1] += FULL
    widest = flat.rising(-gaps)[flat.first]
    chord = flat.points[order[after[widest]]] - flat.points[order[widest]]
    return np.degrees(gaps[widest]), np.linalg.norm(chord, axis=1)


def _crossings_mm(flat: ContourStack) -> np.ndarray:
    """How deep each contour (n,) runs through itself."""
    crossing = np.zeros(len(flat))
    for i in np.flatnonzero(~flat.turn_steadily()).tolist():
        # Every corner is held against every other; of very many, some are enough.
        thinned = flat[i][:: -(-int(flat.count[i]) // CORNERS)]
        crossing[i] = crossing_depths(thinned[None]).max()
    return crossing


# --- contours against others ---


def neighbour_findings(profile: Profile, excused: Collection[Place] = ()) -> list[Finding]:
    """Contours that stand out of their stack, and cord contours that leave the dura.

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
    return findings + _outside_dura(profile, {*excused, *places_of(findings)})


def _out_of_stack(profile: Profile, stack: Sections, used: np.ndarray) -> list[Finding]:
    findings: dict[int, Finding] = {}
    heights = stack.heights[used]
    radii = peel(heights, stack.radii[used, None], inner_mm=RADIUS_MM[0], end_mm=RADIUS_MM[1])
    centres = peel(heights, stack.centres[used], inner_mm=CENTRE_MM[0], end_mm=CENTRE_MM[1])
    sound = np.delete(used, [j for j, _ in (*radii, *centres)])
    for j, gap in radii:
        i = int(used[j])
        findings[i] = _mislabelled(profile, stack, i, sound) or profile.finding(
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
                "contour-out-of-line",
                stack.place(i),
                f"expected its middle in line with the slices beside it, got it {gap:.1f} mm off: "
                "it was moved or belongs to another slice: trace it again",
            ),
        )
    return list(findings.values())


def _mislabelled(profile: Profile, stack: Sections, i: int, sound: np.ndarray) -> Finding | None:
    """A contour whose size and place are those of the other structure at its height."""
    other = profile.cord if stack.kind == "dura" else profile.dura
    height = stack.heights[i]
    if len(sound) < 2 or len(other.heights) < 2:
        return None
    if not other.heights.min() - 1 <= height <= other.heights.max() + 1:
        return None
    own = float(at_heights(stack.heights[sound], stack.radii[sound], height))
    # The other structure's contour of this slice may be the one exchanged for it.
    beside = np.flatnonzero(np.abs(other.heights - height) > 0.5 * other.spacing_mm)
    theirs = float(at_heights(other.heights[beside], other.radii[beside], height))
    radius = stack.radii[i]
    if abs(radius - theirs) >= 0.5 * abs(radius - own):
        return None
    return profile.finding(
        "mislabelled-contour",
        stack.place(i),
        f"expected a {stack.kind} contour of mean radius {own:.1f} mm, got {radius:.1f} mm, as the "
        f"{other.kind} has here ({theirs:.1f} mm); it is the {other.kind}'s: rename it",
    )


def _outside_dura(profile: Profile, told: Collection[Place]) -> list[Finding]:
    dura, cord = profile.stacks
    if not len(dura.heights) or not len(cord.heights):
        return []
    beside, apart = nearest(dura.heights, cord.heights)
    near = np.flatnonzero(apart <= dura.spacing_mm / 2 + 1e-6)
    drawn = cord.outlines.take(near)
    depths = depths_in_contours(drawn.points[:, :2], dura.outlines, drawn.spread(beside[near]))
    beyond = -drawn.least(depths)
    return [
        profile.finding(
            "cord-outside-dura",
            cord.place(i),
            f"expected the cord inside the dura, got a point {mm:.2f} mm outside it; correct one "
            "of the two contours",
        )
        for i, mm in zip(near[beyond > OUTSIDE_MM], beyond[beyond > OUTSIDE_MM], strict=True)
        if cord.place(i) not in told and dura.place(beside[i]) not in told
    ]
