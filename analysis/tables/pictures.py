"""The figures that go with the tables of a group."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures.figure_files import write_figure
from analysis.figures.group_figures import (
    effects_figure,
    ellipsoid_figure,
    profile_figure,
    segment_figure,
    sides_figure,
)
from analysis.morphometry import MEASURES
from analysis.tables.all_tables import Collection
from analysis.tables.inputs import Source
from analysis.tables.section_profiles import APEX, CONUS

SECTIONS = {
    "sac_area_mm2": "sac area (mm²)",
    "cord_area_mm2": "cord area (mm²)",
    "csf_dorsal_mm": "dorsal CSF (mm)",
    "csf_ventral_mm": "ventral CSF (mm)",
}
ROOTS = {
    "begin_above_conus_mm": "begin above conus (mm)",
    "length_traced_mm": "traced length (mm)",
    "angle_sac_deg": "angle about the sac (°)",
    "csf_lateral_mm": "lateral CSF at the begin (mm)",
}
LEVEL_SECTIONS = {
    "cord_area_mm2": "cord area at the begin (mm²)",
    "sac_area_mm2": "sac area at the begin (mm²)",
    "csf_dorsal_mm": "dorsal CSF at the begin (mm)",
    "spacing_to_next_mm": "spacing to the next begin (mm)",
}


def write_pictures(found: Collection, source: Source, folder: Path) -> list[Path]:
    """Draw what the tables hold, each figure as PNG and PDF.

    Parameters
    ----------
    found : Collection
    source : Source
    folder : Path
        Made.

    Returns
    -------
    list of Path
        ``profiles_apex``, ``profiles_conus``, ``segments_roots``, ``segments_levels``, ``sides``,
        and, where the group has a model, ``side_differences`` and ``ellipsoids``.
    """
    folder.mkdir()
    written: list[Path] = []
    for name, figure in make_pictures(found, source).items():
        written += write_figure(figure, folder / name)
    return written


def make_pictures(found: Collection, source: Source) -> dict[str, Figure]:
    """The figures by name; what the group cannot show is left out."""
    group, tables = source.group, {name: t.table for name, t in found.tables.items()}
    said = {"text": group.said, "notice": group.notice}
    profiles, measures = tables["profiles"], tables["subjects_measures"]
    segments = tables["segment_variability"]
    pictures = {
        f"profiles_{word}": profile_figure(
            profiles, SECTIONS, anchor=anchor, title=f"Sections along the depth, {title}", **said
        )
        for word, anchor, title in (
            ("apex", APEX, "counted from the dura apex"),
            ("conus", CONUS, "counted from the conus"),
        )
        if (profiles["anchor"] == anchor).any()
    }
    pictures["segments_roots"] = segment_figure(
        segments, measures, ROOTS, title="Roots by level and side", **said
    )
    pictures["segments_levels"] = segment_figure(
        segments, measures, LEVEL_SECTIONS, title="Sections by level", **said
    )
    mirrored = [name for name in ROOTS if MEASURES[name].signed]
    pictures["sides"] = sides_figure(
        measures, ROOTS, mirrored=mirrored, title="Left against right", **said
    )
    if "side_differences" in tables:
        pictures["side_differences"] = effects_figure(
            tables["side_differences"], ROOTS, title="Left minus right by level", **said
        )
    if source.atlas is not None:
        pictures["ellipsoids"] = ellipsoid_figure(
            source.atlas, title="Where roots begin and ganglia lie", **said
        )
    return pictures
