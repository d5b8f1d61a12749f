"""Missing landmarks: nothing is lost, the subspace is found, whole shapes give plain PCA."""

from dataclasses import replace

import numpy as np
import pytest
import specimens
from populations import SMALL, posed_population, principal_angle, with_gaps

from atlas.components.ppca import apart, climb, expectation, runs_of
from atlas.components.principal import Factors, ShapeModelError, expected_scores
from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import AlignmentError, align, align_onto


@pytest.fixture(scope="module")
def group():
    return posed_population(40)


@pytest.fixture(scope="module")
def gappy(group):
    return with_gaps(group[0], 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_fifth_missing_in_blocks_hardly_turns_the_subspace(seed):
    landmarks, modes = posed_population(40, seed=seed)
    whole = fit_shape_model(align(landmarks), n_modes=5)
    part = fit_shape_model(align(with_gaps(landmarks, 0.2, seed)), n_modes=5)
    assert principal_angle(part.modes, modes) < 5
    # No worse than the whole data by more than a half.
    assert principal_angle(part.modes, modes) < 1.5 * principal_angle(whole.modes, modes)
    np.testing.assert_allclose(part.variance, whole.variance, rtol=0.15)
    assert np.sqrt(part.noise) == pytest.approx(0.05, rel=0.15)


def test_the_pose_of_a_subject_with_gaps_is_that_of_the_whole_subject(group, gappy):
    error = np.linalg.norm(align(gappy).completed - align(group[0]).points, axis=2)
    assert np.median(error) < 0.2


def test_what_is_there_stays_as_it_was_and_what_is_missing_stays_missing(gappy):
    result = align(gappy)
    there = gappy.status != Status.MISSING
    moved = gappy.points @ np.swapaxes(result.rotation, 1, 2) + result.translation[:, None]
    np.testing.assert_allclose(result.points[there], moved[there], atol=1e-9)
    assert np.isnan(result.points[~there]).all()
    assert np.isfinite(result.completed).all()


def fit_factors(y, present, *, start):
    """Maximum likelihood of the factor model of shapes in memory."""
    patterns = runs_of(apart(present), None)
    return climb(
        lambda factors: expectation(y, present, factors, patterns=patterns, extra=None),
        start,
        patterns=patterns,
    )


def test_likelihood_never_falls():
    rng = np.random.default_rng(3)
    loadings = rng.normal(size=(30, 3, 2))
    y = np.einsum("lck,sk->slc", loadings, rng.normal(size=(25, 2)))
    y += 0.1 * rng.normal(size=y.shape)
    whole = np.ones((25, 30), dtype=bool)
    rough = Factors(np.zeros((30, 3)), rng.normal(size=(30, 3, 2)), 1.0)
    rise = fit_factors(y, whole, start=rough)
    assert rise.converged
    assert (np.diff(rise.log_likelihood) > -1e-7).all()
    present = rng.random((25, 30)) > 0.3
    start = Factors.of(np.where(present[..., None], y, 0.0), 2)
    fit = fit_factors(y, present, start=start)
    assert fit.converged
    assert principal_angle(np.moveaxis(fit.factors.loadings, 2, 0), np.moveaxis(loadings, 2, 0)) < 3


def test_expectation_maximisation_of_whole_shapes_is_the_closed_form(group):
    aligned = align(group[0])
    y = aligned.points - aligned.mean
    present = np.ones(y.shape[:2], dtype=bool)
    rng = np.random.default_rng(4)
    start = Factors.of(y, 5)
    rough = Factors(start.mean, start.loadings + 0.5 * rng.normal(size=start.loadings.shape), 1.0)
    found = fit_factors(y, present, start=rough).factors
    truth = Factors.of(y, 5)
    assert (
        principal_angle(np.moveaxis(found.loadings, 2, 0), np.moveaxis(truth.loadings, 2, 0)) < 1e-3
    )
    n = len(y)
    assert found.noise * n / (n - 1) == pytest.approx(truth.noise, rel=1e-6)


def test_nothing_missing_is_plain_principal_components(group):
    aligned = align(group[0])
    flat = (aligned.points - aligned.mean).reshape(len(aligned.points), -1)
    model = fit_shape_model(aligned)
    _, size, vt = np.linalg.svd(flat, full_matrices=False)
    k = model.n_modes
    np.testing.assert_allclose(model.variance, size[:k] ** 2 / (len(flat) - 1), rtol=1e-10)
    cosine = (model.modes.reshape(k, -1) * vt[:k]).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosine), 1, atol=1e-10)
    assert model.noise == 0


def test_fewer_modes_give_the_same_model_in_closed_form_and_as_truncation(group):
    aligned = align(group[0])
    short = fit_shape_model(aligned, n_modes=3)
    full = fit_shape_model(aligned)
    np.testing.assert_allclose(short.variance + short.noise, full.variance[:3], rtol=1e-12)
    assert short.total_variance == pytest.approx(full.total_variance)


