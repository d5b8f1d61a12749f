"""Contours against the slices beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens

from atlas.checks.beside import neighbour_findings
from atlas.checks.profile import Profile

SOUND = specimens.make_subject()
AT = 12
Z = -24.0


def findings_of(kind, contour):
    stack = getattr(SOUND, kind)
    changed = replace(SOUND, **{kind: (*stack[:AT], contour, *stack[AT + 1 :])})
    return neighbour_findings(Profile.of(changed))


def scaled(contour, factor):
    return contour.mean(axis=0) + factor * (contour - contour.mean(axis=0))


def test_sound_stacks_have_no_finding():
    assert neighbour_findings(Profile.of(SOUND)) == []


@pytest.mark.parametrize("mm", [1.5, 2.0])
def test_a_contour_moved_aside_is_named_with_the_distance(mm):
    (finding,) = findings_of("cord", SOUND.cord[AT] + [mm, 0, 0])
    assert (finding.rule, finding.place) == ("contour-out-of-line", f"cord contour at z {Z} mm")
    assert f"got it {mm:.1f} mm off" in finding.message


def test_a_contour_too_small_is_named_with_its_radius():
    (finding,) = findings_of("dura", scaled(SOUND.dura[AT], 0.8))
    assert finding.rule == "contour-size-jump"
    # The circle of an ellipse of half axes 9.5 and 7.25 has a radius of 8.3 mm.
    assert "got a mean radius of 6.6 mm" in finding.message


def test_the_cord_named_dura_is_told_from_a_small_dura():
    (finding,) = [f for f in findings_of("dura", SOUND.cord[AT]) if "dura c" in f.place]
    assert finding.rule == "mislabelled-contour"
    assert "it is the cord's: rename it" in finding.message


def test_the_cord_outside_the_dura_is_named_with_the_amount():
    poked = SOUND.cord[AT].copy()
    dorsal = int(poked[:, 1].argmax())
    poked[dorsal, 1] = 7.25 + 1.0
    findings = findings_of("cord", poked)
    assert "cord-outside-dura" in [f.rule for f in findings]


def test_places_another_finding_accounts_for_are_left_out():
    stack = (*SOUND.cord[:AT], SOUND.cord[AT] + np.array([3.0, 0, 0]), *SOUND.cord[AT + 1 :])
    profile = Profile.of(replace(SOUND, cord=stack))
    assert neighbour_findings(profile, [f"cord contour at z {Z} mm"]) == []
    np.testing.assert_allclose(
        profile.cord.centres[AT] - profile.cord.centres[AT - 1], [3, 0], atol=1e-9
    )
