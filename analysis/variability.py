"""How the anatomy of each segment varies over a group, with intervals that generalise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from analysis.morphometry import MEASURES, measure_group, unit
from atlas.data.subject import LEVELS
from atlas.shape.scheme import Anatomy

CONFIDENCE = 0.95
# Positions and angles have no zero of their own, so a spread relative to the mean says nothing.
RATIO_MEASURES = frozenset(m for m in MEASURES if m.startswith(("length", "csf", "cord", "sac")))
# Anchor and landmark to the measure that holds the landmark's depth from the anchor.
DEPTH_MEASURES = {
    ("dura-apex", "begin"): "begin_below_apex_mm",
    ("conus", "begin"): "begin_above_conus_mm",
    ("dura-apex", "ganglion"): "ganglion_below_apex_mm",
    ("conus", "ganglion"): "ganglion_below_conus_mm",
}


def segment_table(anatomies: Mapping[str, Anatomy]) -> pd.DataFrame:
    """Each measure of each level and side over a group.

    Parameters
    ----------
    anatomies : mapping of subject id to Anatomy

    Returns
    -------
    DataFrame
        As :func:`summarise_segments`.
    """
    return summarise_segments(measure_group(anatomies))


def summarise_segments(measures: pd.DataFrame) -> pd.DataFrame:
    """Each measure of each level and side over the subjects of a table of measures.

    Parameters
    ----------
    measures : DataFrame
        ``subject, level, side, measure, value, rests_on`` as ``measure_group`` gives it.

    Returns
    -------
    DataFrame
        One row a level, side and measure, in the unit of the column ``unit``: ``n`` subjects with
        a value, of which ``n_measured`` and ``n_bridged``; ``n_missing``; ``mean``, ``sd`` (n - 1),
        ``cv`` (sd over mean; empty for positions and angles, which have no zero of their own),
        ``min``, ``max``; ``mean_low, mean_high`` and ``sd_low, sd_high``, the 95 % intervals.

    Notes
    -----
    Subjects are taken as independent draws from one normal population.  The interval of the mean is
    Student's with n - 1 degrees of freedom, that of the SD from ``(n-1) s^2 / sigma^2 ~
    chi^2(n-1)``.  With n below 2 both, and the SD, are empty.
    """
    keys = ["level", "side", "measure"]
    groups = measures.groupby(keys, sort=False, observed=True)
    value = groups["value"]
    table = pd.DataFrame(value.agg(n="count", mean="mean", sd="std", min="min", max="max"))
    for ground in ("measured", "bridged"):
        table[f"n_{ground}"] = (
            (measures["rests_on"] == ground)
            .groupby([measures[k] for k in keys], sort=False, observed=True)
            .sum()
        )
    table["n_missing"] = groups.size() - table["n"]
    ratio = table.index.get_level_values("measure").isin(list(RATIO_MEASURES))
    table["cv"] = (table["sd"] / table["mean"]).where(ratio)
    n, sd = table["n"].to_numpy(), table["sd"].to_numpy()
    half = mean_interval(n, sd)
    table["mean_low"], table["mean_high"] = table["mean"] - half, table["mean"] + half
    table["sd_low"], table["sd_high"] = sd_interval(n, sd)
    table = table.reset_index()
    table["unit"] = table["measure"].map(unit)
    columns = [*keys, "unit", "n", "n_measured", "n_bridged", "n_missing", "mean", "mean_low"]
    columns += ["mean_high", "sd", "sd_low", "sd_high", "cv", "min", "max"]
    return table[columns]


def anchor_table(anatomies: Mapping[str, Anatomy]) -> pd.DataFrame:
    """How far the spread of each level's depth depends on the anchor.

    Parameters
    ----------
    anatomies : mapping of subject id to Anatomy

    Returns
    -------
    DataFrame
        As :func:`summarise_anchors`.
    """
    return summarise_anchors(measure_group(anatomies))


def summarise_anchors(measures: pd.DataFrame) -> pd.DataFrame:
    """SD of the depth of root begins and ganglia by where the subjects are anchored.

    Parameters
    ----------
    measures : DataFrame
        As ``measure_group`` gives it.

    Returns
    -------
    DataFrame
        One row an anchor (``dura-apex``, ``conus``), landmark (``begin``, ``ganglion``) and level:
        ``n`` subjects, ``sd_mm`` (n - 1) over subjects of the mean of the sides that are there,
        ``sd_low_mm, sd_high_mm`` its 95 % interval (chi-square, n - 1).

    Notes
    -----
    The dura apex is the top of the image, not anatomy: a spread that shrinks from the apex to the
    conus came from the field of view.
    """
    rows = []
    for (anchor, landmark), name in DEPTH_MEASURES.items():
        depths = measures[measures["measure"] == name]
        by_subject = depths.groupby(["subject", "level"], observed=True)["value"].mean().unstack()
        for level in LEVELS:
            values = by_subject[level].dropna() if level in by_subject else pd.Series(dtype=float)
            rows.append((anchor, landmark, level, len(values), values.std()))
    table = pd.DataFrame(rows, columns=["anchor", "landmark", "level", "n", "sd_mm"])
    low, high = sd_interval(table["n"].to_numpy(), table["sd_mm"].to_numpy(float))
    return table.assign(sd_low_mm=low, sd_high_mm=high)


def mean_interval(n: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Half the width of the 95 % t-interval of a mean, ``t(n-1) s / sqrt(n)``.

    Parameters
    ----------
    n : (m,) int
    sd : (m,) float
        With n - 1.

    Returns
    -------
    (m,) float
        NaN below two subjects.

    Examples
    --------
    >>> mean_interval(np.array([4]), np.array([2.0])).round(4)
    array([3.1824])
    """
    freedom = np.where(n > 1, n - 1, np.nan)
    return stats.t.ppf(0.5 + CONFIDENCE / 2, freedom) * sd / np.sqrt(np.maximum(n, 1))


def sd_interval(n: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % chi-square interval of a standard deviation of normal data.

    Parameters
    ----------
    n : (m,) int
    sd : (m,) float
        With n - 1.

    Returns
    -------
    low, high : (m,) float
        ``s sqrt((n-1) / chi2)`` at the upper and lower quantile; NaN below two subjects.

    Examples
    --------
    >>> low, high = sd_interval(np.array([14]), np.array([10.0]))
    >>> low.round(2), high.round(2)
    (array([7.25]), array([16.11]))
    """
    freedom = np.where(n > 1, n - 1, np.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = (
        sd * np.sqrt(freedom / stats.chi2.ppf(quantile, freedom)) for quantile in (1 - tail, tail)
    )
    return low, high
