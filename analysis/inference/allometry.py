"""Form and shape of a group, and the covariates that may explain them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.inference.multiplicity import ADJUSTED
from analysis.inference.procrustes_anova import ShapeTerm, gram, procrustes_anova
from atlas.procrustes.alignment import Alignment
from atlas.procrustes.similarity import centroid_size

SIZE = "log centroid size"
RESPONSES = ("form", "shape")
# What the columns of `shape_covariates` say.
COLUMNS = {
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
}
FIELDS = [
    *("ss_type", "term", "unit", "n", "estimate", "low", "high", "r2_detectable"),
    *("f", "df1", "df2", "z", "p", "n_permutations", "exact"),
    *("ss_mm2", "ss_residual_mm2", "ss_total_mm2", "dimension"),
]


def responses(alignment: Alignment) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Form and shape of the subjects of an alignment, and their centroid sizes.

    Parameters
    ----------
    alignment : Alignment

    Returns
    -------
    points : dict of str to (S, L, 3) float
        ``form``: as aligned, size kept, missing landmarks at their expected places.  ``shape``:
        each scaled about the anchor to the mean centroid size, so that squares stay in mm².
    sizes : (S,) float
        mm, before that scaling.
    """
    points = np.asarray(alignment.completed)
    sizes = centroid_size(points, np.broadcast_to(alignment.weights, points.shape[:2]))
    scaled = points * (sizes.mean() / sizes)[:, None, None]
    return {"form": points, "shape": scaled}, sizes


def shape_covariates(
    alignment: Alignment,
    covariates: Mapping[str, Sequence[float | str | None]],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """What covariates and size explain of form and of shape.

    Parameters
    ----------
    alignment : Alignment
    covariates : mapping of str to sequence
        A value a subject, in the order of the alignment; numbers, or names of groups; None missing.
    seed : int
        Of the permutations.

    Returns
    -------
    DataFrame
        One row a response, model and term.  Each covariate by itself, log centroid size by itself,
        and all covariates together (sequential in their order, and marginal).  ``estimate`` is R².
        A covariate that cannot be used has a row that says why.
    """
    points, sizes = responses(alignment)
    known: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    rows: list[dict[str, object]] = []
    for name, values in covariates.items():
        columns, here, problem = covariate_columns(values)
        if problem:
            rows += [
                {"response": r, "model": f"{r} ~ {name}", "term": name, "note": problem}
                for r in RESPONSES
            ]
        else:
            known[name] = columns, here
    everyone = np.ones(len(sizes), dtype=bool)
    models = [{SIZE: (np.log(sizes)[:, None], everyone)}, *({k: v} for k, v in known.items())]
    if len(known) > 1:
        models.append(known)
    for model in models:
        for response in RESPONSES:
            rows += _model_rows(response, points[response], alignment.weights, model, seed)
    table = pd.DataFrame(rows).reindex(columns=["response", "model", *FIELDS, "note"])
    return table.assign(note=table["note"].fillna(""), unit="1")


def covariate_columns(
    values: Sequence[float | str | None],
) -> tuple[np.ndarray, np.ndarray, str]:
    """Columns of a covariate, who has it, and why it cannot be used (empty where it can).

    Parameters
    ----------
    values : sequence of float, str or None
        Numbers make one column, anything else one for every group after the first.

    Returns
    -------
    columns : (S, q) float
        0 where missing.
    known : (S,) bool
    problem : str
    """
    numbers = all(isinstance(v, int | float) for v in values if v is not None)
    known = np.array([v is not None and v == v for v in values], dtype=bool)  # noqa: PLR0124
    present = [v for v, k in zip(values, known, strict=True) if k]
    groups = list(dict.fromkeys(str(v) for v in present))
    if len(present) < 3:
        return np.zeros((len(known), 1)), known, f"known of {len(present)} subjects: not tested"
    if len(groups) < 2:
        return np.zeros((len(known), 1)), known, "the same in every subject: nothing to test"
    if numbers:
        column = np.array(
            [float(v) if k and v is not None else 0.0 for v, k in zip(values, known, strict=True)]
        )
        return column[:, None], known, ""
    if len(groups) > len(present) // 2:
        problem = f"{len(groups)} groups among {len(present)} subjects: not tested"
        return np.zeros((len(known), 1)), known, problem
    codes = [
        [float(k and str(v) == g) for g in groups[1:]] for v, k in zip(values, known, strict=True)
    ]
    return np.array(codes), known, ""


def _model_rows(
    response: str,
    points: np.ndarray,
    weights: np.ndarray,
    model: Mapping[str, tuple[np.ndarray, np.ndarray]],
    seed: int,
) -> list[dict[str, object]]:
    here = np.all([known for _, known in model.values()], axis=0)
    lost = int((~here).sum())
    note = f"{lost} subjects without a value are left out" if lost else ""
    text = f"{response} ~ {' + '.join(model)}"
    terms = {name: columns[here] for name, (columns, _) in model.items()}
    kinds = ("sequential", "marginal") if len(model) > 1 else ("sequential",)
    rows: list[dict[str, object]] = []
    for kind in kinds:
        try:
            found = procrustes_anova(gram(points[here], weights), terms, kind=kind, seed=seed)
        except ValueError as error:
            return [
                {
                    "response": response,
                    "model": text,
                    "term": " + ".join(model),
                    "n": int(here.sum()),
                    "note": str(error),
                }
            ]
        label = kind if len(model) > 1 else "only term"
        rows += [
            {
                "response": response,
                "model": text,
                "ss_type": label,
                "n": int(here.sum()),
                "note": note,
            }
            | _fields(term)
            for term in found
        ]
    return rows


def _fields(term: ShapeTerm) -> dict[str, object]:
    names = {"estimate": "r2", "low": "r2_low", "high": "r2_high", "df1": "df"}
    names |= {"df2": "df_residual"}
    same = set(FIELDS) - {"ss_type", "unit", "n"} - set(names)
    return {name: getattr(term, names.get(name, name)) for name in {*same, *names}}
