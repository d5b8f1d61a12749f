"""Tables of large builds: intervals that hold, and bases that stand apart."""

import numpy as np
import pytest

from analysis.large_products import _rows, sd_interval

DRAWS = {
    "normal": (lambda rng, n: rng.normal(size=n), 1.0),
    "uniform": (lambda rng, n: rng.uniform(size=n), 12**-0.5),
    "gamma": (lambda rng, n: rng.gamma(4, size=n), 2.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DRAWS)
def test_the_interval_of_an_sd_holds_it(kind):
    draw, truth = DRAWS[kind]
    rng = np.random.default_rng(0)
    found = np.array([sd_interval(draw(rng, 500)) for _ in range(1000)])
    assert 0.93 <= ((found[:, 0] <= truth) & (truth <= found[:, 1])).mean() <= 0.975


def test_the_interval_of_normal_data_is_that_of_chi_square():
    from scipy import stats

    values = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    sd = values.std(ddof=1)
    exact = sd * np.sqrt(1999 / stats.chi2.ppf([0.975, 0.025], 1999))
    np.testing.assert_allclose(sd_interval(values), exact, rtol=3e-3)


def test_values_that_rest_on_bridges_get_rows_of_their_own():
    names = (("L1", "left", "angle_deg"), ("L2", "left", "angle_deg"))
    values = np.array([[1.0, 2, 3, 10, np.nan], [1, 1, 2, 2, 3]])
    grounds = np.array([[0, 0, 0, 1, 2], [0, 0, 0, 0, 0]])
    rows = list(_rows(names, values, grounds))
    assert [(r["level"], r["basis"]) for r in rows] == [
        ("L1", "all"),
        ("L1", "measured"),
        ("L1", "bridged"),
        ("L2", "all"),
    ]
    everything, measured, bridged, _ = rows
    assert (everything["n"], everything["n_missing"], everything["mean"]) == (4, 1, 4.0)
    assert (measured["n"], measured["mean"], measured["max"]) == (3, 2.0, 3.0)
    assert bridged["n"] == 1 and np.isnan(bridged["sd"]) and np.isnan(bridged["mean_low"])
    assert np.isnan(everything["sd_low"])
