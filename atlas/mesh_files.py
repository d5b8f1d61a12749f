"""One shape of an atlas or of a dataset as a folder of mesh files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from atlas.landmarks.scheme import Anatomy, block_name
from atlas.mesh.formats.centrelines import COLUMNS
from atlas.mesh.formats.glb import NO_TARGETS, MorphTargets
from atlas.mesh.formats.nifti import VOXEL_MM
from atlas.mesh.formats.statements import AXES, FRAME, UNIT, MeshFileError
from atlas.mesh.formats.writing import Scene, known_formats, write_meshes
from atlas.mesh.solids.tetrahedra import solids_document, write_tetrahedra
from atlas.mesh.surfaces.layout import EDGE_MM, mesh_layout
from atlas.mesh.surfaces.mode_targets import SD_MEANING, mode_targets, vertex_sd_mm
from atlas.mesh.surfaces.named_surfaces import Mesh, surfaces
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption, radii_by_level
from atlas.model.shape_model import ShapeModel
from atlas.output.files import write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.text.json_text import json_text

PROVENANCE = "provenance.json"
# Formats a model's modes go into: as sliders, or as the spread of each vertex.
HOLD_MODES = {"glb", "ply", "vtp"}
TARGETS_MEANING = (
    "displacement by a mode at +1 SD, mm; weights are SD; exact for dura and cord, of roots the "
    "linear part: mesh a mode itself for roots far from the mean"
)
ASSUMED = "radii of roots are assumed, not measured"


@dataclass(frozen=True, slots=True, eq=False)
class NamedShape:
    """An anatomy to be written, and where it comes from.

    Parameters
    ----------
    name : str
        ``mean``, ``mode1_plus2sd``, ``sub-03``, ``sample``.
    anatomy : Anatomy
        LPS mm.
    notice : str
        What the files say of it: model or annotation, of how many, generated or not.
    generated : bool
        Whether it is a model's shape, or rests on generated subjects.
    reference : Anatomy or None
        What the mesh layout is made from, so that shapes of one model correspond; itself by
        default.
    model : ShapeModel or None
        Whose modes a GLB carries.
    source : mapping
        JSON values for the provenance.
    """

    name: str
    anatomy: Anatomy
    notice: str
    generated: bool
    reference: Anatomy | None = None
    model: ShapeModel | None = None
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeshOptions:
    """How a shape becomes meshes.

    Parameters
    ----------
    formats : tuple of str
        Names of :data:`atlas.mesh.formats.FORMATS`.
    edge_mm : float
        Length of edges aimed at.
    root_radius_mm : float or mapping of level to float or (float, float)
        Assumed, never measured.
    voxel_mm : float
        Of the NIfTI label map.
    solids : bool
        Cord, roots and fluid as solids that share walls, instead of surfaces that may overlap.
    tetrahedra : bool
        The solids filled with tetrahedra besides, as ``<shape>_tetrahedra.vtu``; needs the extra
        ``fem`` and solids.
    """

    formats: tuple[str, ...] = ("stl",)
    edge_mm: float = EDGE_MM
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM
    voxel_mm: float = VOXEL_MM
    solids: bool = False
    tetrahedra: bool = False


def write_shape(
    shape: NamedShape, out: str | Path | Claim, options: MeshOptions | None = None
) -> tuple[str, ...]:
    """Write a shape as a folder, whole or not at all.

    Parameters
    ----------
    shape : NamedShape
    out : path
        A new folder, or that of an earlier result, which is replaced.
    options : MeshOptions, optional

    Returns
    -------
    tuple of str
        The files within the folder; ``provenance.json`` beside them says what they are.

    Raises
    ------
    MeshFileError
        A format that is not known or cannot be written.
    OutputError
        The folder cannot be written, or holds something else.
    """
    options = options or MeshOptions()
    alone = options.tetrahedra and not options.formats
    formats = () if alone else known_formats(options.formats)
    meshes, targets = _meshes_of(shape, options, formats)
    scene = Scene(
        meshes,
        name=shape.name,
        notice=f"{shape.notice}; {ASSUMED}",
        stl_notice="not measured: see provenance.json" if shape.generated else "",
        attribution=str(shape.source.get("attribution", "")),
        anatomy=shape.anatomy,
        targets=targets,
        sd_mm=vertex_sd_mm(targets) if targets else None,
        voxel_mm=options.voxel_mm,
        root_radius_mm=options.root_radius_mm,
    )
    with new_folder(claim_folder(out, command="mesh")) as folder:
        paths = () if alone else write_meshes(scene, folder, formats=formats)
        document = _provenance(shape, scene, options) | solids_document(meshes)
        if options.tetrahedra:
            path, filled = write_tetrahedra(meshes, folder, name=shape.name, notice=scene.notice)
            paths, document = (*paths, path), document | {"tetrahedra": filled}
        names = tuple(path.relative_to(folder).as_posix() for path in paths)
        document["files"] = list(names)
        write_file(folder / PROVENANCE, json_text(document))
    return names


def _meshes_of(
    shape: NamedShape, options: MeshOptions, formats: tuple[str, ...]
) -> tuple[Mapping[str, Mesh], MorphTargets]:
    """Meshes of a shape, and its model's modes where a format holds them."""
    _check_complete(shape)
    reference, radius = shape.reference or shape.anatomy, options.root_radius_mm
    try:
        radii_by_level(radius, {key.level for key in shape.anatomy.roots})
    except ValueError as error:
        raise MeshFileError(str(error)) from None
    if options.solids:
        return solid_meshes(shape.anatomy, options), NO_TARGETS
    layout = mesh_layout(reference, edge_mm=options.edge_mm, root_radius_mm=radius)
    meshes = surfaces(shape.anatomy, layout=layout, root_radius_mm=radius)
    if shape.model is None or not HOLD_MODES & set(formats):
        return meshes, NO_TARGETS
    return meshes, mode_targets(shape.model, layout, radius)


