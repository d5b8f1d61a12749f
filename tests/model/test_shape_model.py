"""The shape model against scikit-learn, closed forms and its own theorems."""

import json
import subprocess
import sys

import numpy as np
import pytest
import specimens
from populations import posed
from sklearn.decomposition import PCA

from atlas.components.principal import ShapeModelError, principal_components
from atlas.data.dataset import read_dataset
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.fitting import fit_shape_model
from atlas.model.shape_model import ShapeModel, left_half, mode_signs
from atlas.procrustes.alignment import align

SMALL = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))


@pytest.fixture(scope="module")
def landmarks():
    return place_landmarks(specimens.make_dataset(9), SMALL)


@pytest.fixture(scope="module")
def alignment(landmarks):
    return align(landmarks)


@pytest.fixture(scope="module")
def model(alignment):
    return fit_shape_model(alignment)


@pytest.mark.parametrize("shape", [(9, 300), (300, 9), (20, 20)])
def test_components_agree_with_scikit_learn(shape):
    rng = np.random.default_rng(3)
    x = rng.normal(size=shape) * np.geomspace(10, 0.1, shape[1])
    x -= x.mean(axis=0)
    modes, variance = principal_components(x)
    reference = PCA(svd_solver="full").fit(x)
    k = len(variance)
    np.testing.assert_allclose(variance, reference.explained_variance_[:k], rtol=1e-8)
    cosine = (modes * reference.components_[:k]).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosine), 1, atol=1e-8)


def test_model_agrees_with_scikit_learn(alignment, model):
    flat = alignment.points.reshape(9, -1)
    reference = PCA(svd_solver="full").fit(flat)
    np.testing.assert_allclose(model.variance, reference.explained_variance_[:8], rtol=1e-8)
    ours = model.modes.reshape(8, -1)
    signs = np.sign((ours * reference.components_[:8]).sum(axis=1))
    np.testing.assert_allclose(ours, reference.components_[:8] * signs[:, None], atol=1e-8)


def test_modes_are_orthonormal_and_at_most_one_less_than_subjects(model):
    assert model.n_modes == 8
    flat = model.modes.reshape(8, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(8), atol=1e-12)


def test_coefficients_of_a_shape_are_those_it_was_made_from(model):
    c = np.random.default_rng(0).normal(size=(5, 8))
    np.testing.assert_allclose(model.coefficients(model.shape(c)), c, atol=1e-10)
    np.testing.assert_allclose(model.coefficients(model.shape(c[0])), c[0], atol=1e-10)


def test_training_subjects_are_reproduced_by_their_coefficients(alignment, model):
    again = model.shape(model.coefficients(alignment.points))
    np.testing.assert_allclose(again, alignment.points, atol=1e-9)


def test_training_coefficients_have_mean_zero_and_variance_one(alignment, model):
    c = model.coefficients(alignment.points)
    np.testing.assert_allclose(c.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(c.T), np.eye(8), atol=1e-9)


def test_rigid_motion_of_every_subject_changes_no_eigenvalue(landmarks, model):
    other = fit_shape_model(align(posed(landmarks)))
    np.testing.assert_allclose(other.variance, model.variance, rtol=1e-6)
    np.testing.assert_allclose(other.modes[:3], model.modes[:3], atol=1e-6)


def test_permuting_subjects_permutes_scores(alignment, model):
    order = np.random.default_rng(1).permutation(9)
    from atlas.landmarks.placing import LandmarkSet

    marks = alignment.landmarks
    shuffled = LandmarkSet(
        tuple(np.array(marks.subject_ids)[order]), SMALL, marks.points[order], marks.status[order]
    )
    again = align(shuffled)
    scores = fit_shape_model(again).coefficients(again.points)
    np.testing.assert_allclose(scores, model.coefficients(alignment.points)[order], atol=1e-6)


def test_landmark_sd_is_that_of_the_aligned_points(alignment, model):
    np.testing.assert_allclose(model.landmark_sd, alignment.points.std(axis=0, ddof=1), atol=1e-9)


def test_truncation_keeps_the_total_variance_and_says_so_in_the_noise(model):
    short = model.truncate(2)
    assert short.n_modes == 2
    assert short.noise > 0
    assert short.total_variance == pytest.approx(model.total_variance)
    assert short.truncate(1).total_variance == pytest.approx(model.total_variance)


