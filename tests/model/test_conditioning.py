"""Conditioning against the Gaussian formula computed densely, and its limits."""

import numpy as np
import pytest
from populations import posed_population

from atlas.components.principal import ShapeModelError
from atlas.model.fitting import fit_shape_model
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import align


@pytest.fixture(scope="module")
def aligned():
    return align(posed_population(14)[0])


@pytest.fixture(scope="module")
def model(aligned):
    return fit_shape_model(aligned)


def dense(model):
    """Mean (3 L,) and covariance (3 L, 3 L) of a model."""
    basis = model.modes.reshape(model.n_modes, -1).T * np.sqrt(model.variance)
    noise = np.repeat(model.noise * model.noise_share / model.weights, 3)
    return model.mean.ravel(), basis @ basis.T + np.diag(noise)


def dense_posterior(model, observed, places, variance):
    mean, covariance = dense(model)
    rows = (3 * observed[:, None] + np.arange(3)).ravel()
    seen = covariance[np.ix_(rows, rows)] + np.diag(np.repeat(variance, 3))
    gain = covariance[:, rows] @ np.linalg.inv(seen)
    return mean + gain @ (places.ravel() - mean[rows]), covariance - gain @ covariance[rows]


@pytest.mark.slow
@pytest.mark.parametrize("n_modes", [None, 4])
@pytest.mark.parametrize("weights", ["landmark", "structure"])
@pytest.mark.parametrize("noise_mm", [0.5, "uneven"])
def test_posterior_is_the_gaussian_formula_computed_densely(n_modes, weights, noise_mm):
    model = fit_shape_model(align(posed_population(14)[0], weights=weights), n_modes=n_modes)
    rng = np.random.default_rng(1)
    observed = rng.choice(model.scheme.size, 40, replace=False)
    places = model.sample(1, rng, noise=True)[0][observed]
    sd = rng.uniform(0.2, 1, 40) if noise_mm == "uneven" else np.full(40, noise_mm)
    names = [model.scheme.names[i] for i in observed]
    posterior = model.condition(places, names, noise_mm=sd)
    mean, covariance = dense_posterior(model, observed, places, sd**2)
    np.testing.assert_allclose(posterior.mean.ravel(), mean, atol=1e-8)
    np.testing.assert_allclose(dense(posterior)[1], covariance, atol=1e-8)


def test_on_nothing_the_model_stays_as_it_was(model):
    posterior = model.condition(np.full(model.mean.shape, np.nan))
    np.testing.assert_allclose(posterior.mean, model.mean, atol=1e-12)
    np.testing.assert_allclose(posterior.variance, model.variance, rtol=1e-10)
    np.testing.assert_allclose(posterior.modes, model.modes, atol=1e-8)


def test_on_everything_without_noise_only_the_shape_is_left(aligned, model):
    posterior = model.condition(aligned.points[3])
    np.testing.assert_allclose(posterior.mean, aligned.points[3], atol=1e-8)
    assert posterior.n_modes == 0
    np.testing.assert_allclose(posterior.landmark_sd, 0, atol=1e-8)


def test_with_noise_of_its_own_everything_observed_exactly_is_the_shape(model):
    short = model.truncate(3)
    shape = short.sample(1, np.random.default_rng(2), noise=True)[0]
    posterior = short.condition(shape)
    np.testing.assert_allclose(posterior.mean, shape, atol=1e-8)
    np.testing.assert_allclose(posterior.landmark_sd, 0, atol=1e-6)


def test_two_observations_one_after_the_other_are_both_at_once(model):
    rng = np.random.default_rng(3)
    shape = model.sample(1, rng)[0]
    names = np.array(model.scheme.names)
    first, second = np.arange(0, 60), np.arange(60, 100)
    both = model.condition(shape[:100], names[:100], noise_mm=0.4)
    stepwise = model.condition(shape[first], names[first], noise_mm=0.4).condition(
        shape[second], names[second], noise_mm=0.4
    )
    np.testing.assert_allclose(stepwise.mean, both.mean, atol=1e-8)
    np.testing.assert_allclose(stepwise.landmark_sd, both.landmark_sd, atol=1e-8)


def test_few_exact_landmarks_are_met_and_the_rest_keeps_its_freedom(model):
    shape = model.sample(1, np.random.default_rng(4))[0]
    names = model.scheme.names[:2]
    posterior = model.condition(shape[:2], names)
    np.testing.assert_allclose(posterior.mean[:2], shape[:2], atol=1e-8)
    assert posterior.n_modes == model.n_modes - 6
    assert isinstance(posterior, ShapeModel)


def test_more_noise_tells_less(model):
    shape = model.sample(1, np.random.default_rng(5))[0]
    spread = [
        model.condition(shape[:50], model.scheme.names[:50], noise_mm=sd).total_variance
        for sd in (0.1, 1.0, 10.0, 1e4)
    ]
    assert (np.diff(spread) > 0).all()
    assert spread[-1] == pytest.approx(model.total_variance, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((np.zeros((1, 3)), ["dura/99/0"]), r"names: expected landmarks .* got \['dura/99/0'\]"),
        ((np.zeros((2, 3)), ["dura/0/0"] * 2), "got repeated names"),
        ((np.zeros((2, 3)), ["dura/0/0"]), r"points: expected shape \(1, 3\), one a name"),
    ],
)
def test_bad_observations_say_expected_and_got(model, arguments, text):
    with pytest.raises(ShapeModelError, match=text):
        model.condition(*arguments)
    with pytest.raises(ShapeModelError, match="noise_mm: expected 0 or more mm"):
        model.condition(np.zeros((1, 3)), ["dura/0/0"], noise_mm=-1)
