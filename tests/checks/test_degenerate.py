"""Rules on annotations that cannot be: findings, no traceback, in time that grows as n log n."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import specimens
from annotator_slips import mapped

from atlas.checks import Profile, subject_findings
from atlas.checks.slice_order import slice_grid
from atlas.data.subject import ROOT_KEYS, RootKey, Severity, Subject

SOUND = mapped(specimens.make_subject(), np.eye(3), [5.0, 53.0, -351.6])
KEY = RootKey("L3", "left")
SHAPES = {
    "one place": lambda p: np.repeat(p[:1], len(p), axis=0),
    "on a line": lambda p: p[:1] + np.outer(np.arange(len(p)), [1.0, 2.0, -0.5]),
    "huge": lambda p: p * 1e200,
    "tiny": lambda p: p * 1e-200,
    "far": lambda p: p + 1e12,
    "flat": lambda p: p * [1.0, 1.0, 0.0],
    "a spike": lambda p: np.r_[p[:-1], p[-1:] + 1e9],
}
PARTS = ("dura", "one dura", "cord", "one cord", "roots", "one root", "ganglia", "all")


def degenerate(part: str, change) -> Subject:
    dura, cord, roots, ganglia = SOUND.dura, SOUND.cord, SOUND.roots, SOUND.ganglia

    def stack(contours, which):
        changed = [change(c) if i in which else c for i, c in enumerate(contours)]
        return tuple(sorted(changed, key=lambda c: -c[:, 2].mean()))

    if part in ("dura", "one dura", "all"):
        dura = stack(dura, {9} if part == "one dura" else range(len(dura)))
    if part in ("cord", "one cord", "all"):
        cord = stack(cord, {9} if part == "one cord" else range(len(cord)))
    if part in ("roots", "one root", "all"):
        which = [KEY] if part == "one root" else ROOT_KEYS
        roots = {k: change(p) if k in which else p for k, p in roots.items()}
    if part in ("ganglia", "all"):
        ganglia = {k: change(np.tile(p, (2, 1)))[-1] for k, p in ganglia.items()}
    return replace(SOUND, dura=dura, cord=cord, roots=roots, ganglia=ganglia)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_cannot_be_is_a_finding(part, shape):
    if part == "ganglia" and shape in ("one place", "on a line", "tiny"):
        shape = "far"
    if (part, shape) == ("all", "far"):
        pytest.skip("where the whole of a subject lies is free")
    with np.errstate(all="ignore"):
        findings = subject_findings(Profile.of(degenerate(part, SHAPES[shape])))
    assert findings, f"{part} {shape}"
    assert all(f.message and f.subject for f in findings)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["dura", "cord"])
def test_few_contours_are_checked_without_a_traceback(count, kind):
    few = {kind: getattr(SOUND, kind)[:count]}
    assert isinstance(subject_findings(Profile.of(replace(SOUND, **few))), list)


def test_a_subject_without_roots_ganglia_or_cord_is_checked():
    for absent in ({"roots": {}}, {"ganglia": {}}, {"cord": ()}, {"roots": {}, "ganglia": {}}):
        found = subject_findings(Profile.of(replace(SOUND, **absent)))
        assert [f for f in found if f.severity is Severity.ERROR] == []


def many_contours(n: int) -> Subject:
    rng = np.random.default_rng(1)
    ring = SOUND.dura[0]
    heights = np.linspace(ring[0, 2], SOUND.dura[-1][0, 2], n)
    dura = tuple(
        np.column_stack([ring[:, :2] + rng.normal(0, 2, 2), np.full(len(ring), z)]) for z in heights
    )
    return replace(SOUND, dura=dura)


def many_points(n: int) -> Subject:
    rng = np.random.default_rng(2)
    turn = rng.permutation(np.linspace(0, 2 * np.pi, n, endpoint=False))
    middle = SOUND.dura[40].mean(axis=0)
    ring = middle + np.stack([10 * np.cos(turn), 7 * np.sin(turn), np.zeros(n)], axis=1)
    return replace(SOUND, dura=(*SOUND.dura[:40], ring, *SOUND.dura[41:]))


def long_root(n: int) -> Subject:
    points = SOUND.roots[KEY]
    at = np.linspace(0, len(points) - 1, n)
    dense = np.stack([np.interp(at, np.arange(len(points)), x) for x in points.T], axis=1)
    return replace(SOUND, roots={**SOUND.roots, KEY: dense})


@pytest.mark.slow
@pytest.mark.parametrize("make", [many_contours, many_points, long_root])
def test_time_does_not_grow_with_the_square_of_the_input(make):
    """Sixteen times the input, at most forty times the processor's time."""
    seconds = []
    for n in (250, 4000) if make is many_contours else (2000, 32000):
        subject = make(n)
        begin = time.process_time()
        subject_findings(Profile.of(subject))
        seconds.append(time.process_time() - begin)
    assert seconds[1] < 40 * max(seconds[0], 0.02)


@pytest.mark.parametrize("seed", range(20))
def test_the_phase_of_slices_is_the_one_that_most_share(seed):
    rng = np.random.default_rng(seed)
    heights = -2.0 * np.arange(40) + rng.normal(0, 0.01, 40) + 3.1
    moved = rng.choice(40, 12, replace=False)
    heights[moved] += rng.uniform(0.4, 1.6, 12)
    slices, offsets = slice_grid(heights, 2.0)
    assert set(np.flatnonzero(np.abs(offsets) > 0.2)) == set(moved)
    kept = np.setdiff1d(np.arange(40), moved)
    assert len(np.unique(np.diff(slices[kept]) - np.diff(kept))) == 1
