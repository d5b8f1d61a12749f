"""How the anatomy of each segment varies over a group, with intervals that generalise."""

from analysis.variability.literature import beside_literature
from analysis.variability.neighbours import neighbour_table
from analysis.variability.segment_tables import (
    summarise_anchors,
    summarise_segments,
)
from analysis.variability.spread import alignment_spread

__all__ = [
    "alignment_spread",
    "beside_literature",
    "neighbour_table",
    "summarise_anchors",
    "summarise_segments",
]
