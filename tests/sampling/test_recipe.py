"""Recipes: from plain values to a plan, for every condition a cohort can be given."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import specimens

from analysis.morphometry.measuring import named_values
from atlas.build import build_atlas
from atlas.data.dataset import Dataset
from atlas.exchange.marker_files import write_markers
from atlas.sampling.designs import SamplingError
from atlas.sampling.recipe import Recipe, keeps_rules, parse_covariates
from atlas.store import Atlas, Settings

FREE = {"coverage": None, "check": False}


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    subjects = specimens.make_dataset(7).subjects
    tall = [
        replace(s, covariates={"height": 160.0 + 4 * i, "site": "one"})
        for i, s in enumerate(subjects)
    ]
    dataset = Dataset("made", tuple(tall))
    return build_atlas(dataset, Settings(root=16, dura=(16, 16), cord=(16, 12)))


def test_a_recipe_is_json_and_back():
    recipe = Recipe(n=3, given=("a = 1",), covariates=(("height", 180.0),), vary=("cord",))
    document = json.loads(json.dumps(recipe.document()))
    assert document["given"] == ["a = 1"]
    assert document["covariates"] == [["height", 180.0]]
    assert document["n"] == 3


def test_a_condition_needs_what_measures(atlas):
    with pytest.raises(SamplingError, match="given 'x = 1': expected what measures an anatomy"):
        Recipe(n=3, given=("x = 1",)).plan(atlas)


@pytest.mark.slow
def test_the_draws_have_the_measure_that_was_given(atlas):
    scheme = atlas.model.scheme
    key = ("L1", "both", "csf_dorsal_mm")
    draws = Recipe(n=40, **FREE).plan(atlas).draw()
    free = np.array([named_values(scheme.anatomy(p))[key] for p in draws.points])
    # Towards the mean of the population and a little beyond: an anatomy there is possible.
    value, sd = float(np.median(free)) + 0.3 * free.std(), 0.2 * free.std()
    text = f"dorsal CSF at L1 = {value:.4f} mm ± {sd:.4f}"
    given = Recipe(n=40, given=(text,), **FREE).plan(atlas, measure=named_values).draw()
    measured = np.array([named_values(scheme.anatomy(p))[key] for p in given.points])
    assert measured.mean() == pytest.approx(value, abs=4 * sd / np.sqrt(40))
    assert measured.std() == pytest.approx(sd, rel=0.4)
    assert given.valid.all()


def test_a_symmetric_cohort_is_its_own_mirror_image(atlas):
    plan = Recipe(n=4, symmetric=True, **FREE).plan(atlas)
    points = plan.draw().points
    mirrored = points[:, atlas.model.scheme.mirror] * [-1, 1, 1]
    np.testing.assert_allclose(points, mirrored, atol=1e-8)


def test_covariates_come_from_the_atlas_and_only_numbers_can_be_given(atlas):
    assert atlas.provenance["covariates"]["height"][:2] == [160.0, 164.0]
    plan = Recipe(n=4, covariates=(("height", 180.0),), **FREE).plan(atlas)
    assert not np.allclose(plan.model.mean, atlas.model.mean, atol=1e-3)
    with pytest.raises(SamplingError, match=r"expected some of \['height'\], got \['site'\]"):
        Recipe(n=4, covariates=(("site", 1.0),), **FREE).plan(atlas)


def test_samples_of_a_seen_subject_keep_what_was_seen(atlas, tmp_path):
    scheme = atlas.model.scheme
    anatomy = scheme.anatomy(atlas.alignment.points[0])
    write_markers(anatomy, tmp_path / "sub-09", "sub-09", notice="generated for a test")
    for path in (tmp_path / "sub-09").glob("*_nerveroots_*"):
        path.unlink()
    for path in (tmp_path / "sub-09").glob("*_ganglions_*"):
        path.unlink()
    plan = Recipe(n=30, seen=str(tmp_path / "sub-09"), **FREE).plan(atlas)
    spread = plan.model.landmark_sd.max(axis=1)
    before = atlas.model.landmark_sd.max(axis=1)
    assert spread[scheme.span("dura")].mean() < 0.5 * before[scheme.span("dura")].mean()


def test_only_the_structure_that_was_named_varies_by_itself(atlas):
    plan = Recipe(n=4, vary=("cord",), **FREE).plan(atlas)
    assert plan.design.n_modes == plan.model.n_modes <= atlas.model.n_modes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symmetric": True, "covariates": (("height", 1.0),)}, "expected one of symmetric, seen"),
        ({"method": "bootstrap", "symmetric": True}, "expected the whole population"),
    ],
)
def test_conditions_that_exclude_each_other_are_refused(atlas, options, message):
    with pytest.raises(SamplingError, match=message):
        Recipe(n=4, **options).plan(atlas)


@pytest.mark.parametrize("text", ["height", "height=tall", "=3x"])
def test_a_covariate_that_is_no_number_is_refused(text):
    with pytest.raises(SamplingError, match="expected a name and a number"):
        parse_covariates([text])


def test_the_field_of_view_is_no_reason_to_refuse_a_shape(atlas):
    # The rule that a low conus lies below the last ring is not among those that forbid.
    held = keeps_rules(atlas.model.mean[None], scheme=atlas.model.scheme)
    plan = Recipe(n=1).plan(atlas)
    assert held.shape == (1, len(plan.rules))
    assert "cord-within-rings" not in plan.rules
    assert "roots-apart" in plan.rules
