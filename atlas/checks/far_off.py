"""Files and points far from their subject, or in another unit or frame than the rest of it.

Each structure is held against what most of the others say: a contour against its own stack, a root
against the sac, the cord and its partner, a ganglion against its partner and its neighbours.  What
is far off is an error, whatever else is wrong with it; that it would be in place in another unit
or frame gives it its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from atlas.checks.profile import (
    Apart,
    Profile,
    Sections,
    pairs_of,
    partner_of,
    places_of,
    point_place,
)
from atlas.checks.stacks import ASIDE_MM, SIZE, Curve, robust_curve
from atlas.curves.contour_stack import at_heights
from atlas.data.subject import LEVELS, Finding, Place, RootKey, Severity

# What a value must be multiplied by to be mm, and what it then was.
UNITS = {1000.0: "metres", 10.0: "centimetres", 25.4: "inches", 0.1: "tenths of mm", 1e-3: "µm"}
# Axes that may be negated; x and y are in RAS.
FRAMES = {
    "x and y": (-1.0, -1.0, 1.0),
    "x": (-1.0, 1.0, 1.0),
    "y": (1.0, -1.0, 1.0),
    "z": (1.0, 1.0, -1.0),
}
# Beside the sac's circle, times 1.2 for its width.  Root points of 42 subjects of the built-in
# cohort and of warped copies of sub-03, and of sub-03 (Liu et al. 2024), lie 2.4 mm out at most.
BESIDE_MM = 15.0
# Above the sac's top; the same roots begin 25 mm or more below it.
ABOVE_MM = 15.0
# A root begins 14 mm or more above the cord's lower end in the same subjects.
BELOW_CORD_MM = 20.0
# Points that stand apart from their root by so many slices, and so many mm.
PARTED_SLICES, PARTED_MM = 10.0, 20.0
# Points of a root that may be slips of single clicks, or this share of it; more are the whole file.
FEW, FEW_SHARE = 2, 0.1
# Begins, and ends, of partners: 4.0 mm apart at most, and 2.1 mm both in one direction.
SHIFTED_MM = 25.0
# A root has one point a slice.
STEP = 0.2
# Of a ganglion from where its partner or its neighbours put it: 14 mm at most.
GANGLION_MM = 30.0
# Across the stack, left and right both from where their neighbours put them: 14 mm at most.
TOGETHER_MM = 28.0
# So near to where any ganglion belongs, it has another one's name, which is said elsewhere.
TAKEN_MM = 20.0
# From the sac's middle line, run on below; its line is not known there, and a pose of a few degrees
# and the sacrum's curve add up to this share of the way.
ELSEWHERE_MM, CURVED = 40.0, 0.35
# Ganglia S2 lie 300 mm below the dura's top in sub-03; an image may end anywhere above.
BELOW_MM = 280.0

# Of a misfit, by which another frame must be better than RAS.
CLEARLY = 0.25
# How far from where it may be, as a share of what is let pass; infinite beyond.
Misfit = Callable[[np.ndarray], float]


def far_contours(profile: Profile) -> list[Finding]:
    """Contours that do not stand with the others, and those with a point far off."""
    findings = []
    kinds = {contour.place.structure for contour in profile.apart}
    rows = {kind: _Row.of(getattr(profile, kind)) for kind in kinds}
    for contour in profile.apart:
        if contour.stray_mm:
            findings.append(_far_point(profile, contour))
            continue
        kind = contour.place.structure
        row = rows[kind]
        said = f"expected it in a row with the other {kind} contours, got {row.got(contour)}"
        findings.append(_elsewhere(profile, contour.place, contour.drawn, row.misfit, said))
    return findings


def _far_point(profile: Profile, contour: Apart) -> Finding:
    away = contour.drawn @ profile.axes - contour.middle
    flat = np.hypot(away[:, 0], away[:, 1])
    far = int(np.maximum(flat, np.abs(away[:, 2]) + contour.reach_mm).argmax())
    return profile.finding(
        "stray-point",
        contour.place,
        f"expected points about {contour.reach_mm:.0f} mm from the contour's middle, got point "
        f"{far + 1} of {len(flat)} {np.linalg.norm(away[far]):.1f} mm from it; correct or remove "
        "the contour",
        severity=Severity.ERROR,
    )


class _Row(NamedTuple):
    """The contours that stand together, and the line of their middles."""

    stack: Sections
    curve: Curve

    @classmethod
    def of(cls, stack: Sections) -> _Row:
        return cls(stack, robust_curve(np.column_stack([stack.centres, stack.heights])))

    def _usual_reach(self, height: float) -> float:
        return float(at_heights(self.stack.heights, self.stack.reach, height))

    def _off(self, middle: np.ndarray) -> tuple[float, float]:
        """How far a middle lies beside the line, and above or below the row, mm."""
        heights = self.stack.heights
        beyond = max(middle[2] - heights.max(), heights.min() - middle[2], 0.0)
        return float(np.linalg.norm(middle[:2] - self.curve(middle[2:])[0])), float(beyond)

    def got(self, contour: Apart) -> str:
        """How a contour does not stand in the row, in words."""
        aside, beyond = self._off(contour.middle)
        if beyond > 0:
            side = "above" if contour.middle[2] > self.stack.heights.max() else "below"
            return f"it {beyond:.1f} mm {side} the last of them"
        if aside > ASIDE_MM / 2:
            return f"its middle {aside:.1f} mm beside their line"
        usual = self._usual_reach(contour.middle[2])
        return f"one of {contour.reach_mm:.3g} mm about its middle where they have {usual:.1f}"

    def misfit(self, points: np.ndarray) -> float:
        """How ill a contour (n, 3) fits, infinite where it does not."""
        middle = np.median(points, axis=0)
        aside, beyond = self._off(middle)
        usual = self._usual_reach(middle[2])
        size = max(_reach(points), 1e-12) / max(usual, 1e-12)
        if beyond > 2 * self.stack.spacing_mm or aside > ASIDE_MM or not 1 / SIZE <= size <= SIZE:
            return float("inf")
        return float(aside / ASIDE_MM + abs(np.log(size)))


def _reach(outline: np.ndarray) -> float:
    away = outline[:, :2] - np.median(outline[:, :2], axis=0)
    return float(np.median(np.hypot(away[:, 0], away[:, 1])))


def _elsewhere(
    profile: Profile, place: Place, points: np.ndarray, misfit: Misfit, said: str
) -> Finding:
    """A file (n, 3), LPS mm, that is not in place; named by what would put it there."""

    def changed(by: float | tuple[float, float, float]) -> float:
        return misfit((points * by) @ profile.axes)

    fits = {factor: changed(factor) for factor in UNITS}
    best = min(fits, key=lambda factor: fits[factor])
    frames = {name: changed(signs) for name, signs in FRAMES.items()}
    # One axis alone is rarely negated: RAS it is, but where that fits clearly worse.
    frame = min(frames, key=lambda name: frames[name] - CLEARLY * (name == "x and y"))
    if np.isfinite(fits[best]) and np.isinf(frames["x and y"]):
        rule = "wrong-unit"
        cure = f"multiplied by {best:g} it is in place: it looks like {UNITS[best]} declared as mm"
    elif np.isfinite(frames[frame]):
        rule = "ras-not-lps" if frame == "x and y" else "misplaced-file"
        declare = "declare RAS in" if frame == "x and y" else "correct"
        cure = f"with {frame} negated it is in place: {declare} the file"
    else:
        rule, cure = (
            "misplaced-file",
            "it may belong to another subject: trace it again or exclude it",
        )
    return profile.finding(rule, place, f"{said}; {cure}")


# --- roots ---


def far_roots(profile: Profile) -> list[Finding]:
    """Roots far from sac, cord or partner, and points far from their root."""
    if not profile.roots or not len(profile.dura.heights):
        return []
    findings = []
    usual = _Usual.of(profile)
    for key, points in profile.roots.items():
        far = _far_points(profile, points)
        if np.isinf(_root_misfit(profile, points, usual, key.side)):
            findings.append(_far_root(profile, key, points, usual))
        elif far.any():
            findings.append(_far_root_points(profile, key, points, far))
    return findings + _shifted(profile, {place.trace for place in places_of(findings)})


def _lowest_begin(profile: Profile) -> float:
    """The height that a root must begin above, mm."""
    stack = profile.cord if len(profile.cord.heights) else profile.dura
    return float(stack.heights.min()) - BELOW_CORD_MM


def _far_points(profile: Profile, points: np.ndarray) -> np.ndarray:
    """Mask of points (n, 3) beside, above or too far below the sac, or apart from the others."""
    dura, heights = profile.dura, points[:, 2]
    radius = at_heights(dura.heights, dura.radii, heights)
    aside = np.linalg.norm(points[:, :2] - profile.axis_at(heights), axis=1) - 1.2 * radius
    below = np.maximum(dura.heights.min() - heights, 0.0)
    far = np.asarray((aside - CURVED * below > BESIDE_MM) | (below > BELOW_MM))
    far |= heights - dura.heights.max() > ABOVE_MM
    near = np.flatnonzero(~far)
    order = near[np.argsort(heights[near])]
    wide = max(PARTED_SLICES * dura.spacing_mm, PARTED_MM)
    parts = np.split(order, np.flatnonzero(np.diff(heights[order]) > wide) + 1)
    largest = max(parts, key=len)
    # One or two points, or a tenth, that a wide gap parts from the rest are slips of single clicks.
    for part in parts:
        if part is not largest and len(near) >= 4 and len(part) <= _few(len(near)):
            far[part] = True
    return far


def _few(points: int) -> int:
    return max(FEW, int(FEW_SHARE * points))


def _root_misfit(profile: Profile, points: np.ndarray, usual: _Usual, side: str) -> float:
    """How ill a whole root fits: by its place beside the sac, its begin, its steps and its side."""
    far = _far_points(profile, points)
    if far.sum() > _few(len(points)):
        return float("inf")
    near = points[~far]
    rises = np.abs(np.diff(np.sort(near[:, 2])))
    step = float(np.median(rises)) if len(rises) else profile.dura.spacing_mm
    tiny = step < STEP * usual.step_mm and np.ptp(near, axis=0).max() < STEP * usual.extent_mm
    if near[:, 2].max() < _lowest_begin(profile) or tiny:
        return float("inf")
    away = np.median(near[:, :2] - profile.axis_at(near[:, 2]), axis=0)
    other = (away[0] > 0) != (side == "left")
    steps = abs(float(np.log(max(step, 1e-9) / max(usual.step_mm, 1e-9))))
    return float(np.linalg.norm(away)) / ASIDE_MM + steps + other


class _Usual(NamedTuple):
    """Of most roots of a subject: distance of points along the stack, and extent, mm."""

    step_mm: float
    extent_mm: float

    @classmethod
    def of(cls, profile: Profile) -> _Usual:
        roots = list(profile.roots.values())
        steps = [np.median(np.abs(np.diff(points[:, 2]))) for points in roots if len(points) > 1]
        step = min(float(np.median(steps)), profile.dura.spacing_mm) if steps else 0.0
        return cls(step, float(np.median([np.ptp(points, axis=0).max() for points in roots])))


def _far_root(profile: Profile, key: RootKey, points: np.ndarray, usual: _Usual) -> Finding:
    middle = np.median(points, axis=0)
    off = float(np.linalg.norm(middle[:2] - profile.axis_at(middle[2])))
    size = float(np.ptp(points, axis=0).max())
    return _elsewhere(
        profile,
        Place("root", *key),
        profile.subject.roots[key],
        lambda moved: _root_misfit(profile, moved, usual, key.side),
        f"expected it in the sac, from the cord downwards, got its middle {off:.1f} mm beside the "
        f"sac's middle line, its begin {profile.dura.heights.max() - points[:, 2].max():.1f} mm "
        f"below the sac's top, and {size:.3g} mm of it",
    )


def _far_root_points(
    profile: Profile, key: RootKey, points: np.ndarray, far: np.ndarray
) -> Finding:
    which = np.flatnonzero(far)
    others = np.median(points[~far], axis=0)
    i = int(which[np.linalg.norm(points[which] - others, axis=1).argmax()])
    return profile.finding(
        "stray-point",
        point_place(profile.subject, key, i),
        f"expected points in one line beside the cord, got {len(which)} of {len(points)} far from "
        f"the others, this one {np.linalg.norm(points[i] - others):.1f} mm from their middle; "
        "correct it",
        severity=Severity.ERROR,
    )


def _shifted(profile: Profile, told: set[Place]) -> list[Finding]:
    """Roots that begin and end far higher, or lower, than their partner and than their level."""
    ends = {
        key: np.array([points[:, 2].max(), points[:, 2].min()])
        for key, points in profile.roots.items()
        if Place("root", *key) not in told
    }
    findings = []
    for level in LEVELS:
        left, right = RootKey(level, "left"), RootKey(level, "right")
        if left not in ends or right not in ends:
            continue
        apart = ends[left] - ends[right]
        if np.abs(apart).min() <= SHIFTED_MM or apart[0] * apart[1] < 0:
            continue
        if any(_is_of_another_level(ends, key) for key in (left, right)):
            continue
        odd = max((left, right), key=lambda key: abs(ends[key][0] - _expected_begin(ends, key)))
        mm = float(np.abs(apart).min())
        findings.append(
            profile.finding(
                "misplaced-file",
                Place("root", *odd),
                f"expected it at the height of its partner, got begin and end {mm:.1f} mm "
                f"{'above' if (apart[0] > 0) == (odd == left) else 'below'}; it was moved along "
                "the sac: trace it again or exclude it",
            )
        )
    return findings


def _is_of_another_level(ends: dict[RootKey, np.ndarray], key: RootKey) -> bool:
    """Whether the partner of another level begins and ends there, and that level is odd too."""
    other = "right" if key.side == "left" else "left"
    for level in LEVELS:
        partner, same = RootKey(level, other), RootKey(level, key.side)
        if level == key.level or partner not in ends or same not in ends:
            continue
        there = np.abs(ends[partner] - ends[key]).max() <= SHIFTED_MM / 2
        if there and np.abs(ends[partner][0] - ends[same][0]) > SHIFTED_MM / 5:
            return True
    return False


def _expected_begin(ends: dict[RootKey, np.ndarray], key: RootKey) -> float:
    """Where the begins of the levels beside it, on both sides, put that of a root, mm."""
    i = LEVELS.index(key.level)
    known = [(LEVELS.index(k.level), e[0]) for k, e in ends.items() if k.level != key.level]
    beside = sorted((abs(j - i), h) for j, h in known)[:4]
    return float(np.median([h for _, h in beside])) if beside else float(ends[key][0])


# --- ganglia ---


def far_ganglia(profile: Profile) -> list[Finding]:
    """Ganglia far from the sac's line, or from where partner and neighbours put them."""
    ganglia = profile.ganglia
    if not ganglia:
        return []
    spots = expected_ganglia(ganglia)
    together = _off_together(ganglia)
    taken = [spot for places in spots.values() for spot in places]
    findings = []
    for key, point in ganglia.items():
        misfit = _ganglion_misfit(profile, [] if key.level in together else spots[key])
        odd = key.level in together or _is_odd(ganglia, spots, key)
        if not odd and np.isfinite(misfit(point[None])):
            continue
        off = _line_distance(profile, point)
        nearest = min((float(np.linalg.norm(point - spot)) for spot in taken), default=np.inf)
        # Another one's place, the other side, above its root: rules of their own say so.
        named = nearest <= TAKEN_MM or _only_above_root(profile, key, spots[key])
        if off <= ELSEWHERE_MM and named and key.level not in together:
            continue
        gap = min((float(np.linalg.norm(point - s)) for s in spots[key]), default=off)
        findings.append(
            _elsewhere(
                profile,
                Place("ganglion", *key),
                profile.subject.ganglia[key][None],
                misfit,
                f"expected it where its partner and the levels beside it put it, got it {gap:.1f} "
                f"mm from there and {off:.1f} mm from where a ganglion can be",
            )
        )
    return findings


