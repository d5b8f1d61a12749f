"""What a build writes beside model and meshes: tables that say whose they are, and figures.

Registered as entry points ``atlas.products``: nothing in ``atlas`` may import from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.columns import Columns, below, repeated
from analysis.evaluation.sensitivity import anchor_columns, field_of_view_columns
from analysis.figures.build_figures import draw_figures, shown, write_pictures
from analysis.morphometry.measuring import measured_columns
from analysis.morphometry.published_angles import published_columns
from analysis.morphometry.registry import MEASURES
from analysis.tables.model_tables import (
    asymmetry_columns,
    landmark_columns,
    mean_columns,
    mode_columns,
    score_columns,
)
from analysis.tables.tidy import IMAGED, tidy_pieces
from analysis.variability.published import columns_beside_published
from analysis.variability.segment_tables import CONFIDENCE, depth_columns, segment_columns
from atlas.data.dataset import Dataset
from atlas.landmarks.placing import subject_anatomy
from atlas.output.files import new_file, write_file
from atlas.store import Atlas
from atlas.text.plain_text import escape_markdown

if TYPE_CHECKING:
    import pandas as pd

# Table to its columns: what each says, and its unit.
COLUMNS = {
    "landmarks.csv": {
        "subject": "subject id",
        "landmark": "name, the same in every subject",
        "x_mm, y_mm, z_mm": "aligned position, LPS mm; empty where missing",
        "status": "measured, bridged (between trace and ganglion, not seen) or missing",
    },
    "mean.csv": {
        "landmark": "name",
        "x_mm, y_mm, z_mm": "mean shape, LPS mm",
        "sd_mm": "standard deviation of its place over the model, all directions together, mm",
    },
    "modes.csv": {
        "mode": "from 1",
        "variance_mm2": "of the whole shape, n - 1, mm²",
        "share": "of the total variance",
        "cumulative": "share of this mode and those before it",
    },
    "scores.csv": {
        "subject": "subject id",
        "mode": "from 1",
        "score_sd": "coefficient, expected where landmarks are missing, in SD of the mode",
    },
    "segment_variability.csv": {
        "level, side, measure": "what was measured; definitions below; side pooled: the mean of "
        "the sides within each subject, the right one mirrored where the measure is signed",
        "basis": "all values (generated where all are); where a row has several kinds, measured, "
        "bridged and generated ones apart below; a pooled value is bridged if either side is",
        "unit": "of all but the counts and cv",
        "interval": "how mean_low … sd_high were found: bootstrap-t, or normal as in the columns "
        "beside them",
        "n": "subjects with a value",
        "n_measured, n_bridged, n_missing, n_generated": "what the values rest on",
        "mean, mean_low, mean_high": f"mean and its {CONFIDENCE:.0%} interval",
        "mean_t_low, mean_t_high": f"its {CONFIDENCE:.0%} t-interval, of normal data",
        "sd, sd_low, sd_high": f"SD (n - 1) and its {CONFIDENCE:.0%} interval",
        "sd_chi2_low, sd_chi2_high": f"its {CONFIDENCE:.0%} chi-square interval, of normal data",
        "cv": "sd over mean, where the measure has a zero of its own",
        "median, q25, q75, min, max": "median, quartiles and extremes observed",
        "range_low, range_low_low, range_low_high": "mean - 1.96 sd, below which 2.5 % of a "
        f"normal population lie, and its {CONFIDENCE:.0%} interval",
        "range_high, range_high_low, range_high_high": "the same above",
        "tolerance_low, tolerance_high": "hold 95 % of a normal population with 95 % confidence",
    },
    "anchor_sensitivity.csv": {
        "anchor": "where depth is counted from; the dura apex is the top of the image, not "
        "anatomy; the disc is only published",
        "landmark": "begin of the root, or ganglion",
        "level": "sides averaged within the subject",
        "n": "subjects",
        "sd_mm, sd_low_mm, sd_high_mm": f"SD (n - 1) over subjects and its {CONFIDENCE:.0%} "
        "chi-square interval, mm",
        "published_sd_mm, published_source": "sd_mm of the published subjects, from whom the "
        "built-in cohort is made",
    },
    "anchor_roots.csv": {
        "origin, anchor": "where depth along dura and cord is counted from; point held fixed",
        "landmark": "begin of the root, or ganglion",
        "level, side": "root",
        "n": "subjects",
        "sd_z_mm, sd_z_low_mm, sd_z_high_mm": "SD (n - 1) of the aligned position along the mean "
        f"sac and its {CONFIDENCE:.0%} chi-square interval, mm",
        "sd_mm, sd_low_mm, sd_high_mm": "SD of the aligned position in all three directions "
        f"together and its {CONFIDENCE:.0%} interval (Satterthwaite), mm",
    },
    "anchor_summary.csv": {
        "origin, anchor": "where depth along dura and cord is counted from; point held fixed",
        "n": "subjects",
        "n_landmarks": "that every subject has; the numbers are over them",
        "total_variance_mm2, total_variance_low_mm2, total_variance_high_mm2": "of the whole shape "
        f"(n - 1) and its {CONFIDENCE:.0%} interval (Satterthwaite), mm²; compare within an origin",
        "sd_per_landmark_mm": "square root of the total variance per landmark, mm",
        "share_mode1": "of the total variance",
        "modes_for_95": "number of modes that hold 95 % of it",
        "remark": "why there are no numbers",
    },
    "field_of_view.csv": {
        "mode": "from 1",
        "share": "of the total variance",
        "predictor": "extent of the dura; conus-to-bottom; apex-to-conus (place of the conus, "
        "which is anatomy, and of the image's top, which is not); slice-spacing; all together",
        "r2": "share of the mode's scores that follows it; empty: the same in all subjects",
        "r2_adjusted": "for the number of predictors: 0 where r2 is what chance gives",
        "p": "permutation p of r2, of this row alone",
        "p_family": "permutation p over the modes that hold 99 % of the variance together",
        "n": "subjects",
        "finding": "where they explain most of the mode; warning: and can have moved the "
        "landmarks; note: but cannot have",
    },
    "asymmetry.csv": {
        "structure": "dura, cord, both roots of a level, or all; left minus mirrored right",
        "n_subjects": "subjects with a whole pair; no row where the anchor is not on the midline",
        "directional_mm": "size of the mean asymmetry, root mean square over landmarks",
        "lateral_mm, dorsal_mm, rostral_mm": "its mean over the left half, by direction",
        "fluctuating_mm": "SD (n - 1) over subjects about the mean asymmetry, root mean square",
        "chance_mm": "what directional_mm would be about, were there none",
        "p, p_holm": "of no directional asymmetry, by sign flips; Holm over the structures",
    },
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
    atlas: Atlas, tables: Mapping[str, pd.DataFrame | Columns], folder: Path, readme: str
) -> list[Path]:
    """Write tables as CSV that say whose they are, and a README beside them.

    Parameters
    ----------
    atlas : Atlas
    tables : mapping of file name to DataFrame, or to its columns
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
    written = []
    for name, table in tables.items():
        columns: dict[str, Any] = {str(column): values for column, values in table.items()}
        whose = repeated(cohort, len(next(iter(columns.values()))))
        place = folder / name
        with new_file(place) as new, new.open("w", encoding="utf-8", newline="") as out:
            out.writelines(tidy_pieces(columns | {"cohort": whose}))
        written.append(place)
    written.append(write_file(folder / "README.md", readme))
    return written


