from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.figures.ellipsoids import covariance_ellipse, draw_ellipse


def test_an_ellipse_of_known_covariance():
    # Four points with variances 8/3 * 4 and 8/3 * 1 along axes turned by 30 degrees.
    turn = np.radians(30)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = np.array([[4, 0], [-4, 0], [0, 2], [0, -2]]) @ axes + [5.0, -7.0]
    centre, width, height, angle = covariance_ellipse(points)
    np.testing.assert_allclose(centre, [5, -7])
    np.testing.assert_allclose([width, height], 2 * np.sqrt(5.991465 * np.array([32, 8]) / 3))
    assert angle % 180 == pytest.approx(30)


def test_it_holds_95_per_cent_of_a_large_normal_group():
    rng = np.random.default_rng(1)
    points = rng.multivariate_normal([0, 0], [[9, 4], [4, 5]], size=20_000)
    centre, width, height, angle = covariance_ellipse(points)
    turn = np.radians(angle)
    local = (points - centre) @ np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    inside = ((local / [width / 2, height / 2]) ** 2).sum(axis=1) < 1
    assert inside.mean() == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize(("view", "axis"), [("front", 0), ("side", 1)])
def test_subjects_without_the_landmark_are_left_out(view, axis):
    points = np.random.default_rng(2).normal(size=(6, 3))
    points[2] = np.nan
    ax = Figure().add_subplot()
    assert draw_ellipse(points, view, ax, level="L4", name="begin/L4/left", filled=False)
    (line,), (patch,) = ax.lines, ax.patches
    seen = np.delete(points, 2, axis=0)[:, [axis, 2]]
    np.testing.assert_array_equal(line.get_xydata(), seen)
    np.testing.assert_allclose(patch.center, seen.mean(axis=0))
    assert patch.get_gid() == "ellipse/begin/L4/left"


def test_two_subjects_have_no_ellipse():
    ax = Figure().add_subplot()
    assert not draw_ellipse(np.zeros((2, 3)), "front", ax, level="L1", name="x", filled=True)
    assert not ax.patches
