"""From an anatomy to named watertight surfaces whose vertices correspond."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from atlas.arrays import read_only
from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.scheme import Anatomy, block_name
from atlas.mesh.surfaces.layout import EDGE_MM, LayoutError, MeshLayout, mesh_layout
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption, radii_by_level
from atlas.mesh.surfaces.tubes import tube_about_curve, tube_through_rings

if TYPE_CHECKING:
    import trimesh


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangulated surface.

    Parameters
    ----------
    vertices : (V, 3) float
        mm; finite.
    faces : (F, 3) int32
        Vertex indices, anticlockwise seen from outside.

    Raises
    ------
    ValueError
        A vertex is not finite, or a face names a vertex that is not there.
    """

    vertices: np.ndarray
    faces: np.ndarray

    def __post_init__(self) -> None:
        vertices = read_only(self.vertices, (None, 3), "Mesh.vertices")
        faces = read_only(self.faces, (None, 3), "Mesh.faces", dtype=np.int32)
        if not np.isfinite(vertices).all():
            raise ValueError("Mesh.vertices: expected finite coordinates, got NaN or infinity")
        if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise ValueError(
                f"Mesh.faces: expected indices of {len(vertices)} vertices, "
                f"got {faces.min()} to {faces.max()}"
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)

    @property
    def face_normals_mm2(self) -> np.ndarray:
        """Outward normal of each face, (F, 3), as long as twice its area in mm²."""
        # Coordinates come first: a row of three is too short to be worth a loop.
        a, b, c = (self.vertices.T[:, corner] for corner in self.faces.T)
        p, q = b - a, c - a
        return np.stack([p[i - 2] * q[i - 1] - p[i - 1] * q[i - 2] for i in range(3)], axis=1)

    @property
    def area_mm2(self) -> float:
        """Area of the surface, mm²."""
        return float(np.linalg.norm(self.face_normals_mm2, axis=1).sum() / 2)

    @property
    def volume_mm3(self) -> float:
        """Volume enclosed by a closed surface, mm³; negative where it is wound inward."""
        return float((self.vertices[self.faces[:, 0]] * self.face_normals_mm2).sum() / 6)

    def to_trimesh(self) -> trimesh.Trimesh:
        """The same vertices and faces, in the same order, as a :class:`trimesh.Trimesh`."""
        from trimesh import Trimesh

        # process=True would merge and reorder vertices, and with them lose correspondence.
        return Trimesh(vertices=self.vertices.copy(), faces=self.faces.copy(), process=False)


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces(Mapping[str, Mesh]):
    """Named surfaces of one anatomy: ``dura``, ``cord``, ``root/L5/left``.

    Parameters
    ----------
    meshes : mapping of str to Mesh
    root_radius_mm : mapping of level to (float, float)
        The radii that were assumed for the roots of each level, at the begin and at the ganglion;
        none is measured.
    """

    meshes: Mapping[str, Mesh]
    root_radius_mm: Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        for name in ("meshes", "root_radius_mm"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __getitem__(self, name: str) -> Mesh:
        try:
            return self.meshes[name]
        except KeyError:
            text = f"expected a surface of {list(self.meshes)}, got {name!r}"
            raise KeyError(text) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.meshes)

    def __len__(self) -> int:
        return len(self.meshes)


