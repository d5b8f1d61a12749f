"""How the same measure goes together at neighbouring levels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.morphometry import unit
from analysis.morphometry.definitions import RestsOn
from analysis.variability.normal_intervals import CONFIDENCE
from analysis.variability.segment_rows import SIDES, SegmentRows, segment_rows, whole_rows
from atlas.data.subject import LEVELS

Floats = NDArray[np.float64]
# What the columns of `neighbour_table` say.
COLUMNS = {
    "measure, side": "what was measured; pooled: mean of the sides, the right of a signed measure "
    "mirrored first",
    "level, next_level": "the two levels",
    "unit": "of the SDs; that of the covariance is its square",
    "n": "subjects with a value at both",
    "n_bridged, n_generated": "of these with a bridged, or a generated, value at either",
    "sd, next_sd": "SD (n - 1) over these subjects",
    "covariance, covariance_low, covariance_high": f"with n - 1, and its {CONFIDENCE:.0%} interval",
    "correlation, correlation_low, correlation_high": "Pearson's, and its "
    f"{CONFIDENCE:.0%} interval (Fisher z); empty below four subjects",
}
NAMES = [name for group in COLUMNS for name in group.split(", ")]
# Nearer to ±1 rounding decides; Fisher's z is infinite there.
WHOLE = 1 - 1e-12


def neighbour_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Covariance and correlation over subjects of each measure at neighbouring levels.

    Parameters
    ----------
    measures : DataFrame
        ``subject, level, side, measure, value, rests_on`` as ``measure_group`` gives it.

    Returns
    -------
    DataFrame
        One row a measure, side and pair of levels L1-L2 to S1-S2, as ``COLUMNS`` says.  The depth
        of a root's begin counts from the dura apex as ``begin_below_apex_mm`` and from the conus as
        ``begin_above_conus_mm``: what levels share from the apex may be the field of view.

    Notes
    -----
    Of normal pairs: ``atanh r ± 1.96 / sqrt(n - 3)`` (Fisher) for the correlation; for the
    covariance the MOVER combination (Zou and Donner 2008, doi:10.1002/sim.3095) of the chi-square
    intervals of the variances of sum and difference, each value over its own SD.  At n = 14 the
    first is wide: an estimate of 0 has -0.53 to 0.53, one of 0.5 has -0.04 to 0.82.
    """
    rows = segment_rows(measures)
    tables = [_pair_rows(rows, *levels) for levels in pairwise(LEVELS)]
    table = pd.concat(tables, ignore_index=True)
    order = {name: i for i, name in enumerate(dict.fromkeys(measures["measure"]))}
    rank = table["measure"].map(order)
    table = table.iloc[np.lexsort([table["side"].map(SIDES.index), rank])]
    return table.reset_index(drop=True)


def _pair_rows(rows: SegmentRows, level: str, following: str) -> pd.DataFrame:
    whole = whole_rows(rows.keys).reset_index(names="row")
    first, second = (whole[whole["level"] == name] for name in (level, following))
    pairs = first.merge(second, on=["side", "measure"], suffixes=("", "_next"))
    a, b = pairs["row"].to_numpy(int), pairs["row_next"].to_numpy(int)
    seen = ~np.isnan(rows.values[a] + rows.values[b])
    kinds = {
        f"n_{kind.name.lower()}": (
            seen & ((rows.grounds[a] == kind) | (rows.grounds[b] == kind))
        ).sum(axis=1)
        for kind in (RestsOn.BRIDGED, RestsOn.GENERATED)
    }
    numbers = _paired(rows.values[a], rows.values[b], seen)
    keys = {"measure": pairs["measure"], "side": pairs["side"], "level": level}
    keys |= {"next_level": following, "unit": pairs["measure"].map(unit)}
    return pd.DataFrame({**keys, **kinds, **numbers})[NAMES]


def _paired(a: Floats, b: Floats, seen: NDArray[np.bool_]) -> dict[str, NDArray]:
    """Statistics of pairs (m, S) over the subjects seen in both."""
    n = seen.sum(axis=1)
    freedom = np.where(n > 1, n - 1, np.nan)
    x, y = (_centred(values, seen, n) for values in (a, b))
    sd, next_sd = (np.sqrt((v * v).sum(axis=1) / freedom) for v in (x, y))
    covariance = (x * y).sum(axis=1) / freedom
    size = sd * next_sd
    correlation = np.full(len(n), np.nan)
    varied = (size > 0) & (n > 2)
    np.divide(covariance, size, out=correlation, where=varied)
    low, high = correlation_interval(correlation, n)
    result = {"n": n, "sd": sd, "next_sd": next_sd, "covariance": covariance}
    covariance_low, covariance_high = covariance_interval(correlation, n)
    result |= {"covariance_low": size * covariance_low, "covariance_high": size * covariance_high}
    return result | {
        "correlation": correlation,
        "correlation_low": low,
        "correlation_high": high,
    }


def _centred(values: Floats, seen: NDArray[np.bool_], n: NDArray[np.int_]) -> Floats:
    kept = np.where(seen, values, 0.0)
    return np.where(seen, kept - (kept.sum(axis=1) / np.maximum(n, 1))[:, None], 0.0)


def correlation_interval(correlation: Floats, n: NDArray[np.int_]) -> tuple[Floats, Floats]:
    """The 95 % interval of a correlation of normal pairs by Fisher's z.

    Parameters
    ----------
    correlation : (m,) float
    n : (m,) int
        Pairs.

    Returns
    -------
    low, high : (m,) float
        NaN below four pairs; the correlation itself where it is ±1.

    Examples
    --------
    >>> low, high = correlation_interval(np.array([0.5]), np.array([14]))
    >>> low.round(3), high.round(3)
    (array([-0.042]), array([0.815]))
    """
    z = np.arctanh(np.clip(correlation, -WHOLE, WHOLE))
    half = stats.norm.ppf(0.5 + CONFIDENCE / 2) / np.sqrt(np.where(n > 3, n - 3, np.nan))
    whole = np.abs(correlation) >= WHOLE
    low, high = (np.where(whole, correlation, np.tanh(z + s * half)) for s in (-1, 1))
    return low, high


def covariance_interval(correlation: Floats, n: NDArray[np.int_]) -> tuple[Floats, Floats]:
    """The 95 % interval of a covariance of normal pairs, in units of the product of the two SDs.

    Parameters
    ----------
    correlation : (m,) float
    n : (m,) int
        Pairs.

    Returns
    -------
    low, high : (m,) float
        NaN below three pairs.

    Notes
    -----
    See :func:`neighbour_table`.  Measured coverage 94.5 to 95 % at n = 14, 93 to 95 % at n = 6, for
    correlations of 0 to 0.98.
    """
    freedom = np.where(n > 2, n - 1, np.nan)
    tail = (1 - CONFIDENCE) / 2
    shrink, grow = (freedom / stats.chi2.ppf(q, freedom) for q in (1 - tail, tail))
    plus, minus = (1 + correlation) / 2, (1 - correlation) / 2
    below = np.hypot(plus * (1 - shrink), minus * (grow - 1))
    above = np.hypot(plus * (grow - 1), minus * (1 - shrink))
    return correlation - below, correlation + above
