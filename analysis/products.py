"""What a build writes beside model and meshes: tables that say whose they are, and figures.

Registered as entry points ``atlas.products``: nothing in ``atlas`` may import from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis.evaluation import sensitivity
from analysis.evaluation.sensitivity import anchor_sensitivity, field_of_view_table
from analysis.figures.build_figures import draw_figures, shown, write_pictures
from analysis.morphometry import MEASURES, measure_group
from analysis.morphometry.as_drawn import with_published_angles
from analysis.tables import model_tables
from analysis.tables.model_tables import (
    asymmetry_table,
    landmark_table,
    mean_table,
    mode_table,
    score_table,
)
from analysis.tables.tidy import IMAGED, write_csv
from analysis.variability import segment_tables
from analysis.variability.literature import beside_published
from analysis.variability.segment_tables import summarise_anchors, summarise_segments
from atlas.data.dataset import Dataset
from atlas.landmarks.placing import subject_anatomy
from atlas.output.files import write_file
from atlas.store import Atlas
from atlas.text.plain_text import escape_markdown

# Table to its columns, in the order of the README: what each says, and its unit.
_COLUMNS = model_tables.COLUMNS | segment_tables.COLUMNS | sensitivity.COLUMNS
COLUMNS = {
    **{f"{name}.csv": columns for name, columns in _COLUMNS.items() if name != "asymmetry"},
    "asymmetry.csv": _COLUMNS["asymmetry"],
    "subjects_measures.csv": {
        "subject, level, side, measure": "what was measured; definitions below",
        "value": "in the unit that ends the measure's name",
        "rests_on": "measured, bridged or missing",
    },
}


def write_tables(atlas: Atlas, dataset: Dataset, out: Path) -> list[Path]:
    """Write ``out/tables/``: one CSV a subject matter and a README that explains them.

    Parameters
    ----------
    atlas : Atlas
    dataset : Dataset
        The subjects it was built from; measures are taken on their whole field of view.
    out : Path
        The folder of the atlas.

    Returns
    -------
    list of Path
        The files.  Every table ends with a column ``cohort``: ``imaged``, or the notice of
        generated data.
    """
    return write_table_folder(atlas, make_tables(atlas, dataset), out / "tables", _readme(atlas))


def write_table_folder(
    atlas: Atlas, tables: Mapping[str, pd.DataFrame], folder: Path, readme: str
) -> list[Path]:
    """Write tables as CSV that say whose they are, and a README beside them.

    Parameters
    ----------
    atlas : Atlas
    tables : mapping of file name to DataFrame
    folder : Path
        Made if it is not there.
    readme : str

    Returns
    -------
    list of Path
        The files; every table ends with a column ``cohort``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cohort = atlas.provenance["notice"] or IMAGED
    written = [
        write_csv(table.assign(cohort=cohort), folder / name) for name, table in tables.items()
    ]
    return [*written, write_file(folder / "README.md", readme)]


def describe_columns(name: str, columns: Mapping[str, str]) -> list[str]:
    """Lines of a README on the columns of one table."""
    rows = [f"| {column} | {text} |" for column, text in columns.items()]
    return ["", f"## {name}", "", "| column | says |", "|---|---|", *rows]


def make_tables(atlas: Atlas, dataset: Dataset) -> dict[str, pd.DataFrame]:
    """The tables of an atlas by file name, as :data:`COLUMNS` describes them."""
    measures = measure_group({s.id: subject_anatomy(s) for s in dataset.subjects})
    measures = with_published_angles(measures, dataset.subjects)
    about_anchors, about_roots = anchor_sensitivity(dataset, atlas.alignment)
    return {
        "landmarks.csv": landmark_table(atlas),
        "mean.csv": mean_table(atlas),
        "modes.csv": mode_table(atlas),
        "scores.csv": score_table(atlas),
        "segment_variability.csv": summarise_segments(measures),
        "anchor_sensitivity.csv": beside_published(summarise_anchors(measures)),
        "anchor_roots.csv": about_roots,
        "anchor_summary.csv": about_anchors,
        "field_of_view.csv": field_of_view_table(dataset, atlas.alignment, atlas.model),
        "asymmetry.csv": asymmetry_table(atlas),
        "subjects_measures.csv": measures,
    }


def _readme(atlas: Atlas) -> str:
    notice, anchor = atlas.provenance["notice"], escape_markdown(atlas.provenance["anchor"])
    lines = [
        "# Tables of the lumbosacral atlas",
        "",
        f"n = {atlas.model.n_subjects} subjects; anchor: {anchor}; LPS, mm.",
        "",
        f"Cohort: {escape_markdown(notice or 'annotated images of healthy adults')}.",
        "",
        "Every table ends with a column `cohort`: `imaged`, or what generated data say of",
        "themselves.",
        "Numbers have six significant digits; an empty field is a missing value.  A text that a",
        "spreadsheet would take for a formula has an apostrophe before it.",
    ]
    for name, columns in COLUMNS.items():
        lines += describe_columns(name, columns)
    lines += ["", "## Measures", "", "| measure | says |", "|---|---|"]
    lines += [f"| {name} | {m.text} |" for name, m in MEASURES.items()]
    lines += [
        "| angle_published_deg | as angle_image_deg, on the contours as they were drawn |",
        "",
    ]
    lines += source_lines(atlas)
    return "\n".join(lines)


def source_lines(atlas: Atlas) -> list[str]:
    """Lines of a README on what an atlas was made from."""
    said = [escape_markdown(atlas.provenance[name]) for name in ("attribution", "disclaimer")]
    return ["## Source", "", said[0], "", said[1], ""]


def write_figures(atlas: Atlas, dataset: Dataset, out: Path) -> list[Path]:
    """Write ``out/figures/`` as PNG of 150 dpi.

    Parameters
    ----------
    atlas : Atlas
    dataset : Dataset
        Its first subject is drawn as annotated.
    out : Path
        The folder of the atlas.

    Returns
    -------
    list of Path
        ``population.png``, ``anatomy.png`` (the mean), ``subject.png``, ``scree.png`` and
        ``mode1.png`` to ``mode3.png``, as far as there are modes.
    """
    what = shown(atlas.alignment, atlas.model, dataset.subjects[0], dataset.notice)
    return write_pictures(draw_figures(what), out)
