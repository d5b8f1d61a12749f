"""Draws: the model's statistics, the same sample whatever is drawn with it, and refusals."""

from __future__ import annotations

import numpy as np
import populations
import pytest
from scipy import stats

from atlas.model.fitting import fit_shape_model
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import align
from atlas.sampling.designs import Design, SamplingError
from atlas.sampling.drawing import Plan
from atlas.sampling.poses import PoseLimits
from atlas.sampling.restrictions import Restriction

FREE = Restriction(coverage=None)


@pytest.fixture(scope="module")
def group():
    landmarks, _ = populations.posed_population(12, rank=4)
    return align(landmarks)


@pytest.fixture(scope="module")
def model(group) -> ShapeModel:
    return fit_shape_model(group).truncate(4)


def plan(model: ShapeModel, n: int, *, design: str = "independent", seed: int = 1, **options):
    return Plan(model, Design(design, n, model.n_modes, seed), **options)


def first_score_positive(model: ShapeModel):
    return lambda points: model.coefficients(points)[:, :1] > 0


@pytest.mark.parametrize("design", ["independent", "antithetic", "latin-hypercube", "sobol"])
def test_unrestricted_draws_have_the_mean_and_covariance_of_the_model(model, design):
    draws = plan(model, 2048, design=design, restriction=FREE).draw()
    se = np.sqrt(1 / 2048)
    assert np.abs(draws.scores.mean(axis=0)).max() < 4 * se
    assert np.abs(np.cov(draws.scores.T) - np.eye(4)).max() < 4 * np.sqrt(2) * se
    error = np.abs(draws.points.mean(axis=0) - model.mean)
    assert (error < 5 * se * model.landmark_sd).all()


def test_coverage_holds_its_share_by_mahalanobis_distance(model):
    draws = plan(model, 5000, restriction=FREE).draw()
    distance = (model.coefficients(draws.points) ** 2).sum(axis=1)
    assert (distance <= stats.chi2.ppf(0.95, 4)).mean() == pytest.approx(0.95, abs=0.01)
    kept = plan(model, 500, restriction=Restriction(coverage=0.95)).draw()
    assert ((kept.scores**2).sum(axis=1) <= stats.chi2.ppf(0.95, 4) * (1 + 1e-9)).all()


@pytest.mark.parametrize("design", ["independent", "antithetic", "sobol", "latin-hypercube"])
def test_a_sample_is_the_same_in_any_part_of_a_cohort(model, design):
    whole = plan(
        model,
        12,
        design=design,
        noise=True,
        pose=PoseLimits(10, 5),
        rules=("near",),
        check=lambda points: np.abs(model.coefficients(points)[:, :1]) <= 1,
    )
    everything = whole.draw()
    for first, last in ((0, 5), (5, 6), (6, 12)):
        part = whole.draw(first, last)
        np.testing.assert_array_equal(part.points, everything.points[first:last])
        np.testing.assert_array_equal(part.attempts, everything.attempts[first:last])


def test_antithetic_pairs_are_mirrored_in_the_mean(model):
    scores = plan(model, 20, design="antithetic").draw().scores
    np.testing.assert_array_equal(scores[::2], -scores[1::2])


def test_of_an_antithetic_pair_both_are_valid_or_neither(model):
    # |c1| <= 0.5 is a rule that both of a pair keep or break.
    near = plan(
        model,
        40,
        design="antithetic",
        rules=("near",),
        check=lambda points: np.abs(model.coefficients(points)[:, :1]) <= 0.5,
    ).draw()
    assert near.valid.all()
    np.testing.assert_array_equal(near.scores[::2], -near.scores[1::2])


def test_rejection_leaves_only_what_keeps_the_rules_and_counts_what_did_not(model):
    rule = {"rules": ("positive",), "check": first_score_positive(model), "restriction": FREE}
    draws = plan(model, 2000, **rule).draw()
    assert draws.valid.all()
    assert (draws.scores[:, 0] > 0).all()
    # Half of all draws break the rule: 2000 accepted of about 4000.
    assert 2000 / draws.n_attempts == pytest.approx(0.5, abs=0.03)
    assert draws.broken.sum(axis=0)[0] == draws.n_attempts - 2000
    # A half-normal score has mean sqrt(2/pi): rejection changes the distribution.
    assert draws.scores[:, 0].mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.05)


