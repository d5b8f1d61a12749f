"""Published values of the measures, to stand beside a cohort's own."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.morphometry import unit
from analysis.variability.normal_intervals import CONFIDENCE
from analysis.variability.segment_rows import KEYS, whole_rows
from atlas.data.builtin.builtin_profiles import published_cohort
from atlas.data.subject import LEVELS

Floats = NDArray[np.float64]
NUMBERS = ["mean", "sd", "low", "high", "n"]
COHORT = ["n", "mean", "mean_low", "mean_high", "sd"]
# What the columns of `load_literature` say.
PUBLISHED_COLUMNS = {
    "level, side": "as in the tables of measures; pooled: mean of the sides within a subject",
    "measure": "name here; one that is no measure here has definition_agrees no",
    "mean, sd, low, high, n": "in the unit the measure's name ends in; low and high the published "
    "range; empty where the source gives nothing",
    "source, doi": "where it was published; doi empty where there is none or none was verified",
    "definition": "what was measured there",
    "definition_agrees": "with the measure here: yes, partly or no",
    "built_from": "whether the built-in cohort was generated from it: yes, partly or no; its "
    "agreement is then by construction and no evidence",
    "note": "why the two may differ",
}
# What the columns of `beside_literature` say.
COLUMNS = {
    "level, side, measure, unit": "what was measured",
    "n, mean, mean_low, mean_high, sd": "the cohort's, and the "
    f"{CONFIDENCE:.0%} interval of its mean; empty where the cohort lacks it",
    "published_mean, published_sd, published_low, published_high, published_n": "the published; "
    "low and high are a range",
    "difference, difference_low, difference_high": f"cohort minus published mean and its "
    f"{CONFIDENCE:.0%} interval: Welch's where the published SD and n are known, else that of the "
    "cohort's mean, the published one taken as exact",
    "effect": "difference in published SD",
    "outside": "the interval of the cohort's mean leaves out the published mean or, where only a "
    "range is published, does not meet it; empty beside a single person",
    **{name: PUBLISHED_COLUMNS[name] for name in ("definition_agrees", "built_from")},
    **{name: PUBLISHED_COLUMNS[name] for name in ("source, doi", "definition", "note")},
}
NAMES = [name for group in COLUMNS for name in group.split(", ")]
DEPTH_KEYS = ["anchor", "landmark", "level"]
PUBLISHED_SOURCE = "markers of the 14 adults of Liu et al. 2024, 10.6084/m9.figshare.26403442.v1"


def load_literature() -> pd.DataFrame:
    """The published values.

    Returns
    -------
    DataFrame
        As ``PUBLISHED_COLUMNS`` says.  DOIs were looked up; a source without one is cited by its
        journal.
    """
    text = ["source", "doi", "definition", "note"]
    with files("analysis.variability").joinpath("literature.csv").open(encoding="utf-8") as stream:
        table = pd.read_csv(stream)
    return table.fillna(dict.fromkeys(text, ""))


def beside_literature(segments: pd.DataFrame) -> pd.DataFrame:
    """Each published value with the cohort's beside it.

    Parameters
    ----------
    segments : DataFrame
        As :func:`analysis.variability.segment_tables.summarise_segments` gives it.

    Returns
    -------
    DataFrame
        One row a published value, in their order, as ``COLUMNS`` says.  Measured and bridged values
        are taken together, as the row of basis ``all`` does.

    Notes
    -----
    Welch 1947, doi:10.1093/biomet/34.1-2.28.  Rows are judged one by one: of twenty that agree one
    lies outside by chance.
    """
    published = load_literature().rename(columns={name: f"published_{name}" for name in NUMBERS})
    table = published.merge(whole_rows(segments)[[*KEYS, *COHORT]], on=KEYS, how="left")
    difference = table["mean"] - table["published_mean"]
    low, high = _difference_interval(table)
    table = table.assign(
        unit=[_unit(name) for name in table["measure"]],
        difference=difference,
        difference_low=low,
        difference_high=high,
        effect=difference / table["published_sd"],
        outside=_outside(table),
    )
    return table[NAMES]


def _unit(measure: str) -> str:
    return unit(measure) if measure != "conus_vertebral_level" else ""


def _difference_interval(table: pd.DataFrame) -> tuple[Floats, Floats]:
    own, theirs = (
        table[f"{start}sd"].to_numpy(float) ** 2 / table[f"{start}n"].to_numpy(float)
        for start in ("", "published_")
    )
    n, published_n = (table[f"{start}n"].to_numpy(float) for start in ("", "published_"))
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (own + theirs) ** 2 / (own**2 / (n - 1) + theirs**2 / (published_n - 1))
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, freedom) * np.sqrt(own + theirs)
    mean, published = (table[name].to_numpy(float) for name in ("mean", "published_mean"))
    welch = ~np.isnan(half)
    low = np.where(welch, mean - half, table["mean_low"].to_numpy(float)) - published
    high = np.where(welch, mean + half, table["mean_high"].to_numpy(float)) - published
    return low, high


def _outside(table: pd.DataFrame) -> pd.Series:
    """Whether the cohort lies outside; NA where one of the two says nothing."""
    mean = table["published_mean"]
    least, most = mean.fillna(table["published_low"]), mean.fillna(table["published_high"])
    apart = (most < table["mean_low"]) | (least > table["mean_high"])
    # One person says nothing about where a mean lies.
    group = table["published_n"].fillna(np.inf) > 1
    known = table["mean_low"].notna() & least.notna() & most.notna() & group
    return apart.astype("boolean").where(known)


def published_begin_sd() -> pd.DataFrame:
    """SD of the depth at which each root's trace begins in the 14 published subjects, by anchor.

    Returns
    -------
    DataFrame
        ``anchor`` (``dura-apex``, ``conus``, ``disc-L1-L2``), ``landmark`` (``begin``), ``level``,
        ``published_sd_mm`` (n - 1), ``published_source``.  The disc shows what a bony anchor gives:
        the markers hold none.
    """
    cohort = published_cohort()
    begin = np.array([s.begin_depth_mm for s in cohort])
    anchors = {
        "dura-apex": [0.0] * len(cohort),
        "conus": [(s.n_cord - 1) * s.spacing_mm for s in cohort],
        "disc-L1-L2": [s.disc_depth_mm[0] for s in cohort],
    }
    rows = [
        (anchor, "begin", level, sd)
        for anchor, depth in anchors.items()
        for level, sd in zip(LEVELS, (begin.T - depth).std(axis=1, ddof=1), strict=True)
    ]
    table = pd.DataFrame(rows, columns=[*DEPTH_KEYS, "published_sd_mm"])
    return table.assign(published_source=PUBLISHED_SOURCE)


def beside_published(depths: pd.DataFrame) -> pd.DataFrame:
    """A table of :func:`~analysis.variability.segment_tables.summarise_anchors` and published SDs.

    Parameters
    ----------
    depths : DataFrame
        ``anchor, landmark, level, n, sd_mm, …``.

    Returns
    -------
    DataFrame
        With ``published_sd_mm, published_source``; anchors only the publication has come last, with
        n = 0 and no SD of their own.
    """
    published = published_begin_sd()
    table = depths.merge(published, on=DEPTH_KEYS, how="outer")
    anchors = dict.fromkeys([*depths["anchor"], *published["anchor"]])
    order = {name: i for i, name in enumerate((*anchors, "begin", "ganglion", *LEVELS))}
    table = table.sort_values(DEPTH_KEYS, key=lambda names: names.map(order), ignore_index=True)
    source = table["published_source"].fillna("")
    return table.assign(n=table["n"].fillna(0).astype(int), published_source=source)
