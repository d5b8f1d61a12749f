"""How the anatomy of each segment varies over a group, with intervals that generalise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.morphometry import MEASURES, unit
from analysis.morphometry.definitions import RestsOn
from analysis.variability.intervals import (
    LEAST_SUBJECTS,
    bootstrap_weights,
    studentised_intervals,
)
from analysis.variability.normal_intervals import (
    CONFIDENCE,
    mean_interval,
    reference_limit_factors,
    sd_interval,
    tolerance_factor,
)
from analysis.variability.segment_rows import SegmentRows, segment_rows
from atlas.data.subject import LEVELS

# Without a zero of its own, as of positions and angles, a spread relative to the mean says nothing.
RATIO_MEASURES = frozenset(name for name, m in MEASURES.items() if m.ratio)
COUNTS = {f"n_{kind.name.lower()}": kind for kind in RestsOn}
NUMBERS = [
    *("mean", "mean_low", "mean_high", "mean_t_low", "mean_t_high"),
    *("sd", "sd_low", "sd_high", "sd_chi2_low", "sd_chi2_high"),
    *("cv", "median", "q25", "q75", "min", "max"),
    *("range_low", "range_low_low", "range_low_high"),
    *("range_high", "range_high_low", "range_high_high"),
    *("tolerance_low", "tolerance_high"),
]
SEGMENT_COLUMNS = ["level", "side", "measure", "basis", "unit", "interval", "n", *COUNTS, *NUMBERS]
# What the columns of `summarise_segments` say, and of `summarise_anchors` with the published.
COLUMNS = {
    "segment_variability": {
        "level, side, measure": "what was measured; definitions below; side pooled: the mean of "
        "the sides within each subject, the right one mirrored where the measure is signed",
        "basis": "all values (generated where all are); where a row has several kinds, measured, "
        "bridged and generated ones apart below; a pooled value is bridged if either side is",
        "unit": "of all but the counts and cv",
        "interval": "how mean_low … sd_high were found: bootstrap-t, or normal as in the columns "
        "beside them",
        "n": "subjects with a value",
        "n_measured, n_bridged, n_missing, n_generated": "what the values rest on",
        "mean, mean_low, mean_high": f"mean and its {CONFIDENCE:.0%} interval",
        "mean_t_low, mean_t_high": f"its {CONFIDENCE:.0%} t-interval, of normal data",
        "sd, sd_low, sd_high": f"SD (n - 1) and its {CONFIDENCE:.0%} interval",
        "sd_chi2_low, sd_chi2_high": f"its {CONFIDENCE:.0%} chi-square interval, of normal data",
        "cv": "sd over mean, where the measure has a zero of its own",
        "median, q25, q75, min, max": "median, quartiles and extremes observed",
        "range_low, range_low_low, range_low_high": "mean - 1.96 sd, below which 2.5 % of a "
        f"normal population lie, and its {CONFIDENCE:.0%} interval",
        "range_high, range_high_low, range_high_high": "the same above",
        "tolerance_low, tolerance_high": "hold 95 % of a normal population with 95 % confidence",
    },
    "anchor_sensitivity": {
        "anchor": "where depth is counted from; the dura apex is the top of the image, not "
        "anatomy; the disc is only published",
        "landmark": "begin of the root, or ganglion",
        "level": "sides averaged within the subject",
        "n": "subjects",
        "sd_mm, sd_low_mm, sd_high_mm": f"SD (n - 1) over subjects and its {CONFIDENCE:.0%} "
        "chi-square interval, mm",
        "published_sd_mm, published_source": "sd_mm of the published subjects, from whom the "
        "built-in cohort is made",
    },
}
# Measures that hold the depth of a landmark from an anchor.
DEPTH_MEASURES = {
    "begin_below_apex_mm": ("dura-apex", "begin"),
    "begin_above_conus_mm": ("conus", "begin"),
    "ganglion_below_apex_mm": ("dura-apex", "ganglion"),
    "ganglion_below_conus_mm": ("conus", "ganglion"),
}


def summarise_segments(measures: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Each measure of each level and side over the subjects of a table of measures.

    Parameters
    ----------
    measures : DataFrame
        ``subject, level, side, measure, value, rests_on`` as ``measure_group`` gives it.
    seed : int
        Of the bootstrap: 2,000 resamples, the same for all rows with as many subjects.

    Returns
    -------
    DataFrame
        One row a level, side, measure and basis, as
        :func:`~analysis.variability.segment_rows.segment_rows` lays them out, in the unit of the
        column ``unit``.  ``n`` subjects with a value, of which
        ``n_measured``, ``n_bridged``, ``n_generated``; ``n_missing``.  ``mean``, ``sd`` (n - 1),
        ``median, q25, q75, min, max``; ``cv`` (sd over mean; empty for measures without a zero of
        their own).  ``mean_low, mean_high, sd_low, sd_high``: 95 % intervals by the method in the
        column ``interval``; ``mean_t_low`` … ``sd_chi2_high`` those of normal data beside them.
        ``range_low, range_high``: mean ± 1.96 sd, where the central 95 % of a normal population
        lie, each with its own 95 % interval; ``tolerance_low, tolerance_high``: limits that hold
        95 % of it with 95 % confidence.

    Raises
    ------
    SegmentError
        ``rests_on`` holds something unknown.

    Notes
    -----
    Subjects are taken as independent draws from one population; levels, sides and measures are
    taken one by one, so of a hundred intervals about five miss.  ``interval`` is ``bootstrap-t``
    (:func:`~analysis.variability.intervals.studentised_interval`), or ``normal`` (Student's t and
    chi-square) below six subjects and where nothing varies.  Ranges and tolerance are those of
    normal data.
    """
    rows = segment_rows(measures)
    counts = {name: (rows.grounds == kind).sum(axis=1) for name, kind in COUNTS.items()}
    table = rows.keys.assign(
        unit=rows.keys["measure"].map(unit), **counts, **_described(rows, seed)
    )
    told = table["measure"].isin(RATIO_MEASURES) & (table["mean"] != 0)
    table["cv"] = (table["sd"] / table["mean"]).where(told)
    return table[SEGMENT_COLUMNS]


