"""Every number about the quality of an atlas as tables, and their folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

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
    "compactness.csv": {
        "modes": "the first so many",
        "variance_mm2": "of the last of them, mm²",
        "cumulative_mm2, cumulative_mm2_se": "of all of them, and its standard error (normal data)",
        "cumulative, cumulative_se": "share of the total variance, and its standard error",
        "n": "subjects",
    },
    "generalisation.csv": {
        "definition": "atlas: aligned anew without the subject; shapeworks, sva, scalismo: as "
        "those programs compute it (scalismo: nearest vertex, from the description to the subject)",
        "realigned": "whether the others were aligned anew in each fold",
        "modes": "the first so many; 0 is the mean",
        "n": "subjects held out",
        "mean_mm, mean_mm_se": "mean distance over landmarks, mean over subjects and its standard "
        "error, mm",
        "rms_mm, rms_mm_se": "root mean square distance over landmarks, the same, mm",
    },
    "generalisation_surface.csv": {
        "realigned, modes, n": "as above",
        "to_subject_mm": "mean distance from the described surface to the subject's, same "
        "structure, by area, mm",
        "to_model_mm": "and back",
        "symmetric_mm": "mean of both",
        "…_se": "standard error over subjects, mm",
    },
    "specificity.csv": {
        "definition": "as above; shapeworks depends on the unit, here mm",
        "modes": "drawn with the first so many",
        "n_samples, n, seed": "shapes drawn; training shapes; seed",
        "mean_mm, mean_mm_se": "mean distance over landmarks to the nearest training shape, and "
        "its standard error over draws, mm",
    },
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
    "eigenvalues.csv": {
        "mode": "from 1",
        "variance_mm2, share": "n - 1, mm²; of the total",
        "…_low, …_high": "95 % bootstrap interval over subjects, percentiles; empty where more "
        "than 2.5 % of the draws do not have so many modes",
        "…_bca_low, …_bca_high": "bias-corrected and accelerated",
        "n, n_bootstrap, seed, realigned": "subjects; draws; whether each was aligned anew",
    },
    "mode_stability.csv": {
        "mode": "from 1",
        "cosine, cosine_low": "median and 5 % quantile of |cos| with the matched mode",
        "same_rank": "share of groups that match it to the mode of its own rank",
        "angle_deg, angle_high_deg": "median and 95 % quantile of the largest principal angle "
        "between the spaces of this and all modes before it",
        "method, realigned, n_groups, n, seed": "bootstrap or jackknife; aligned anew; groups; "
        "subjects",
    },
    "noise_structures.csv": {
        "structure": "dura, cord or roots",
        "noise_mm, noise_min_mm, noise_max_mm": "jitter of contours and traces from slice to "
        "slice, SD per in-plane axis: over subjects, least and most, mm",
        "landmark_mm": "what remains in a landmark, all directions, mm",
        "noise_variance_mm2": "of all its landmarks, mm²",
        "n": "subjects",
    },
    "noise_modes.csv": {
        "mode, variance_mm2": "from 1; n - 1, mm²",
        "noise_variance_mm2": "of its scores, were everybody annotated again, mm²",
        "reliability": "1 - noise / variance",
        "floor_mm2, above_floor": "variance of the first mode, were there nothing but jitter, mm²; "
        "exceeded",
        "n, seed": "subjects; seed",
    },
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
