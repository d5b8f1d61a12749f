from __future__ import annotations

import cylinders
import numpy as np
import pytest

from analysis.morphometry.courses import Courses, Intradural, curvatures, length_measures


def measured(course: np.ndarray) -> dict[str, np.ndarray]:
    courses = Courses.of(cylinders.with_roots(cylinders.make_anatomy(), course))
    # A sac around everything: the stretch ends with the trace.
    stretch = Intradural.of(courses, np.ones(courses.points.shape[:2]))
    return length_measures(courses, stretch)


def helix(radius: float, rise: float, spacing: float) -> tuple[np.ndarray, float]:
    """A helix of 100 mm, points that many mm apart, and its curvature."""
    turn = np.arange(0, 100, spacing) / np.hypot(radius, rise)
    course = [radius * np.cos(turn), radius * np.sin(turn), -rise * turn]
    return np.stack(course, axis=1), radius / (radius**2 + rise**2)


@pytest.mark.parametrize("spacing", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("radius", [20.0, 60.0, 300.0])
def test_curvature_is_exact_on_arcs_at_any_spacing(radius, spacing):
    course, curvature = helix(radius, 0.0, spacing)
    got = measured(course)
    np.testing.assert_allclose(got["curvature_mean_per_mm"], curvature, rtol=1e-6)
    np.testing.assert_allclose(got["curvature_largest_per_mm"], curvature, rtol=1e-6)


@pytest.mark.parametrize("spacing", [1.0, 2.0, 4.0])
@pytest.mark.parametrize(("radius", "rise"), [(6, 8), (20, 10), (3, 20)])
def test_curvature_is_right_to_1_percent_on_helices_at_any_spacing(radius, rise, spacing):
    course, curvature = helix(radius, rise, spacing)
    got = measured(course)
    np.testing.assert_allclose(got["curvature_mean_per_mm"], curvature, rtol=0.01)
    np.testing.assert_allclose(got["curvature_largest_per_mm"], curvature, rtol=0.01)


def test_the_largest_curvature_is_that_of_the_sharper_of_two_arcs():
    turn = np.linspace(0, 1, 21)[:, None]
    wide = 60 * (np.sin(turn) * [1, 0, 0] + (1 - np.cos(turn)) * [0, 1, 0])
    forward, inward = np.array([np.cos(1), np.sin(1), 0]), np.array([-np.sin(1), np.cos(1), 0])
    turned = 2 * turn[1:]
    sharp = wide[-1] + 30 * (np.sin(turned) * forward + (1 - np.cos(turned)) * inward)
    # The last third is bridged and bends the most.
    untraced = sharp[-1] + np.array([[4.0, 4, 0], [0, 4, 0]])[np.arange(20) % 2]
    got = measured(np.concatenate([wide, sharp, untraced]))
    assert got["curvature_largest_per_mm"][0] == pytest.approx(1 / 30, rel=0.01)
    assert 1 / 60 < got["curvature_mean_per_mm"][0] < 1 / 30


def test_a_straight_root_has_no_curvature_and_a_tortuosity_of_one():
    got = measured(np.arange(30)[:, None] * np.array([0.3, 0.1, -1.7]))
    assert (got["curvature_largest_per_mm"] == 0).all()
    np.testing.assert_allclose(got["tortuosity_total_ratio"], 1, atol=1e-12)
    np.testing.assert_allclose(got["tortuosity_intradural_ratio"], 1, atol=1e-12)


def test_the_tortuosity_of_half_a_circle_is_half_of_pi():
    turn = np.linspace(0, np.pi, 400)
    course = 30 * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    got = measured(course)
    np.testing.assert_allclose(got["tortuosity_total_ratio"], np.pi / 2, rtol=1e-4)
    np.testing.assert_allclose(got["length_total_mm"], 30 * np.pi, rtol=1e-4)
    # Two thirds are traced: an arc of 2 pi / 3 over its chord.
    expected = (np.pi / 3) / np.sin(np.pi / 3)
    np.testing.assert_allclose(got["tortuosity_intradural_ratio"], expected, rtol=2e-3)


def test_lengths_of_trace_and_bridge_add_up_and_are_missing_without_status():
    course = np.arange(30)[:, None] * np.array([0, 0, -2.0])
    got = measured(course)
    np.testing.assert_allclose(got["length_traced_mm"], 38.0)
    np.testing.assert_allclose(got["length_bridged_mm"], 20.0)
    courses = Courses.of(cylinders.make_anatomy(status=False))
    generated = length_measures(courses, Intradural.of(courses, np.ones(courses.traced.shape)))
    assert np.isnan(generated["length_traced_mm"]).all()
    np.testing.assert_allclose(generated["length_total_mm"], 40.0)


def test_a_root_shorter_than_the_arms_of_the_triangle_has_no_curvature():
    got = measured(helix(20, 0, 4.0)[0][:3])
    assert np.isnan(got["curvature_mean_per_mm"]).all()
    assert np.isnan(got["curvature_largest_per_mm"]).all()


def test_curvature_needs_all_three_points_seen():
    course = helix(20, 0, 2.0)[0]
    courses = Courses.of(cylinders.with_roots(cylinders.make_anatomy(), course))
    seen = np.zeros(courses.traced.shape, dtype=bool)
    seen[:, 10:21] = True
    found = ~np.isnan(curvatures(courses, seen))
    # Arms of 4 mm are two points: 12 to 18 have both.
    assert (np.flatnonzero(found[0]) == np.arange(12, 19)).all()
