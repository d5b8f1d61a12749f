"""Holm and Benjamini-Hochberg within stated families."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from analysis.inference.multiplicity import adjusted, with_adjusted


def test_holm_by_hand():
    # 0.01 x 3; 0.02 x 2 = 0.04; 0.03 x 1, kept monotone at 0.04.
    assert adjusted(np.array([0.03, 0.01, 0.02]), "holm") == pytest.approx([0.04, 0.03, 0.04])


def test_benjamini_hochberg_by_hand():
    # 0.01 x 3/1, 0.04 x 3/2 = 0.06 over 0.05 x 3/3.
    assert adjusted(np.array([0.05, 0.01, 0.04]), "bh") == pytest.approx([0.05, 0.03, 0.05])


@pytest.mark.parametrize(("method", "name"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_adjusted_p_are_those_of_statsmodels(method, name):
    p = np.random.default_rng(0).uniform(0, 0.2, 20)
    assert adjusted(p, method) == pytest.approx(multipletests(p, method=name)[1])


def test_missing_p_are_not_counted_and_stay_missing():
    out = adjusted(np.array([0.01, np.nan, 0.04]), "holm")
    assert np.isnan(out[1]) and out[[0, 2]] == pytest.approx([0.02, 0.04])


def test_families_do_not_see_each_other():
    table = pd.DataFrame({"family": ["a", "b", "a"], "p": [0.01, 0.03, 0.02], "rest": 0})
    out = with_adjusted(table, family=["family"])
    assert list(out) == ["family", "p", "p_holm", "p_bh", "rest"]
    assert out["p_holm"].tolist() == pytest.approx([0.02, 0.03, 0.02])
