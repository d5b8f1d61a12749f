"""From an anatomy to named watertight surfaces whose vertices correspond."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from atlas.arrays import read_only
from atlas.data.subject import LEVELS, ROOT_KEYS
from atlas.mesh.tubes import tube_about_curve, tube_through_rings
from atlas.shape.scheme import Anatomy, block_name

if TYPE_CHECKING:
    import trimesh

# Assumed, never measured: no annotation holds a radius, and the authors' meshes use this one.
ROOT_RADIUS_MM = 0.5


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
        a, b, c = self.vertices[self.faces].swapaxes(0, 1)
        return np.cross(b - a, c - a)

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
    root_radius_mm : mapping of level to float
        The radius that was assumed for the roots of each level; none is measured.
    """

    meshes: Mapping[str, Mesh]
    root_radius_mm: Mapping[str, float]

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
    root_radius_mm: float | Mapping[str, float] = ROOT_RADIUS_MM,
    dura_refine: tuple[int, int] = (4, 2),
    cord_refine: tuple[int, int] = (3, 2),
    root_refine: int = 3,
    root_sides: int = 10,
) -> Surfaces:
    """Closed outward surfaces of the dura, the cord and each root.

    Topology follows from the landmark scheme and these options alone, so vertex i is the same
    place in every anatomy.  The defaults give edges of about 1 mm on the sac of an adult.

    Parameters
    ----------
    anatomy : Anatomy
        mm, any rigid frame; rings and order as :class:`Anatomy` states them.
    root_radius_mm : float or mapping of level to float
        Assumed, never measured.  A mapping names every level the anatomy has roots of.
    dura_refine, cord_refine : tuple of int
        Subdivisions of a landmark interval: from ring to ring, around a ring.
    root_refine : int
        Subdivisions of a landmark interval along a root.
    root_sides : int
        Sides of a root's cross-section, a regular polygon with the area of the circle.

    Returns
    -------
    Surfaces
        In the frame of the anatomy.  Every landmark of a tube is a vertex: that of ring r, place k
        has index ``(r * along * around_landmarks + k) * around`` for ``refine=(along, around)``;
        the vertices within the caps follow the grid.

    Raises
    ------
    ValueError
        A structure has missing landmarks; a radius or a subdivision is not positive.

    Notes
    -----
    Tubes are tensor splines in the landmark's index: periodic cubic around, not-a-knot cubic along.
    Their vertices are therefore linear in the landmarks, and the mean of surfaces is the
    surface of the mean.  A ring of n chords holds ``1 - sin(2 pi / n) / (2 pi / n)`` less than its
    circle: 0.16 % at the default of the dura, 0.29 % of the cord.  The ends are closed flat at the
    first and last ring, so nothing is added beyond what was annotated.

    Examples
    --------
    >>> from atlas.shape.scheme import LandmarkScheme
    >>> turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    >>> ring = np.stack([7 * np.sin(turn), 7 * np.cos(turn), 0 * turn], axis=1)
    >>> tube = ring - np.arange(40)[:, None, None] * [0, 0, 4]
    >>> named = surfaces(Anatomy(tube, tube / [2, 2, 1], {}, {}))
    >>> {name: round(mesh.volume_mm3 / 1000, 2) for name, mesh in named.items()}
    {'dura': 23.98, 'cord': 5.99}
    """
    _check_options(dura_refine, cord_refine, root_refine, root_sides)
    keys = [key for key in ROOT_KEYS if key in anatomy.roots]
    radius = _radius_by_level(root_radius_mm, {key.level for key in keys})
    parts = {"dura": anatomy.dura, "cord": anatomy.cord}
    parts |= {block_name(key): anatomy.roots[key] for key in keys}
    for name, points in parts.items():
        _check_complete(name, points)
    meshes = {
        "dura": Mesh(*tube_through_rings(anatomy.dura, *dura_refine)),
        "cord": Mesh(*tube_through_rings(anatomy.cord, *cord_refine)),
    }
    caudal, dorsal = _sac_axes(anatomy.dura)
    for key in keys:
        tube = tube_about_curve(
            anatomy.roots[key],
            radius[key.level],
            caudal=caudal,
            dorsal=dorsal,
            along=root_refine,
            sides=root_sides,
        )
        meshes[block_name(key)] = Mesh(*tube)
    return Surfaces(meshes, radius)


def _check_options(dura: tuple[int, int], cord: tuple[int, int], root: int, sides: int) -> None:
    if min(*dura, *cord, root) < 1:
        raise ValueError(
            f"dura_refine, cord_refine, root_refine: expected subdivisions of at least 1, "
            f"got {dura}, {cord}, {root}"
        )
    if sides < 3:
        raise ValueError(f"root_sides: expected at least 3, got {sides}")


def _radius_by_level(radius: float | Mapping[str, float], levels: set[str]) -> dict[str, float]:
    present = [level for level in LEVELS if level in levels]
    given = radius if isinstance(radius, Mapping) else dict.fromkeys(present, radius)
    unknown, absent = set(given) - set(LEVELS), set(present) - set(given)
    if unknown or absent:
        raise ValueError(
            f"root_radius_mm: expected a radius for each of {present}, got {sorted(given)}"
        )
    if not all(0 < value < np.inf for value in given.values()):
        raise ValueError(f"root_radius_mm: expected radii above 0 mm, got {dict(given)}")
    return {level: float(given[level]) for level in present}


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


def _sac_axes(dura: np.ndarray) -> np.ndarray:
    """Caudal and dorsal unit vectors (2, 3) of the sac: they turn with the anatomy."""
    centres = dura.mean(axis=1)
    caudal = centres[-1] - centres[0]
    caudal /= np.linalg.norm(caudal)
    dorsal = (dura[:, 0] - centres).mean(axis=0)
    dorsal -= (dorsal @ caudal) * caudal
    return np.stack([caudal, dorsal / np.linalg.norm(dorsal)])
