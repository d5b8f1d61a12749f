"""Results drawn on axes, a kind of result a module; whole figures are in ``compositions``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.figures.scree import draw_scree
    from analysis.figures.shapes import (
        CORD,
        DASHES,
        DIRECTIONS,
        HORIZONTAL,
        LEVEL_COLOURS,
        MEAN,
        MINUS,
        PLUS,
        SAC,
        TEXT_PT,
        View,
        draw_anatomy,
        draw_mode,
        legend_handles,
        mode_handles,
        silhouette,
    )

__all__ = [
    "CORD",
    "DASHES",
    "DIRECTIONS",
    "HORIZONTAL",
    "LEVEL_COLOURS",
    "MEAN",
    "MINUS",
    "PLUS",
    "SAC",
    "TEXT_PT",
    "View",
    "draw_anatomy",
    "draw_mode",
    "draw_scree",
    "legend_handles",
    "mode_handles",
    "silhouette",
]


# Resolved at first use: what is to be drawn can be told without loading matplotlib.
def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "scree" if name == "draw_scree" else "shapes"
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return list(__all__)