@pytest.mark.slow
def test_samples_have_the_mean_and_variance_of_the_model(model):
    draws = model.sample(20_000, np.random.default_rng(5))
    c = model.coefficients(draws)
    np.testing.assert_allclose(c.mean(axis=0), 0, atol=4 / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(c.T), np.eye(8), atol=0.05)
    short = model.truncate(1)
    noisy = short.sample(2_000, np.random.default_rng(6), noise=True)
    spread = ((noisy - short.mean) ** 2).sum(axis=(1, 2)).mean()
    assert spread == pytest.approx(short.total_variance, rel=0.1)


def test_the_same_seed_draws_the_same_shapes(model):
    draws = [model.sample(3, np.random.default_rng(9)) for _ in range(2)]
    np.testing.assert_array_equal(*draws)


def test_signs_do_not_hang_on_rounding_in_a_symmetric_mode():
    rng = np.random.default_rng(7)
    mode = rng.normal(size=(SMALL.size, 3))
    reflect = np.array([-1.0, 1, 1])
    symmetric = mode + mode[SMALL.mirror] * reflect
    antisymmetric = mode - mode[SMALL.mirror] * reflect
    for shape in (symmetric, antisymmetric):
        for sign in (1, -1):
            jitter = 1 + 1e-12 * rng.normal(size=(50, SMALL.size, 3))
            signs = mode_signs(sign * shape * jitter, SMALL)
            assert len(set(signs)) == 1
        assert signs[0] == -mode_signs(shape[None], SMALL)[0]


def test_left_half_and_its_mirror_cover_everything_once_but_the_midline():
    half = left_half(SMALL)
    covered = half.astype(int) + half[SMALL.mirror]
    midline = SMALL.mirror == np.arange(SMALL.size)
    np.testing.assert_array_equal(covered, np.where(midline, 2, 1))


def test_one_subject_or_no_variation_is_refused(alignment):
    one = align(place_landmarks(specimens.make_dataset(1), SMALL))
    with pytest.raises(ShapeModelError, match=r"expected at least 2 subjects.*got 1"):
        fit_shape_model(one)
    with pytest.raises(ShapeModelError, match="got the same shape in every subject"):
        principal_components(np.zeros((4, 10)))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.shape(np.zeros(9)), "coefficients: expected at most 8, got 9"),
        (lambda m: m.coefficients(np.zeros((4, 3))), r"expected shape \(\.\.\., \d+, 3\), got"),
        (lambda m: m.coefficients(m.mean * np.nan), r"expected every landmark, got missing"),
        (lambda m: m.truncate(0), "k: expected 1 to 8 modes, got 0"),
        (
            lambda m: ShapeModel(m.scheme, m.mean, m.modes, -m.variance, 0.0, 9),
            "variance: expected positive and falling",
        ),
    ],
)
def test_bad_use_says_expected_and_got(model, call, text):
    with pytest.raises(ShapeModelError, match=text):
        call(model)


@pytest.mark.shared
@pytest.mark.slow
def test_warped_cohort_with_six_factors_gives_six_modes(shared_folder, tmp_path):
    cohort = tmp_path / "cohort"
    tool = shared_folder / "tools" / "warp_cohort.py"
    arguments = [shared_folder / "data" / "sub-03", cohort, "--seed", "1", "--noise", "0"]
    subprocess.run([sys.executable, tool, *arguments, "--plain"], check=True, capture_output=True)
    truth = json.loads((cohort / "truth.json").read_text())
    dataset = read_dataset(cohort)
    aligned = align(place_landmarks(dataset))
    model = fit_shape_model(aligned)
    assert model.explained[:6].sum() >= 0.995
    factors = np.array([truth["subjects"][s.id]["factors"] for s in dataset.subjects])
    scores = model.coefficients(aligned.points)[:, :6]
    design = np.column_stack([np.ones(len(scores)), scores])
    for name in ("lordosis", "lateral_bend"):
        y = factors[:, truth["factors"].index(name)]
        residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        assert 1 - residual @ residual / ((y - y.mean()) @ (y - y.mean())) >= 0.98, name
