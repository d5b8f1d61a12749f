"""Measures of an anatomy: every measure once defined, for subjects, means, modes and samples."""

from analysis.morphometry.axes import anatomy_axes
from analysis.morphometry.definitions import COLUMNS, Measure, unit
from analysis.morphometry.drawn_sections import drawn_sections
from analysis.morphometry.measuring import (
    measure,
    measure_group,
    measure_values,
    measures_by_name,
    row_names,
)
from analysis.morphometry.profiles import root_profile, section_profile
from analysis.morphometry.published_angles import published_angles
from analysis.morphometry.registry import MEASURES

__all__ = [
    "COLUMNS",
    "MEASURES",
    "Measure",
    "anatomy_axes",
    "drawn_sections",
    "measure",
    "measure_group",
    "measure_values",
    "measures_by_name",
    "published_angles",
    "root_profile",
    "row_names",
    "section_profile",
    "unit",
]
