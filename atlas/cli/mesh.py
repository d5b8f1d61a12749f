"""``atlas mesh``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, progress, refuse_idle
from atlas.cli.terminal import say

if TYPE_CHECKING:
    from atlas.mesh_files import MeshOptions

# Radius of roots, mm, where none is given.
ASSUMED_MM = "0.5"


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
    force: Force = False,
) -> None:
    """Write one shape as meshes, labels, markups or centrelines, in LPS mm."""
    radius = ASSUMED_MM if root_radius is None else root_radius
    with plain_errors(), progress() as stage:
        from atlas.mesh_files import write_shape
        from atlas.output.results import claim_folder
        from atlas.shape_choice import choose_shape

        claim = claim_folder(out, command="mesh", inputs=(path, sample), force=force)
        options = _options(
            formats.split(","),
            solids=solids,
            tetrahedra=tetrahedra,
            edge=edge,
            root_radius=root_radius,
            voxel=voxel,
        )
        stage("finding the shape")
        shape = choose_shape(
            path, mean=mean, mode=mode, sd=sd, subject=subject, sample=sample, row=row
        )
        stage("writing meshes")
        files = write_shape(shape, claim, options)
    say(f"{shape.name}: {len(files)} files, LPS mm. {shape.notice}.")
    say(f"Radii of roots are assumed ({radius} mm). Written to {out}")


def _options(
    names: Sequence[str],
    *,
    solids: bool,
    tetrahedra: bool,
    edge: float | None,
    root_radius: str | None,
    voxel: float | None,
) -> MeshOptions:
    """How the shape becomes meshes; AtlasError where a choice would change nothing."""
    from atlas.mesh.formats.nifti import VOXEL_MM
    from atlas.mesh.formats.writing import MESHES, known_formats
    from atlas.mesh.surfaces.layout import EDGE_MM
    from atlas.mesh_files import MeshOptions, radius_option

    # Tetrahedra fill all regions at once; the other formats hold surfaces.
    surfaces_as = [name for name in names if name.strip().lower() != "vtu"]
    filled = tetrahedra or len(surfaces_as) < len(names)
    known = known_formats(surfaces_as) if surfaces_as else ()
    meshed = filled or bool(MESHES & set(known))
    for option, value, needs, used in (
        ("--edge", edge, "a format of meshes", meshed),
        ("--solids", solids or None, "a format of meshes", meshed),
        ("--root-radius", root_radius, "a format of radii", meshed or known != ("mrk",)),
        ("--voxel", voxel, "--formats nii", "nii" in known),
    ):
        refuse_idle(option, needs, given=value is not None, used=used)
    return MeshOptions(
        formats=known,
        edge_mm=EDGE_MM if edge is None else edge,
        root_radius_mm=radius_option(ASSUMED_MM if root_radius is None else root_radius),
        voxel_mm=VOXEL_MM if voxel is None else voxel,
        solids=solids or filled,
        tetrahedra=filled,
    )
