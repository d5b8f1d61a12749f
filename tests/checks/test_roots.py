"""Single roots: each fault by name, place and number on analytic specimens."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import specimens

from atlas.checks.profile import OWN_JITTER, Profile, neighbour_gaps, peel
from atlas.checks.roots import _common_gaps_mm, copied_structures, trace_findings
from atlas.curves.contour_stack import ContourStack
from atlas.data.subject import RootKey, Severity

KEY = RootKey("L4", "left")
SOUND = specimens.make_subject()


def findings_of(points, key=KEY):
    subject = replace(SOUND, roots={**SOUND.roots, key: points})
    return trace_findings(Profile.of(subject))[0]


def changed(**at):
    points = SOUND.roots[KEY].copy()
    for i, value in at.items():
        points[int(i[1:])] += value
    return points


def test_sound_roots_have_no_fault():
    assert trace_findings(Profile.of(SOUND)) == ([], set())


def test_a_stray_point_is_named_with_its_distance():
    (finding,) = findings_of(changed(p20=[4.0, 0, 0]))
    assert (finding.severity, finding.rule) == (Severity.WARNING, "stray-point")
    assert finding.place == f"root L4 left at z {SOUND.roots[KEY][20, 2]:.1f} mm"
    assert "got this one 4.0 mm off it" in finding.message


def test_a_trace_that_steps_aside_and_stays_is_a_jump():
    points = SOUND.roots[KEY].copy()
    points[20:, 1] -= 5.0
    (finding,) = findings_of(points)
    assert finding.rule == "root-jump"
    assert finding.place == f"root L4 left at z {points[19, 2]:.1f} mm"
    assert "got a step of 5.0 mm aside" in finding.message


def test_slices_left_out_are_counted():
    (finding,) = findings_of(np.delete(SOUND.roots[KEY], [10, 11, 12], axis=0))
    assert finding.rule == "gap-in-root"
    assert "got 3 without below this one" in finding.message


def test_two_points_in_one_slice_are_said():
    points = np.insert(SOUND.roots[KEY], 11, SOUND.roots[KEY][10] + [0.2, 0, 0], axis=0)
    (finding,) = findings_of(points)
    assert finding.rule == "doubled-root-point"


def test_points_out_of_order_are_counted():
    points = SOUND.roots[KEY].copy()
    points[[5, 9]] = points[[9, 5]]
    (finding,) = findings_of(points)
    assert finding.rule == "root-points-out-of-order"
    assert f"got 2 of {len(points)} out of order" in finding.message


def test_a_root_between_slices_is_one_finding():
    (finding,) = findings_of(SOUND.roots[KEY] - [0, 0, 0.7])
    assert finding.rule == "root-off-slice"
    assert "(median 0.70 mm off)" in finding.message


def test_a_root_beside_the_sac_is_one_finding():
    (finding,) = findings_of(SOUND.roots[KEY] + [30.0, 0, 0])
    assert (finding.severity, finding.rule) == (Severity.WARNING, "misplaced-root")
    assert "got 100% of its points more than 2 mm outside it" in finding.message


def test_a_copy_under_another_level_names_both():
    findings = findings_of(SOUND.roots[KEY], RootKey("L5", "left"))
    assert [(f.rule, f.place) for f in findings] == [("copied-structure", "root L5 left")]
    assert "got that of root L4 left (0.00 mm apart)" in findings[0].message


def test_a_root_beyond_the_midline_is_on_the_wrong_side():
    findings = findings_of(SOUND.roots[KEY] * [-1, 1, 1] + [0.6, 0, 0])
    assert ("root-wrong-side", "root L4 left") in [(f.rule, f.place) for f in findings]


# --- standing out of a run ---


def test_a_straight_run_has_no_gaps_at_any_spacing():
    heights = np.array([0, 1, 3, 4, 8, 9.0])
    np.testing.assert_allclose(neighbour_gaps(heights, np.outer(heights, [2.0, -1])), 0, atol=1e-12)


def test_one_value_off_is_found_alone():
    heights = np.arange(12.0)
    values = np.zeros((12, 1))
    values[5] = 3.0
    assert peel(heights, values, inner_mm=1.0, end_mm=2.0) == [(5, 3.0)]


@pytest.mark.parametrize(("first", "found"), [(1.9, []), (2.1, [(0, 2.1)])])
def test_ends_have_a_limit_of_their_own(first, found):
    values = np.zeros((12, 1))
    values[0] = first
    assert peel(np.arange(12.0), values, inner_mm=1.0, end_mm=2.0) == found


def test_an_unsteady_run_widens_its_own_limit():
    zigzag = np.tile([0.0, 0.5], 10)[:, None]
    assert peel(np.arange(20.0), zigzag, inner_mm=0.3, end_mm=0.6) == []
    assert OWN_JITTER > 1


# --- one trace under two names ---

FIRST, SECOND = RootKey("L3", "left"), RootKey("L5", "left")


def profile_with(points):
    return Profile.of(replace(SOUND, roots={**SOUND.roots, SECOND: points(SOUND)}))


def test_specimens_share_no_trace():
    assert copied_structures(Profile.of(SOUND)) == []


@pytest.mark.parametrize("off_mm", [0.0, 0.2])
@pytest.mark.parametrize("part", [slice(None), slice(5, None), slice(None, -5)])
def test_a_trace_under_another_name_is_found(off_mm, part):
    profile = profile_with(lambda s: s.roots[FIRST][part] + [off_mm, 0, 0])
    (finding,) = copied_structures(profile)
    assert finding.rule == "copied-structure"
    assert finding.place == "root L5 left"
    assert f"got that of root L3 left ({off_mm:.2f} mm apart)" in finding.message


@pytest.mark.parametrize("seed", range(8))
def test_gaps_of_all_pairs_are_those_of_each_pair(seed):
    rng = np.random.default_rng(seed)
    whole = SOUND.roots[FIRST]
    roots = {}
    for level in ("L1", "L2", "L3", "L4", "L5"):
        begin, end = np.sort(rng.choice(len(whole) + 1, 2, replace=False))
        points = whole[begin : max(end, begin + 4)]
        roots[RootKey(level, "left")] = points + rng.normal(0, rng.choice([0.1, 0.3]), (1, 3))
    found = _common_gaps_mm(ContourStack.of(list(roots.values())), tuple(roots))
    expected = []
    for one, other in combinations(roots, 2):
        points, there = roots[one], roots[other][::-1]
        common = points[
            (points[:, 2] >= there[0, 2] - 1e-6) & (points[:, 2] <= there[-1, 2] + 1e-6)
        ]
        if len(common) >= max(len(points), len(there)) / 2:
            at = np.stack([np.interp(common[:, 2], there[:, 2], there[:, k]) for k in (0, 1)], 1)
            gap = np.median(np.linalg.norm(common[:, :2] - at, axis=1))
            expected.append((one, other, pytest.approx(gap)))
    assert found == expected


def test_a_ganglion_under_another_name_is_found():
    ganglia = {**SOUND.ganglia, SECOND: SOUND.ganglia[FIRST] + [0, 0.1, 0]}
    (finding,) = copied_structures(Profile.of(replace(SOUND, ganglia=ganglia)))
    assert finding.place == "ganglion L5 left"
    assert "(0.10 mm apart)" in finding.message
