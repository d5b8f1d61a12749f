"""``atlas demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, progress
from atlas.cli.show import print_atlas, print_model_findings
from atlas.cli.terminal import say


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder of cohort and atlas.")] = Path("atlas-demo"),
    seed: Annotated[int, typer.Option(help="Draw of the built-in cohort.")] = 1,
    force: Force = False,
) -> None:
    """Make the built-in cohort, check it, build its atlas, and say what to open."""
    with plain_errors(), progress() as stage:
        from atlas.build import build_demo

        result = build_demo(out, seed=seed, force=force, stage=stage)
    print_atlas(result)
    print_model_findings(result)
    say(
        f"""
Made in {out}:
  cohort/                14 subjects in the layout of the published archive
                         ({result.provenance["notice"]})
  atlas/figures/         anatomy.png: the mean from front and side; mode1.png …; scree.png
  atlas/tables/          segment_variability.csv: how each level varies; README.md names columns
  atlas/meshes/mean/     STL in LPS mm: dura, cord and each root; open them in 3D Slicer
  atlas/model.h5         the shape model; `atlas show {out}/atlas` prints it

Open first: {out}/atlas/figures/anatomy.png
The same for your own data: atlas check DATASET, then atlas build DATASET -o OUT"""
    )
