"""Tables as files: one in any of five formats, or a folder of all that a group has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.morphometry import MEASURES
from analysis.pages.page import fill_page
from analysis.tables.all_tables import Collection, NamedTable, collect_tables
from analysis.tables.inputs import Source, read_source
from analysis.tables.markup import as_html, as_markdown, latex_document
from analysis.tables.rounding import RULE
from analysis.tables.table_specs import Group
from analysis.tables.tidy import IMAGED, write_csv
from analysis.tables.typeset import Paper, paper_table
from atlas.errors import AtlasError
from atlas.output.files import new_file, write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.progress import Stage, quiet
from atlas.provenance import ATTRIBUTION, DISCLAIMER
from atlas.text.json_text import json_text
from atlas.text.plain_text import escape_markdown

# Only a folder of tables holds it: a build or an evaluation is never taken for one.
SOURCE = "tables.json"
TITLE = "Tables of the lumbosacral atlas"
# Format to the end of its files.
FORMATS = {
    "csv": ".csv",
    "parquet": ".parquet",
    "markdown": ".md",
    "latex": ".tex",
    "html": ".html",
}
TYPESET = ("markdown", "latex", "html")
INSTALL = "pip install 'lumbosacral-atlas[parquet]'"


class TableError(AtlasError):
    """A table that cannot be written as asked; the text says what to do."""


def check_formats(formats: Iterable[str]) -> tuple[str, ...]:
    """The formats, each once, in the order of ``FORMATS``.

    Raises
    ------
    TableError
        One that is not known, none at all, or Parquet without pyarrow.

    Examples
    --------
    >>> check_formats(["html", "csv", "csv"])
    ('csv', 'html')
    """
    asked = [f.strip() for f in formats]
    unknown = sorted(set(asked) - set(FORMATS))
    if unknown or not asked:
        got = ", ".join(repr(f) for f in unknown) or "none"
        raise TableError(f"format: expected some of {', '.join(FORMATS)}, got {got}")
    if "parquet" in asked:
        _parquet()
    return tuple(f for f in FORMATS if f in asked)


def write_table(
    table: pd.DataFrame,
    path: Path,
    *,
    formats: Iterable[str] = ("csv",),
    caption: str,
    columns: Mapping[str, str],
    notice: str = "",
    papers: Sequence[Paper] | None = None,
) -> list[Path]:
    """Write a table in some formats.

    Parameters
    ----------
    table : DataFrame
        Tidy; units in the names of its columns.
    path : Path
        Without suffix; each format adds its own.
    formats : iterable of str
        Of ``csv`` (every column, six significant digits), ``parquet`` (every column, in full; the
        caption, columns and notice in its metadata), ``markdown``, ``latex`` (compiles by itself)
        and ``html`` (one page without references).
    caption : str
        n, anchor, what the intervals are.
    columns : mapping of column (or several, with commas) to str
        What each says; stands below the Markdown table and in the Parquet file.
    notice : str
        What generated data say of themselves.  Tidy files end with a column ``cohort``: the notice,
        or ``imaged``.
    papers : sequence of Paper, optional
        What typeset formats show; by default the whole table, values joined with their intervals.
        Empty: the table is for machines, and typeset formats are left out.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    TableError
        As :func:`check_formats`.
    ValueError
        A column that is not described.
    """
    chosen = check_formats(formats)
    if lost := undescribed(table.columns, columns):
        raise ValueError(f"{path.name}: expected every column described, got {lost} without")
    if papers is None:
        papers = [paper_table(table, path.name, caption, notice=notice)]
    tidy = table.assign(cohort=notice or IMAGED)
    written = []
    for name in chosen:
        if name in TYPESET and not papers:
            continue
        place = path.with_name(path.name + FORMATS[name])
        if name == "csv":
            write_csv(tidy, place)
        elif name == "parquet":
            facts = {"caption": caption, "columns": json.dumps(dict(columns)), "notice": notice}
            _write_parquet(tidy, place, facts)
        else:
            write_file(place, _typeset(name, papers, columns))
        written.append(place)
    return written


def undescribed(names: Iterable[str], columns: Mapping[str, str]) -> list[str]:
    """Columns that a mapping of columns to texts does not describe.

    Parameters
    ----------
    names : iterable of str
    columns : mapping of str to str
        A key names one column or several with commas; ``…`` stands for the first of the key where
        it begins a name, and for any ending where it ends one.

    Examples
    --------
    >>> undescribed(["sd", "sd_low", "p_x", "q"], {"sd, …_low": "SD", "p_…": "p"})
    ['q']
    """
    known, beginnings = set(), []
    for key in columns:
        first, *others = key.split(", ")
        known.add(first)
        known |= {name.replace("…", first) for name in others if not name.endswith("…")}
        beginnings += [name[:-1] for name in (first, *others) if name.endswith("…")]
    lost = [n for n in names if n not in known and not n.startswith(tuple(beginnings))]
    return sorted(lost)


def _typeset(name: str, papers: Sequence[Paper], columns: Mapping[str, str]) -> str:
    if name == "latex":
        return latex_document(list(papers))
    if name == "html":
        title = papers[0].name.replace("_", " ")
        groups = {"": list(map(as_html, papers))}
        return fill_page("tables.html", title=title, groups=groups, lines=(), notice="")
    said = [f"- {escape_markdown(c)}: {escape_markdown(text)}" for c, text in columns.items()]
    tables = "\n".join(map(as_markdown, papers))
    return tables + "\nColumns of the tidy table:\n\n" + "\n".join(said) + "\n"


def _write_parquet(table: pd.DataFrame, path: Path, facts: Mapping[str, str]) -> None:
    arrow, parquet = _parquet()
    content = arrow.Table.from_pandas(table, preserve_index=False)
    content = content.replace_schema_metadata({**(content.schema.metadata or {}), **facts})
    with new_file(path) as place:
        parquet.write_table(content, place)


def _parquet() -> tuple:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise TableError(
            f"format: expected pyarrow for parquet, which is not there; {INSTALL}"
        ) from None
    return pyarrow, pyarrow.parquet


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
        As :func:`write_table` takes them.
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