@pytest.mark.parametrize("options", [{"invalid": "keep"}, {"design": "sobol"}])
def test_what_may_not_be_drawn_again_is_kept_and_marked(model, options):
    draws = plan(
        model, 64, rules=("positive",), check=first_score_positive(model), **options
    ).draw()
    assert (draws.attempts == 1).all()
    np.testing.assert_array_equal(draws.valid, draws.scores[:, 0] > 0)
    assert 16 < draws.valid.sum() < 48


def test_an_impossible_rule_is_named_instead_of_drawing_for_ever(model, monkeypatch):
    monkeypatch.setattr("atlas.sampling.drawing.MAX_ATTEMPTS", 5)
    never = plan(
        model, 2, rules=("never",), check=lambda points: np.zeros((len(points), 1), dtype=bool)
    )
    with pytest.raises(SamplingError, match=r"sample 0: .* within 5 draws.*rule 'never'"):
        never.draw()


def test_more_modes_than_there_are_is_refused(model):
    with pytest.raises(SamplingError, match=r"modes: expected at most 4, .*, got 9"):
        Plan(model, Design("independent", 3, 9, seed=0))


def test_a_pose_stays_within_its_limits_and_keeps_the_shape(model):
    free = plan(model, 200).draw()
    draws = plan(model, 200, pose=PoseLimits(rotation_deg=20, translation_mm=8)).draw()
    np.testing.assert_array_equal(draws.scores, free.scores)
    assert np.linalg.norm(draws.turn_deg, axis=1).max() <= 20
    assert np.linalg.norm(draws.shift_mm, axis=1).max() <= 8
    np.testing.assert_array_equal(draws.points, free.points)
    shapes = (free.points, draws.placed)
    between = [np.linalg.norm(np.diff(p, axis=1), axis=2) for p in shapes]
    np.testing.assert_allclose(*between, atol=1e-9)
    volume = [np.linalg.det(p[:, [3, 40, 90]] - p[:, [7]]) for p in shapes]
    np.testing.assert_allclose(*volume, rtol=1e-8)


def test_noise_is_that_of_the_model(model):
    draws = [plan(model, 100, noise=n).draw().points for n in (False, True)]
    sd = (draws[1] - draws[0]).std(axis=(0, 2))
    np.testing.assert_allclose(sd / model.noise_sd, 1, atol=0.25)


def test_bootstrap_draws_the_subjects_and_kde_stays_near_them(group, model):
    subjects = model.scores(group.points)
    own = plan(model, 300, method="bootstrap", subject_scores=subjects, restriction=FREE).draw()
    nearest = np.abs(own.scores[:, None] - subjects).sum(axis=2).min(axis=1)
    assert nearest.max() == 0
    assert len(np.unique(own.scores[:, 0])) == 12
    near = plan(model, 4000, method="kde", subject_scores=subjects, restriction=FREE).draw()
    expected = np.cov(subjects.T, ddof=1)
    np.testing.assert_allclose(np.cov(near.scores.T), expected, atol=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method: expected one of"),
        ({"method": "kde"}, "expected the scores of the subjects, got none"),
        (
            {"method": "kde", "design": "sobol", "subject_scores": np.zeros((5, 4))},
            "expected design 'independent'",
        ),
        ({"invalid": "hope"}, "invalid: expected one of"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(model, options, message):
    with pytest.raises(SamplingError, match=message):
        plan(model, 4, **options)


@pytest.mark.parametrize("limits", [(-1, 0), (181, 0), (0, -1)])
def test_a_pose_that_cannot_be_is_refused(limits):
    with pytest.raises(SamplingError, match="expected 0"):
        PoseLimits(*limits)
