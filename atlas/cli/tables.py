"""``atlas tables``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, progress
from atlas.cli.terminal import say


@app.command()
def tables(
    source: Annotated[Path, typer.Argument(help="model.h5, the folder of a build, or a dataset.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the result.")] = Path(
        "tables"
    ),
    formats: Annotated[
        str,
        typer.Option("--format", help="Some of csv, parquet, markdown, latex, html; with commas."),
    ] = "csv,html",
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Draw figures, as PNG and PDF.")
    ] = True,
    force: Force = False,
) -> None:
    """Write every table of a group as a paper needs it: intervals, tests, figures."""
    with plain_errors(), progress() as stage:
        from analysis.tables.write import write_tables_folder

        lost = write_tables_folder(
            source, out, formats=formats.split(","), figures=figures, force=force, stage=stage
        )
    for line in lost:
        say(f"not among the tables: {line}")
    say(f"written to {out}")
