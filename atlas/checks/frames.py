"""Units, axes and places: of a whole subject, and of whole structures of it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from atlas.checks.far_off import (
    ELSEWHERE_MM,
    UNITS,
    far_contours,
    far_ganglia,
    far_roots,
)
from atlas.checks.profile import Profile, pairs_of, places_of
from atlas.curves.contour_stack import at_heights
from atlas.data.subject import LEVELS, Finding, Place

# Mean width of the sac, mm: 12.8 to 18.8 in the built-in cohort and warped copies of sub-03, 16.0
# in sub-03 itself (Liu et al. 2024).  Less than half or twice that is another unit.
SAC_WIDTH_MM = (5.0, 40.0)
USUAL_WIDTH_MM, USUAL_CORD_MM = 15.5, 7.0
LEAST_CONTOURS = 4
# The cord's: 5.6 to 8.6 mm (median of its contours) in the same subjects.
CORD_WIDTH_MM = (2.0, 18.0)
# Cosine of the angles between own axes and negated x and y, up to which they look negated.
HALF_TURN = 0.7
BEHIND_MM = 10.0
# A cord's contours lie in the sac: their middles 4 mm from its own, their top at its top.
CORD_ASIDE_MM, CORD_BEYOND_MM, CORD_BELOW_MM = 10.0, 15.0, 30.0
# Begins of traces above the conus, L1 to S2, means over 14 people (Liu et al. 2024, doi
# 10.1038/s41597-024-03919-4).  A subject's median is off by -11 to 12 mm in the built-in cohort,
# warped copies of sub-03 and sub-03.
BEGIN_ABOVE_CONUS_MM = (76.1, 64.0, 54.6, 46.4, 39.9, 32.5, 26.2)
ROOTS_SHIFT_MM = 28.0
# The least of these gaps is 12.0 mm at most in the same subjects.
GANGLIA_GAP_MM = 40.0
# Ends of a sac and its cord that are this much nearer below than above, mm.
UPSIDE_DOWN_MM = 5.0
PLURAL = {"root": "roots", "ganglion": "ganglia"}


def frame_findings(profile: Profile) -> list[Finding]:
    """What is wrong with a whole subject's unit or axes, or with the place of a whole structure.

    Returns
    -------
    list of Finding
        The first of: ``wrong-unit``; ``exchanged-stacks``; ``ras-not-lps``, ``upside-down``;
        ``misplaced-file`` of dura, cord, roots or ganglia (errors).  Empty if nothing is.
    """
    for rule in (_scattered, _wrong_unit, _exchanged_stacks, _wrong_axes, _misplaced_structures):
        found = rule(profile)
        if found:
            return found
    return []


def _scattered(profile: Profile) -> list[Finding]:
    """Stacks of which fewer contours stand together than a stack needs."""
    return [
        profile.finding(
            "misplaced-file",
            Place(stack.kind),
            f"expected contours one below the other, got {len(drawn)} of which {len(stack.heights)}"
            " stand in a row; check the coordinates of its files",
        )
        for stack, drawn in zip(
            profile.stacks, (profile.subject.dura, profile.subject.cord), strict=True
        )
        if len(stack.heights) < min(LEAST_CONTOURS, len(drawn))
    ]


def _wrong_unit(profile: Profile) -> list[Finding]:
    width, cord = (2 * _median(stack.radii) for stack in profile.stacks)
    sound = SAC_WIDTH_MM[0] <= width <= SAC_WIDTH_MM[1]
    sound_cord = np.isnan(cord) or CORD_WIDTH_MM[0] <= cord <= CORD_WIDTH_MM[1]
    if sound and (sound_cord or width / 3 <= cord <= 3 * width):
        return []
    if sound:
        place, what, got, usual, bounds = "cord", "cord", cord, USUAL_CORD_MM, CORD_WIDTH_MM
    else:
        # Of a whole subject, the cord is in that unit as well.
        place = "dura" if sound_cord and not np.isnan(cord) else ""
        what, got, usual, bounds = "sac", width, USUAL_WIDTH_MM, SAC_WIDTH_MM
    factor = _likely_factor(got, usual)
    return [
        profile.finding(
            "wrong-unit",
            Place(place),
            f"expected a {what} {bounds[0]:g} to {bounds[1]:g} mm wide, got {got:.3g}; "
            f"the coordinates look like {UNITS[factor]} declared as mm: multiply by {factor:g} or "
            "declare the unit in the files",
        )
    ]


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _likely_factor(size: float, usual: float) -> float:
    return min(UNITS, key=lambda factor: abs(np.log(max(size, 1e-12) * factor / usual)))


def _exchanged_stacks(profile: Profile) -> list[Finding]:
    """The cord's contours around the dura's: the names of the two were exchanged."""
    dura, cord = profile.stacks
    inner = at_heights(dura.heights, dura.radii, cord.heights)
    within = (cord.heights >= dura.heights.min()) & (cord.heights <= dura.heights.max())
    if within.sum() < 4 or np.median(cord.radii[within] / inner[within]) <= 1:
        return []
    share = float((cord.radii[within] > inner[within]).mean())
    return [
        profile.finding(
            "exchanged-stacks",
            Place("dura and cord"),
            f"expected the cord's contours inside the dura's, got them the larger in {share:.0%} "
            f"of {int(within.sum())} slices; files of dura and cord are exchanged: rename them",
        )
    ]


def _wrong_axes(profile: Profile) -> list[Finding]:
    findings = []
    if _is_ras(profile):
        findings.append(
            profile.finding(
                "ras-not-lps",
                Place(),
                "expected left at larger x and dorsal at larger y, got both at smaller ones, and "
                f"the sac at y {_sac_y(profile):.0f} mm or less; x and y are negated, as in RAS "
                "coordinates declared LPS: declare RAS in the files",
            )
        )
    above = profile.dura.heights.max() - profile.cord.heights.max(initial=-np.inf)
    below = profile.cord.heights.min(initial=np.inf) - profile.dura.heights.min()
    ganglia = np.array([point[2] for point in profile.ganglia.values()])
    middle = (profile.dura.heights.max() + profile.dura.heights.min()) / 2
    upward = np.median(ganglia) > middle if len(ganglia) else above - below > UPSIDE_DOWN_MM
    if upward and len(profile.cord.radii) and profile.cord.radii[0] < profile.cord.radii[-1]:
        findings.append(
            profile.finding(
                "upside-down",
                Place(),
                f"expected the cord to begin at the top of the sac and to thin downwards, got "
                f"{above:.1f} mm of sac above it, {below:.1f} mm below, and its thin end on top; "
                "z is negated: check the coordinate system of the files",
            )
        )
    return findings


def _is_ras(profile: Profile) -> bool:
    """Whether x and y look negated, and the person not just turned round.

    Both are one and the same half turn about z; the place tells them apart.  Who lies on the back
    in a scanner has the sac behind its middle: its top is at y 27 to 84 mm in the built-in cohort,
    warped copies of sub-03 and sub-03, and as much less than 0 where y is negated.  Turned about
    any point of itself, a part of it stays behind.  In files without pairs of roots or ganglia
    nothing names left.
    """
    turned = profile.axes[0, 0] < -HALF_TURN and profile.axes[1, 1] < -HALF_TURN
    return bool(turned and _mean_across(profile) > 0 and _sac_y(profile) < BEHIND_MM)


def _sac_y(profile: Profile) -> float:
    """The y, mm, that nearly all of the sac lies before."""
    return float(np.quantile([contour[:, 1].mean() for contour in profile.dura.drawn], 0.95))


def _mean_across(profile: Profile) -> float:
    """Mean of left minus right along the subject's own left, mm; 0 without pairs."""
    across = [
        float(np.mean(np.atleast_2d(left)[:, 0]) - np.mean(np.atleast_2d(right)[:, 0]))
        for places in (profile.roots, profile.ganglia)
        for left, right in pairs_of(places).values()
    ]
    return float(np.mean(across)) if across else 0.0


