"""Which tables a group has, and why it lacks the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from analysis.evaluation.sensitivity import anchor_sensitivity, field_of_view_table
from analysis.inference.tables import COLUMNS as INFERENCE_COLUMNS
from analysis.inference.tables import inference_tables
from analysis.morphometry import MEASURES, measure_group
from analysis.morphometry.as_drawn import with_published_angles
from analysis.products import COLUMNS as BUILD_COLUMNS
from analysis.tables.inputs import NEEDS_ANNOTATIONS, Source
from analysis.tables.model_tables import (
    asymmetry_table,
    landmark_table,
    mean_table,
    mode_table,
    score_table,
)
from analysis.tables.section_profiles import COLUMNS as PROFILE_COLUMNS
from analysis.tables.section_profiles import profile_table
from analysis.tables.table_specs import (
    COMPONENT_HEADINGS,
    COVARIATE_HEADINGS,
    LITERATURE_HEADINGS,
    MIXED_HEADINGS,
    NEIGHBOUR_HEADINGS,
    SIDE_HEADINGS,
    chosen_columns,
    segment_report,
)
from analysis.tables.typeset import Paper
from analysis.variability.literature import COLUMNS as LITERATURE_COLUMNS
from analysis.variability.literature import beside_literature, beside_published
from analysis.variability.neighbours import COLUMNS as NEIGHBOUR_COLUMNS
from analysis.variability.neighbours import neighbour_table
from analysis.variability.segment_tables import summarise_anchors, summarise_segments
from analysis.variability.spread import COLUMNS as SPREAD_COLUMNS
from analysis.variability.spread import alignment_spread
from atlas.progress import Stage, quiet

FEW = "needs at least two subjects"
NO_MODEL = "needs a model of shape"
SPREAD_INTERVALS = {
    f"sd_{axis}_low_mm, sd_{axis}_high_mm": "95 % chi-square interval of the SD along it, mm"
    for axis in ("left", "dorsal", "rostral")
}
INFERENCE = {
    "mixed_models": (
        (
            "Level and side of each measure, subjects as random intercepts; tests with partial "
            "eta², then estimates in the unit of the measure"
        ),
        MIXED_HEADINGS,
    ),
    "variance_components": (
        "Where the variance of each measure lies, as SDs, and left-right reliability (ICC)",
        COMPONENT_HEADINGS,
    ),
    "side_differences": (
        (
            "Left minus right, the right side mirrored; dz is the mean difference in SDs of the "
            "differences; p adjusted over the levels of a measure"
        ),
        SIDE_HEADINGS,
    ),
    "shape_covariates": ("Shape and form on covariates and on size", COVARIATE_HEADINGS),
}


@dataclass(frozen=True, slots=True, eq=False)
class NamedTable:
    """A tidy table with what is said of it.

    Parameters
    ----------
    name : str
        Of its files.
    title : str
        What it shows, without a full stop.
    table : DataFrame
    columns : mapping of str to str
        What its columns say.
    intervals : str
        What its intervals are.
    papers : sequence of Paper or None
        As :func:`analysis.tables.write.write_table` takes it.
    """

    name: str
    title: str
    table: pd.DataFrame
    columns: Mapping[str, str]
    intervals: str = ""
    papers: Sequence[Paper] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """The tables of a group by name, and why others are not among them."""

    tables: dict[str, NamedTable] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, title: str, table: pd.DataFrame, **facts: object) -> None:
        """Add a table; one that the build writes too has its columns described already."""
        columns = facts.pop("columns", None) or BUILD_COLUMNS[f"{name}.csv"]
        self.tables[name] = NamedTable(name, title, table, columns, **facts)  # type: ignore[arg-type]

    def without(self, why: str, *names: str) -> None:
        """Say why tables are not there."""
        self.absent.update(dict.fromkeys(names, why))


def collect_tables(source: Source, *, seed: int = 0, stage: Stage = quiet) -> Collection:
    """Every table that can be made of a group.

    Parameters
    ----------
    source : Source
    seed : int
        Of bootstraps and permutations.
    stage : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    Collection
    """
    found = Collection()
    stage("measuring")
    measures = _measures(source, found)
    _add_variability(found, source, measures, seed)
    stage("profiles along depth")
    _add_profiles(found, source)
    _add_model(found, source)
    stage("anchors and field of view")
    _add_sensitivity(found, source)
    stage("mixed models, components, sides, covariates")
    _add_inference(found, source, measures, seed)
    return found


def _measures(source: Source, found: Collection) -> pd.DataFrame:
    measures = measure_group(source.anatomies)
    if source.dataset is None:
        found.without(NEEDS_ANNOTATIONS, "angle_published_deg (a measure)")
        return measures
    return with_published_angles(measures, source.dataset.subjects)


def _add_variability(found: Collection, source: Source, measures: pd.DataFrame, seed: int) -> None:
    title = "Every measure of every subject"
    found.add("subjects_measures", title, measures, papers=())
    segments = summarise_segments(measures, seed=seed)
    methods = " or ".join(m for m in segments["interval"].unique() if m) or "none"
    intervals = f"{methods}, for means and SDs alike; no interval of the range"
    texts = {name: m.text for name, m in MEASURES.items()}
    papers = segment_report(segments, source.group, texts=texts, intervals=intervals)
    found.add(
        "segment_variability",
        "Each measure of each level and side over the subjects",
        segments,
        intervals=intervals,
        papers=papers,
    )
    _add_literature(found, source, segments, intervals)
    text = _interval_text(NEIGHBOUR_COLUMNS)
    title = "The same measure at neighbouring levels: covariance and correlation over subjects"
    rows = neighbour_table(measures)
    papers = chosen_columns(
        rows, "neighbours", title, source.group, headings=NEIGHBOUR_HEADINGS, intervals=text
    )
    found.add("neighbours", title, rows, columns=NEIGHBOUR_COLUMNS, intervals=text, papers=papers)
    found.add(
        "anchor_sensitivity",
        "Spread of the depth of begins and ganglia by where depth is counted from",
        beside_published(summarise_anchors(measures)),
        intervals="chi-square, of normal data",
    )


def _add_literature(
    found: Collection, source: Source, segments: pd.DataFrame, intervals: str
) -> None:
    beside = beside_literature(segments)
    title = "The cohort beside published values, whose means are taken as exact"
    papers = chosen_columns(
        beside, "literature", title, source.group, headings=LITERATURE_HEADINGS, intervals=intervals
    )
    found.add(
        "literature",
        title,
        beside,
        columns=LITERATURE_COLUMNS,
        intervals=intervals,
        papers=papers,
    )


def _add_profiles(found: Collection, source: Source) -> None:
    found.add(
        "profiles",
        "Section measures along the depth, by where depth is counted from",
        profile_table(source.anatomies),
        columns=PROFILE_COLUMNS,
        intervals="Student's t, depth by depth",
        papers=(),
    )


def _add_model(found: Collection, source: Source) -> None:
    atlas = source.atlas
    if atlas is None:
        found.without(
            NO_MODEL, "landmarks", "landmark_spread", "mean", "modes", "scores", "asymmetry"
        )
        return
    found.add("landmarks", "Aligned landmarks of every subject", landmark_table(atlas), papers=())
    found.add(
        "landmark_spread",
        "Where every landmark lies over the subjects as aligned",
        alignment_spread(atlas.alignment).table(),
        columns=SPREAD_COLUMNS | SPREAD_INTERVALS,
        papers=(),
    )
    found.add("mean", "Mean shape", mean_table(atlas), papers=())
    found.add("modes", "Variance that each mode holds", mode_table(atlas))
    found.add("scores", "Coefficients of every subject", score_table(atlas), papers=())
    found.add("asymmetry", "Directional and fluctuating asymmetry of shape", asymmetry_table(atlas))


def _add_sensitivity(found: Collection, source: Source) -> None:
    names = ("anchor_roots", "anchor_summary", "field_of_view")
    if source.atlas is None or source.dataset is None:
        found.without(NO_MODEL if source.atlas is None else NEEDS_ANNOTATIONS, *names)
        return
    summary, roots = anchor_sensitivity(source.dataset, source.atlas.alignment)
    view = field_of_view_table(source.dataset, source.atlas.alignment, source.atlas.model)
    spread = "chi-square, with Satterthwaite's degrees of freedom where directions are summed"
    found.add("anchor_roots", "Spread of begins and ganglia as aligned", roots, intervals=spread)
    found.add("anchor_summary", "Shape variance by anchor", summary, intervals=spread)
    found.add("field_of_view", "How far each mode follows the field of view", view)


def _add_inference(found: Collection, source: Source, measures: pd.DataFrame, seed: int) -> None:
    if source.atlas is None:
        found.without(NO_MODEL if len(source.anatomies) > 1 else FEW, *INFERENCE)
        return
    covariates = source.dataset.covariates if source.dataset is not None else {}
    if source.dataset is None:
        found.without(NEEDS_ANNOTATIONS, "covariates of participants.tsv in shape_covariates")
    tables = inference_tables(measures, source.atlas.alignment, covariates, seed=seed)
    for name, table in tables.items():
        columns, text = INFERENCE_COLUMNS[name], _interval_text(INFERENCE_COLUMNS[name])
        title, headings = INFERENCE[name]
        papers = chosen_columns(table, name, title, source.group, headings=headings, intervals=text)
        found.add(name, title, table, columns=columns, intervals=text, papers=papers)


def _interval_text(columns: Mapping[str, str]) -> str:
    """What a description says of the columns with intervals."""
    said = [f"{names.split(', ')[0]}: {t}" for names, t in columns.items() if "low" in names]
    return "; ".join(said)
