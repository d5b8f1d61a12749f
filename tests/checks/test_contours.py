"""Contours: each fault by name on circles, where every number is known, and beside their slices."""

from __future__ import annotations

from dataclasses import replace

import annotator_slips
import numpy as np
import pytest
import specimens

from atlas.checks.contours import (
    expected_centres,
    neighbour_findings,
    outline_deviations,
    outline_findings,
    rounds_forwards,
    widest_gaps,
)
from atlas.checks.profile import Profile
from atlas.curves.contour_stack import ContourStack
from atlas.data.subject import Place, Subject

SOUND = specimens.make_subject()
RADIUS = 8.0
MIDDLE = 5


def ring(angles_deg, *, radius=RADIUS, z=0.0):
    angle = np.radians(angles_deg)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full(len(angle), z)])


ROUND = np.arange(0, 360, 18.0)


def subject_with(contour):
    """Ten circles of a sac, the sixth replaced; a cord of circles inside."""
    dura = [ring(ROUND, z=-2.0 * i) for i in range(10)]
    cord = [ring(ROUND, radius=4.0, z=-2.0 * i) for i in range(10)]
    dura[MIDDLE] = np.add(contour, [0, 0, -2.0 * MIDDLE])
    return Subject("sub-01", tuple(dura), tuple(cord), {}, {})


def findings_of(contour):
    return outline_findings(Profile.of(subject_with(contour)))


def test_circles_have_no_fault():
    assert findings_of(ring(ROUND)) == []


def test_specimens_have_no_fault():
    assert outline_findings(Profile.of(SOUND)) == []


def test_an_open_contour_is_named_with_the_angle_that_is_missing():
    (finding,) = findings_of(ring(np.arange(0, 181, 18.0)))
    assert finding.rule == "open-contour"
    assert finding.place == "dura contour at z -10.0 mm"
    assert finding.message.startswith("expected points all round, got none over 180 degrees")


def test_a_contour_traced_past_its_beginning_is_named_with_its_rounds():
    # 0 to 450 degrees, the second pass 4 degrees on: no hand hits a point twice.
    angles = np.r_[np.arange(0, 360, 18.0), np.arange(360, 451, 18.0) + 4]
    (finding,) = findings_of(ring(angles))
    assert finding.rule == "overlapping-contour"
    assert "got 1.26: the trace runs over its own beginning" in finding.message


@pytest.mark.parametrize("apart", [1, 2, 3])
def test_two_points_in_the_wrong_order_cross(apart):
    contour = ring(ROUND)
    contour[[4, 4 + apart]] = contour[[4 + apart, 4]]
    (finding,) = findings_of(contour)
    assert finding.rule == "self-crossing-contour"


@pytest.mark.parametrize("mm", [3.0, 12.0])
def test_a_stray_click_is_named_with_its_number_and_distance(mm):
    contour = ring(ROUND)
    contour[7, :2] *= 1 + mm / RADIUS
    (finding,) = findings_of(contour)
    assert finding.rule == "stray-point"
    assert f"got point 8 of 20 +{mm:.1f} mm off it" in finding.message


def test_a_point_in_another_slice_is_out_of_plane():
    contour = ring(ROUND)
    contour[3, 2] = 2.0
    (finding,) = findings_of(contour)
    assert finding.rule == "contour-not-planar"
    # The point tilts the normal of the stack it belongs to a little.
    assert "got one 1.98 mm off it" in finding.message


def test_a_contour_moved_as_a_whole_has_no_stray_point():
    assert [f.rule for f in findings_of(np.add(ring(ROUND), [3.0, 0, 0]))] == []


def test_deviations_are_those_of_the_radius():
    stack = Profile.of(subject_with(ring(ROUND, radius=RADIUS + 1.5))).dura
    off = outline_deviations(stack.outlines, np.zeros((10, 2)))
    np.testing.assert_allclose(stack.outlines.split(off)[MIDDLE], 1.5, atol=1e-9)


def test_start_and_direction_of_a_contour_say_nothing():
    contour = ring(np.arange(0, 181, 18.0))
    turned = np.roll(contour, 4, axis=0)[::-1]
    assert [f.message for f in findings_of(turned)] == [f.message for f in findings_of(contour)]


def test_a_loop_of_two_degrees_crosses_though_it_hardly_runs_back():
    loop = [
        [7.6 * np.cos(np.radians(91)), 7.6 * np.sin(np.radians(91)), 0],
        [8.8 * np.cos(np.radians(91)), 8.8 * np.sin(np.radians(91)), 0],
        [8.2 * np.cos(np.radians(89)), 8.2 * np.sin(np.radians(89)), 0],
    ]
    circle = ring(ROUND)
    (finding,) = findings_of(np.concatenate([circle[:5], loop, circle[6:]]))
    assert finding.rule == "self-crossing-contour"
    assert "runs back by 2 degrees" in finding.message


# --- measures of a stack are those of its contours alone ---


OF_CONTOURS = [kind for kind in annotator_slips.SLIPS if "contour" in kind or "slice" in kind]


