"""One table in any of five formats: tidy for machines, typeset for papers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from analysis.pages.page import fill_page
from analysis.tables.markup import as_html, as_markdown, latex_document
from analysis.tables.paper import Paper, paper_table
from analysis.tables.tidy import IMAGED, tidy_csv
from atlas.errors import AtlasError
from atlas.output.files import new_file, write_file
from atlas.text.plain_text import escape_markdown

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
            write_file(place, tidy_csv(tidy))
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
