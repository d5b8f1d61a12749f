"""``atlas export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors
from atlas.cli.terminal import say


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
    to: Annotated[str, typer.Option("--to", help="statismo, slicermorph, csv or npz.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File or folder to write.")],
    force: Force = False,
) -> None:
    """Write an atlas for another program: statismo, SlicerMorph, CSV or NumPy."""
    with plain_errors():
        from atlas.exchange.exports import claim_export, export_atlas
        from atlas.store import load_atlas

        claim = claim_export(out, to, inputs=(model,), force=force)
        export_atlas(load_atlas(model), to, claim)
    say(f"written to {out}")