# --- structures against each other ---


def _misplaced_structures(profile: Profile) -> list[Finding]:
    """Dura, cord, roots or ganglia that lie elsewhere as a whole."""
    if not len(profile.dura.heights):
        return []
    cord = _cord_off(profile) if len(profile.cord.heights) else ""
    shift = _roots_shift(profile)
    if cord:
        # The roots run along the cord: if they agree with it, the dura is elsewhere.
        place = "dura" if _roots_by_cord(profile, shift) else "cord"
        got = f"expected the cord in the sac, from its top downwards, got {cord}"
    elif abs(shift) > ROOTS_SHIFT_MM:
        place = "roots"
        got = (
            f"expected roots to begin 26 (S2) to 76 mm (L1) above the conus, got them "
            f"{abs(shift):.1f} mm {'higher' if shift > 0 else 'lower'} (median)"
        )
    elif _least_gap(profile) > GANGLIA_GAP_MM:
        place = "ganglia"
        got = (
            "expected ganglia soon below where their roots leave the sac, got them "
            f"{_least_gap(profile):.1f} mm below or more"
        )
    else:
        return []
    cure = "all of it was moved or belongs to another subject: check the files"
    return [profile.finding("misplaced-file", Place(place), f"{got}; {cure}")]


def _cord_off(profile: Profile) -> str:
    """How the cord lies outside the sac, in words; empty if it does not."""
    dura, cord = profile.stacks
    top = float(cord.heights.max() - dura.heights.max())
    bottom = float(dura.heights.min() - cord.heights.min())
    radius = at_heights(dura.heights, dura.radii, cord.heights)
    aside = np.linalg.norm(cord.centres - profile.axis_at(cord.heights), axis=1)
    away = float(np.median(aside - radius))
    if away > CORD_ASIDE_MM:
        return f"its middle {away + float(np.median(radius)):.1f} mm beside the sac's"
    # Where single contours stand elsewhere, what is left of a stack may begin or end anywhere.
    if any(not contour.stray_mm for contour in profile.apart):
        return ""
    if top > CORD_BEYOND_MM:
        return f"it {top:.1f} mm above the sac's top"
    if bottom > CORD_BEYOND_MM:
        return f"it {bottom:.1f} mm below the sac's last contour"
    return f"its top {-top:.1f} mm below the sac's" if -top > CORD_BELOW_MM else ""


