"""``atlas view``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, progress
from atlas.cli.terminal import say


@app.command()
def view(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="model.h5, or the folder of a build.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write.")] = Path(
        "explorer.html"
    ),
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    force: Force = False,
) -> None:
    """Write the atlas as one page to look at: sliders, measures, no network."""
    with plain_errors(), progress() as stage:
        from atlas.explorer.page import write_explorer
        from atlas.output.results import claim_file
        from atlas.store import load_atlas

        claim = claim_file(out, command="view", suffix=".html", inputs=(model,), force=force)
        stage("reading the atlas")
        atlas = load_atlas(model)
        stage("writing the page")
        path = write_explorer(atlas, claim)
    size = path.stat().st_size / 1e6
    say(f"{path}: {size:.1f} MB, opens from disk. Shapes in it are generated, not imaged.")
    if show:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
