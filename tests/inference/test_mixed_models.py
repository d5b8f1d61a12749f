"""Random intercepts against R's nlme, exact tests of balanced data, and the fallbacks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_variance_components import table_of

from analysis.inference.mixed_models import (
    RANDOM,
    ROBUST,
    fit_random_intercept,
    level_side_model,
)

REFERENCE = Path(__file__).parents[1] / "reference"


def test_orthodont_is_that_of_nlme():
    table = pd.read_csv(REFERENCE / "mixed_models_input.csv")
    wanted = pd.read_csv(REFERENCE / "mixed_models_output.csv").set_index("name")
    age, girl = table["age"].to_numpy(float), table["girl"].to_numpy(float)
    design = np.column_stack([np.ones(len(age)), age, girl, age * girl])
    names = ("(Intercept)", "age", "girl", "age:girl")
    fit = fit_random_intercept(table["distance"], table["subject"], design, names=names)
    assert fit.model == RANDOM
    assert fit.estimates == pytest.approx(wanted.loc[list(names), "estimate"], rel=1e-5)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(
        wanted.loc[list(names), "se"], rel=1e-3
    )
    assert fit.subject_sd == pytest.approx(wanted.loc["subject_sd", "estimate"], rel=1e-3)
    assert fit.residual_sd == pytest.approx(wanted.loc["residual_sd", "estimate"], rel=1e-4)
    # nlme gives the intercept the degrees of freedom within; here it is between subjects.
    assert list(fit.freedom) == [25, 79, 25, 79]
    assert fit.wald(np.array([3]))[3] == pytest.approx(wanted.loc["age:girl", "p"], rel=0.01)


def test_wald_of_balanced_data_is_the_f_of_the_analysis_of_variance():
    cube = np.random.default_rng(0).normal(size=(8, 3, 2)) + 2 * np.arange(8)[:, None, None]
    model = level_side_model(table_of(cube))
    grand = cube.mean()
    cells = cube.mean(axis=0)
    residual = cube - cells - cube.mean(axis=(1, 2))[:, None, None] + grand
    ss = 16 * ((cube.mean(axis=(0, 2)) - grand) ** 2).sum()
    f, df1, df2, _ = model.fit.wald(model.columns["level"])
    assert (df1, df2) == (2, 7 * 5)
    assert f == pytest.approx(ss / 2 / ((residual**2).sum() / df2), rel=1e-4)


def test_subjects_that_do_not_differ_fall_back_and_say_so():
    cube = np.random.default_rng(1).normal(size=(9, 3, 2))
    cube -= cube.mean(axis=(1, 2), keepdims=True)
    model = level_side_model(table_of(cube))
    assert model.fit.model == ROBUST and model.fit.subject_sd == 0
    assert "variance between subjects is estimated as 0" in model.note
    assert model.fit.wald(model.columns["level:side"])[1:3] == (2.0, 7.0)


def test_a_cell_without_data_leaves_the_interaction_out():
    table = table_of(np.random.default_rng(2).normal(size=(9, 3, 2)) + np.arange(9)[:, None, None])
    model = level_side_model(table[~((table["level"] == "L2") & (table["side"] == "left"))])
    assert list(model.columns) == ["level", "side"] and "left out: level:side" in model.note


def test_equal_values_are_refused():
    with pytest.raises(ValueError, match="expected values that vary, got none or equal ones"):
        level_side_model(table_of(np.ones((4, 2, 2))))


def test_one_subject_is_refused_with_what_to_do():
    cube = np.random.default_rng(3).normal(size=(1, 2, 1)) * np.ones((1, 2, 2))
    with pytest.raises(ValueError, match="1 subjects for 3 columns; leave terms out"):
        level_side_model(table_of(cube))


def test_the_unit_of_the_values_changes_nothing_but_the_unit():
    cube = np.random.default_rng(4).normal(size=(8, 3, 2)) + np.arange(8)[:, None, None]
    one, two = level_side_model(table_of(cube)), level_side_model(table_of(cube * 1e-5))
    assert two.fit.model == RANDOM
    assert two.fit.subject_sd == pytest.approx(one.fit.subject_sd * 1e-5, rel=1e-6)
    assert two.fit.covariance == pytest.approx(one.fit.covariance * 1e-10, rel=1e-6)
