"""Curves against closed forms."""

import numpy as np

from atlas.curves.polylines import arc_length, bridge, points_along


def test_bridge_leaves_tangent_arrives_without_curvature_and_ends_on_the_ganglion():
    begin, end = np.array([0.0, 0, 0]), np.array([10.0, 5, -100])
    direction = np.array([0.0, 0, -1])
    line = bridge(begin, direction, end, samples=2001)
    np.testing.assert_allclose(line[[0, -1]], [begin, end], atol=1e-12)
    first = (line[1] - line[0]) / np.linalg.norm(line[1] - line[0])
    np.testing.assert_allclose(first, direction, atol=1e-3)
    second = line[2:] - 2 * line[1:-1] + line[:-2]
    assert np.linalg.norm(second[-1]) < 1e-3 * np.linalg.norm(second[0])


def test_bridge_along_its_own_chord_is_straight():
    end = np.array([0.0, 0, -50])
    line = bridge(np.zeros(3), np.array([0.0, 0, -1]), end, samples=11)
    np.testing.assert_allclose(line, np.linspace(0, 1, 11)[:, None] * end, atol=1e-12)


def test_open_resampling_gives_equal_lengths_and_keeps_the_ends():
    t = np.linspace(0, 3, 3001)
    helix = np.stack([np.cos(t), np.sin(t), t], axis=1)
    length = arc_length(helix)
    points = points_along(helix, length, np.linspace(0, length[-1], 31))
    np.testing.assert_allclose(points[[0, -1]], helix[[0, -1]])
    np.testing.assert_allclose(np.diff(arc_length(points)), 3 * np.sqrt(2) / 30, rtol=1e-3)


def test_bridges_of_many_gaps_are_those_of_each():
    rng = np.random.default_rng(5)
    begin, end = rng.normal(size=(2, 4, 3)) * 20
    direction = rng.normal(size=(4, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    lines = bridge(begin, direction, end, samples=9)
    assert lines.shape == (4, 9, 3)
    for line, one in zip(lines, zip(begin, direction, end, strict=True), strict=True):
        np.testing.assert_array_equal(line, bridge(*one, samples=9))
