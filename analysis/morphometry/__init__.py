"""Measures of an anatomy: every measure once defined, for subjects, means, modes and samples."""

from analysis.morphometry.as_drawn import drawn_sections, published_angles
from analysis.morphometry.axes import anatomy_axes
from analysis.morphometry.definitions import COLUMNS, MEASURES, Measure, unit
from analysis.morphometry.measuring import measure, measure_group, named_values
from analysis.morphometry.sections import section_profile

__all__ = [
    "COLUMNS",
    "MEASURES",
    "Measure",
    "anatomy_axes",
    "drawn_sections",
    "measure",
    "measure_group",
    "named_values",
    "published_angles",
    "section_profile",
    "unit",
]
