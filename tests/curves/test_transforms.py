"""Rotations against scipy and against what they must refuse."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atlas.curves.transforms import (
    best_axial_rotation,
    best_rotation,
    cross_covariance,
    frame,
    is_mirrored,
    line_direction,
)


@pytest.fixture
def clouds():
    rng = np.random.default_rng(7)
    fixed = rng.normal(size=(5, 50, 3)) * [3, 2, 20]
    truth = Rotation.random(5, rng=rng).as_matrix()
    return fixed, fixed @ truth, truth, np.ones((5, 50))


def test_a_known_rotation_is_found_again(clouds):
    fixed, moving, truth, weights = clouds
    found = best_rotation(cross_covariance(moving, fixed, weights))
    np.testing.assert_allclose(found, truth, atol=1e-12)


def test_rotation_agrees_with_scipys_weighted_align_vectors(clouds):
    fixed, moving, _, _ = clouds
    rng = np.random.default_rng(8)
    noisy = moving + rng.normal(size=moving.shape)
    weights = rng.uniform(0.1, 2, (5, 50))
    found = best_rotation(cross_covariance(noisy, fixed, weights))
    for i in range(5):
        expected = Rotation.align_vectors(fixed[i], noisy[i], weights=weights[i])[0]
        np.testing.assert_allclose(found[i], expected.as_matrix(), atol=1e-9)


def test_rotations_are_proper_even_onto_a_mirror_image(clouds):
    fixed, _, _, weights = clouds
    covariance = cross_covariance(fixed * [-1, 1, 1], fixed, weights)
    np.testing.assert_allclose(np.linalg.det(best_rotation(covariance)), 1)
    assert is_mirrored(covariance).all()
    assert not is_mirrored(cross_covariance(fixed, fixed, weights)).any()


def test_axial_rotation_is_the_best_turn_about_z(clouds):
    fixed, _, _, weights = clouds
    turn = Rotation.from_euler("z", 33, degrees=True).as_matrix()
    covariance = cross_covariance(fixed @ turn + 0.01, fixed, weights)
    found = best_axial_rotation(covariance)
    np.testing.assert_allclose(found[:, 2, 2], 1)

    def score(angle):
        other = Rotation.from_euler("z", angle, degrees=True).as_matrix()
        return np.trace(covariance[0] @ other.T)

    best = max(np.arange(0, 360, 0.05), key=score)
    assert np.degrees(np.arctan2(found[0, 1, 0], found[0, 0, 0])) == pytest.approx(best, abs=0.05)


def test_points_without_weight_do_not_count(clouds):
    fixed, moving, truth, weights = clouds
    spoiled = moving.copy()
    spoiled[:, :10] = 1e3
    weights[:, :10] = 0
    found = best_rotation(cross_covariance(spoiled, fixed, weights))
    np.testing.assert_allclose(found, truth, atol=1e-12)


def test_frame_is_a_proper_rotation_with_left_across_rostral():
    axes = frame(np.array([1.0, 0.2, 0.5]), np.array([0.1, -0.3, 2.0]))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    assert axes[:, 1] @ [0, 1, 0] > 0


def test_line_direction_points_from_last_to_first():
    line = np.array([[0, 0, 5], [0.1, 0, 2], [-0.1, 0, -4.0]])
    direction = line_direction(line)
    assert direction[2] == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(line_direction(line[::-1]), -direction)
