"""Where the variance of a measure lies, and how well one side of a subject tells the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.inference.multiplicity import ADJUSTED
from analysis.inference.roots import complete_cube, root_values
from analysis.morphometry import unit

DRAWS = 20_000
TAIL = 0.025
# What the columns of `variance_components` say.
COLUMNS = {
    "measure, component": "subject, level, side, residual: SDs; icc_…: left and right",
    "level": "of the ICC; all: the mean over levels",
    "unit, n": "of estimate, low, high; subjects with every level and side",
    "estimate, low, high": "with its 95 % interval (components: generalised; ICC: McGraw & Wong)",
    "share": "of the sum of the components",
    "f, df1, df2, p": "of the component against the residual",
    "p_holm, p_bh": ADJUSTED + "a component over measures",
    "note": "what was left out",
}


@dataclass(frozen=True, slots=True)
class Reliability:
    """Intraclass correlations of one measurement, with 95 % intervals.

    Parameters
    ----------
    consistency, consistency_low, consistency_high : float
        ICC(C,1), Shrout & Fleiss's (3,1): columns may differ by a constant.
    agreement, agreement_low, agreement_high : float
        ICC(A,1), Shrout & Fleiss's (2,1): they may not.
    """

    consistency: float
    consistency_low: float
    consistency_high: float
    agreement: float
    agreement_low: float
    agreement_high: float


def icc(ratings: np.ndarray) -> Reliability:
    """Intraclass correlations of a table of subjects by columns.

    Parameters
    ----------
    ratings : (n, k) float
        Complete.

    Returns
    -------
    Reliability
        NaN below two subjects or columns, or without any variation.

    Notes
    -----
    McGraw & Wong (1996, doi:10.1037/1082-989X.1.1.30), two-way model: exact F interval of the
    consistency; Satterthwaite's of the agreement.
    """
    n, k = ratings.shape
    nothing = Reliability(*[np.nan] * 6)
    if n < 2 or k < 2:
        return nothing
    rows, columns, error = _two_way(ratings)
    if rows + columns + error <= 1e-24 * max((ratings**2).max(), 1e-300):
        return nothing
    whole = rows + (k - 1) * error
    if error <= 1e-12 * rows:
        low_c = high_c = 1.0
    else:
        d1, d2 = n - 1, (n - 1) * (k - 1)
        low_f = rows / error / stats.f.ppf(1 - TAIL, d1, d2)
        high_f = rows / error * stats.f.ppf(1 - TAIL, d2, d1)
        low_c, high_c = (low_f - 1) / (low_f + k - 1), (high_f - 1) / (high_f + k - 1)
    agreement = (rows - error) / (whole + k * (columns - error) / n)
    low_a, high_a = _agreement_interval(rows, columns, error, agreement, (n, k))
    return Reliability((rows - error) / whole, low_c, high_c, agreement, low_a, high_a)


def variance_components(measures: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Components of variance of each measure, and left-right reliability.

    Parameters
    ----------
    measures : DataFrame
        As ``measure_group`` gives it.
    seed : int
        Of the draws behind the intervals of components.

    Returns
    -------
    DataFrame
        Rows ``subject``, ``level``, ``side``, ``residual`` (``estimate`` is the SD in the measure's
        unit) and their ``share`` of the sum of variances; then ``icc_consistency`` and
        ``icc_agreement`` of left and right, of the mean over levels (level ``all``) and of each.
        ``p`` of the components subject, level and side is that of their F against the residual, of
        the ICCs none.

    Notes
    -----
    ``value = mean + subject + level + side + residual`` on subjects with every level and side:
    estimates by equating mean squares to their expectations, negative ones set to 0.  Intervals
    are generalised ones (Weerahandi 1995, doi:10.1007/978-1-4612-0825-9): each expected mean square
    is drawn as ``df MS / chi²(df)``.  Levels and sides are fixed, all there are: their components
    say how far the means differ, ``sum of squared deviations / (k - 1)``, not what to expect of
    others; their intervals are drawn as if they were random.
    """
    roots = root_values(measures)
    rows = []
    for name, group in roots.groupby("measure", sort=False, observed=True):
        cube = complete_cube(group)
        lost = group["subject"].nunique() - len(cube)
        note = f"{lost} subjects without every level and side are left out" if lost else ""
        shared = {"measure": name, "unit": unit(str(name)), "n": len(cube)}
        rows += [shared | row | {"note": note} for row in _components(cube, seed)]
        if cube.shape[2] == 2:
            rows += [shared | row for row in _reliabilities(group, cube, note)]
    columns = ["measure", "component", "level", "unit", "n", "estimate", "low", "high"]
    columns += ["share", "f", "df1", "df2", "p", "note"]
    return pd.DataFrame(rows).reindex(columns=columns)


