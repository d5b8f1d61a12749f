"""Tests in their own strata against R's aov."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference.mixed_tables import stratum_test
from analysis.inference.roots import complete_cube

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture(scope="module")
def roots():
    return pd.read_csv(REFERENCE / "strata_input.csv")


@pytest.mark.parametrize("effect", ["level", "side", "level:side"])
def test_f_and_corrected_p_are_those_of_r(roots, effect):
    wanted = pd.read_csv(REFERENCE / "strata_output.csv").set_index("effect").loc[effect]
    found = stratum_test(complete_cube(roots), effect)
    assert [found.f, found.df1, found.df2] == pytest.approx(list(wanted[["f", "df1", "df2"]]))
    assert found.epsilon == pytest.approx(wanted["epsilon"], abs=1e-4)
    assert found.p == pytest.approx(wanted["p"], rel=1e-8)


def test_side_is_the_paired_t_test_of_subjects_means(roots):
    cube = complete_cube(roots)
    t = stats.ttest_rel(*cube.mean(axis=1).T)
    found = stratum_test(cube, "side")
    assert (found.f, found.p) == pytest.approx((t.statistic**2, t.pvalue))


def test_a_subject_without_one_root_is_not_in_the_cube(roots):
    assert complete_cube(roots.drop(index=3)).shape == (5, 4, 2)


def test_nothing_left_to_vary_is_no_test():
    assert np.isnan(stratum_test(np.ones((3, 2, 2)), "level").p)
    assert np.isnan(stratum_test(np.random.default_rng(0).normal(size=(1, 2, 2)), "level").p)
