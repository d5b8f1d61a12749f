"""Models of a part of the population, against dense Gaussian formulas and regressions."""

from __future__ import annotations

import numpy as np
import populations
import pytest

from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align
from atlas.sampling.conditions import condition_on_covariates, structure_mask, vary_structure
from atlas.sampling.designs import SamplingError


@pytest.fixture(scope="module")
def group():
    return align(populations.posed_population(14, rank=5)[0])


@pytest.fixture(scope="module")
def model(group):
    return fit_shape_model(group).truncate(5)


def covariance(model):
    flat = (model.modes * np.sqrt(model.variance)[:, None, None]).reshape(model.n_modes, -1)
    return flat.T @ flat


def test_one_structure_varies_and_the_rest_is_where_it_is_expected(model):
    varied = vary_structure(model, ["cord"], share=0.9)
    assert varied.n_modes < model.n_modes
    mask = np.repeat(structure_mask(model, ["cord"]), 3)
    whole = covariance(model)
    own = whole[np.ix_(mask, mask)]
    value, vector = np.linalg.eigh(own)
    kept = vector[:, ::-1][:, : varied.n_modes]
    # Dense: regression of every coordinate on the first components of the structure.
    scores = kept.T @ own @ kept
    slope = whole[:, mask] @ kept @ np.linalg.inv(scores)
    np.testing.assert_allclose(covariance(varied), slope @ scores @ slope.T, atol=1e-8)
    held = np.trace(covariance(varied)[np.ix_(mask, mask)]) / np.trace(own)
    assert 0.9 <= held <= 1
    assert value.max() > 0


def test_all_of_a_structure_determines_everything(model):
    varied = vary_structure(model, ["cord"], share=1.0)
    np.testing.assert_allclose(covariance(varied), covariance(model), atol=1e-8)
    np.testing.assert_array_equal(varied.mean, model.mean)


def test_a_structure_goes_by_its_name_or_the_beginning_of_it(model):
    scheme = model.scheme
    names = np.array(scheme.names)
    assert all(name.startswith("root/L5/") for name in names[structure_mask(model, ["root/L5"])])
    assert structure_mask(model, ["root"]).sum() == 14 * scheme.block("root/L1/left").size
    with pytest.raises(SamplingError, match="structure: expected one of"):
        structure_mask(model, ["L5"])
    with pytest.raises(SamplingError, match="share: expected above 0 and at most 1, got 0"):
        vary_structure(model, ["cord"], share=0.0)


def test_covariates_move_the_mean_along_the_regression_and_leave_the_residual(group, model):
    scores = model.scores(group.points)
    rng = np.random.default_rng(1)
    height = 170 + 8 * scores[:, 0] + rng.normal(0, 0.5, len(scores))
    tall = condition_on_covariates(model, scores, {"height": height}, {"height": 186.0})
    x = np.column_stack([np.ones(len(height)), height])
    fit, *_ = np.linalg.lstsq(x, scores, rcond=None)
    np.testing.assert_allclose(tall.mean, model.shape(np.array([1, 186.0]) @ fit), atol=1e-8)
    residual = scores - x @ fit
    lever = np.array([1, 186.0]) @ np.linalg.inv(x.T @ x) @ np.array([1, 186.0])
    flat = (model.modes * np.sqrt(model.variance)[:, None, None]).reshape(5, -1)
    spread = flat.T @ (residual.T @ residual) @ flat * (1 + lever) / (len(x) - 2)
    np.testing.assert_allclose(covariance(tall), spread, atol=1e-8)


@pytest.mark.parametrize(
    ("covariates", "given", "message"),
    [
        ({"age": np.arange(14.0)}, {"height": 1.0}, r"expected some of \['age'\]"),
        ({"age": np.full(14, 23.0)}, {"age": 23.0}, "expected ones that vary"),
        ({"age": np.r_[np.arange(4.0), np.full(10, np.nan)]}, {"age": 2.0}, "at least 5 subjects"),
    ],
)
def test_covariates_that_say_nothing_are_refused(group, model, covariates, given, message):
    with pytest.raises(SamplingError, match=message):
        condition_on_covariates(model, model.scores(group.points), covariates, given)
