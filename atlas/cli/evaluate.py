"""``atlas evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, progress
from atlas.cli.terminal import say


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the result.")] = Path(
        "evaluation"
    ),
    dataset: Annotated[
        Path | None, typer.Option(help="Its annotations, for the floor of their noise.")
    ] = None,
    force: Force = False,
) -> None:
    """Say how good an atlas is: generalisation, specificity, stability, prediction."""
    with plain_errors(), progress() as stage:
        from analysis.evaluation.folder import write_evaluation_folder

        write_evaluation_folder(model, dataset, out, force=force, stage=stage)
    say(f"written to {out}")