def test_scores_are_the_posterior_mean_of_the_dense_gaussian(group):
    model = fit_shape_model(align(group[0]), n_modes=3)
    rng = np.random.default_rng(5)
    points = model.sample(1, rng, noise=True)[0]
    points[rng.random(len(points)) < 0.4] = np.nan
    there = np.repeat(~np.isnan(points).any(axis=1), 3)
    basis = model.modes.reshape(3, -1).T * np.sqrt(model.variance)
    covariance = basis @ basis.T + model.noise * np.eye(len(basis))
    deviation = (points - model.mean).ravel()[there]
    gain = basis[there].T @ np.linalg.inv(covariance[np.ix_(there, there)])
    np.testing.assert_allclose(model.scores(points), gain @ deviation, atol=1e-8)


def test_scores_of_whole_shapes_without_noise_are_their_coefficients(group):
    aligned = align(group[0])
    model = fit_shape_model(aligned)
    np.testing.assert_allclose(
        model.scores(aligned.points), model.coefficients(aligned.points), atol=1e-8
    )
    assert expected_scores(np.eye(3), np.arange(3.0), 0.0) == pytest.approx([0, 1, 2])


def test_a_training_subject_put_onto_the_model_comes_back(group, gappy):
    for landmarks in (group[0], gappy):
        reference = align(landmarks)
        one = LandmarkSet(
            landmarks.subject_ids[7:9],
            landmarks.scheme,
            landmarks.points[7:9] + 12.0,
            landmarks.status[7:9],
        )
        again = align_onto(one, reference)
        np.testing.assert_allclose(again.completed, reference.completed[7:9], atol=1e-9)
        assert again.converged


@pytest.mark.slow
@pytest.mark.parametrize("rotation", ["full", "axial", "none"])
@pytest.mark.parametrize("scale", ["none", "unit"])
@pytest.mark.parametrize("weights", ["landmark", "structure", "area"])
def test_every_rule_of_alignment_is_kept_for_new_subjects(rotation, scale, weights):
    landmarks = place_landmarks(specimens.make_dataset(5), SMALL)
    reference = align(landmarks, rotation=rotation, scale=scale, weights=weights, anchor="conus")
    again = align_onto(landmarks, reference)
    np.testing.assert_allclose(again.points, reference.points, atol=1e-9)
    np.testing.assert_allclose(again.scale, reference.scale, atol=1e-12)


def test_landmarks_of_another_scheme_are_refused(group):
    other = LandmarkSet(("sub-99",), SMALL, group[0].points[:1], group[0].status[:1])
    with pytest.raises(AlignmentError, match="expected the scheme of the finished model"):
        align_onto(other, align(group[0]))


def test_the_full_extent_reaches_the_deepest_image_and_marks_what_a_subject_lacks():
    subjects = [
        specimens.make_subject(f"sub-0{i}", length_mm=length, bend_mm=float(i))
        for i, length in enumerate((158.0, 140.0, 128.0, 158.0))
    ]
    dataset = replace(specimens.make_dataset(1), subjects=tuple(subjects))
    scheme = LandmarkScheme.standard(extent="full", root=9, dura=(12, 8), cord=(10, 8))
    landmarks = place_landmarks(dataset, scheme)
    assert landmarks.scheme.block("dura").extent_mm[1] == pytest.approx(158.1, abs=0.3)
    missing = (landmarks.status == Status.MISSING).sum(axis=1)
    assert missing[0] <= 8
    assert 0 < missing[1] < missing[2]
    model = fit_shape_model(align(landmarks))
    assert np.isfinite(model.mean).all()


def bridged_group():
    return align(place_landmarks(specimens.make_dataset(9), SMALL))


def test_uncertain_bridges_count_less_and_missing_ones_not_at_all():
    aligned = bridged_group()
    gaps = aligned.landmarks.status == Status.BRIDGED
    assert gaps.any()
    spread = aligned.landmarks.bridge_sd
    assert (spread[gaps] > 0).all()
    assert (spread[~gaps] == 0).all()
    plain = fit_shape_model(aligned)
    for choice in ("uncertain", "missing"):
        model = fit_shape_model(aligned, bridged=choice)
        assert model.noise > 0
        assert principal_angle(model.modes[:2], plain.modes[:2]) < 20


def test_moving_a_bridge_moves_an_uncertain_model_less():
    aligned = bridged_group()
    gaps = aligned.landmarks.status == Status.BRIDGED
    rng = np.random.default_rng(6)
    points = aligned.points + 3 * gaps[..., None] * rng.normal(size=(9, 1, 3))
    spoiled = replace(aligned, points=points, completed=points, mean=points.mean(axis=0))
    change = {
        choice: principal_angle(
            fit_shape_model(spoiled, n_modes=2, bridged=choice).modes,
            fit_shape_model(aligned, n_modes=2, bridged=choice).modes,
        )
        for choice in ("as-measured", "uncertain")
    }
    assert change["uncertain"] < change["as-measured"]


def test_unknown_choices_are_refused(group):
    aligned = align(group[0])
    with pytest.raises(ShapeModelError, match=r"bridged: expected one of .* got 'maybe'"):
        fit_shape_model(aligned, bridged="maybe")
    with pytest.raises(ShapeModelError, match="n_modes: expected 1 to 39, got 40"):
        fit_shape_model(aligned, n_modes=40)
    with pytest.raises(AlignmentError, match=r"scale: expected one of .* got 'some'"):
        align(group[0], scale="some")
