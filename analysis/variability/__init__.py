"""How the anatomy of each segment varies over a group, with intervals that generalise."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.variability.literature import beside_literature
    from analysis.variability.neighbours import neighbour_table
    from analysis.variability.segment_tables import (
        anchor_table,
        segment_table,
        summarise_anchors,
        summarise_segments,
    )
    from analysis.variability.spread import alignment_spread

# Resolved at first use: a build needs some of the modules, and none of their heavier libraries.
_HOMES = {
    "alignment_spread": "spread",
    "anchor_table": "segment_tables",
    "beside_literature": "literature",
    "neighbour_table": "neighbours",
    "segment_table": "segment_tables",
    "summarise_anchors": "segment_tables",
    "summarise_segments": "segment_tables",
}

__all__ = [
    "alignment_spread",
    "anchor_table",
    "beside_literature",
    "neighbour_table",
    "segment_table",
    "summarise_anchors",
    "summarise_segments",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
