"""Ganglia: order of levels, side, and place against their root and their partner."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from atlas.checks.profile import Profile, pairs_of, partner_of, places_of
from atlas.data.subject import LEVELS, SIDES, Finding, Place, RootKey, Severity

# Ganglia of neighbouring levels stand 11.5 to 44 mm apart in 42 subjects of the built-in cohort, 28
# warped copies of sub-03 and sub-03 (Liu et al. 2024): higher than its upper neighbour by any
# amount, a ganglion is at the wrong level.
INVERTED_MM = 0.0
# Left against right of a level: 6.1 mm in depth at most in the same subjects.
SIDES_APART_MM = 12.0
# From the middle between the other levels' ganglia: 8.2 mm at least to each side.
OWN_SIDE_MM = 2.0
# Below the last traced point: 5.4 mm at least.
ABOVE_MM = 0.0
# Apart by so much, or so much above, a ganglion is an error: a build would take it for anatomy.
APART_ERROR_MM, ABOVE_ERROR_MM = 25.0, 25.0


def ganglion_findings(profile: Profile, excused: Collection[Place] = ()) -> list[Finding]:
    """What is wrong with the ganglia.

    Returns
    -------
    list of Finding
        ``exchanged-ganglia``, ``ganglion-wrong-side`` (errors); ``ganglion-above-root``,
        ``ganglion-misplaced`` (warnings; errors where far).
    """
    ganglia = {k: g for k, g in profile.ganglia.items() if _name(k) not in excused}
    findings = _exchanged(profile, ganglia)
    findings += _wrong_side(profile, ganglia)
    return findings + _misplaced(profile, ganglia, {*places_of(findings), *excused})


def _name(key: RootKey) -> Place:
    return Place("ganglion", *key)


def _exchanged(profile: Profile, ganglia: dict[RootKey, np.ndarray]) -> list[Finding]:
    findings = []
    for side in SIDES:
        keys = [RootKey(level, side) for level in LEVELS if RootKey(level, side) in ganglia]
        heights = np.array([ganglia[k][2] for k in keys])
        if len(keys) < 2 or (np.diff(heights) < -INVERTED_MM).all():
            continue
        falling = np.argsort(-heights, kind="stable")
        for i in np.flatnonzero(falling != np.arange(len(keys))):
            # Where this ganglion stands, the one of another level belongs.
            stands = int(np.flatnonzero(falling == i)[0])
            findings.append(
                profile.finding(
                    "exchanged-ganglia",
                    _name(keys[i]),
                    f"expected ganglia to descend from L1 to S2, got this one where "
                    f"{keys[stands].level} belongs (number {stands + 1} from above instead of "
                    f"{i + 1}); the files are exchanged or the point is at the wrong level",
                )
            )
    return findings


def _wrong_side(profile: Profile, ganglia: dict[RootKey, np.ndarray]) -> list[Finding]:
    findings = []
    pairs = {level: np.mean(pair, axis=0) for level, pair in pairs_of(ganglia).items()}
    away: dict[RootKey, float] = {}
    for level in dict.fromkeys(key.level for key in ganglia):
        others = np.array([middle for other, middle in pairs.items() if other != level])
        if len(others) >= 3:
            own = {key: point for key, point in ganglia.items() if key.level == level}
            middles = _middles_at(others, np.array([point[2] for point in own.values()]))
            for (key, point), middle in zip(own.items(), middles.tolist(), strict=True):
                outward = 1.0 if key.side == "left" else -1.0
                away[key] = outward * (point[0] - middle)
    for key in [key for key in ganglia if key in away]:
        own_side = away[key]
        partner = partner_of(key)
        # Both beyond the midline are swapped, which is said elsewhere.
        if own_side < OWN_SIDE_MM and not away.get(partner, np.inf) < -OWN_SIDE_MM:
            findings.append(
                profile.finding(
                    "ganglion-wrong-side",
                    _name(key),
                    f"expected the ganglion on the {key.side} of the midline between the other "
                    f"levels' ganglia, got it {-own_side:.1f} mm beyond; correct or exclude it",
                )
            )
    return findings


def _middles_at(middles: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Left coordinates (h,) of the midline at heights, by Theil's line (1950) through middles.

    These are (n, 3); the line has the median of all slopes, and of all intercepts.
    """
    i, j = np.triu_indices(len(middles), 1)
    run = middles[j, 2] - middles[i, 2]
    apart = np.abs(run) > 1e-6
    slopes = (middles[j, 0] - middles[i, 0])[apart] / run[apart]
    slope = float(np.median(slopes)) if apart.any() else 0.0
    return np.median(middles[:, 0] + slope * (heights[:, None] - middles[:, 2]), axis=1)


def _misplaced(
    profile: Profile, ganglia: dict[RootKey, np.ndarray], told: set[Place]
) -> list[Finding]:
    findings = []
    for key, point in ganglia.items():
        if _name(key) in told:
            continue
        root = profile.roots.get(key) if Place("root", *key) not in told else None
        above = float(point[2] - root[-1, 2]) if root is not None else -np.inf
        partner = partner_of(key)
        if above > ABOVE_MM:
            far = above > ABOVE_ERROR_MM
            rule, got = (
                "ganglion-above-root",
                (f"expected the ganglion below the end of its root, got it {above:.1f} mm above"),
            )
        elif partner in ganglia and _name(partner) not in told and _farther(ganglia, key, partner):
            apart = float(abs(point[2] - ganglia[partner][2]))
            far = apart > APART_ERROR_MM
            rule, got = (
                "ganglion-misplaced",
                (
                    f"expected left and right at one level within {SIDES_APART_MM:g} mm of height, "
                    f"got {apart:.1f} mm, this one off the run of its side"
                ),
            )
        else:
            continue
        findings.append(
            profile.finding(
                rule,
                _name(key),
                f"{got}; mark it again or exclude it",
                severity=Severity.ERROR if far else None,
            )
        )
    return findings


def _farther(ganglia: dict[RootKey, np.ndarray], key: RootKey, partner: RootKey) -> bool:
    """Whether a pair stands too far apart in height, and this one is the odd one of the two.

    Odd is what lies farther from where the other levels of both sides, by their spacing, put it.
    """
    if abs(ganglia[key][2] - ganglia[partner][2]) <= SIDES_APART_MM:
        return False
    i = LEVELS.index(key.level)
    known = [(LEVELS.index(k.level), g[2]) for k, g in ganglia.items() if k.level != key.level]
    beside = [(abs(j - i), j, h) for j, h in known]
    nearest = sorted(beside)[:4]
    if len(nearest) < 3:
        return False
    slope, start = np.polyfit([j for _, j, _ in nearest], [h for _, _, h in nearest], 1)
    expected = slope * i + start
    return bool(abs(ganglia[key][2] - expected) > abs(ganglia[partner][2] - expected))