def alone_deviations(contours, i, centre):
    """By numpy's interpolation round the circle."""
    beside = [j for j in (i - 1, i + 1) if 0 <= j < len(contours)]
    beside += [2 if i == 0 else len(contours) - 3] * (len(beside) == 1)
    angle, reach = (f(*(contours[i][:, :2] - centre).T[::-1]) for f in (np.arctan2, np.hypot))
    off = []
    for j in beside:
        flat = contours[j][:, :2] - centre
        own = np.arctan2(flat[:, 1], flat[:, 0])
        off.append(reach - np.interp(angle, own, np.hypot(*flat.T), period=2 * np.pi))
    size = np.abs(off).min(axis=0)
    return np.where(np.sign(off[0]) == np.sign(off[1]), np.sign(off[0]) * size, 0.0)


@pytest.mark.parametrize("kind", OF_CONTOURS)
def test_deviations_are_those_of_each_contour(kind):
    slip = annotator_slips.SLIPS[kind]((SOUND,), np.random.default_rng(1))
    for stack in Profile.of(slip.subjects[0]).stacks:
        centres = expected_centres(stack)
        found = stack.outlines.split(outline_deviations(stack.outlines, centres))
        for i, centre in enumerate(centres):
            expected = alone_deviations([*stack.outlines], i, centre)
            np.testing.assert_allclose(found[i], expected, atol=1e-9)


def test_circles_of_any_number_of_points_go_round_once():
    count = np.array([20, 31, 12, 24, 20])
    rings = ContourStack.of([ring(np.arange(n) * 360 / n, z=-2.0 * i) for i, n in enumerate(count)])
    flat = rings.about(np.zeros((5, 2)))
    np.testing.assert_allclose(rounds_forwards(flat)[0], 1)
    gap, chord = widest_gaps(flat)
    np.testing.assert_allclose(gap, 360 / count)
    np.testing.assert_allclose(chord, 2 * RADIUS * np.sin(np.pi / count))
    # Off a circle through its own points a chord lies inside.
    assert np.abs(outline_deviations(rings, np.zeros((5, 2)))).max() < RADIUS * (
        1 - np.cos(np.pi / 12)
    )


def test_points_under_an_edge_that_runs_back_are_counted():
    # The edge back from 415 degrees to 0 passes over 15, 18, 35, 36 and 54.
    angles = np.r_[np.arange(0, 360, 18.0), 375, 395, 415]
    rounds, overlapped = rounds_forwards(ContourStack.of([ring(angles)[:, :2]]))
    assert rounds[0] == pytest.approx(415 / 360)
    assert overlapped[0] == 5


def test_a_star_of_five_points_goes_round_twice():
    star = ContourStack.of([ring(np.arange(5) * 144)[:, :2]])
    np.testing.assert_allclose(rounds_forwards(star)[0], 2)


# --- beside the other slices ---

AT = 12
Z = -24.0


def beside_of(kind, contour):
    stack = getattr(SOUND, kind)
    changed = replace(SOUND, **{kind: (*stack[:AT], contour, *stack[AT + 1 :])})
    return neighbour_findings(Profile.of(changed))


def scaled(contour, factor):
    return contour.mean(axis=0) + factor * (contour - contour.mean(axis=0))


def test_sound_stacks_have_no_finding():
    assert neighbour_findings(Profile.of(SOUND)) == []


@pytest.mark.parametrize("mm", [1.5, 2.0])
def test_a_contour_moved_aside_is_named_with_the_distance(mm):
    (finding,) = beside_of("cord", SOUND.cord[AT] + [mm, 0, 0])
    assert (finding.rule, finding.place) == ("contour-out-of-line", f"cord contour at z {Z} mm")
    assert f"got it {mm:.1f} mm off" in finding.message


def test_a_contour_too_small_is_named_with_its_radius():
    (finding,) = beside_of("dura", scaled(SOUND.dura[AT], 0.8))
    assert finding.rule == "contour-size-jump"
    # The circle of an ellipse of half axes 9.5 and 7.25 has a radius of 8.3 mm.
    assert "got a mean radius of 6.6 mm" in finding.message


def test_the_cord_named_dura_is_told_from_a_small_dura():
    (finding,) = [f for f in beside_of("dura", SOUND.cord[AT]) if "dura c" in f.place]
    assert finding.rule == "mislabelled-contour"
    assert "it is the cord's: rename it" in finding.message


def test_the_cord_outside_the_dura_is_named_with_the_amount():
    poked = SOUND.cord[AT].copy()
    dorsal = int(poked[:, 1].argmax())
    poked[dorsal, 1] = 7.25 + 1.0
    findings = beside_of("cord", poked)
    assert "cord-outside-dura" in [f.rule for f in findings]


def test_places_another_finding_accounts_for_are_left_out():
    stack = (*SOUND.cord[:AT], SOUND.cord[AT] + np.array([3.0, 0, 0]), *SOUND.cord[AT + 1 :])
    profile = Profile.of(replace(SOUND, cord=stack))
    assert neighbour_findings(profile, [Place("cord", index=AT)]) == []
    np.testing.assert_allclose(
        profile.cord.centres[AT] - profile.cord.centres[AT - 1], [3, 0], atol=1e-9
    )