def _two_way(ratings: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of rows, columns and error of a complete table (n, k)."""
    n, k = ratings.shape
    residual = ratings - ratings.mean(axis=1, keepdims=True) - ratings.mean(axis=0)
    residual = residual + ratings.mean()
    return (
        float(k * ratings.mean(axis=1).var(ddof=1)),
        float(n * ratings.mean(axis=0).var(ddof=1)),
        float((residual**2).sum() / ((n - 1) * (k - 1))),
    )


def _agreement_interval(
    rows: float, columns: float, error: float, icc_a: float, shape: tuple[int, int]
) -> tuple[float, float]:
    """McGraw & Wong's table 7, case A,1."""
    if error <= 1e-12 * (rows + columns) or not icc_a < 1:
        return np.nan, np.nan
    n, k = shape
    a = k * icc_a / (n * (1 - icc_a))
    b = 1 + k * icc_a * (n - 1) / (n * (1 - icc_a))
    v = (a * columns + b * error) ** 2 / (
        (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )
    rest = k * columns + (k * n - k - n) * error
    low_f, high_f = stats.f.ppf(1 - TAIL, n - 1, v), stats.f.ppf(1 - TAIL, v, n - 1)
    low = n * (rows - low_f * error) / (low_f * rest + n * rows)
    high = n * (high_f * rows - error) / (rest + n * high_f * rows)
    return float(low), float(high)


def _components(cube: np.ndarray, seed: int) -> list[dict[str, object]]:
    """Rows of the components that have more than one group, from complete data (S, a, b)."""
    shape = cube.shape
    if shape[0] < 2:
        return []
    size, grand = cube.size, cube.mean()
    means = {e: cube.mean(axis=tuple(j for j in range(3) if j != i)) for i, e in enumerate(NAMES)}
    kept = {e: m for e, m in means.items() if len(m) > 1}
    df = np.array([len(m) - 1 for m in kept.values()], dtype=float)
    per = np.array([size / len(m) for m in kept.values()])
    squares = per * [((m - grand) ** 2).sum() for m in kept.values()]
    rest_df = size - 1 - df.sum()
    rest = ((cube - grand) ** 2).sum() - squares.sum()
    if rest_df < 1 or rest <= 1e-24 * max((cube**2).sum(), 1e-300):
        return []
    ms, error = squares / df, rest / rest_df
    rng = np.random.default_rng(seed)
    error_drawn = rest / rng.chisquare(rest_df, DRAWS)
    drawn = squares / rng.chisquare(df, (DRAWS, len(df)))
    components = np.append(np.maximum((ms - error) / per, 0), error)
    clouds = np.column_stack([np.maximum((drawn - error_drawn[:, None]) / per, 0), error_drawn])
    low, high = np.sqrt(np.quantile(clouds, [TAIL, 1 - TAIL], axis=0))
    f = [*(ms / error), np.nan]
    p = [*stats.f.sf(ms / error, df, rest_df), np.nan]
    columns = {
        "component": [*kept, "residual"],
        "level": ["all"] * (len(df) + 1),
        "estimate": np.sqrt(components),
        "low": low,
        "high": high,
        "share": components / components.sum(),
        "f": f,
        "df1": [*df, np.nan],
        "df2": [*[rest_df] * len(df), np.nan],
        "p": p,
    }
    rows = pd.DataFrame(columns).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


NAMES = ("subject", "level", "side")


def _reliabilities(group: pd.DataFrame, cube: np.ndarray, note: str) -> list[dict[str, object]]:
    tables = {"all": (cube.mean(axis=1), note)}
    for level, at_level in group.groupby("level", sort=False, observed=True):
        tables[str(level)] = (complete_cube(at_level)[:, 0], "")
    rows: list[dict[str, object]] = []
    for level, (table, text) in tables.items():
        found = icc(table)
        for kind in ("consistency", "agreement"):
            low, high = getattr(found, f"{kind}_low"), getattr(found, f"{kind}_high")
            rows.append(
                {"component": f"icc_{kind}", "level": level, "unit": "1", "n": len(table)}
                | {"estimate": getattr(found, kind), "low": low, "high": high, "note": text}
            )
    return rows
