"""Roots under the wrong level: two levels exchanged, on one side or on both.

Each pair of levels of a side is held against the other side and against the published cohort, as
a log likelihood ratio of "exchanged" over "as named".  For one measure with difference ``d`` of the
two roots, expected ``m`` with SD ``s``, that ratio is ``((d - m)^2 - (d + m)^2) / 2 s^2
= -2 d m / s^2``; measures add.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations

import numpy as np

from atlas.checks.profile import Profile
from atlas.data.subject import LEVELS, SIDES, Finding, Place, RootKey

# Means over 14 people of begin below the dura's top (mm) and of angle (degrees from dorsal, both
# sides): Liu et al. 2024, doi 10.1038/s41597-024-03919-4, measured on its markers.
BEGIN_MM = np.array([38.6, 50.7, 60.1, 68.3, 74.8, 82.2, 88.5])
ANGLE_DEG = np.array([70.8, 72.9, 69.8, 59.4, 49.5, 37.6, 28.0])
# L1 leaves the image's sac first, then L2: how much higher their traces end, mm, and its SD.
END_ABOVE_MM = {"L1": (25.0, 12.0), "L2": (10.0, 10.0)}
# SD of a difference between two levels: over people (begins 1.8 to 6.5 mm in these 14 people), and
# over the sides of one (2.4 mm and 4.5 degrees in the built-in cohort, warped sub-03 and sub-03).
PEOPLE_SD = {"begin": 5.0, "angle": 8.0}
SIDES_SD = {"begin": 3.0, "angle": 8.0, "end": 5.0}
# Of the log likelihood ratio.  Clean subjects stay under 0.6 (sides) and 2.4 (people, both sides).
LEAST_EVIDENCE = 6.0


def exchanged_levels(profile: Profile, excused: Collection[Place] = ()) -> list[Finding]:
    """Pairs of levels whose roots fit better under each other's names.

    Returns
    -------
    list of Finding
        ``exchanged-levels`` (warnings); the likeliest pair first, each level once.
    """
    measures = _measures(profile, excused)
    candidates = sorted(_candidates(measures), key=lambda c: -c[0])
    findings: list[Finding] = []
    used: set[tuple[str, str]] = set()
    for evidence, (upper, lower), side in candidates:
        sides = (side,) if side else SIDES
        members = {(level, side) for level in (upper, lower) for side in sides}
        if evidence < LEAST_EVIDENCE or members & used:
            continue
        # One exchange breaks the order of the levels between as well.
        between = LEVELS[LEVELS.index(upper) : LEVELS.index(lower) + 1]
        used |= {(level, side) for level in between for side in sides}
        findings.append(
            profile.finding(
                "exchanged-levels",
                Place("roots", upper, side, other_level=lower),
                f"expected begins, angles and ends in the order of the levels, got them the other "
                f"way round (log likelihood ratio {evidence:.1f} for an exchange); exchange the "
                "files, or exclude both if the trace shows no fault",
            )
        )
    return findings


def roots_of(places: Collection[Place]) -> set[Place]:
    """The single roots of places of :func:`exchanged_levels`."""
    return {
        Place("root", level, side)
        for place in places
        for level in (place.level, place.other_level)
        for side in ((place.side,) if place.side else SIDES)
    }


Measures = dict[RootKey, dict[str, float]]
Candidate = tuple[float, tuple[str, str], str]


def _measures(profile: Profile, excused: Collection[Place]) -> Measures:
    bottom = profile.dura.heights.min() + 1.5 * profile.dura.spacing_mm
    found: Measures = {}
    for key, points in profile.roots.items():
        if Place("root", *key) in excused:
            continue
        # A trace that the image cuts off ends with the image.
        found[key] = {
            "begin": -float(points[0, 2]),
            "angle": profile.angle_deg[key],
            "end": -max(float(points[-1, 2]), float(bottom)),
        }
    return found


def _candidates(measures: Measures) -> list[Candidate]:
    """Evidence, pair of levels and side, empty of both, of every exchange that can be judged."""
    candidates: list[Candidate] = []
    for pair in combinations(LEVELS, 2):
        people = {side: _by_people(measures, pair, side) for side in SIDES}
        across = _by_sides(measures, pair)
        known = [v for v in people.values() if v is not None]
        if len(known) == 2:
            # Alike on both sides, so both are wrong or neither; the sides of one person are one
            # witness, so their mean counts.
            if across <= 0:
                candidates.append((sum(known) / 2, pair, ""))
            else:
                odd = max(SIDES, key=lambda side: people[side] or 0.0)
                candidates.append((across + max((people[odd] or 0.0), -across / 2), pair, odd))
        elif known:
            odd = next(side for side in SIDES if people[side] is not None)
            candidates.append((known[0], pair, odd))
    return candidates


def _difference(measures: Measures, pair: tuple[str, str], side: str, name: str) -> float:
    lower, upper = measures[RootKey(pair[1], side)], measures[RootKey(pair[0], side)]
    return lower[name] - upper[name]


def _by_people(measures: Measures, pair: tuple[str, str], side: str) -> float | None:
    """Log likelihood ratio of an exchange on one side by the published cohort; None if unknown."""
    if any(RootKey(level, side) not in measures for level in pair):
        return None
    i, j = LEVELS.index(pair[0]), LEVELS.index(pair[1])
    # Over more levels than one, differences of people add up.
    widen = np.sqrt(j - i)
    expected = {
        "begin": (BEGIN_MM[j] - BEGIN_MM[i], PEOPLE_SD["begin"] * widen),
        "angle": (ANGLE_DEG[j] - ANGLE_DEG[i], PEOPLE_SD["angle"] * widen),
    }
    if pair[0] in END_ABOVE_MM:
        expected["end"] = END_ABOVE_MM[pair[0]]
    return float(
        sum(
            -2 * _difference(measures, pair, side, name) * mean / sd**2
            for name, (mean, sd) in expected.items()
        )
    )


def _by_sides(measures: Measures, pair: tuple[str, str]) -> float:
    """Log likelihood ratio of an exchange on one side only, by the other side."""
    if any(RootKey(level, side) not in measures for level in pair for side in SIDES):
        return 0.0
    return float(
        sum(
            -2
            * _difference(measures, pair, "left", name)
            * _difference(measures, pair, "right", name)
            / sd**2
            for name, sd in SIDES_SD.items()
        )
    )
