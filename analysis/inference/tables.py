"""Every inference over a group as named tables, and what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.inference import (
    allometry,
    mixed_tables,
    side_differences,
    variance_components,
)
from analysis.inference.multiplicity import with_adjusted
from atlas.procrustes.alignment import Alignment

COLUMNS = {
    "mixed_models": mixed_tables.COLUMNS,
    "variance_components": variance_components.COLUMNS,
    "side_differences": side_differences.COLUMNS,
    "shape_covariates": allometry.COLUMNS,
}


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
    components = variance_components.variance_components(measures, seed=seed)
    shapes = allometry.shape_covariates(alignment, covariates, seed=seed)
    return {
        "mixed_models": mixed_tables.mixed_model_table(measures),
        "variance_components": with_adjusted(components, family=["component"]),
        "side_differences": side_differences.side_differences(measures, seed=seed),
        "shape_covariates": with_adjusted(shapes, family=["response", "ss_type"]),
    }
