"""Ganglia: order, side, height."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens

from atlas.checks.ganglia import ganglion_findings
from atlas.checks.profile import Profile
from atlas.data.subject import RootKey, Severity

SOUND = specimens.make_subject()


def findings_of(**at):
    new = {RootKey(*name.split("_")): np.asarray(point, float) for name, point in at.items()}
    return ganglion_findings(Profile.of(replace(SOUND, ganglia={**SOUND.ganglia, **new})))


def ganglion(level, side="left"):
    return SOUND.ganglia[RootKey(level, side)]


def test_sound_ganglia_have_no_finding():
    assert findings_of() == []


def test_two_levels_exchanged_are_both_named_and_not_those_between():
    findings = findings_of(L2_left=ganglion("L5"), L5_left=ganglion("L2"))
    assert [(f.rule, f.place) for f in findings] == [
        ("exchanged-ganglia", "ganglion L2 left"),
        ("exchanged-ganglia", "ganglion L5 left"),
    ]
    assert "got this one where L5 belongs (number 5 from above instead of 2)" in findings[0].message


def test_a_ganglion_beyond_the_midline_is_named_with_the_distance():
    (finding,) = findings_of(L3_left=ganglion("L3") * [-1, 1, 1])
    assert (finding.severity, finding.rule) == (Severity.ERROR, "ganglion-wrong-side")
    assert "got it 18.0 mm beyond" in finding.message


def test_the_midline_is_that_of_the_other_levels():
    few = {k: g for k, g in SOUND.ganglia.items() if k.level in ("L1", "L2", "L3", "L4")}
    few[RootKey("L4", "left")] = few[RootKey("L4", "right")] + [-12.0, 0, 0]
    findings = ganglion_findings(Profile.of(replace(SOUND, ganglia=few)))
    said = {f.place: f.message for f in findings if f.rule == "ganglion-wrong-side"}
    # With its own level among them the line would lean towards it.
    beyond = -few[RootKey("L4", "left")][0]
    assert f"got it {beyond:.1f} mm beyond" in said["ganglion L4 left"]


def test_the_midline_is_found_wherever_and_however_the_ganglia_lean():
    leaning = {k: np.add(g, [40.0 - 0.15 * g[2], 0, 0]) for k, g in SOUND.ganglia.items()}
    findings = ganglion_findings(Profile.of(replace(SOUND, ganglia=leaning)))
    assert findings == []


def test_a_tilted_subject_has_its_midline_with_it():
    angle = np.radians(8)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    tilted = replace(
        SOUND,
        dura=tuple(c @ turn.T for c in SOUND.dura),
        cord=tuple(c @ turn.T for c in SOUND.cord),
        roots={k: p @ turn.T for k, p in SOUND.roots.items()},
        ganglia={k: g @ turn.T for k, g in SOUND.ganglia.items()},
    )
    assert ganglion_findings(Profile.of(tilted)) == []


def test_a_ganglion_above_the_end_of_its_root_is_named_with_the_amount():
    end = SOUND.roots[RootKey("L1", "left")][-1, 2]
    (finding,) = findings_of(L1_left=[17, -1, end + 5])
    assert finding.rule == "ganglion-above-root"
    assert "got it 5.0 mm above" in finding.message


@pytest.mark.parametrize("mm", [-15.0, 15.0])
def test_of_a_pair_far_apart_the_odd_one_is_named(mm):
    (finding,) = findings_of(L4_right=np.add(ganglion("L4", "right"), [0, 0, mm]))
    assert (finding.rule, finding.place) == ("ganglion-misplaced", "ganglion L4 right")
    assert "got 15.0 mm" in finding.message
