"""``atlas build``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, progress
from atlas.cli.show import print_atlas, print_model_findings
from atlas.cli.terminal import say

Origin = Annotated[str, typer.Option(help="Depth counted from: dura-apex or conus.")]
Anchor = Annotated[
    str | None,
    typer.Option(help="Point held fixed: dura-apex, conus, centroid, or a landmark or block name."),
]
Rotation = Annotated[str, typer.Option(help="full, axial or none.")]


@app.command()
def build(
    dataset: Annotated[Path, typer.Argument(help="Archive, folder of subjects.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the result.")] = Path("atlas"),
    origin: Origin = "dura-apex",
    anchor: Anchor = None,
    rotation: Rotation = "full",
    scale: Annotated[str, typer.Option(help="none, or unit: same centroid size.")] = "none",
    weights: Annotated[
        str, typer.Option(help="What counts alike: landmark, structure or area.")
    ] = "landmark",
    extent: Annotated[
        str, typer.Option(help="Dura rings over the common or the full extent.")
    ] = "common",
    bridged: Annotated[
        str, typer.Option(help="Bridged landmarks: as-measured, uncertain or missing.")
    ] = "as-measured",
    slide: Annotated[
        str | None,
        typer.Option(help="Slide semilandmarks: bending or procrustes; read docs/alignment.md."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave out sub-07, sub-04/roots/L3/left, …; may be given several times."),
    ] = None,
    variance: Annotated[
        float | None,
        typer.Option(help="Share of the variance that the modes hold: 1, built by blocks 0.99."),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(help="2GiB, 500MB: a larger group is built block by block; half of the free."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that share the work.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask cluster: tcp://host:8786, or local to start one.")
    ] = None,
    force: Force = False,
) -> None:
    """Build the atlas of a group: model, meshes, tables, figures, provenance."""
    with plain_errors(), progress() as stage:
        from atlas.build import build as build_folder
        from atlas.large.resources import Resources
        from atlas.store import Settings

        settings = Settings(
            origin=origin,
            anchor=anchor,
            rotation=rotation,
            scale=scale,
            weights=weights,
            extent=extent,
            bridged=bridged,
            slide=slide,
            variance_held=variance,
        )
        result = build_folder(
            dataset,
            out,
            settings,
            exclusions=exclude or (),
            resources=Resources(max_memory, workers, scheduler),
            force=force,
            stage=stage,
        )
    print_atlas(result)
    print_model_findings(result)
    say(f"written to {out}")
