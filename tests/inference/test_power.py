"""What a design can find."""

import numpy as np
import pytest
from scipy import stats

from analysis.inference.effects import detectable_r2, effective_dimension, shape_power
from analysis.inference.procrustes_anova import procrustes_anova


def test_one_coordinate_is_the_power_of_an_ordinary_regression():
    critical = stats.f.ppf(0.95, 1, 12)
    wanted = stats.ncf.sf(critical, 1, 12, 14 * 0.3 / 0.7)
    assert shape_power(0.3, n=14, df1=1, df2=12, dimension=1) == pytest.approx(wanted)


def test_detectable_r2_is_found_four_times_in_five():
    r2 = detectable_r2(n=14, df1=1, df2=12, dimension=3.0)
    assert shape_power(r2, n=14, df1=1, df2=12, dimension=3.0) == pytest.approx(0.8)


def test_no_residual_finds_nothing():
    assert np.isnan(detectable_r2(n=2, df1=1, df2=0, dimension=3.0))


def test_effective_dimension_is_that_of_the_population_in_large_groups():
    rng = np.random.default_rng(1)
    sd = np.array([2.0, 1.0, 1.0, 0.5])
    wanted = (sd**2).sum() ** 2 / (sd**4).sum()
    grams = [(x := rng.normal(size=(200, 4)) * sd) @ x.T for _ in range(100)]
    assert np.mean([effective_dimension(g, 200) for g in grams]) == pytest.approx(wanted, rel=0.02)


@pytest.mark.slow
def test_stated_power_is_the_share_of_simulated_groups_in_which_the_effect_is_found():
    n, p, draws = 14, 4, 400
    r2 = detectable_r2(n=n, df1=1, df2=n - 2, dimension=p)
    rng = np.random.default_rng(2)
    x = stats.zscore(rng.normal(size=n))[:, None]
    # |effect|² over tr(Sigma) = p is f² = R²/(1 - R²).
    effect = np.full(p, np.sqrt(r2 / (1 - r2)))
    found = 0
    for _ in range(draws):
        y = x * effect + rng.normal(size=(n, p))
        found += procrustes_anova(y @ y.T, {"x": x}, permutations=499)[0].p <= 0.05
    assert found / draws == pytest.approx(0.8, abs=0.06)
