"""Left against right."""

import numpy as np
import pytest
from scipy import stats
from test_variance_components import table_of

from analysis.inference.side_differences import side_differences, sign_flip_p


@pytest.fixture
def cube():
    return np.random.default_rng(0).normal(size=(8, 3, 2)) + np.array([0.5, 0.0])


def mirrored(table, *, signed):
    out = table.copy()
    out["side"] = table["side"].map({"left": "right", "right": "left"})
    out["value"] = -out["value"] if signed else out["value"]
    return out


def test_t_and_interval_are_those_of_scipy(cube):
    row = side_differences(table_of(cube)).iloc[1]
    wanted = stats.ttest_rel(cube[:, 1, 0], cube[:, 1, 1])
    assert (row["t"], row["p"]) == pytest.approx((wanted.statistic, wanted.pvalue))
    interval = wanted.confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["fluctuating_sd"] == pytest.approx((cube[:, 1, 0] - cube[:, 1, 1]).std(ddof=1))


@pytest.mark.parametrize("measure", ["cord_area_mm2", "angle_sac_deg"])
def test_a_mirrored_cohort_flips_every_sign_and_nothing_else(cube, measure):
    table = table_of(cube, measure)
    own = side_differences(table)
    other = side_differences(mirrored(table, signed=measure == "angle_sac_deg"))
    assert (other["estimate"] == -own["estimate"]).all()
    assert other["dz"].tolist() == pytest.approx((-own["dz"]).tolist())
    for name in ("p", "p_flip", "fluctuating_sd", "p_holm_all"):
        assert other[name].tolist() == pytest.approx(own[name].tolist())


def test_symmetric_angles_show_no_difference():
    cube = np.random.default_rng(1).normal(size=(5, 2, 1)) * [[[1.0, -1.0]]]
    found = side_differences(table_of(cube, "angle_sac_deg"))
    assert (found["estimate"] == 0).all() and (found["p_flip"] == 1).all()
    assert found["note"].str.startswith("all differences are equal").all()


def test_all_flips_by_hand():
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == 0.25
    assert sign_flip_p(np.array([1.0, 2.0, -3.0])) == 1


def test_drawn_flips_agree_with_the_t_test():
    d = np.random.default_rng(2).normal(size=40) + 0.3
    assert sign_flip_p(d) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.02)


def test_one_pair_is_not_tested():
    found = side_differences(table_of(np.ones((1, 1, 2)))).iloc[0]
    assert found["n"] == 1 and np.isnan(found["p"]) and "nothing is tested" in found["note"]
