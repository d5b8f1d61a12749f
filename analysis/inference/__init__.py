"""Inference over the subjects of a group: models, components, sides, shape on covariates.

Every table gives the effect with its interval first, then p with p_holm and p_bh beside it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.inference.mixed_models import (
        MixedModel,
        fit_random_intercept,
        level_side_model,
    )
    from analysis.inference.multiplicity import adjusted
    from analysis.inference.procrustes_anova import ShapeTerm, procrustes_anova
    from analysis.inference.side_differences import side_differences
    from analysis.inference.tables import COLUMNS, inference_tables
    from analysis.inference.variance_components import icc, variance_components

# Resolved at first use: a build adjusts some p, and needs no statsmodels for it.
_HOMES = {
    "COLUMNS": "tables",
    "MixedModel": "mixed_models",
    "ShapeTerm": "procrustes_anova",
    "adjusted": "multiplicity",
    "fit_random_intercept": "mixed_models",
    "icc": "variance_components",
    "inference_tables": "tables",
    "level_side_model": "mixed_models",
    "procrustes_anova": "procrustes_anova",
    "side_differences": "side_differences",
    "variance_components": "variance_components",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
