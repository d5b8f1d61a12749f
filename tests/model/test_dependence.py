"""R² of modes on outside quantities: known answers, statsmodels, calibration."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import statsmodels.api as sm

from atlas.model.field_of_view import follows_field_of_view, mode_dependence

N = 14


def test_scores_that_are_the_predictor_follow_it_wholly_and_no_order_does_as_well():
    x = np.random.default_rng(1).normal(size=(N, 1))
    found = mode_dependence(3 - 2 * x, x, permutations=999)
    assert found.r2.item() == pytest.approx(1)
    assert found.p.item() == found.joint_p.item() == 1 / 1000
    assert found.n_permutations == 1000


def test_r2_agrees_with_statsmodels_one_by_one_and_together():
    rng = np.random.default_rng(3)
    x, scores = rng.normal(size=(N, 4)) * 5, rng.normal(size=(N, 3))
    found = mode_dependence(scores, x, permutations=9)
    for k, y in enumerate(scores.T):
        whole = sm.OLS(y, sm.add_constant(x)).fit()
        assert found.joint_r2[k] == pytest.approx(whole.rsquared)
        assert found.joint_r2_adjusted[k] == pytest.approx(whole.rsquared_adj)
        for j in range(4):
            assert found.r2[k, j] == pytest.approx(
                sm.OLS(y, sm.add_constant(x[:, j])).fit().rsquared
            )


def test_few_subjects_take_every_order_as_counted_by_hand():
    x, y = np.array([0.0, 1, 3, 7, 8]), np.array([1.0, 0, 4, 5, 9])
    found = mode_dependence(y[:, None], x[:, None])
    r2 = [np.corrcoef(x[list(order)], y)[0, 1] ** 2 for order in permutations(range(5))]
    assert found.n_permutations == 120
    assert found.p.item() == np.mean(np.array(r2) >= r2[0] - 1e-12)


def test_independent_scores_have_uniform_p():
    rng = np.random.default_rng(4)
    scores, x = rng.normal(size=(2, 400, N, 1))
    found = [mode_dependence(y, v, permutations=199) for y, v in zip(scores, x, strict=True)]
    p = np.array([f.p.item() for f in found])
    for level in (0.05, 0.25, 0.5, 0.75):
        assert np.mean(p <= level) == pytest.approx(level, abs=3 * np.sqrt(level / 400))


def test_the_family_keeps_false_alarms_at_one_in_twenty():
    # Orthogonal scores as a model has them, and four predictors of rank three that share a cause.
    rng = np.random.default_rng(5)
    alarms = []
    for _ in range(300):
        draws = rng.normal(size=(N, 8))
        scores = np.linalg.qr(draws - draws.mean(axis=0))[0]
        a, c, s = rng.normal(size=(3, N)) * 10
        views = np.column_stack([a + c, c, a, s])
        found = mode_dependence(scores, views, permutations=199)
        assert found.rank == 3
        alarms.append((found.joint_p_family < 0.05).any())
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.038)


def test_modes_beyond_the_family_have_no_part_in_it():
    rng = np.random.default_rng(6)
    x, scores = rng.normal(size=(N, 1)), rng.normal(size=(N, 6))
    found = mode_dependence(scores, x, family=2, permutations=99)
    again = mode_dependence(scores[:, :2], x, permutations=99)
    np.testing.assert_array_equal(found.joint_p_family[:2], again.joint_p_family)
    assert np.isnan(found.joint_p_family[2:]).all()
    assert (found.joint_p_family[:2] >= found.joint_p[:2]).all()


def test_a_constant_predictor_says_nothing_and_takes_no_part():
    rng = np.random.default_rng(7)
    x, scores = rng.normal(size=(N, 1)), rng.normal(size=(N, 2))
    constant = 2.0 + 1e-4 * rng.normal(size=(N, 1))
    found = mode_dependence(scores, np.hstack([x, constant]), permutations=99)
    assert np.isnan(found.r2[:, 1]).all()
    assert np.isnan(found.p[:, 1]).all()
    np.testing.assert_allclose(found.joint_r2, found.r2[:, 0], atol=1e-6)
    assert found.rank == 1


def test_nothing_but_constants_gives_no_number_at_all():
    found = mode_dependence(np.random.default_rng(0).normal(size=(N, 2)), np.ones((N, 2)))
    assert np.isnan(found.joint_r2).all()
    assert not follows_field_of_view(found).any()


def test_too_few_subjects_to_tell_give_no_verdict():
    # Three free predictors explain everything of four subjects.
    rng = np.random.default_rng(8)
    found = mode_dependence(rng.normal(size=(4, 2)), rng.normal(size=(4, 3)))
    np.testing.assert_allclose(found.joint_r2, 1)
    assert np.isnan(found.joint_r2_adjusted).all()
    assert not follows_field_of_view(found).any()


def test_the_same_seed_gives_the_same_p():
    rng = np.random.default_rng(9)
    scores, x = rng.normal(size=(N, 3)), rng.normal(size=(N, 2))
    runs = [mode_dependence(scores, x, permutations=99, seed=s) for s in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0].p, runs[1].p)
    assert (runs[0].p != runs[2].p).any()


@pytest.mark.parametrize(
    ("scores", "predictors", "text"),
    [
        (np.zeros((4, 2)), np.zeros((5, 2)), r"the same subjects, got \(4, 2\) and \(5, 2\)"),
        (np.zeros(4), np.zeros((4, 1)), r"got \(4,\) and \(4, 1\)"),
        (np.zeros((4, 2)), np.full((4, 1), np.nan), "expected finite values, got NaN"),
        (np.zeros((4, 2)), np.zeros((4, 0)), "got NaN, inf or none"),
    ],
)
def test_bad_use_says_expected_and_got(scores, predictors, text):
    with pytest.raises(ValueError, match=text):
        mode_dependence(scores, predictors)
