"""Left against right: directional asymmetry, and the fluctuating one about it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats

from analysis.inference.effects import standardised_mean
from analysis.inference.multiplicity import ADJUSTED, with_adjusted
from analysis.inference.roots import root_values
from analysis.morphometry import unit
from analysis.variability.normal_intervals import mean_interval, sd_interval

EXACT_PAIRS = 14
FLIPS = 9999
# What the columns of `side_differences` say.
COLUMNS = {
    "measure, level, unit, n": "what; pairs of sides",
    "estimate, low, high": "mean of left minus right, the right mirrored; Student's 95 %",
    "dz, dz_low, dz_high": "the mean in SDs of the differences; noncentral t, 95 %",
    "fluctuating_sd, …_low, …_high": "SD of the differences about their mean, annotation error "
    "included; chi-square, 95 %",
    "t, p": "Student's t test with n - 1 degrees of freedom",
    "p_holm, p_bh": ADJUSTED + "the levels of a measure",
    "p_holm_all, p_bh_all": ADJUSTED + "the whole table",
    "p_flip, p_flip_…": "the same by flipping signs, exact up to 14 pairs",
    "note": "why nothing was tested",
}


def side_differences(measures: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Left minus right of each measure and level, after the right is mirrored.

    Parameters
    ----------
    measures : DataFrame
        ``subject, level, side, measure, value`` as ``measure_group`` gives it.
    seed : int
        Of the sign flips where there are more than 14 pairs.

    Returns
    -------
    DataFrame
        One row a measure and level: ``n`` pairs, ``estimate`` the mean difference with ``low,
        high`` (Student, n - 1), ``dz`` with ``dz_low, dz_high`` (noncentral t), ``fluctuating_sd``
        with ``_low, _high`` (chi-square): the SD of the differences about their mean, annotation
        error included; ``t``, ``p`` (Student), ``p_holm, p_bh`` over the levels of the measure,
        ``p_holm_all, p_bh_all`` over the whole table, ``p_flip`` (sign flips, exact up to 14
        pairs) with the same four, and ``note``.

    Notes
    -----
    Directional and fluctuating asymmetry after Palmer & Strobeck (1986,
    doi:10.1146/annurev.es.17.110186.002135).  Sign flips suppose differences symmetric about 0.
    """
    roots = root_values(measures)
    rows = []
    for (name, level), group in roots.groupby(["measure", "level"], sort=False, observed=True):
        sides = group.pivot_table(index="subject", columns="side", values="value", observed=True)
        sides = sides.reindex(columns=["left", "right"]).dropna()
        differences = (sides["left"] - sides["right"]).to_numpy(float)
        rows.append(
            {"measure": name, "level": level, "unit": unit(str(name))}
            | _one_level(differences, seed=seed)
        )
    columns = ["measure", "level", "unit", *_one_level(np.empty(0), seed=seed)]
    table = pd.DataFrame(rows, columns=columns)
    for p in ("p", "p_flip"):
        table = with_adjusted(table, family=[], p=p, suffix="_all")
        table = with_adjusted(table, family=["measure"], p=p)
    return table


def sign_flip_p(differences: np.ndarray, *, seed: int = 0) -> float:
    """Two-sided p of the mean of paired differences by flipping their signs.

    Parameters
    ----------
    differences : (n,) float
    seed : int
        Of the draws above 14 pairs; below all ``2^n`` flips are taken.

    Returns
    -------
    float
        Share of flips, the observed among them, whose mean is as far from 0.

    Examples
    --------
    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]))
    0.25
    """
    if not len(differences):
        return np.nan
    means = np.abs(_signs(len(differences), seed) @ differences)
    # Sums in another order differ by rounding; what is equal must count as equal.
    return float((means >= means[0] - 1e-9 * np.abs(differences).sum()).mean())


@lru_cache(maxsize=8)
def _signs(n: int, seed: int) -> np.ndarray:
    """Sign vectors (m, n), the first all +."""
    if n <= EXACT_PAIRS:
        return 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    drawn = np.random.default_rng(seed).choice([-1.0, 1.0], size=(FLIPS, n))
    return np.vstack([np.ones(n), drawn])


def _one_level(d: np.ndarray, *, seed: int) -> dict[str, object]:
    n = len(d)
    mean = d.mean() if n else np.nan
    sd = d.std(ddof=1) if n > 1 else np.nan
    half = float(mean_interval(np.array([n]), np.array([sd]))[0])
    low, high = sd_interval(np.array([n]), np.array([sd]))
    dz = standardised_mean(d)
    t = mean / (sd / np.sqrt(n)) if np.isfinite(dz[0]) else np.nan
    same = n > 1 and not np.isfinite(dz[0])
    note = "" if n > 1 else "fewer than 2 pairs: nothing is tested"
    return {
        "n": n,
        "estimate": mean,
        "low": mean - half,
        "high": mean + half,
        "dz": dz[0],
        "dz_low": dz[1],
        "dz_high": dz[2],
        "fluctuating_sd": sd,
        "fluctuating_sd_low": low[0],
        "fluctuating_sd_high": high[0],
        "t": t,
        "p": 2 * stats.t.sf(abs(t), n - 1) if n > 1 else np.nan,
        "p_flip": sign_flip_p(d, seed=seed) if n > 1 else np.nan,
        "note": "all differences are equal: no t test" if same else note,
    }
