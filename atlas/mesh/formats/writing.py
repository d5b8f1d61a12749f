"""Named meshes to files of any format: one function, formats by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from atlas.landmarks.scheme import Anatomy
from atlas.mesh.formats.centrelines import write_centrelines_csv, write_swc
from atlas.mesh.formats.colours import colour_of
from atlas.mesh.formats.glb import MorphTargets, write_glb
from atlas.mesh.formats.markups_json import write_markups
from atlas.mesh.formats.nifti import VOXEL_MM, write_labels
from atlas.mesh.formats.obj import write_obj
from atlas.mesh.formats.ply import write_ply
from atlas.mesh.formats.statements import MeshFileError, file_stem
from atlas.mesh.formats.stl import STL_NOTICE_BYTES, write_surfaces
from atlas.mesh.formats.vtk import write_vtp
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is written, and what is said of it.

    Parameters
    ----------
    meshes : mapping of str to Mesh
        LPS mm.
    name : str
        Stem of the files that hold all structures.
    notice : str
        What the files say of themselves.
    stl_notice : str
        The same within ``STL_NOTICE_BYTES`` of ASCII.
    attribution : str
        Whose the source is.
    anatomy : Anatomy or None
        What the meshes were made from; centrelines and markups are written from it.
    targets : mapping
        Morph targets of the GLB, as in :func:`atlas.mesh.formats.glb.write_glb`.
    sd_mm : mapping of str to (V,) float
        Standard deviation of each vertex, by structure; written where a format holds numbers.
    voxel_mm : float
        Of the label map.
    root_radius_mm : float or mapping
        Assumed, of the centrelines.
    """

    meshes: Mapping[str, Mesh]
    name: str = "anatomy"
    notice: str = ""
    stl_notice: str = ""
    attribution: str = ""
    anatomy: Anatomy | None = None
    targets: MorphTargets = field(default_factory=dict)
    sd_mm: Mapping[str, np.ndarray] | None = None
    voxel_mm: float = VOXEL_MM
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM

    def numbers_of(self, structure: str) -> dict[str, np.ndarray]:
        """Numbers a vertex of one structure, for formats that hold them."""
        known = (self.sd_mm or {}).get(structure)
        return {} if known is None else {"sd_mm": known}


Writer = Callable[[Scene, Path], Iterable[Path]]


def write_meshes(
    surfaces: Mapping[str, Mesh] | Scene,
    folder: str | Path,
    *,
    formats: Iterable[str] = ("stl",),
    notice: str = "",
    anatomy: Anatomy | None = None,
) -> tuple[Path, ...]:
    """Write named meshes in each of some formats.

    Parameters
    ----------
    surfaces : mapping of str to Mesh, or Scene
        LPS mm; a scene where more is to be said than the notice.
    folder : path
        Made if it is not there.
    formats : iterable of str
        Names of :data:`FORMATS`; ``nii.gz``, ``mrk.json`` and a leading dot are understood.
    notice, anatomy
        As in :class:`Scene`, for meshes that come without one.

    Returns
    -------
    tuple of Path
        The files, format by format.

    Raises
    ------
    MeshFileError
        A format that is not known, or needs a package or an anatomy that is not there.
    """
    scene = surfaces
    if not isinstance(scene, Scene):
        # 80 bytes hold no notice but the shortest; other formats have it whole.
        short = notice if notice.isascii() and len(notice) <= STL_NOTICE_BYTES else ""
        scene = Scene(scene, notice=notice, stl_notice=short, anatomy=anatomy)
    chosen = known_formats(formats)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(path for name in chosen for path in FORMATS[name](scene, folder))


def known_formats(names: Iterable[str]) -> tuple[str, ...]:
    """The formats of some names, each once, in the order given.

    Examples
    --------
    >>> known_formats([".STL", "nii.gz", "stl"])
    ('stl', 'nii')
    """
    given = [name.strip().lower().removeprefix(".") for name in names]
    found = list(dict.fromkeys(_ALIASES.get(name, name) for name in given))
    unknown = [name for name in found if name not in FORMATS]
    if unknown or not found:
        raise MeshFileError(
            f"formats: expected some of {', '.join(FORMATS)}, got {', '.join(unknown) or 'none'}"
        )
    return tuple(found)


def _anatomy(scene: Scene, format: str) -> Anatomy:
    if scene.anatomy is None:
        raise MeshFileError(
            f"{format}: expected the anatomy the meshes were made from, got meshes alone; this "
            "format holds landmarks and centrelines, which a mesh has not"
        )
    return scene.anatomy


def _stl(scene: Scene, folder: Path) -> Iterable[Path]:
    return write_surfaces(scene.meshes, folder, header=scene.stl_notice)


def _ply(scene: Scene, folder: Path) -> Iterable[Path]:
    for name, mesh in scene.meshes.items():
        colours = np.tile(colour_of(name), (len(mesh.vertices), 1))
        path = folder / f"{file_stem(name)}.ply"
        numbers = scene.numbers_of(name)
        yield write_ply(mesh, path, scalars=numbers, colours=colours, notice=scene.notice)


def _obj(scene: Scene, folder: Path) -> Iterable[Path]:
    return write_obj(scene.meshes, folder / f"{scene.name}.obj", notice=scene.notice)


def _glb(scene: Scene, folder: Path) -> Iterable[Path]:
    said = {"name": scene.name, "notice": scene.notice, "attribution": scene.attribution}
    path = folder / f"{scene.name}.glb"
    return [write_glb(scene.meshes, path, targets=scene.targets, **said)]


def _vtp(scene: Scene, folder: Path) -> Iterable[Path]:
    for name, mesh in scene.meshes.items():
        numbers = scene.numbers_of(name)
        path = folder / f"{file_stem(name)}.vtp"
        yield write_vtp(mesh, path, point_data=numbers, notice=scene.notice)


def _nii(scene: Scene, folder: Path) -> Iterable[Path]:
    path = folder / f"{scene.name}_labels.nii.gz"
    return write_labels(scene.meshes, path, voxel_mm=scene.voxel_mm, notice=scene.notice)


def _mrk(scene: Scene, folder: Path) -> Iterable[Path]:
    return write_markups(_anatomy(scene, "mrk"), folder / "markups", notice=scene.notice)


def _csv(scene: Scene, folder: Path) -> Iterable[Path]:
    anatomy, path = _anatomy(scene, "csv"), folder / "centrelines.csv"
    radius = scene.root_radius_mm
    return [write_centrelines_csv(anatomy, path, root_radius_mm=radius, notice=scene.notice)]


def _swc(scene: Scene, folder: Path) -> Iterable[Path]:
    anatomy, path = _anatomy(scene, "swc"), folder / "centrelines.swc"
    return [write_swc(anatomy, path, root_radius_mm=scene.root_radius_mm, notice=scene.notice)]


FORMATS: Mapping[str, Writer] = {
    "stl": _stl,
    "ply": _ply,
    "obj": _obj,
    "glb": _glb,
    "vtp": _vtp,
    "nii": _nii,
    "mrk": _mrk,
    "csv": _csv,
    "swc": _swc,
}
# Those made of triangles, or of voxels inside of them; the others hold points along lines.
MESHES = {"stl", "ply", "obj", "glb", "vtp", "nii"}
_ALIASES = {"nii.gz": "nii", "mrk.json": "mrk"}