def _is_odd(
    ganglia: dict[RootKey, np.ndarray], spots: dict[RootKey, list[np.ndarray]], key: RootKey
) -> bool:
    """Whether a ganglion is far from where its partner puts it, and the worse of the two."""
    partner = partner_of(key)
    if len(spots[key]) < 2 or len(spots.get(partner, [])) < 2:
        return False
    by_partner, by_neighbours = (float(np.linalg.norm(ganglia[key] - s)) for s in spots[key])
    theirs = float(np.linalg.norm(ganglia[partner] - spots[partner][1]))
    return by_partner > GANGLION_MM and by_neighbours > theirs


def _off_together(ganglia: dict[RootKey, np.ndarray]) -> set[str]:
    """Levels of which left and right both lie far from where the levels beside them put them.

    By the middles between the two.  One level that is off makes those beside it look so: where the
    others agree without it, it is the one.
    """
    middles = {
        RootKey(level, "left"): np.mean(pair, axis=0) for level, pair in pairs_of(ganglia).items()
    }
    off = _off_neighbours(middles)
    for key in off:
        if not _off_neighbours({k: m for k, m in middles.items() if k != key}):
            return {key.level}
    return {key.level for key in off}


def _off_neighbours(middles: dict[RootKey, np.ndarray]) -> list[RootKey]:
    return [
        key
        for key, middle in middles.items()
        if (beside := _by_neighbours(middles, key)) is not None
        and np.linalg.norm((middle - beside)[:2]) > TOGETHER_MM
    ]