def _check_complete(shape: NamedShape) -> None:
    anatomy = shape.anatomy
    parts = {"dura": anatomy.dura, "cord": anatomy.cord}
    parts |= {block_name(key): root for key, root in anatomy.roots.items()}
    missing = [name for name, points in parts.items() if not np.isfinite(points).all()]
    if missing:
        raise MeshFileError(
            f"{shape.name}: expected every landmark to have a place, got missing ones in "
            f"{', '.join(missing)}; mesh the subject's annotation itself, or the mean"
        )


def solid_meshes(anatomy: Anatomy, options: MeshOptions) -> Mapping[str, Mesh]:
    """Solids that share walls; MeshFileError where this version cannot make them."""
    try:
        module = import_module("atlas.mesh.solids.solids")
    except ImportError as error:
        raise MeshFileError(
            f"solids: expected the parts that make solids, got {error}; "
            "leave --solids out for surfaces that may overlap"
        ) from None
    made: Mapping[str, Mesh] = module.solids(
        anatomy, edge_mm=options.edge_mm, root_radius_mm=options.root_radius_mm
    )
    return made


def _provenance(shape: NamedShape, scene: Scene, options: MeshOptions) -> dict[str, Any]:
    radii = radii_by_level(options.root_radius_mm, {key.level for key in shape.anatomy.roots})
    document: dict[str, Any] = {
        "software": {"name": "lumbosacral-atlas", "version": version("lumbosacral-atlas")},
        "shape": shape.name,
        "notice": scene.notice,
        "frame": f"{FRAME}: {AXES}; the NIfTI is RAS, the glTF turns at its root node",
        "unit": f"{UNIT}; micrometres in SWC, metres above the root node in glTF",
        "edge_mm": options.edge_mm,
        "root_radius_mm": {
            "assumed": True,
            "by_level": {level: {"begin": a, "ganglion": b} for level, (a, b) in radii.items()},
        },
        "voxel_mm": options.voxel_mm,
        "solids": options.solids,
        "morph_targets": list(scene.targets),
        "morph_targets_meaning": TARGETS_MEANING,
        "structures": {
            name: {
                "vertices": len(mesh.vertices),
                "faces": len(mesh.faces),
                "volume_mm3": round(mesh.volume_mm3, 3),
                "area_mm2": round(mesh.area_mm2, 3),
            }
            for name, mesh in scene.meshes.items()
        },
        "columns": {"centrelines.csv": COLUMNS, "sd_mm": SD_MEANING},
        "source": dict(shape.source),
    }
    return document


def radius_option(text: str) -> RadiusOption:
    """Read assumed radii: ``0.5``, ``L1=0.4,L2=0.45,…`` or ``S1=0.5:1.2`` (begin : ganglion).

    Raises
    ------
    MeshFileError
        The text is neither.

    Examples
    --------
    >>> radius_option("L5=0.4,S1=0.5:1.2")
    {'L5': 0.4, 'S1': (0.5, 1.2)}
    """
    try:
        if "=" not in text:
            return float(text)
        pairs = [part.split("=") for part in text.split(",")]
        radii = {level.strip(): _radius(value) for level, value in pairs}
        if len(radii) < len(pairs):
            raise ValueError(text)
        return radii
    except ValueError:
        raise MeshFileError(
            f"root radius: expected millimetres (0.5), or some for each level (L1=0.4,L2=0.5:0.9,… "
            f"from begin to ganglion), none twice, got {text!r}"
        ) from None


def _radius(text: str) -> float | tuple[float, float]:
    begin, *end = (float(part) for part in text.split(":"))
    if len(end) > 1:
        raise ValueError(text)
    return (begin, end[0]) if end else begin
