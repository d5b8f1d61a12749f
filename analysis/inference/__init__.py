"""Inference over the subjects of a group: models, components, sides, shape on covariates.

Every table gives the effect with its interval first, then p with p_holm and p_bh beside it.
"""

from analysis.inference.mixed_models import MixedModel, fit_random_intercept, level_side_model
from analysis.inference.multiplicity import adjusted
from analysis.inference.procrustes_anova import ShapeTerm, procrustes_anova
from analysis.inference.side_differences import side_differences
from analysis.inference.tables import COLUMNS, inference_tables
from analysis.inference.variance_components import icc, variance_components

__all__ = [
    "COLUMNS",
    "MixedModel",
    "ShapeTerm",
    "adjusted",
    "fit_random_intercept",
    "icc",
    "inference_tables",
    "level_side_model",
    "procrustes_anova",
    "side_differences",
    "variance_components",
]
