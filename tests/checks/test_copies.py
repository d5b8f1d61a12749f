"""One trace under two names is found whichever of its points are shared; neighbours are not."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import specimens

from atlas.checks import copies
from atlas.checks.copies import COPIED_MM, copied_structures
from atlas.checks.profile import Profile
from atlas.data.subject import RootKey

FIRST, SECOND = RootKey("L3", "left"), RootKey("L5", "left")


def profile_with(points):
    subject = specimens.make_subject()
    return Profile.of(replace(subject, roots={**subject.roots, SECOND: points(subject)}))


def test_specimens_share_no_trace():
    assert copied_structures(Profile.of(specimens.make_subject())) == []


@pytest.mark.parametrize("off_mm", [0.0, 0.2])
@pytest.mark.parametrize("part", [slice(None), slice(5, None), slice(None, -5)])
def test_a_trace_under_another_name_is_found(off_mm, part):
    profile = profile_with(lambda s: s.roots[FIRST][part] + [off_mm, 0, 0])
    (finding,) = copied_structures(profile)
    assert finding.rule == "copied-structure"
    assert finding.place == "root L5 left"
    assert f"got that of root L3 left ({off_mm:.2f} mm apart)" in finding.message


@pytest.mark.parametrize("seed", range(8))
def test_no_pair_that_is_one_trace_is_passed_over(seed):
    rng = np.random.default_rng(seed)
    whole = specimens.make_subject().roots[FIRST]
    roots = {}
    for level in ("L1", "L2", "L3", "L4", "L5"):
        begin, end = np.sort(rng.choice(len(whole) + 1, 2, replace=False))
        points = whole[begin : max(end, begin + 4)]
        roots[RootKey(level, "left")] = points + rng.normal(0, rng.choice([0.1, 0.3]), (1, 3))
    alike = copies._alike(roots)
    for pair in combinations(roots, 2):
        if copies._common_gap_mm(roots[pair[0]], roots[pair[1]]) <= COPIED_MM:
            assert pair in alike


def test_a_ganglion_under_another_name_is_found():
    subject = specimens.make_subject()
    ganglia = {**subject.ganglia, SECOND: subject.ganglia[FIRST] + [0, 0.1, 0]}
    (finding,) = copied_structures(Profile.of(replace(subject, ganglia=ganglia)))
    assert finding.place == "ganglion L5 left"
    assert "(0.10 mm apart)" in finding.message
