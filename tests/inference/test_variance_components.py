"""Intraclass correlations against a published table, components against known ones."""

import numpy as np
import pandas as pd
import pytest

from analysis.inference.variance_components import icc, variance_components

# Shrout & Fleiss (1979, doi:10.1037/0033-2909.86.2.420), table 2: four judges, six targets.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def table_of(cube, measure="cord_area_mm2"):
    s, a, _ = cube.shape
    rows = [
        (f"sub-{i}", f"L{j + 1}", side, measure, cube[i, j, k])
        for i in range(s)
        for j in range(a)
        for k, side in enumerate(("left", "right"))
    ]
    return pd.DataFrame(rows, columns=["subject", "level", "side", "measure", "value"])


def test_the_published_example():
    found = icc(SHROUT_FLEISS)
    assert round(found.agreement, 2) == 0.29 and round(found.consistency, 2) == 0.71
    low, high = found.consistency_low, found.consistency_high
    assert (round(low, 2), round(high, 2)) == (0.34, 0.95)
    assert round(found.agreement_low, 2) == 0.02 and round(found.agreement_high, 2) == 0.76


def test_a_constant_between_columns_lowers_agreement_not_consistency():
    x = np.random.default_rng(0).normal(size=(8, 1)) + np.array([0.0, 3.0])
    x[:, 1] += 0.1 * np.arange(8) % 0.3
    shifted = icc(x + np.array([0.0, 5.0]))
    assert shifted.consistency == pytest.approx(icc(x).consistency)
    assert shifted.agreement < icc(x).agreement


def test_no_variation_has_no_correlation():
    assert np.isnan(icc(np.ones((4, 2))).consistency)
    assert np.isnan(icc(np.ones((1, 2))).consistency)


def test_known_components_are_found_within_their_intervals():
    rng = np.random.default_rng(1)
    cube = 3 * rng.normal(size=(60, 1, 1)) + rng.normal(size=(60, 7, 2)) + 50
    found = variance_components(table_of(cube)).set_index("component")
    for name, sd in (("subject", 3.0), ("residual", 1.0)):
        row = found.loc[name]
        assert row["low"] < sd < row["high"] and row["estimate"] == pytest.approx(sd, rel=0.2)
    assert (found["unit"][:4] == "mm2").all() and found.loc["residual", "n"] == 60


def test_interval_of_the_residual_is_the_chi_square_one():
    cube = np.random.default_rng(2).normal(size=(9, 3, 2))
    row = variance_components(table_of(cube)).set_index("component").loc["residual"]
    freedom = 9 * 6 - 1 - 8 - 2 - 1
    from scipy import stats

    wanted = row["estimate"] * np.sqrt(freedom / stats.chi2.ppf([0.975, 0.025], freedom))
    assert [row["low"], row["high"]] == pytest.approx(wanted, rel=0.02)


def test_subjects_left_out_are_counted():
    table = table_of(np.random.default_rng(3).normal(size=(5, 2, 2))).drop(index=0)
    assert variance_components(table)["note"].iloc[0].startswith("1 subjects without every level")