def _only_above_root(profile: Profile, key: RootKey, spots: list[np.ndarray]) -> bool:
    """Whether a ganglion is above the end of its root, and right across the stack."""
    point, root = profile.ganglia[key], profile.roots.get(key)
    aside = min((float(np.linalg.norm((point - spot)[:2])) for spot in spots), default=np.inf)
    return root is not None and point[2] > root[-1, 2] and aside <= TAKEN_MM


def expected_ganglia(ganglia: dict[RootKey, np.ndarray]) -> dict[RootKey, list[np.ndarray]]:
    """Where the others put each ganglion: by its partner, and by the levels beside it.

    Parameters
    ----------
    ganglia : dict of RootKey to (3,) float
        Along the subject's axes, mm.

    Returns
    -------
    dict of RootKey to list of (3,) float
        None to two places; of one ganglion that is wrong, those of the others keep one that is
        right.
    """
    pairs = [left - right for left, right in pairs_of(ganglia).values()]
    apart = np.median(pairs, axis=0) if len(pairs) >= 3 else None
    places: dict[RootKey, list[np.ndarray]] = {key: [] for key in ganglia}
    for key in ganglia:
        partner = partner_of(key)
        if apart is not None and partner in ganglia:
            places[key].append(ganglia[partner] + (apart if key.side == "left" else -apart))
        beside = _by_neighbours(ganglia, key)
        if beside is not None:
            places[key].append(beside)
    return places


