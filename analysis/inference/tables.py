"""Every inference over a group as named tables, and what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.inference.allometry import shape_covariates
from analysis.inference.effects import noncentrality_interval
from analysis.inference.mixed_models import LevelSideModel, level_side_model
from analysis.inference.multiplicity import with_adjusted
from analysis.inference.roots import root_values
from analysis.inference.side_differences import side_differences
from analysis.inference.strata import StratumTest, complete_cube, stratum_test
from analysis.inference.variance_components import variance_components
from analysis.morphometry import unit
from atlas.procrustes.alignment import Alignment

ADJUSTED = "p adjusted after Holm and after Benjamini & Hochberg within "
COLUMNS = {
    "mixed_models": {
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
    },
    "variance_components": {
        "measure, component": "subject, level, side, residual: SDs; icc_…: left and right",
        "level": "of the ICC; all: the mean over levels",
        "unit, n": "of estimate, low, high; subjects with every level and side",
        "estimate, low, high": "with its 95 % interval (components: generalised; ICC: McGraw & "
        "Wong)",
        "share": "of the sum of the components",
        "f, df1, df2, p": "of the component against the residual",
        "p_holm, p_bh": ADJUSTED + "a component over measures",
        "note": "what was left out",
    },
    "side_differences": {
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
    },
    "shape_covariates": {
        "response": "form: as aligned, size kept; shape: scaled to the mean centroid size",
        "model, ss_type, term": "sequential: after the terms before it; marginal: after all others",
        "unit, n": "1 (a share); subjects",
        "estimate, low, high": "R² observed, and the 95 % interval of the population's (noncentral "
        "F); the observed is biased upward and may lie above the interval",
        "r2_detectable": "the population R² found at 5 % with a probability of 80 % with this n",
        "f, df1, df2, z": "Procrustes F; its logarithm in SDs over permutations",
        "p, n_permutations, exact": "residual randomisation, the observed order included; whether "
        "all orders were taken",
        "p_holm, p_bh": ADJUSTED + "the terms of a response in models of the same ss_type",
        "ss_mm2, ss_residual_mm2, ss_total_mm2": "sums of squares over subjects and coordinates",
        "dimension": "effective number of coordinates of the residuals",
        "note": "why nothing was tested, and who was left out",
    },
}
MODEL_FIELDS = [
    "measure",
    "kind",
    "effect",
    "unit",
    "n",
    "estimate",
    "low",
    "high",
    "se",
    "f",
    "df1",
    "df2",
    "epsilon",
    "p",
    "family",
    "f_wald",
    "df2_wald",
    "p_wald",
    "subject_sd",
    "residual_sd",
    "model",
    "note",
]


def inference_tables(
    measures: pd.DataFrame,
    alignment: Alignment,
    covariates: Mapping[str, Sequence[float | str | None]],
    *,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Mixed models, variance components, side differences and shape on covariates of a group.

    Parameters
    ----------
    measures : DataFrame
        ``subject, level, side, measure, value, rests_on`` as ``measure_group`` gives it.
    alignment : Alignment
        Of the same subjects.
    covariates : mapping of str to sequence
        A value a subject of the alignment, in its order; may be empty.
    seed : int
        Of every permutation and draw.

    Returns
    -------
    dict of str to DataFrame
        ``mixed_models``, ``variance_components``, ``side_differences``, ``shape_covariates``, with
        the columns of ``COLUMNS``.  What cannot be fitted is a row whose ``note`` says why.
    """
    components = variance_components(measures, seed=seed)
    shapes = shape_covariates(alignment, covariates, seed=seed)
    return {
        "mixed_models": mixed_model_table(measures),
        "variance_components": with_adjusted(components, family=["component"]),
        "side_differences": side_differences(measures, seed=seed),
        "shape_covariates": with_adjusted(shapes, family=["response", "ss_type"]),
    }


def mixed_model_table(measures: pd.DataFrame) -> pd.DataFrame:
    """The mixed model of every measure of roots; columns as ``COLUMNS['mixed_models']``."""
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