def describe_columns(name: str, columns: Mapping[str, str]) -> list[str]:
    """Lines of a README on the columns of one table."""
    rows = [f"| {column} | {text} |" for column, text in columns.items()]
    return ["", f"## {name}", "", "| column | says |", "|---|---|", *rows]


def make_tables(atlas: Atlas, dataset: Dataset) -> dict[str, Columns]:
    """The tables of an atlas by file name, as :data:`COLUMNS` describes them."""
    measures = measured_columns({s.id: subject_anatomy(s) for s in dataset.subjects})
    drawn = {s.id: published_columns(s) for s in dataset.subjects}
    published = [{"subject": repeated(name, len(t["level"])), **t} for name, t in drawn.items()]
    measures = below([measures, *published])
    about_anchors, about_roots = anchor_columns(dataset, atlas.alignment)
    return {
        "landmarks.csv": landmark_columns(atlas),
        "mean.csv": mean_columns(atlas),
        "modes.csv": mode_columns(atlas),
        "scores.csv": score_columns(atlas),
        "segment_variability.csv": segment_columns(measures),
        "anchor_sensitivity.csv": columns_beside_published(depth_columns(measures)),
        "anchor_roots.csv": about_roots,
        "anchor_summary.csv": about_anchors,
        "field_of_view.csv": field_of_view_columns(dataset, atlas.alignment, atlas.model),
        "asymmetry.csv": asymmetry_columns(atlas),
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
