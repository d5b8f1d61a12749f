"""``atlas report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, progress
from atlas.cli.terminal import say


@app.command()
def report(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the result.")] = Path(
        "reports-of-atlas"
    ),
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a notebook; may be given several times.")
    ] = None,
    force: Force = False,
) -> None:
    """Run the notebooks on an atlas: each as notebook and as one self-contained page."""
    with plain_errors(), progress() as stage:
        from analysis.pages.notebooks import write_reports

        write_reports(model, out, only=only or (), force=force, stage=stage)
    say(f"written to {out}; open {out}/index.html")
