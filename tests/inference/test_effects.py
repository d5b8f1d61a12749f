"""Effect sizes and intervals by inverting noncentral distributions."""

import numpy as np
import pytest
from scipy import stats

from analysis.inference.effects import (
    noncentral_t_cdf,
    noncentrality_interval,
    standardised_mean,
)


@pytest.mark.parametrize(("t", "delta"), [(0.5, 1.0), (-2.0, 0.3), (4.0, 5.0)])
def test_noncentral_t_is_scipys_where_scipys_is_finite(t, delta):
    assert noncentral_t_cdf(t, 13, delta) == pytest.approx(stats.nct.cdf(t, 13, delta), abs=1e-9)


def test_ends_of_the_interval_of_dz_are_refused_at_just_2_5_percent():
    d = np.array([1.0, 2.0, 3.0, 4.0, 6.0])
    dz, low, high = standardised_mean(d)
    t = dz * np.sqrt(5)
    assert dz == pytest.approx(d.mean() / d.std(ddof=1))
    assert stats.nct.sf(t, 4, low * np.sqrt(5)) == pytest.approx(0.025, abs=1e-6)
    assert stats.nct.cdf(t, 4, high * np.sqrt(5)) == pytest.approx(0.025, abs=1e-6)


def test_differences_without_spread_have_no_dz():
    assert np.isnan(standardised_mean(np.full(5, 0.1) + 0.2)).all()


def test_ends_of_the_interval_of_the_noncentrality_are_refused_at_just_2_5_percent():
    low, high = noncentrality_interval(5.0, 3, 20)
    assert stats.ncf.sf(5.0, 3, 20, low) == pytest.approx(0.025, abs=1e-6)
    assert stats.ncf.cdf(5.0, 3, 20, high) == pytest.approx(0.025, abs=1e-6)


def test_small_f_has_an_interval_from_nothing():
    assert noncentrality_interval(0.5, 3, 20)[0] == 0
