"""Spread of landmarks: by hand, against numpy and scipy, and how often ellipsoids hold."""

from __future__ import annotations

import numpy as np
import populations
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from analysis.variability.spread import (
    AXES,
    SpreadError,
    alignment_spread,
    landmark_spread,
    prediction_factor,
)
from atlas.landmarks.scheme import Status
from atlas.procrustes.alignment import align

SDS = np.array([3.0, 1.0, 0.5])


def draws(n: int, landmarks: int, seed: int = 2) -> np.ndarray:
    """Points (n, landmarks, 3) with the SDs above along axes turned by 30 degrees about z."""
    turn = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    return np.random.default_rng(seed).normal(size=(n, landmarks, 3)) * SDS @ turn.T


def test_four_points_worked_by_hand():
    # x: 0 2 4 6, y: 1 each, z: half of x.  Sum of squares 20, variance 20 / 3.
    x = np.array([0.0, 2.0, 4.0, 6.0])
    spread = landmark_spread(np.stack([x, np.ones(4), x / 2], axis=1)[:, None])
    np.testing.assert_allclose(spread.mean, [[3, 1, 1.5]])
    expected = np.array([[20, 0, 10], [0, 0, 0], [10, 0, 5]]) / 3
    np.testing.assert_allclose(spread.covariance[0], expected, atol=1e-12)
    np.testing.assert_allclose(spread.sd, np.sqrt(25 / 3))
    half, directions = spread.ellipsoids()
    # One principal variance 25 / 3 along (2, 0, 1); chi²(0.95, 3) = 7.81473.
    np.testing.assert_allclose(half[0], [np.sqrt(25 / 3 * 7.81473), 0, 0], atol=1e-4)
    np.testing.assert_allclose(directions[0, 0], np.array([2, 0, 1]) / np.sqrt(5), atol=1e-9)


def test_covariance_is_that_of_numpy_over_the_subjects_that_have_the_landmark():
    points = draws(9, 4)
    points[2, 1, 0] = np.nan
    points[:8, 2] = np.nan
    points[:, 3] = np.nan
    spread = landmark_spread(points, names=("a", "b", "c", "d"))
    assert spread.n.tolist() == [9, 8, 1, 0]
    np.testing.assert_allclose(spread.covariance[0], np.cov(points[:, 0].T))
    np.testing.assert_allclose(spread.covariance[1], np.cov(np.delete(points[:, 1], 2, 0).T))
    assert np.isnan(spread.covariance[2:]).all()
    np.testing.assert_allclose(spread.mean[2], points[8, 2])
    assert np.isnan(spread.mean[3]).all()
    table = spread.table()
    assert table["landmark"].to_list() == ["a", "b", "c", "d"]
    directions = ["direction1", "direction2", "direction3"]
    assert table.loc[2:, "sd_left_mm":].drop(columns=directions).isna().all(axis=None)
    assert (table.loc[2:, directions] == "").all(axis=None)


def test_turning_the_group_turns_the_ellipsoids():
    points, turn = draws(9, 3), Rotation.random(rng=np.random.default_rng(1)).as_matrix()
    half, directions = landmark_spread(points).ellipsoids(prediction=True)
    turned_half, turned = landmark_spread(points @ turn.T + 5).ellipsoids(prediction=True)
    np.testing.assert_allclose(turned_half, half)
    np.testing.assert_allclose(np.abs(np.einsum("lij,lij->li", turned, directions @ turn.T)), 1)
    np.testing.assert_allclose(landmark_spread(points @ turn.T).sd, landmark_spread(points).sd)


def test_the_longest_half_axis_comes_first_with_its_own_direction():
    spread = landmark_spread(draws(4000, 1))
    half, directions = spread.ellipsoids()
    expected = SDS * np.sqrt(stats.chi2.ppf(0.95, 3))
    np.testing.assert_allclose(half[0], expected, rtol=0.05)
    np.testing.assert_allclose(directions[0, 0], [np.sqrt(3) / 2, 0.5, 0], atol=0.03)


