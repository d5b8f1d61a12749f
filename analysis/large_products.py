"""What a build of a large group writes beside model and meshes: tables made of sums and ranks.

Registered as entry points ``atlas.large_products``.  A value a landmark or a row a subject and
measure would be longer than anyone reads: of subjects one wide table is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

from analysis.figures.build_figures import draw_figures, shown, write_pictures
from analysis.morphometry import MEASURES, unit
from analysis.morphometry.definitions import GROUNDS
from analysis.products import COLUMNS, describe_columns, source_lines, write_table_folder
from analysis.tables.model_tables import mean_table, mode_table
from atlas.large.building import LargeBuild
from atlas.text.plain_text import escape_markdown

CONFIDENCE = 0.95
QUANTILES = {
    "min": 0.0,
    "q025": 0.025,
    "q25": 0.25,
    "median": 0.5,
    "q75": 0.75,
    "q975": 0.975,
    "max": 1.0,
}
LARGE_COLUMNS = {
    "mean.csv": COLUMNS["mean.csv"],
    "modes.csv": COLUMNS["modes.csv"],
    "scores.csv": {
        "subject": "subject id",
        "mode1, mode2, …": "coefficient of each mode, expected where landmarks are missing, in SD",
    },
    "segment_variability.csv": {
        "level, side, measure": "what was measured; definitions below",
        "basis": "all values; where some are bridged, measured and bridged ones apart below",
        "unit": "of all but the counts",
        "n, n_measured, n_bridged, n_generated, n_missing": "subjects with a value, and what the "
        "values rest on",
        "mean, mean_low, mean_high": f"mean and its {CONFIDENCE:.0%} interval (Student's t)",
        "sd, sd_low, sd_high": f"SD (n - 1) and its {CONFIDENCE:.0%} interval, by the standard "
        "error of a variance under any kurtosis; empty below 30 values",
        "min, q025, q25, median, q75, q975, max": "quantiles observed",
    },
    "subjects_measures.csv": {
        "subject": "subject id",
        "level/side/measure": "a column a measure, in the unit that ends its name; empty: missing",
    },
}
# With fewer values the kurtosis is not known well enough for an interval of the SD.
LEAST_FOR_SD = 30


def write_large_tables(build: LargeBuild, out: Path) -> list[Path]:
    """Write ``out/tables/``.

    Parameters
    ----------
    build : LargeBuild
    out : Path
        The folder of the atlas.

    Returns
    -------
    list of Path
        The files; every table ends with a column ``cohort``.
    """
    atlas, surveyed = build.atlas, build.survey
    ids = [s.id for s in surveyed.subjects]
    modes = [f"mode{k}" for k in range(1, build.scores.shape[1] + 1)]
    tables = {
        "mean.csv": mean_table(atlas),
        "modes.csv": mode_table(atlas),
        "scores.csv": pd.DataFrame(build.scores, columns=modes).assign(subject=ids)[
            ["subject", *modes]
        ],
    }
    if surveyed.names:
        values = np.stack([s.measures for s in surveyed.subjects])
        grounds = np.stack([s.grounds for s in surveyed.subjects])
        tables["segment_variability.csv"] = pd.DataFrame(_rows(surveyed.names, values.T, grounds.T))
        columns = ["/".join(name) for name in surveyed.names]
        wide = pd.DataFrame(values, columns=columns)
        wide.insert(0, "subject", ids)
        tables["subjects_measures.csv"] = wide
    return write_table_folder(atlas, tables, out / "tables", _readme(build, tables))


def _rows(
    names: tuple[tuple[str, str, str], ...], values: np.ndarray, grounds: np.ndarray
) -> Iterator[dict[str, object]]:
    """Rows of the table of segments: values and grounds (R, S) by measure."""
    for (level, side, measure), row, on in zip(names, values, grounds, strict=True):
        key = {"level": level, "side": side, "measure": measure}
        kinds = [code for code in np.unique(on) if GROUNDS[code] != "missing"]
        yield {**key, "basis": "all", "unit": unit(measure), **_described(row, on)}
        if len(kinds) > 1:
            for code in kinds:
                only = on == code
                basis = {"basis": GROUNDS[code], "unit": unit(measure)}
                yield {**key, **basis, **_described(row[only], on[only])}


def _described(row: np.ndarray, on: np.ndarray) -> dict[str, float]:
    """n, mean, SD and quantiles of one measure, with intervals."""
    known = row[~np.isnan(row)]
    n = len(known)
    counts: dict[str, float] = {"n": n}
    counts |= {f"n_{name}": int((on == code).sum()) for code, name in enumerate(GROUNDS)}
    numbers = dict.fromkeys(("mean", "mean_low", "mean_high", "sd", "sd_low", "sd_high"), np.nan)
    if n:
        numbers["mean"] = known.mean()
    if n > 1:
        sd = known.std(ddof=1)
        reach = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * sd / np.sqrt(n)
        numbers |= {
            "mean_low": numbers["mean"] - reach,
            "mean_high": numbers["mean"] + reach,
            "sd": sd,
        }
        if n >= LEAST_FOR_SD and sd > 0:
            numbers["sd_low"], numbers["sd_high"] = sd_interval(known)
    at = np.quantile(known, list(QUANTILES.values())) if n else np.full(len(QUANTILES), np.nan)
    return counts | numbers | dict(zip(QUANTILES, at.tolist(), strict=True))


def sd_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of the standard deviation of any population with a fourth moment.

    Parameters
    ----------
    values : (n,) float
        Many, and not all the same.
    confidence : float

    Returns
    -------
    low, high : float

    Notes
    -----
    Bonett 2006 (doi:10.1016/j.csda.2004.10.003): log variance is about normal with a standard
    error from the kurtosis, which is taken about a trimmed mean.
    """
    n, z = len(values), float(special.ndtri((1 + confidence) / 2))
    trimmed = float(stats.trim_mean(values, 1 / (2 * np.sqrt(n - 4))))
    squares = ((values - values.mean()) ** 2).sum()
    kurtosis = n * ((values - trimmed) ** 4).sum() / squares**2
    small = n / (n - z)
    error = small * np.sqrt((kurtosis - (n - 3) / n) / (n - 1))
    centre = np.log(small * squares / (n - 1))
    low, high = np.exp((centre + np.array([-1, 1]) * z * error) / 2)
    return float(low), float(high)


