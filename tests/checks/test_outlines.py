"""Single contours: each fault by name on circles, where every number is known."""

from __future__ import annotations

import numpy as np
import pytest
import specimens

from atlas.checks.outlines import outline_deviations, outline_findings
from atlas.checks.profile import Profile
from atlas.data.subject import Subject

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
    findings, places = outline_findings(Profile.of(subject_with(contour)))
    assert places == {f.place for f in findings}
    return findings


def test_circles_have_no_fault():
    assert findings_of(ring(ROUND)) == []


def test_specimens_have_no_fault():
    assert outline_findings(Profile.of(specimens.make_subject())) == ([], set())


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
    deviations = outline_deviations(stack, MIDDLE, np.zeros(2))
    np.testing.assert_allclose(deviations, 1.5, atol=1e-9)


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
