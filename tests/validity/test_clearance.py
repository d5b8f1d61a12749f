from __future__ import annotations

import cylinders
import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

from atlas.mesh.validity.clearance import near_segments, own_frames, sections_at, segment_distances


def test_the_frame_of_upright_cylinders_is_the_identity():
    frame = own_frames(cylinders.make_anatomy().dura[None])[0]
    np.testing.assert_allclose(frame, np.eye(3), atol=1e-12)


def test_the_frame_turns_with_the_anatomy():
    turn = Rotation.from_rotvec([0.3, -0.9, 1.4]).as_matrix()
    dura = cylinders.make_anatomy().moved(turn, np.array([10, -20, 500])).dura
    np.testing.assert_allclose(own_frames(dura[None])[0], turn, atol=1e-10)


def test_missing_rings_do_not_turn_the_frame_and_one_ring_has_none():
    dura = cylinders.make_anatomy().dura.copy()
    dura[:5] = dura[-3:] = np.nan
    np.testing.assert_allclose(own_frames(dura[None])[0], np.eye(3), atol=1e-12)
    dura[6:] = np.nan
    assert np.isnan(own_frames(dura[None])).all()


def test_the_section_of_a_cone_has_the_radius_of_its_height():
    turn = 2 * np.pi * np.arange(16) / 16
    rings = np.array(
        [np.stack([r * np.sin(turn), r * np.cos(turn), 0 * turn - z], 1)
         for r, z in ((4, 0), (2, 10), (1, 20))]
    )  # fmt: skip
    _, point, polygons = sections_at(rings[None], np.array([[0.0, -5, -15, -20, 1, -21, np.nan]]))
    np.testing.assert_array_equal(point, [0, 1, 2, 3])
    np.testing.assert_allclose(np.linalg.norm(polygons, axis=2)[:, 0], [4, 3, 1.5, 1])


def test_the_section_of_a_cylinder_with_tilted_rings_is_its_circle():
    turn = 2 * np.pi * np.arange(16) / 16
    ring = np.stack([3 * np.sin(turn), 3 * np.cos(turn), 0.5 * np.sin(turn)], axis=1)
    rings = np.stack([ring - [0, 0, z] for z in (0, 5, 10)])[None]
    _, _, polygons = sections_at(rings, np.array([[-4.9, -2.0]]))
    np.testing.assert_allclose(np.linalg.norm(polygons, axis=2), 3, atol=1e-12)


def test_no_section_beside_a_missing_ring():
    rings = cylinders.make_anatomy().dura[None].copy()
    rings[0, 3] = np.nan
    _, point, _ = sections_at(rings, np.array([[-3.0, -5, -7, -9]]))
    np.testing.assert_array_equal(point, [0, 3])


def test_segment_distances_agree_with_bounded_least_squares():
    rng = np.random.default_rng(1)
    ends = rng.normal(size=(4, 40, 3))
    ends[3, :5] = ends[2, :5] + (ends[1, :5] - ends[0, :5])  # parallel
    distance, s, t = segment_distances(*ends)
    for i, (a, b, c, d) in enumerate(zip(*ends, strict=True)):
        found = lsq_linear(np.stack([b - a, c - d], axis=1), c - a, bounds=(0, 1), tol=1e-14)
        assert distance[i] == pytest.approx(np.sqrt(2 * found.cost), abs=1e-6)
        apart = a + s[i] * (b - a) - c - t[i] * (d - c)
        assert np.linalg.norm(apart) == pytest.approx(distance[i])


def test_near_segments_misses_none_within_reach():
    rng = np.random.default_rng(2)
    curves = np.cumsum(rng.normal(size=(2, 4, 9, 3)), axis=2) + np.array([0, 0, 300])
    curves[1, 3, 6:] = np.nan
    found = set(zip(*near_segments(curves, 1.0), strict=True))
    for n in range(2):
        for i in range(32):
            for j in range(i + 1, 32):
                if i // 8 == j // 8 and j == i + 1:
                    continue
                p, q = (curves[n, x // 8, x % 8 : x % 8 + 2] for x in (i, j))
                distance = segment_distances(p[:1], p[1:], q[:1], q[1:])[0][0]
                if distance < 1.0:
                    assert (n, i, j) in found
