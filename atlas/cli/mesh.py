"""``atlas mesh``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import app, plain_errors, progress
from atlas.cli.terminal import say


@app.command()
def mesh(
    path: Annotated[
        Path, typer.Argument(metavar="MODEL|DATASET", help="model.h5, a build, or annotations.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    mean: Annotated[bool, typer.Option("--mean", help="The mean of a model: the default.")] = False,
    mode: Annotated[int | None, typer.Option(help="A mode of a model, from 1.")] = None,
    sd: Annotated[float | None, typer.Option(help="Standard deviations of the mode: 2.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Of a model: aligned landmarks; of a dataset: as annotated.")
    ] = None,
    sample: Annotated[
        Path | None, typer.Option(help="Scores in SD: CSV with score_1, …, JSON, or one line.")
    ] = None,
    row: Annotated[int | None, typer.Option(help="Row of the sample file, from 1.")] = None,
    solids: Annotated[
        bool, typer.Option("--solids", help="Solids that share walls instead of surfaces.")
    ] = False,
    tetrahedra: Annotated[
        bool, typer.Option("--tetrahedra", help="Fill the solids besides: .vtu; needs TetGen.")
    ] = False,
    formats: Annotated[
        str, typer.Option(help="By comma: stl, ply, obj, glb, vtp, vtu, nii, mrk, csv, swc.")
    ] = "stl",
    edge: Annotated[float | None, typer.Option(help="Length of edges aimed at, mm.")] = None,
    root_radius: Annotated[
        str, typer.Option(help="ASSUMED radius of roots, mm: 0.5, or L1=0.4,L2=0.5:0.9,…")
    ] = "0.5",
    voxel: Annotated[float, typer.Option(help="Voxels of the NIfTI, mm.")] = 0.3,
) -> None:
    """Write one shape as meshes, labels, markups or centrelines, in LPS mm."""
    with plain_errors(), progress() as stage:
        from atlas.mesh.formats.writing import known_formats
        from atlas.mesh.mesh_layout import EDGE_MM
        from atlas.mesh_files import MeshOptions, radius_option, write_shape
        from atlas.shape_choice import choose_shape

        # Tetrahedra fill all regions at once; the other formats hold surfaces.
        asked = [name.strip() for name in formats.split(",")]
        surfaces_as = [name for name in asked if name.lower() != "vtu"]
        filled = tetrahedra or len(surfaces_as) < len(asked)
        options = MeshOptions(
            formats=known_formats(surfaces_as) if surfaces_as else (),
            edge_mm=EDGE_MM if edge is None else edge,
            root_radius_mm=radius_option(root_radius),
            voxel_mm=voxel,
            solids=solids or filled,
            tetrahedra=filled,
        )
        stage("finding the shape")
        shape = choose_shape(
            path, mean=mean, mode=mode, sd=sd, subject=subject, sample=sample, row=row
        )
        stage("writing meshes")
        files = write_shape(shape, out, options)
    say(f"{shape.name}: {len(files)} files, LPS mm. {shape.notice}.")
    say(f"Radii of roots are assumed ({root_radius} mm). Written to {out}")
