"""The mixed model of every measure as a table; complete data are tested in their own strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, stats

from analysis.inference.effects import noncentrality_interval
from analysis.inference.mixed_models import LevelSideModel, level_side_model
from analysis.inference.multiplicity import ADJUSTED, with_adjusted
from analysis.inference.roots import complete_cube, root_values
from analysis.morphometry import unit

# What the columns of `mixed_model_table` say.
COLUMNS = {
    "measure, kind, effect": "what is modelled; test: an effect as a whole, estimate: a number",
    "unit, n": "of estimate, low, high (tests: 1, partial eta²); subjects in the model",
    "estimate, low, high": "partial eta² of a test, or the estimate, and its 95 % interval; "
    "signed measures of the right side are mirrored first; side is left minus right, a level "
    "its deviation from the mean of the levels; complete data: Student's over subjects' own "
    "values, else the model's",
    "se, f, df1, df2, p": "of the test: complete data in the stratum of the effect, degrees of "
    "freedom before Greenhouse & Geisser's epsilon, p after it; else Wald F of the model",
    "epsilon": "Greenhouse & Geisser's; empty for Wald tests",
    "p_holm, p_bh": ADJUSTED + "family",
    "family": "the tests of an effect over measures, or the levels of a measure",
    "f_wald, df2_wald, p_wald": "of the random-intercept model, which takes residuals as "
    "independent within subjects",
    "subject_sd, residual_sd": "of the model, in the measure's unit",
    "model, note": "what was fitted; why, and what was left out",
}
MODEL_FIELDS = [
    *("measure", "kind", "effect", "unit", "n", "estimate", "low", "high", "se"),
    *("f", "df1", "df2", "epsilon", "p", "family", "f_wald", "df2_wald", "p_wald"),
    *("subject_sd", "residual_sd", "model", "note"),
]


@dataclass(frozen=True, slots=True)
class StratumTest:
    """F of an effect against its own interaction with subjects.

    Parameters
    ----------
    f, df1, df2 : float
        Degrees of freedom before the correction by ``epsilon``.
    epsilon : float
        Greenhouse & Geisser's.
    p : float
        With both degrees of freedom times ``epsilon``.
    """

    f: float
    df1: float
    df2: float
    epsilon: float
    p: float


def mixed_model_table(measures: pd.DataFrame) -> pd.DataFrame:
    """The mixed model of every measure of roots; as ``COLUMNS`` says."""
    rows: list[dict[str, object]] = []
    for name, group in root_values(measures).groupby("measure", sort=False, observed=True):
        rows += [{"measure": name} | row for row in _measure_rows(str(name), group)]
    table = pd.DataFrame(rows, columns=MODEL_FIELDS)
    return with_adjusted(table, family=["family"])


def _measure_rows(measure: str, group: pd.DataFrame) -> list[dict[str, object]]:
    n = group["subject"].nunique()
    try:
        model = level_side_model(group)
    except ValueError as error:
        return [{"n": n, "unit": unit(measure), "model": "none", "note": str(error)}]
    cube = complete_cube(group)
    complete = len(cube) == n
    shared = {
        "n": n,
        "subject_sd": model.fit.subject_sd,
        "residual_sd": model.fit.residual_sd,
        "model": model.formula,
        "note": model.note,
    }
    rows = []
    for effect in model.columns:
        stratum = stratum_test(cube, effect) if complete else None
        rows.append(shared | _test_row(model, effect, stratum))
    paired = cube if complete and n > 1 else None
    rows += [shared | r | {"unit": unit(measure)} for r in _estimate_rows(measure, model, paired)]
    return rows


def _test_row(model: LevelSideModel, effect: str, stratum: StratumTest | None) -> dict[str, object]:
    f, df1, df2, p = model.fit.wald(model.columns[effect])
    row: dict[str, object] = {"f_wald": f, "df2_wald": df2, "p_wald": p}
    factor = 1.0
    if stratum is not None and np.isfinite(stratum.f):
        f, df1, df2, p = stratum.f, stratum.df1, stratum.df2, stratum.p
        row["epsilon"] = factor = stratum.epsilon
    low, high = noncentrality_interval(f, factor * df1, factor * df2)
    # Noncentrality to partial eta²: lambda / (lambda + df1 + df2 + 1), Steiger (2004).
    base = factor * (df1 + df2) + 1
    return row | {
        "kind": "test",
        "effect": effect,
        "unit": "1",
        "estimate": f * df1 / (f * df1 + df2),
        "low": low / (low + base),
        "high": high / (high + base),
        "f": f,
        "df1": df1,
        "df2": df2,
        "p": p,
        "family": f"{effect} over measures",
    }


def _estimate_rows(
    measure: str, model: LevelSideModel, cube: np.ndarray | None
) -> list[dict[str, object]]:
    found = _model_estimates(model) if cube is None else _paired_estimates(model, cube)
    rows = []
    for effect, (estimate, se, freedom) in found.items():
        half = stats.t.ppf(0.975, freedom) * se
        of_level = effect in model.levels
        rows.append(
            {"kind": "estimate", "effect": effect, "estimate": estimate, "se": se}
            | {"low": estimate - half, "high": estimate + half, "df2": freedom}
            # The mean of a length is not 0 anyway; the side has its test above.
            | ({"p": 2 * stats.t.sf(abs(estimate) / se, freedom)} if of_level and se > 0 else {})
            | ({"family": f"levels of {measure}"} if of_level else {})
        )
    return rows


def _model_estimates(model: LevelSideModel) -> dict[str, tuple[float, float, float]]:
    """Estimate, standard error and degrees of freedom of each number, from the model."""
    eye = np.eye(len(model.fit.names))
    weights = {"mean": eye[0]}
    if "side" in model.columns:
        weights["left - right"] = 2 * eye[model.columns["side"][0]]
    if "level" in model.columns:
        weights |= {level: model.level_weights(level) for level in model.levels}
    return {effect: model.fit.contrast(row) for effect, row in weights.items()}


def _paired_estimates(
    model: LevelSideModel, cube: np.ndarray
) -> dict[str, tuple[float, float, float]]:
    """The same numbers of complete data, with the spread each has over subjects."""
    whole = cube.mean(axis=(1, 2))
    own = {"mean": whole}
    if "side" in model.columns:
        own["left - right"] = cube[:, :, 0].mean(axis=1) - cube[:, :, 1].mean(axis=1)
    if "level" in model.columns:
        deviations = cube.mean(axis=2) - whole[:, None]
        own |= dict(zip(model.levels, deviations.T, strict=True))
    s = len(cube)
    return {
        e: (float(v.mean()), float(v.std(ddof=1) / np.sqrt(s)), s - 1.0) for e, v in own.items()
    }


def stratum_test(cube: np.ndarray, effect: str) -> StratumTest:
    """Test of an effect of complete data against its interaction with subjects.

    Parameters
    ----------
    cube : (S, a, b) float
        Subjects, levels, sides.
    effect : str
        ``level``, ``side`` or ``level:side``.

    Returns
    -------
    StratumTest
        NaN with fewer than two subjects or without residual variation.

    Notes
    -----
    With orthonormal contrasts C (c, ab) of the effect and scores ``Z = Y C'`` (S, c),
    ``F = S |mean Z|² / tr(V)`` on ``(c, c (S - 1))`` degrees of freedom, V the covariance of Z, and
    ``epsilon = tr(V)² / (c tr(V²))`` (Greenhouse & Geisser 1959, doi:10.1007/BF02289823).  Unlike
    the model with one random intercept it lets each subject have its own side difference and its
    own course over levels; for the side it is the paired t test of the subjects' means, squared.
    """
    s, a, b = cube.shape
    halves = {"level": (True, False), "side": (False, True), "level:side": (True, True)}[effect]
    parts = [
        linalg.helmert(k) if in_effect else np.full((1, k), 1 / np.sqrt(k))
        for k, in_effect in zip((a, b), halves, strict=True)
    ]
    contrasts = np.kron(parts[0], parts[1])
    c = len(contrasts)
    nothing = StratumTest(np.nan, float(c), float(c * (s - 1)), np.nan, np.nan)
    if s < 2 or c < 1:
        return nothing
    scores = cube.reshape(s, a * b) @ contrasts.T
    v = np.atleast_2d(np.cov(scores, rowvar=False))
    trace = np.trace(v)
    if trace <= 1e-24 * max((cube**2).max(), 1e-300):
        return nothing
    f = float(s * (scores.mean(axis=0) ** 2).sum() / trace)
    epsilon = float(trace**2 / (c * (v**2).sum()))
    df1, df2 = float(c), float(c * (s - 1))
    return StratumTest(f, df1, df2, epsilon, float(stats.f.sf(f, epsilon * df1, epsilon * df2)))
