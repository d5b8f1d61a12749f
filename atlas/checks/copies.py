"""Structures of one subject that hold one and the same trace."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from atlas.checks.profile import Profile
from atlas.data.subject import Finding, RootKey, Severity

# Two files hold one trace if half of their common slices agree so well.
COPIED_MM = 0.25


def copied_structures(profile: Profile) -> list[Finding]:
    """Roots, and ganglia, that hold one and the same trace."""
    findings = []
    for first, second in _alike(profile.roots):
        gap = _common_gap_mm(profile.roots[first], profile.roots[second])
        if gap <= COPIED_MM:
            findings.append(_same(profile, "root", first, second, gap))
    for first, second in combinations(profile.ganglia, 2):
        gap = math.dist(profile.ganglia[first], profile.ganglia[second])
        if gap <= COPIED_MM:
            findings.append(_same(profile, "ganglion", first, second, gap))
    return findings


def _alike(roots: dict[RootKey, np.ndarray]) -> list[tuple[RootKey, RootKey]]:
    """Pairs of traces that may be one: a quarter of the first's points lies on the second.

    Half of the heights of either are common to a trace and its copy, and half of these agree.
    """
    if len(roots) < 2:
        return []
    keys, count = list(roots), np.array([len(points) for points in roots.values()])
    together = np.concatenate(list(roots.values()))
    first = np.cumsum(count) - count
    pairs = []
    for b, second in enumerate(keys[1:], 1):
        other = roots[second][np.argsort(roots[second][:, 2])]
        x, y = (np.interp(together[:, 2], other[:, 2], other[:, k]) for k in range(2))
        near = np.hypot(together[:, 0] - x, together[:, 1] - y) <= 1.01 * COPIED_MM
        shared = np.add.reduceat(near.astype(int), first)[:b] >= count[:b] / 4
        pairs += [(a, b) for a in np.flatnonzero(shared).tolist()]
    return [(keys[a], keys[b]) for a, b in sorted(pairs)]


def _same(profile: Profile, kind: str, first: RootKey, second: RootKey, gap: float) -> Finding:
    return profile.finding(
        Severity.ERROR,
        "copied-structure",
        f"{kind} {second.level} {second.side}",
        f"expected a place of its own, got that of {kind} {first.level} {first.side} "
        f"({gap:.2f} mm apart); one is a copy under the wrong name: exclude or trace it again",
    )


def _common_gap_mm(one: np.ndarray, other: np.ndarray) -> float:
    """Median distance of two traces at common heights, mm; infinite where they share few."""
    top = min(one[0, 2], other[0, 2])
    bottom = max(one[-1, 2], other[-1, 2])
    within = (one[:, 2] <= top + 1e-6) & (one[:, 2] >= bottom - 1e-6)
    if within.sum() < 0.5 * max(len(one), len(other)):
        return float("inf")
    at = one[within, 2]
    order = np.argsort(other[:, 2])
    there = [np.interp(at, other[order, 2], other[order, k]) for k in range(2)]
    return float(np.median(np.hypot(one[within, 0] - there[0], one[within, 1] - there[1])))