def _readme(build: LargeBuild, tables: dict[str, pd.DataFrame]) -> str:
    atlas = build.atlas
    notice, anchor = atlas.provenance["notice"], escape_markdown(atlas.provenance["anchor"])
    lines = [
        "# Tables of the lumbosacral atlas",
        "",
        f"n = {atlas.model.n_subjects} subjects; anchor: {anchor}; LPS, mm.",
        "",
        f"Cohort: {escape_markdown(notice or 'annotated images')}.",
        "",
        (
            "The group was built by passes over blocks of subjects; the modes kept hold "
            f"{atlas.settings.variance_held:.1%} of the variance."
        ),
    ]
    for name in tables:
        lines += describe_columns(name, LARGE_COLUMNS[name])
    lines += ["", "## Measures", "", "| measure | says |", "|---|---|"]
    lines += [f"| {name} | {m.text} |" for name, m in MEASURES.items()]
    lines += ["", *source_lines(atlas)]
    return "\n".join(lines)


def write_large_figures(build: LargeBuild, out: Path) -> list[Path]:
    """Write ``out/figures/``, those of any build; the first subject is read again for its own."""
    atlas, first = build.atlas, build.survey.listing.folders[0]
    subject, _ = first.read()
    assert subject is not None  # the survey refused what cannot be read
    what = shown(atlas.alignment, atlas.model, subject, atlas.provenance["notice"])
    return write_pictures(draw_figures(what), out)
