from __future__ import annotations

import numpy as np
import pytest
import specimens

from atlas.checks import (
    Profile,
    find_implausible,
    misplaced_points,
    swapped_sides,
)
from atlas.checks.depths import SplineStack
from atlas.data.dataset import Dataset
from atlas.data.subject import LEVELS, RootKey, Severity, Subject

RADIUS_MM = 8.0
L1_LEFT = RootKey("L1", "left")


def circles(radius, depths, *, n=24, centre=(5.0, 53.0)):
    angle = 2 * np.pi * np.arange(n) / n
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + centre
    return tuple(np.column_stack([ring, np.full(n, -351.6 - d)]) for d in depths)


def with_root(subject, key, points):
    return Subject(
        subject.id, subject.dura, subject.cord, {**subject.roots, key: points}, subject.ganglia
    )


def moved(subject, key, index, *, to):
    """The subject with one traced point at (x, y)."""
    points = subject.roots[key].copy()
    points[index, :2] = to
    return with_root(subject, key, points)


def turned(subject, rotation):
    return Subject(
        subject.id,
        tuple(c @ rotation.T + [10, -20, 30] for c in subject.dura),
        tuple(c @ rotation.T + [10, -20, 30] for c in subject.cord),
        {k: p @ rotation.T + [10, -20, 30] for k, p in subject.roots.items()},
        {k: p @ rotation.T + [10, -20, 30] for k, p in subject.ganglia.items()},
    )


# --- depth inside a stack of contours ---


@pytest.mark.parametrize("distance", [0.0, 1.0, 4.0, 7.5, 7.99, 8.01, 9.0, 30.0])
def test_depth_in_circles_is_radius_minus_distance_from_the_axis(distance):
    stack = SplineStack.of(circles(RADIUS_MM, np.arange(0, 20, 2.0)))
    angle = np.radians(np.arange(0, 360, 7.0))
    points = np.column_stack(
        [5 + distance * np.cos(angle), 53 + distance * np.sin(angle), np.full(len(angle), -361.6)]
    )
    np.testing.assert_allclose(stack.depth_of(points), RADIUS_MM - distance, atol=1e-3)


def test_each_point_is_held_against_the_contour_of_its_slice():
    contours = circles(8.0, [0, 2]) + circles(6.0, [4, 6]) + circles(4.0, [8, 10])
    points = np.array([[5.0, 53.0, -351.6 - d] for d in (0, 2.9, 3.1, 6, 8, 10)])
    depths = SplineStack.of(contours).depth_of(points)
    np.testing.assert_allclose(depths, [8, 8, 6, 6, 4, 4], atol=1e-3)


def test_beyond_half_a_slice_from_the_stack_there_is_no_depth():
    stack = SplineStack.of(circles(RADIUS_MM, np.arange(0, 20, 2.0)))
    depths = stack.depth_of(np.array([[5.0, 53.0, -351.6 + d] for d in (0.9, 1.1, -18.9, -19.1)]))
    np.testing.assert_array_equal(np.isnan(depths), [False, True, False, True])


def test_a_point_in_the_bay_of_a_kidney_is_outside():
    angle = 2 * np.pi * np.arange(40) / 40
    radius = 5 - 3.5 * np.exp(-((angle - np.pi) ** 2) / 0.15)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    contours = tuple(np.column_stack([ring, np.full(40, -2.0 * i)]) for i in range(4))
    bay, bulk = SplineStack.of(contours).depth_of(np.array([[-3.0, 0, -2], [3.0, 0, -2]]))
    assert bay < 0 < bulk


@pytest.mark.parametrize("seed", range(4))
def test_amounts_beyond_contours_are_those_of_the_depths(seed):
    rng = np.random.default_rng(seed)
    contours = []
    for i in range(6):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 9 + 2 * i))
        radius = rng.uniform(4, 9, len(angle))
        height = np.full(len(angle), -2.0 * i)
        contours.append(np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height]))
    stack = SplineStack.of(tuple(contours))
    points = np.column_stack([rng.uniform(-11, 11, (4000, 2)), rng.uniform(-12, 2, 4000)])
    depth = np.nan_to_num(stack.depth_of(points))
    for sign in (-1, 1):
        amounts = stack.beyond(points, sign)
        np.testing.assert_array_equal(np.maximum(amounts, 0), np.maximum(sign * depth, 0))
        assert (amounts != 0).mean() < 0.9


# --- sides ---


def test_a_sound_subject_has_no_finding(subject):
    assert find_implausible(Dataset("", (subject,))) == ()


def test_swapped_sides_of_one_level_are_named_with_the_amount(subject):
    left, right = RootKey("L3", "left"), RootKey("L3", "right")
    swapped = Subject(
        "sub-01",
        subject.dura,
        subject.cord,
        subject.roots,
        {**subject.ganglia, left: subject.ganglia[right], right: subject.ganglia[left]},
    )
    (finding,) = swapped_sides(Profile.of(swapped))
    assert (finding.severity, finding.rule) == (Severity.ERROR, "swapped-sides")
    # Ganglia L3 stand 18 mm to each side.
    assert "got -36.0 mm; left and right are swapped: exchange the two files" in str(finding)
    assert str(finding).startswith("sub-01/ganglia L3: ")


