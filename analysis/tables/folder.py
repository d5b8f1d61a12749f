"""A folder of all tables and figures of a group, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from analysis.morphometry import MEASURES
from analysis.pages.page import fill_page
from analysis.tables.collection import Collection, NamedTable, collect_tables
from analysis.tables.layouts import Group
from analysis.tables.markup import as_html, latex_document
from analysis.tables.paper import Paper, paper_table
from analysis.tables.rounding import RULE
from analysis.tables.sources import Source, read_source
from analysis.tables.typeset import check_formats, write_table
from atlas.output.files import write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.progress import Stage, quiet
from atlas.provenance import ATTRIBUTION, DISCLAIMER
from atlas.text.json_text import json_text
from atlas.text.plain_text import escape_markdown

# Only a folder of tables holds it: a build or an evaluation is never taken for one.
SOURCE = "tables.json"
TITLE = "Tables of the lumbosacral atlas"


def write_tables_folder(
    path: str | Path,
    out: str | Path | Claim,
    *,
    formats: Iterable[str],
    figures: bool,
    seed: int = 0,
    force: bool = False,
    stage: Stage = quiet,
) -> list[str]:
    """Write every table of a group in some formats, figures, and what they say.

    Parameters
    ----------
    path : path
        A model (``model.h5``, or a folder that holds it) or a dataset.
    out : path
        A new folder, or that of earlier tables, which is replaced when all is done.
    formats : iterable of str
        As :func:`analysis.tables.typeset.write_table` takes them.
    figures : bool
        Whether to draw ``figures/``, each as PNG and PDF.
    seed : int
        Of permutations and draws.
    force : bool
        As :func:`atlas.output.results.claim_folder` takes it.
    stage : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    list of str
        What is not among the tables and why, a line each.

    Raises
    ------
    AtlasError
        An unknown format, or input that cannot be read.
    """
    claim = claim_folder(out, command="tables", inputs=(path,), force=force)
    chosen = check_formats(formats)
    source = read_source(Path(path), stage=stage)
    found = collect_tables(source, seed=seed, stage=stage)
    with new_folder(claim) as folder:
        stage("writing tables")
        write_collection(found, source, folder, formats=chosen)
        if figures:
            from analysis.tables.pictures import write_pictures

            stage("drawing figures")
            write_pictures(found, source, folder / "figures")
        write_file(folder / SOURCE, json_text(_provenance(source, found, chosen, seed)))
    return [f"{name}: {why}" for name, why in found.absent.items()]


def write_collection(
    found: Collection, source: Source, folder: Path, *, formats: tuple[str, ...]
) -> None:
    """Write tables, the page and the document of all of them, and the README into a folder."""
    group, place = source.group, folder / "tables"
    place.mkdir()
    typeset: dict[str, list[Paper]] = {}
    for named in found.tables.values():
        papers = _papers(named, group)
        write_table(
            named.table,
            place / named.name,
            formats=formats,
            caption=group.caption(named.title, intervals=named.intervals),
            columns=named.columns,
            notice=group.notice,
            papers=papers,
        )
        if papers:
            typeset[named.name.replace("_", " ")] = papers
    lines = [group.said, RULE, *_remarks(source, found)]
    lines += [ATTRIBUTION, DISCLAIMER]
    if "html" in formats:
        groups = {name: list(map(as_html, papers)) for name, papers in typeset.items()}
        page = fill_page(
            "tables.html", title=TITLE, groups=groups, lines=lines, notice=group.notice
        )
        write_file(folder / "tables.html", page)
    if "latex" in formats:
        every = [paper for papers in typeset.values() for paper in papers]
        write_file(folder / "tables.tex", latex_document(every))
    write_file(folder / "README.md", readme(found, source, formats=formats))


def readme(found: Collection, source: Source, *, formats: tuple[str, ...]) -> str:
    """What stands in the folder: tables, columns, measures, provenance."""
    group = source.group
    lines = [
        f"# {TITLE}",
        "",
        f"{escape_markdown(group.said)} LPS, mm.",
        "",
        f"Cohort: {escape_markdown(group.notice or 'annotated images')}.",
        "",
        f"Formats: {', '.join(formats)}.",
        "Tidy tables (CSV, Parquet) hold every column and end with `cohort`; CSV has six",
        "significant digits.  Long tables are not typeset.  A text in CSV that a spreadsheet would",
        "take for a formula has an apostrophe before it.",
        RULE,
        "",
        *[f"- {escape_markdown(line)}" for line in _remarks(source, found)],
    ]
    for named in found.tables.values():
        lines += ["", f"## {named.name}", "", f"{escape_markdown(named.title)}.", ""]
        lines += ["| column | says |", "|---|---|"]
        lines += [
            f"| {escape_markdown(c)} | {escape_markdown(text)} |"
            for c, text in named.columns.items()
        ]
    lines += ["", "## Measures", "", "| measure | says |", "|---|---|"]
    lines += [
        f"| {escape_markdown(m.name)} | {escape_markdown(m.text)} |" for m in MEASURES.values()
    ]
    lines += ["", "## Source", "", ATTRIBUTION, "", DISCLAIMER, ""]
    return "\n".join(lines)


def _papers(named: NamedTable, group: Group) -> list[Paper]:
    if named.papers is not None:
        return list(named.papers)
    text = group.caption(named.title, intervals=named.intervals)
    return [paper_table(named.table, named.name, text, notice=group.notice)]


def _remarks(source: Source, found: Collection) -> list[str]:
    reasons = dict.fromkeys(found.absent.values())
    names = {why: [n for n, w in found.absent.items() if w == why] for why in reasons}
    lost = [f"Not here: {', '.join(names[why])} ({why})." for why in reasons]
    return [*(f"{remark}." for remark in source.remarks), *lost]


def _provenance(
    source: Source, found: Collection, formats: tuple[str, ...], seed: int
) -> dict[str, Any]:
    group = source.group
    facts = dict(source.atlas.provenance) if source.atlas is not None else {}
    # When an atlas was built in memory says nothing of the tables, and changes their bytes.
    if source.dataset is not None:
        facts.pop("created", None)
    return {
        "n": group.n,
        "subjects": list(source.anatomies),
        "anchor": group.anchor,
        "cohort": group.notice or "imaged",
        "made_from": "model" if source.dataset is None else "dataset",
        "formats": list(formats),
        "seed": seed,
        "tables": list(found.tables),
        "absent": found.absent,
        "atlas": facts,
    }