def surfaces(
    anatomy: Anatomy,
    *,
    edge_mm: float | None = None,
    layout: MeshLayout | None = None,
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM,
) -> Surfaces:
    """Closed outward surfaces of the dura, the cord and each root, fit for simulation.

    Parameters
    ----------
    anatomy : Anatomy
        mm, any rigid frame; rings and order as :class:`Anatomy` states them.
    edge_mm : float, optional
        Length of edges aimed at where no layout is given; 1 mm unless told otherwise.
    layout : MeshLayout, optional
        Topology, and with it the meaning of vertex i: surfaces of one layout correspond vertex by
        vertex.  :func:`atlas.mesh.surfaces.layout.mesh_layout` makes one, normally of a model's
        mean.  Without it each anatomy gets its own.  It fixes the sides of roots too: make it with
        the radii it is used with.
    root_radius_mm : float or mapping of level to float or (float, float)
        Assumed, never measured.  A mapping names every level the anatomy has roots of; a pair is
        the radius at the begin and at the ganglion.

    Returns
    -------
    Surfaces
        In the frame of the anatomy.

    Raises
    ------
    ValueError
        A structure has missing landmarks, or two that coincide along it; a radius is not positive.
    LayoutError
        Both a layout and an edge are given; the layout lacks a structure.
    FoldedTubeError
        A root bends more tightly than it is thick.

    Notes
    -----
    Walls are tensor splines in the landmark's index: periodic cubic around, not-a-knot cubic along.
    Their vertices, and those of the caps, are linear in the landmarks for a given layout, and the
    mean of surfaces is the surface of the mean.  They stand off the spline by half the sagitta of
    the chords, so that the volume is that of the smooth surface.  The dura's ends and the top of
    the cord are flat, as the image ends there; the conus goes on along its taper and closes
    roundly, at most 1 mm below its last ring.  Roots follow the cubic spline by chord length
    through their points and end at the last of them, the ganglion.

    Examples
    --------
    >>> from atlas.landmarks.scheme import LandmarkScheme
    >>> turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    >>> ring = np.stack([7 * np.sin(turn), 7 * np.cos(turn), 0 * turn], axis=1)
    >>> tube = ring - np.arange(40)[:, None, None] * [0, 0, 4]
    >>> named = surfaces(Anatomy(tube, tube / [2, 2, 1], {}, {}))
    >>> {name: round(mesh.volume_mm3 / 1000, 2) for name, mesh in named.items()}
    {'dura': 24.01, 'cord': 6.03}
    """
    if layout is not None and edge_mm is not None:
        raise LayoutError("edge_mm, layout: expected one of them, got both; a layout has its edge")
    keys = [key for key in ROOT_KEYS if key in anatomy.roots]
    radii = radii_by_level(root_radius_mm, {key.level for key in keys})
    parts = {"dura": anatomy.dura, "cord": anatomy.cord}
    parts |= {block_name(key): anatomy.roots[key] for key in keys}
    for name, points in parts.items():
        _check_complete(name, points)
        _check_apart(name, points)
    if layout is None:
        edge = EDGE_MM if edge_mm is None else edge_mm
        layout = mesh_layout(anatomy, edge_mm=edge, root_radius_mm=root_radius_mm)
    meshes = {
        name: Mesh(*tube_through_rings(parts[name], layout[name])) for name in ("dura", "cord")
    }
    caudal, dorsal = _sac_axes(anatomy.dura)
    for key in keys:
        name = block_name(key)
        tube = tube_about_curve(
            parts[name], radii[key.level], layout[name], name=name, caudal=caudal, dorsal=dorsal
        )
        meshes[name] = Mesh(*tube)
    return Surfaces(meshes, radii)


def _check_complete(name: str, points: np.ndarray) -> None:
    missing = ~np.isfinite(points).all(axis=-1)
    if missing.any():
        kind, other = (
            ("rings", "place them within the extent of every subject")
            if missing.ndim == 2
            else ("points", "leave the root out")
        )
        places = np.flatnonzero(missing.reshape(len(missing), -1).any(axis=1)).tolist()
        raise ValueError(
            f"{name}: expected every landmark to have a place, got {missing.sum()} of "
            f"{missing.size} missing ({kind} {places}); {other}, or predict the missing part "
            f"from a shape model"
        )


def _check_apart(name: str, points: np.ndarray) -> None:
    same = (np.diff(points, axis=0) == 0).reshape(len(points) - 1, -1).all(axis=1)
    if len(points) < 2 or same.any():
        places = np.flatnonzero(same).tolist()
        raise ValueError(
            f"{name}: expected at least 2 rings or points, each apart from the one before it, got "
            f"{len(points)} of which {places} stand where the next does; leave them out"
        )


def _sac_axes(dura: np.ndarray) -> np.ndarray:
    """Caudal and dorsal unit vectors (2, 3) of the sac: they turn with the anatomy."""
    centres = dura.mean(axis=1)
    caudal = centres[-1] - centres[0]
    caudal /= np.linalg.norm(caudal)
    dorsal = (dura[:, 0] - centres).mean(axis=0)
    dorsal -= (dorsal @ caudal) * caudal
    return np.stack([caudal, dorsal / np.linalg.norm(dorsal)])