def _roots_shift(profile: Profile) -> float:
    """How much higher above the conus roots begin than in the published cohort, median, mm.

    0 where few roots are there, or where the image ends above the conus.
    """
    dura, cord = profile.stacks
    if len(profile.roots) < 6 or len(cord.heights) < LEAST_CONTOURS:
        return 0.0
    conus = float(cord.heights.min())
    seen = conus > dura.heights.min() + 0.9 * dura.spacing_mm
    if not seen or cord.radii[int(cord.heights.argmin())] > 0.5 * np.median(cord.radii):
        return 0.0
    begins = [
        points[:, 2].max() - conus - BEGIN_ABOVE_CONUS_MM[LEVELS.index(key.level)]
        for key, points in profile.roots.items()
    ]
    return float(np.median(begins))


def _roots_by_cord(profile: Profile, shift: float) -> bool:
    """Whether most roots run beside the cord, or its line run on, and begin where they should."""
    cord = profile.cord
    if not profile.roots or abs(shift) > ROOTS_SHIFT_MM:
        return False
    begin = float(np.median([points[:, 2].max() for points in profile.roots.values()]))
    if not cord.heights.min() - CORD_BEYOND_MM < begin < cord.heights.max() + CORD_BEYOND_MM:
        return False
    traces = profile.traces
    middle = at_heights(cord.heights, cord.centres, traces.points[:, 2])
    away = traces.medians(np.linalg.norm(traces.points[:, :2] - middle, axis=1))
    return float(np.median(away)) < ELSEWHERE_MM / 2


def _least_gap(profile: Profile) -> float:
    """Least height from the end of a root that leaves the sac down to its ganglion, mm.

    Of roots that end well above the sac's last contour; 0 with fewer than two.
    """
    bottom = profile.dura.heights.min() + 3 * profile.dura.spacing_mm
    gaps = [
        float(points[:, 2].min() - profile.ganglia[key][2])
        for key, points in profile.roots.items()
        if key in profile.ganglia and points[:, 2].min() > bottom
    ]
    return min(gaps) if len(gaps) >= 2 else 0.0


# --- single files ---


def single_file_findings(profile: Profile) -> tuple[list[Finding], set[Place]]:
    """Files and points in another unit or frame than the rest of their subject, and their places.

    Returns
    -------
    findings : list of Finding
        ``wrong-unit``, ``ras-not-lps``, ``misplaced-file``, ``stray-point`` (errors); one for all
        contours, roots or ganglia where most of them share one.
    places : set of Place
        Nothing more needs to be said of these.
    """
    findings = [*far_contours(profile), *far_roots(profile), *far_ganglia(profile)]
    return _gathered(profile, findings), places_of(findings)


def _gathered(profile: Profile, findings: list[Finding]) -> list[Finding]:
    """One finding in place of those that most files of a kind share."""
    subject = profile.subject
    many = {
        "dura": len(subject.dura) / 4,
        "cord": len(subject.cord) / 4,
        "roots": len(subject.roots) / 2,
        "ganglia": len(subject.ganglia) / 2,
    }
    alike: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        for place in places_of([finding]):
            alike[PLURAL.get(place.structure, place.structure), finding.rule].append(finding)
    kept = []
    for (kind, rule), members in alike.items():
        if len(members) < max(many[kind], LEAST_CONTOURS) or rule == "stray-point":
            kept += members
            continue
        kept.append(
            profile.finding(
                rule,
                Place(kind),
                f"{len(members)} files alike, the first {members[0].place}: {members[0].message}",
            )
        )
    return kept