def test_a_mirrored_subject_is_one_error_that_names_every_level(subject):
    mirror = np.array([-1.0, 1.0, 1.0])
    mirrored = Subject(
        "sub-07",
        tuple(c * mirror for c in subject.dura),
        tuple(c * mirror for c in subject.cord),
        {k: p * mirror for k, p in subject.roots.items()},
        {k: p * mirror for k, p in subject.ganglia.items()},
    )
    (finding,) = find_implausible(Dataset("", (mirrored,)))
    assert finding.subject == "sub-07"
    for level in LEVELS:
        assert f"roots {level} (" in finding.message
        assert f"ganglia {level} (" in finding.message


def test_a_level_with_one_side_only_is_not_compared(subject):
    alone = Subject(
        "sub-01",
        subject.dura,
        subject.cord,
        {L1_LEFT: subject.roots[L1_LEFT] * [-1, 1, 1]},
        {},
    )
    assert swapped_sides(Profile.of(alone)) == []


# --- traced points ---


def test_a_last_point_outside_the_dura_is_a_note_of_the_exit(subject):
    out = specimens.DURA_HALF_MM[0] + 0.37
    (finding,) = misplaced_points(moved(subject, L1_LEFT, -1, to=(out, 0.0)))
    assert (finding.severity, finding.rule) == (Severity.NOTE, "dural-exit")
    assert str(finding) == (
        "sub-01/root L1 left at z -106.0 mm: traced point 0.37 mm outside the dura: "
        "the root leaves the sac here"
    )


def test_a_run_of_last_points_outside_the_dura_is_the_exit(subject):
    points = subject.roots[L1_LEFT].copy()
    points[-3:, :2] = [[9.9, 0.0], [10.3, 0.0], [10.8, 0.0]]
    findings = misplaced_points(with_root(subject, L1_LEFT, points))
    assert [f.rule for f in findings] == ["dural-exit"] * 3


def test_a_point_midway_outside_the_dura_is_a_warning(subject):
    (finding,) = misplaced_points(moved(subject, L1_LEFT, 10, to=(0.0, 7.25 + 1.5)))
    assert (finding.severity, finding.rule) == (Severity.WARNING, "outside-dura")
    assert str(finding) == (
        "sub-01/root L1 left at z -58.0 mm: traced point 1.50 mm outside the dura; "
        "check the tracing"
    )


def test_a_point_in_the_cord_is_a_warning_with_its_depth(subject):
    # Above the taper the cord's nearest wall is 3.5 mm in front of and behind its axis.
    (finding,) = misplaced_points(moved(subject, L1_LEFT, 10, to=(0.0, 3.5 - 0.22)))
    assert (finding.severity, finding.rule) == (Severity.WARNING, "inside-cord")
    assert str(finding) == (
        "sub-01/root L1 left at z -58.0 mm: traced point 0.22 mm inside the cord; check the tracing"
    )


def test_a_point_below_the_conus_cannot_be_in_the_cord(subject):
    key = RootKey("S2", "left")
    below = int(np.flatnonzero(subject.roots[key][:, 2] < -115)[0])
    assert misplaced_points(moved(subject, key, below, to=(0.0, 0.0))) == []


def test_findings_come_subject_by_subject_and_name_theirs(subject):
    second = specimens.make_subject("sub-02", conus_mm=100.0, bend_mm=6.0, scale=1.05)
    bad = moved(second, L1_LEFT, 10, to=(0.0, 3.0))
    findings = find_implausible(Dataset("", (subject, bad)))
    assert {f.subject for f in findings} == {"sub-02"}


def test_how_a_subject_lies_in_the_scanner_changes_no_amount(subject):
    angle = np.radians(20)
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    bad = moved(moved(subject, L1_LEFT, 10, to=(0.0, 3.0)), L1_LEFT, -1, to=(9.9, 0.0))
    upright, tilted = misplaced_points(bad), misplaced_points(turned(bad, tilt))
    assert [f.message for f in tilted] == [f.message for f in upright]
    assert len(upright) == 2


@pytest.mark.shared
def test_sub_03_leaves_the_dura_twice_and_grazes_the_cord_twice(real_subject):
    findings = find_implausible(Dataset("", (real_subject,)))
    assert [(f.rule, f.place, f.message.split(" mm")[0]) for f in findings] == [
        ("dural-exit", "root L1 left at z -457.6 mm", "traced point 0.07"),
        ("dural-exit", "root L2 left at z -493.6 mm", "traced point 0.37"),
        ("inside-cord", "root L3 left at z -421.6 mm", "traced point 0.22"),
        ("inside-cord", "root L5 left at z -435.6 mm", "traced point 0.07"),
    ]