def _by_neighbours(ganglia: dict[RootKey, np.ndarray], key: RootKey) -> np.ndarray | None:
    """On the line through the nearest levels above and below on a side, or the next two."""
    i = LEVELS.index(key.level)
    known = [
        (j, ganglia[RootKey(level, key.side)])
        for j, level in enumerate(LEVELS)
        if j != i and RootKey(level, key.side) in ganglia
    ]
    above, below = [k for k in known if k[0] < i][-2:], [k for k in known if k[0] > i][:2]
    two = [above[-1], below[0]] if above and below else above or below
    if len(two) < 2:
        return None
    (j, one), (k, other) = two
    return np.asarray(one + (i - j) / (k - j) * (other - one))


def _ganglion_misfit(profile: Profile, spots: list[np.ndarray]) -> Misfit:
    def misfit(points: np.ndarray) -> float:
        point = points[-1]
        if _line_distance(profile, point) > ELSEWHERE_MM:
            return float("inf")
        near = min((float(np.linalg.norm(point - spot)) for spot in spots), default=0.0)
        return near / GANGLION_MM if near <= GANGLION_MM else float("inf")

    return misfit


def _line_distance(profile: Profile, point: np.ndarray) -> float:
    """How far a point lies from the sac's middle line, run on below, mm."""
    height = float(point[2])
    top, bottom = float(profile.dura.heights.max()), float(profile.dura.heights.min())
    beyond = max(height - top, bottom - BELOW_MM - height, 0.0)
    aside = float(np.linalg.norm(point[:2] - profile.axis_at(np.array(height))))
    aside -= CURVED * max(bottom - height, 0.0)
    return float(np.hypot(max(aside, 0.0), beyond))