@pytest.mark.parametrize("n", [6, 14])
def test_the_prediction_ellipsoid_holds_a_new_subject_as_often_as_it_says(n):
    spread = landmark_spread(draws(n, 20000))
    half, directions = spread.ellipsoids(prediction=True)
    new = draws(1, 20000, seed=3)[0] - spread.mean
    off = np.einsum("lij,lj->li", directions, new) / half
    assert ((off**2).sum(axis=1) < 1).mean() == pytest.approx(0.95, abs=0.006)


def test_the_population_ellipsoid_of_few_holds_a_new_subject_less_often():
    spread = landmark_spread(draws(14, 5000))
    half, directions = spread.ellipsoids()
    off = np.einsum("lij,lj->li", directions, draws(1, 5000, seed=3)[0] - spread.mean) / half
    assert 0.75 < ((off**2).sum(axis=1) < 1).mean() < 0.9


def test_many_subjects_make_both_ellipsoids_one():
    assert prediction_factor(np.array([10**6]))[0] == pytest.approx(
        stats.chi2.ppf(0.95, 3), abs=1e-3
    )
    assert np.isnan(prediction_factor(np.array([3]))).all()


def test_the_interval_of_the_whole_sd_covers():
    low, high = landmark_spread(draws(14, 10000)).sd_interval()
    truth = np.sqrt((SDS**2).sum())
    assert ((low < truth) & (truth < high)).mean() == pytest.approx(0.945, abs=0.008)


def test_along_one_line_the_interval_of_the_whole_sd_is_the_chi_square_one():
    # One principal variance leaves n - 1 degrees of freedom.
    points = np.zeros((8, 1, 3))
    points[:, 0, 1] = np.random.default_rng(0).normal(size=8)
    row = landmark_spread(points).table().iloc[0]
    assert row["sd_low_mm"] == pytest.approx(row["sd_dorsal_low_mm"])
    assert row["sd_high_mm"] == pytest.approx(row["sd_dorsal_high_mm"])


def test_a_landmark_held_fixed_does_not_spread():
    row = landmark_spread(np.ones((5, 1, 3))).table().iloc[0]
    names = ["sd_mm", "sd_low_mm", "sd_high_mm", "population1_mm", "prediction1_mm"]
    assert row[names].to_list() == [0.0] * 5


def test_an_alignment_says_how_many_of_its_landmarks_are_bridged():
    landmarks, _ = populations.posed_population(5)
    landmarks = populations.with_gaps(landmarks, 0.1)
    bridged = landmarks.status.copy()
    bridged[0, 3] = Status.BRIDGED
    landmarks = type(landmarks)(landmarks.subject_ids, landmarks.scheme, landmarks.points, bridged)
    alignment = align(landmarks)
    spread = alignment_spread(alignment)
    assert spread.names == landmarks.scheme.names
    np.testing.assert_array_equal(spread.n, (~np.isnan(alignment.points[..., 0])).sum(axis=0))
    assert spread.n_bridged[3] == 1
    assert spread.n_bridged.sum() == 1
    table = spread.table()
    assert {f"sd_{axis}_mm" for axis in AXES} <= set(table)


@pytest.mark.parametrize(
    ("points", "options", "text"),
    [
        (np.zeros((4, 3)), {}, r"points: expected shape \(S, L, 3\), got \(4, 3\)"),
        (np.zeros((4, 2, 3)), {"names": ("a",)}, "names: expected 2, one a landmark, got 1"),
        (
            np.zeros((4, 2, 3)),
            {"status": np.zeros(2)},
            r"status: expected shape \(4, 2\), got \(2,",
        ),
    ],
)
def test_points_of_another_shape_are_refused(points, options, text):
    with pytest.raises(SpreadError, match=text):
        landmark_spread(points, **options)
