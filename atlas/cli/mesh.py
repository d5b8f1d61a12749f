"""``atlas mesh``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import app, plain_errors, progress, refuse_idle


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
        str | None, typer.Option(help="ASSUMED radius of roots, mm: 0.5, or L1=0.4,L2=0.5:0.9,…")
    ] = None,
    voxel: Annotated[float | None, typer.Option(help="Voxels of the NIfTI, mm: 0.3.")] = None,
) -> None:
    """Write one shape as meshes, labels, markups or centrelines, in LPS mm."""
    with plain_errors(), progress() as stage:
        from atlas.mesh.formats.nifti import VOXEL_MM
        from atlas.mesh.formats.writing import MESHES, known_formats
        from atlas.mesh.mesh_layout import EDGE_MM
        from atlas.mesh.radii import ROOT_RADIUS_MM
        from atlas.mesh_files import MeshOptions, radius_option, write_shape
        from atlas.shape_choice import choose_shape

        # Tetrahedra fill all regions at once; the other formats hold surfaces.
        asked = [name.strip() for name in formats.split(",")]
        surfaces_as = [name for name in asked if name.lower() != "vtu"]
        filled = tetrahedra or len(surfaces_as) < len(asked)
        known = known_formats(surfaces_as) if surfaces_as else ()
        meshed = filled or bool(MESHES & set(known))
        for option, value, needs, used in (
            ("--edge", edge, "a format of meshes", meshed),
            ("--solids", solids or None, "a format of meshes", meshed),
            (
                "--root-radius",
                root_radius,
                "a format that holds radii",
                meshed or known != ("mrk",),
            ),
            ("--voxel", voxel, "--formats nii", "nii" in known),
        ):
            refuse_idle(option, needs, given=value is not None, used=used)
        radius = f"{ROOT_RADIUS_MM:g}" if root_radius is None else root_radius
        options = MeshOptions(
            formats=known,
            edge_mm=EDGE_MM if edge is None else edge,
            root_radius_mm=radius_option(radius),
            voxel_mm=VOXEL_MM if voxel is None else voxel,
            solids=solids or filled,
            tetrahedra=filled,
        )
        stage("finding the shape")
        shape = choose_shape(
            path, mean=mean, mode=mode, sd=sd, subject=subject, sample=sample, row=row
        )
        stage("writing meshes")
        files = write_shape(shape, out, options)
    typer.echo(f"{shape.name}: {len(files)} files, LPS mm. {shape.notice}.")
    typer.echo(f"Radii of roots are assumed ({radius} mm). Written to {out}")
