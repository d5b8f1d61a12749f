"""Every number about the quality of an atlas as tables, and their folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.evaluation import annotation_noise, quality, stability, surface_distance
from analysis.evaluation.annotation_noise import noise_floor
from analysis.evaluation.mode_count import broken_stick, parallel_analysis
from analysis.evaluation.quality import DEFINITIONS, compactness, generalisation, specificity
from analysis.evaluation.stability import METHODS, eigenvalue_intervals, mode_stability
from analysis.evaluation.surface_distance import surface_generalisation
from analysis.products import describe_columns, write_table_folder
from atlas.data.dataset import Dataset
from atlas.procrustes.alignment import Alignment
from atlas.store import Atlas
from atlas.text.plain_text import escape_markdown

FOLDER = "evaluation"
# Samples of specificity; fewer where nearest vertices are searched for.
SAMPLES = {"atlas": 200, "shapeworks": 100, "sva": 100, "scalismo": 40}
NULL_DRAWS = 100

COLUMNS = {
    **quality.COLUMNS,
    **surface_distance.COLUMNS,
    "mode_count.csv": {
        "mode, share": "from 1; of the variance of all modes",
        "broken_stick, broken_stick_retained": "share of a stick broken at random; exceeded",
        "variance_mm2": "n - 1, mm²",
        "landmarks_null_mm2, landmarks_p, landmarks_retained": "95 % quantile where every landmark "
        "jitters by itself; its p; exceeded by this and all modes before",
        "structures_null_mm2, structures_p, structures_retained": "the same where every structure "
        "varies by itself",
        "n_null, seed": "draws of the null",
    },
    **stability.COLUMNS,
    **annotation_noise.COLUMNS,
}


def evaluation_tables(
    atlas: Atlas, dataset: Dataset | None = None, *, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Every table about the quality of an atlas, as :data:`COLUMNS` describes them.

    Parameters
    ----------
    atlas : Atlas
    dataset : Dataset, optional
        The subjects it was built from, for the annotation noise.
    seed : int

    Returns
    -------
    dict of str to DataFrame
        By file name; without the two ``noise`` tables where there is no dataset.
    """
    alignment, model = atlas.alignment, atlas.model
    bridged = atlas.settings.bridged
    tables = {
        "compactness.csv": compactness(model),
        "generalisation.csv": pd.concat(
            [generalisation(alignment, definition=d, bridged=bridged) for d in DEFINITIONS],
            ignore_index=True,
        ),
        "generalisation_surface.csv": surface_generalisation(alignment),
        "specificity.csv": _specificities(atlas, seed),
        "mode_count.csv": mode_count_table(alignment, seed=seed),
        "eigenvalues.csv": eigenvalue_intervals(alignment, seed=seed),
        "mode_stability.csv": pd.concat(
            [mode_stability(alignment, method=m, seed=seed) for m in METHODS]
            + [mode_stability(alignment, method="jackknife", realign=True, seed=seed)],
            ignore_index=True,
        ),
    }
    if dataset is not None:
        structures, modes = noise_floor(dataset, alignment, model, seed=seed)
        tables |= {"noise_structures.csv": structures, "noise_modes.csv": modes}
    return tables


def mode_count_table(alignment: Alignment, *, seed: int = 0) -> pd.DataFrame:
    """Broken stick and both parallel analyses of an alignment, one row a mode."""
    root = np.sqrt(alignment.weights)[:, None]
    deviations = root * (alignment.completed - alignment.mean)
    scheme = alignment.landmarks.scheme
    spans = [scheme.span(block.name) for block in scheme.blocks]
    by_landmark = parallel_analysis(deviations, n_null=NULL_DRAWS, seed=seed)
    by_structure = parallel_analysis(deviations, groups=spans, n_null=NULL_DRAWS, seed=seed)
    table = broken_stick(by_landmark["variance_mm2"].to_numpy()).rename(
        columns={"expected": "broken_stick", "retained": "broken_stick_retained"}
    )
    table["variance_mm2"] = by_landmark["variance_mm2"]
    for word, null in (("landmarks", by_landmark), ("structures", by_structure)):
        for column in ("null_mm2", "p", "retained"):
            table[f"{word}_{column}"] = null[column]
    return table.assign(n_null=NULL_DRAWS, seed=seed)


def write_evaluation(
    atlas: Atlas, dataset: Dataset | None, out: Path, *, seed: int = 0
) -> list[Path]:
    """Write ``out/evaluation/``: the tables as CSV and a README that explains them.

    Parameters
    ----------
    atlas : Atlas
    dataset : Dataset or None
        The subjects it was built from; without it there is no annotation noise.
    out : Path
    seed : int

    Returns
    -------
    list of Path
    """
    tables = evaluation_tables(atlas, dataset, seed=seed)
    model, notice = atlas.model, atlas.provenance["notice"]
    lines = [
        "# Quality of the lumbosacral atlas",
        "",
        f"n = {model.n_subjects} subjects; anchor: {atlas.alignment.anchor}; mm; seed {seed}.",
        "",
        f"Cohort: {escape_markdown(notice or 'annotated images of healthy adults')}.",
    ]
    for name in tables:
        lines += describe_columns(name, COLUMNS[name])
    return write_table_folder(atlas, tables, out / FOLDER, "\n".join([*lines, ""]))


def _specificities(atlas: Atlas, seed: int) -> pd.DataFrame:
    model, points = atlas.model, atlas.alignment.points
    some = {
        "atlas": sorted({min(k, model.n_modes) for k in (1, 2, 3, 5, model.n_modes)}),
        "scalismo": [model.n_modes],
    }
    ends = sorted({1, model.n_modes})
    tables = [
        specificity(
            model,
            points,
            definition=definition,
            modes=some.get(definition, ends),
            n=n,
            seed=seed,
        )
        for definition, n in SAMPLES.items()
    ]
    return pd.concat(tables, ignore_index=True)
