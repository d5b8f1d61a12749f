"""Single roots: each fault by name, place and number on analytic specimens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens

from atlas.checks.profile import OWN_JITTER, Profile, neighbour_gaps, peel
from atlas.checks.roots import trace_findings
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
