from __future__ import annotations

import cylinders
import numpy as np
import pytest

from analysis.morphometry.courses import Courses, Intradural
from analysis.morphometry.slices import Stack
from analysis.morphometry.walls import TOGETHER, depth_inside, wall_measures


def test_distance_to_a_round_wall_is_radius_less_distance_from_its_axis():
    stack = Stack.of(cylinders.make_anatomy().dura, np.eye(3))
    points = np.random.default_rng(0).uniform(-14, 14, (200, 2))
    got = depth_inside(stack, points, np.linspace(0, 160, 200))
    np.testing.assert_allclose(got, 9 - np.linalg.norm(points, axis=1), atol=0.01)


def test_distance_to_an_oval_wall_is_that_to_its_nearest_point():
    half = np.array([10.0, 6.0])
    turn = 2 * np.pi * np.arange(32) / 32
    ring = np.stack([half[0] * np.sin(turn), half[1] * np.cos(turn), 0 * turn], axis=1)
    stack = Stack.of(ring - np.array([0, 0, 2.0]) * np.arange(3)[:, None, None], np.eye(3))
    dense = np.linspace(0, 2 * np.pi, 20001)
    wall = half * np.stack([np.sin(dense), np.cos(dense)], axis=1)
    points = np.random.default_rng(2).uniform(-12, 12, (60, 2))
    apart = np.linalg.norm(points[:, None] - wall, axis=2).min(axis=1)
    inside = ((points / half) ** 2).sum(axis=1) < 1
    got = depth_inside(stack, points, np.full(60, 1.0))
    np.testing.assert_allclose(got, np.where(inside, apart, -apart), atol=0.02)


def test_the_sense_of_the_rings_does_not_turn_inside_out():
    rings = cylinders.make_anatomy().dura
    points, down = np.array([[0.0, 0], [12, 0]]), np.array([3.0, 3.0])
    for each in (rings, rings[:, ::-1]):
        got = depth_inside(Stack.of(each, np.eye(3)), points, down)
        np.testing.assert_allclose(got, [9, -3], atol=0.01)


def test_beyond_the_rings_there_is_no_wall():
    stack = Stack.of(cylinders.make_anatomy().dura, np.eye(3))
    assert np.isnan(depth_inside(stack, np.zeros((2, 2)), np.array([-1.0, 161.0]))).all()


def test_points_measured_together_are_those_measured_one_by_one():
    stack = Stack.of(cylinders.make_anatomy().dura, np.eye(3))
    rng = np.random.default_rng(1)
    points, down = rng.uniform(-14, 14, (3 * TOGETHER, 2)), rng.uniform(-5, 170, 3 * TOGETHER)
    each = [depth_inside(stack, p[None], d[None])[0] for p, d in zip(points, down, strict=True)]
    np.testing.assert_array_equal(depth_inside(stack, points, down), each)


def test_the_least_distance_leaves_out_the_last_10_mm_before_the_wall():
    # 1 mm closer to the wall with every mm down, out after 7 * sqrt(2) + 10 of them.
    down = np.arange(40.0)
    course = np.stack([np.maximum(2, down - 10), 0 * down, -40 - down], axis=1)
    courses = Courses.of(cylinders.with_roots(cylinders.make_anatomy(), course))
    inside = np.tile(9 - course[:, 0], (14, 1))
    stretch = Intradural.of(courses, inside)
    got = wall_measures(courses, stretch, inside, -inside)
    # 9 mm out is 12 + 7 sqrt(2) along; 10 mm before stands on the first point of the slant.
    assert stretch.lengths[0] == pytest.approx(12 + 7 * np.sqrt(2))
    np.testing.assert_allclose(got["dura_distance_least_mm"], 7)
    np.testing.assert_allclose(got["dura_distance_begin_mm"], 7)
    # The cord has no such end: all of the stretch counts.
    np.testing.assert_allclose(got["cord_distance_least_mm"], inside[0, :20].min())


def test_a_stretch_of_less_than_10_mm_has_no_least_distance_to_the_wall():
    course = np.array([2.0, 0, -40]) - np.array([0, 0, 0.5]) * np.arange(20)[:, None]
    courses = Courses.of(cylinders.with_roots(cylinders.make_anatomy(), course))
    inside = np.full((14, 20), 7.0)
    got = wall_measures(courses, Intradural.of(courses, inside), inside, -inside)
    assert np.isnan(got["dura_distance_least_mm"]).all()
    np.testing.assert_allclose(got["cord_distance_least_mm"], 7)
