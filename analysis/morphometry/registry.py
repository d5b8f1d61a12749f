"""Every measure of an anatomy, by name: the definitions stand with what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from analysis.morphometry.definitions import Measure
from analysis.morphometry.root_definitions import root_definitions
from analysis.morphometry.section_definitions import level_definitions, subject_definitions

# Name of each measure to its definition, in the order of the table.
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        m.name: m
        for definitions in (root_definitions, level_definitions, subject_definitions)
        for m in definitions()
    }
)