def _described(rows: SegmentRows, seed: int) -> dict[str, np.ndarray]:
    """The numbers of each row; rows with as many subjects are taken together."""
    n = (~np.isnan(rows.values)).sum(axis=1)
    filled = np.sort(rows.values, axis=1)
    table = {name: np.full(len(n), np.nan) for name in NUMBERS}
    table |= {"n": n, "interval": np.full(len(n), "", dtype=object)}
    for size in np.unique(n[n > 0]):
        chosen = n == size
        for name, numbers in _numbers(filled[chosen, :size], seed).items():
            table[name][chosen] = numbers
    return table


def _numbers(values: np.ndarray, seed: int) -> dict[str, Any]:
    """Statistics of complete rows (m, n) with n of one or more."""
    n = values.shape[1]
    mean, sd = values.mean(axis=1), np.full(len(values), np.nan)
    if n > 1:
        sd = values.std(axis=1, ddof=1)
    q25, median, q75 = np.quantile(values, [0.25, 0.5, 0.75], axis=1)
    result = {"mean": mean, "sd": sd, "median": median, "q25": q25, "q75": q75}
    result |= {"min": values[:, 0], "max": values[:, -1]}
    if n < 2:
        return result
    result |= _intervals(values, mean, sd, seed)
    factor, inner, outer = reference_limit_factors(n)
    result |= {"range_low": mean - factor * sd, "range_high": mean + factor * sd}
    result |= {"range_low_low": mean - outer * sd, "range_low_high": mean - inner * sd}
    result |= {"range_high_low": mean + inner * sd, "range_high_high": mean + outer * sd}
    reach = tolerance_factor(n) * sd
    return result | {"tolerance_low": mean - reach, "tolerance_high": mean + reach}


def _intervals(values: np.ndarray, mean: np.ndarray, sd: np.ndarray, seed: int) -> dict[str, Any]:
    n = np.full(len(values), values.shape[1])
    half, (sd_low, sd_high) = mean_interval(n, sd), sd_interval(n, sd)
    normal = {"mean_t_low": mean - half, "mean_t_high": mean + half}
    normal |= {"sd_chi2_low": sd_low, "sd_chi2_high": sd_high}
    chosen = dict(zip(("mean_low", "mean_high", "sd_low", "sd_high"), normal.values(), strict=True))
    varied = np.zeros(len(values), dtype=bool)
    if values.shape[1] >= LEAST_SUBJECTS:
        weights = bootstrap_weights(values.shape[1], seed=seed)
        drawn = {
            f"{name}_{end}": limit
            for name, limits in studentised_intervals(values, weights).items()
            for end, limit in zip(("low", "high"), limits, strict=True)
        }
        varied = ~np.isnan(drawn["sd_low"])
        chosen = {name: np.where(varied, drawn[name], chosen[name]) for name in chosen}
    return {**normal, **chosen, "interval": np.where(varied, "bootstrap-t", "normal")}


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
    depths = measures[measures["measure"].isin(DEPTH_MEASURES)]
    keys = ["measure", "level"]
    sides = depths.groupby([*keys, "subject"], observed=True)["value"].mean()
    spread = sides.groupby(level=keys, observed=True).agg(n="count", sd_mm="std")
    spread = spread.reindex(pd.MultiIndex.from_product([DEPTH_MEASURES, LEVELS], names=keys))
    table = pd.DataFrame(
        [(*place, level) for place in DEPTH_MEASURES.values() for level in LEVELS],
        columns=["anchor", "landmark", "level"],
    )
    n, sd = spread["n"].fillna(0).to_numpy(int), spread["sd_mm"].to_numpy()
    low, high = sd_interval(n, sd)
    return table.assign(n=n, sd_mm=sd, sd_low_mm=low, sd_high_mm=high)
