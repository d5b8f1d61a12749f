"""How the anatomy of each segment varies over a group, with intervals that generalise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.columns import Columns, as_frame, repeated, texts
from analysis.morphometry import MEASURES, measure_group, unit
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
from analysis.variability.segment_rows import (
    BRIDGED,
    GENERATED,
    MEASURED,
    MISSING,
    SegmentRows,
    segment_rows,
    unfolded,
)
from atlas.data.subject import LEVELS
from atlas.landmarks.scheme import Anatomy

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CONFIDENCE",
    "anchor_table",
    "depth_columns",
    "mean_interval",
    "sd_interval",
    "segment_columns",
    "segment_table",
    "summarise_anchors",
    "summarise_segments",
]

# Without a zero of its own, as of positions and angles, a spread relative to the mean says nothing.
RATIO_MEASURES = frozenset(name for name, m in MEASURES.items() if m.ratio)
COUNTS = {
    "n_measured": MEASURED,
    "n_bridged": BRIDGED,
    "n_missing": MISSING,
    "n_generated": GENERATED,
}
NUMBERS = [
    *("mean", "mean_low", "mean_high", "mean_t_low", "mean_t_high"),
    *("sd", "sd_low", "sd_high", "sd_chi2_low", "sd_chi2_high"),
    *("cv", "median", "q25", "q75", "min", "max"),
    *("range_low", "range_low_low", "range_low_high"),
    *("range_high", "range_high_low", "range_high_high"),
    *("tolerance_low", "tolerance_high"),
]
SEGMENT_COLUMNS = ["level", "side", "measure", "basis", "unit", "interval", "n", *COUNTS, *NUMBERS]
# Anchor and landmark to the measure that holds the landmark's depth from the anchor.
DEPTH_MEASURES = {
    ("dura-apex", "begin"): "begin_below_apex_mm",
    ("conus", "begin"): "begin_above_conus_mm",
    ("dura-apex", "ganglion"): "ganglion_below_apex_mm",
    ("conus", "ganglion"): "ganglion_below_conus_mm",
}


def segment_table(anatomies: Mapping[str, Anatomy], *, seed: int = 0) -> pd.DataFrame:
    """Each measure of each level and side over a group.

    Parameters
    ----------
    anatomies : mapping of subject id to Anatomy
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        As :func:`summarise_segments`.
    """
    return summarise_segments(measure_group(anatomies), seed=seed)


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
    return as_frame(segment_columns(measures, seed=seed))


def segment_columns(measures: pd.DataFrame | Columns, *, seed: int = 0) -> Columns:
    """The columns of :func:`summarise_segments`, from those of ``measure_group``."""
    rows = segment_rows(measures)
    table = {**rows.keys, "unit": texts(map(unit, rows.keys["measure"]))}
    table |= {name: (rows.grounds == code).sum(axis=1) for name, code in COUNTS.items()}
    table |= _described(rows, seed)
    ratio = np.array([name in RATIO_MEASURES for name in table["measure"]], dtype=bool)
    table["cv"] = np.full(len(ratio), np.nan)
    np.divide(table["sd"], table["mean"], out=table["cv"], where=ratio & (table["mean"] != 0))
    return {name: table[name] for name in SEGMENT_COLUMNS}


def _described(rows: SegmentRows, seed: int) -> Columns:
    """The numbers of each row; rows with as many subjects are taken together."""
    n = (~np.isnan(rows.values)).sum(axis=1)
    filled = np.sort(rows.values, axis=1)
    table: Columns = {name: np.full(len(n), np.nan) for name in NUMBERS}
    table |= {"n": n, "interval": repeated("", len(n))}
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
    return as_frame(depth_columns(measures))


def depth_columns(measures: pd.DataFrame | Columns) -> Columns:
    """The columns of :func:`summarise_anchors`, from those of ``measure_group``."""
    rows = unfolded(measures)
    places = [(*place, level) for place in DEPTH_MEASURES for level in LEVELS]
    depths = np.stack(
        [
            _mean_of_sides(rows, DEPTH_MEASURES[anchor, landmark], level)
            for anchor, landmark, level in places
        ]
    )
    seen = ~np.isnan(depths)
    n = seen.sum(axis=1)
    mean = np.where(seen, depths, 0.0).sum(axis=1) / np.maximum(n, 1)
    squares = np.where(seen, (depths - mean[:, None]) ** 2, 0.0).sum(axis=1)
    sd = np.sqrt(squares / np.where(n > 1, n - 1, np.nan))
    low, high = sd_interval(n, sd)
    columns = map(texts, zip(*places, strict=True))
    table = dict(zip(("anchor", "landmark", "level"), columns, strict=True))
    return table | {"n": n, "sd_mm": sd, "sd_low_mm": low, "sd_high_mm": high}


def _mean_of_sides(rows: SegmentRows, measure: str, level: str) -> np.ndarray:
    """Mean (S,) within each subject of the sides that are there; NaN where there is none."""
    chosen = (rows.keys["measure"] == measure) & (rows.keys["level"] == level)
    values = rows.values[chosen]
    seen = ~np.isnan(values)
    count = seen.sum(axis=0)
    total = np.where(seen, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
