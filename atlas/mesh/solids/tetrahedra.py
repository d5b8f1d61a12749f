"""Fill solids with tetrahedra whose faces are the walls, for finite elements, and write them.

TetGen (Si 2015, doi:10.1145/2629697) keeps every wall triangle as it is, so that the volume of each
region is that of its surface.  It is AGPL-3.0 and no dependency of this package: the extra ``fem``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from atlas.arrays import read_only
from atlas.errors import AtlasError
from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.formats.vtk import write_vtu
from atlas.mesh.region_numbers import counted
from atlas.mesh.solids.complexes import EXTERIOR, WallComplex
from atlas.mesh.solids.solids import FINDING_COLUMNS, Solids
from atlas.mesh.surfaces.named_surfaces import Mesh

# Faces of a tetrahedron, outward, each opposite the vertex of its row.
FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])
# Greatest radius of the circumsphere over the shortest edge that TetGen aims at within regions.
RADIUS_EDGE = 1.8
PERCENTILES = (0, 1, 5, 50)

# What the columns of ``Tetrahedra.quality`` mean.
QUALITY_COLUMNS = {
    "region": "name of the region; all: of every region together",
    "tetrahedra": "number of tetrahedra",
    "volume_mm3": "their volume, mm³",
    "surface_error": "their volume over that of the region's surface, minus 1",
    "volume_min_mm3": "smallest tetrahedron, mm³",
    "dihedral_min_deg": "smallest angle between two faces, degrees; 70.5 at best",
    "dihedral_p1_deg": "1st percentile over tetrahedra of their smallest, degrees",
    "dihedral_p5_deg": "5th percentile over tetrahedra of their smallest, degrees",
    "dihedral_median_deg": "median over tetrahedra of their smallest, degrees",
    "dihedral_max_deg": "largest angle between two faces, degrees",
    "ratio_min": "smallest of 3 inradius / circumradius; 1 at best",
    "ratio_p1": "1st percentile of 3 inradius / circumradius",
    "ratio_median": "median of 3 inradius / circumradius",
}
TETRAHEDRA = "_tetrahedra.vtu"


class TetrahedraError(AtlasError):
    """Solids that could not be filled; the text says expected, got and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Tetrahedra:
    """Tetrahedra of all regions, conformal: neighbours share whole faces.

    Parameters
    ----------
    points : (P, 3) float
        mm; the vertices of the walls first.
    tetrahedra : (T, 4) int32
        Of positive volume: the fourth vertex on the side the first three turn anticlockwise to.
    labels : (T,) int32
        Region of each, from 1.
    names : mapping of int to str
        What the labels mean.
    """

    points: np.ndarray
    tetrahedra: np.ndarray
    labels: np.ndarray
    names: Mapping[int, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", read_only(self.points, (None, 3), "points"))
        for name, shape in (("tetrahedra", (None, 4)), ("labels", (None,))):
            checked = read_only(getattr(self, name), shape, f"Tetrahedra.{name}", dtype=np.int32)
            object.__setattr__(self, name, checked)
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))

    @property
    def volumes_mm3(self) -> np.ndarray:
        """Volume (T,) of each, mm³."""
        return _volumes(self.points[self.tetrahedra])

    def quality(self, solids: Solids) -> list[dict[str, str | int | float]]:
        """A row a region, then ``all``; ``QUALITY_COLUMNS`` says what the columns mean."""
        corners = self.points[self.tetrahedra]
        volumes, low, high, ratio = self.volumes_mm3, *_dihedral_deg(corners), _ratio(corners)
        surface = {name: solids[name].volume_mm3 for name in self.names.values()}
        rows = [("all", np.ones(len(low), dtype=bool), sum(surface.values()))]
        rows[:0] = [(n, self.labels == k, surface[n]) for k, n in self.names.items()]
        return [
            {
                "region": name,
                "tetrahedra": int(own.sum()),
                "volume_mm3": float(volumes[own].sum()),
                "surface_error": float(volumes[own].sum() / of_surface - 1),
                "volume_min_mm3": float(volumes[own].min()),
                **_named("dihedral_{}_deg", low[own], ("min", "p1", "p5", "median")),
                "dihedral_max_deg": float(high[own].max()),
                **_named("ratio_{}", ratio[own], ("min", "p1", "median")),
            }
            for name, own, of_surface in rows
        ]


def tetrahedra(
    solids: Solids, *, radius_edge: float = RADIUS_EDGE, largest_mm3: float | None = None
) -> Tetrahedra:
    """Fill every region with tetrahedra; the walls stay as they are.

    Parameters
    ----------
    solids : Solids
    radius_edge : float
        Greatest circumradius over shortest edge aimed at within regions, at least 1.2; tetrahedra
        at a wall are as good as its triangles let them be.
    largest_mm3 : float, optional
        Greatest volume aimed at within regions, mm³; walls that are coarser allow no less.

    Returns
    -------
    Tetrahedra

    Raises
    ------
    TetrahedraError
        TetGen is not installed, or does not accept the walls; an option is out of range.
    """
    if radius_edge < 1.2 or (largest_mm3 is not None and not 0 < largest_mm3 < np.inf):
        raise TetrahedraError(
            f"radius_edge, largest_mm3: expected at least 1.2 and above 0 mm³, got {radius_edge} "
            f"and {largest_mm3}"
        )
    try:
        import tetgen  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        raise TetrahedraError(
            "tetrahedra: expected TetGen, which is not installed; pip install "
            "'lumbosacral-atlas[fem]' (TetGen is AGPL-3.0)"
        ) from None
    walls = solids.walls
    mesher = tetgen.TetGen(np.array(walls.vertices), np.array(walls.triangles))
    limit = {} if largest_mm3 is None else {"fixedvolume": True, "maxvolume": largest_mm3}
    try:
        points, cells = mesher.tetrahedralize(
            plc=True, quality=True, nobisect=True, minratio=radius_edge, mindihedral=0, **limit
        )[:2]
    except RuntimeError as error:
        raise TetrahedraError(
            f"tetrahedra: expected walls that meet only along their edges, got TetGen's "
            f"{str(error).strip()!r}; change edge_mm or root_radius_mm a little"
        ) from None
    cells = np.asarray(cells, dtype=np.int64)
    turned = _volumes(points[cells]) < 0
    cells[turned] = cells[turned][:, [1, 0, 2, 3]]
    return _labelled(np.asarray(points), cells, walls)


def _labelled(points: np.ndarray, cells: np.ndarray, walls: WallComplex) -> Tetrahedra:
    """Regions of tetrahedra by the walls they lie at, and through faces that are no walls."""
    n = len(points)
    faces = cells[:, FACES].reshape(-1, 3)
    owner = np.repeat(np.arange(len(cells)), 4)
    both = np.concatenate([_keys(walls.triangles.astype(np.int64), n), _keys(faces, n)])
    place = np.unique(both, axis=0, return_inverse=True)[1].ravel()
    n_walls = len(walls.triangles)
    wall_at = np.full(place.max() + 1, -1)
    wall_at[place[:n_walls]] = np.arange(n_walls)
    wall = wall_at[place[n_walls:]]
    order = np.argsort(place[n_walls:], kind="stable")
    same = place[n_walls:][order][1:] == place[n_walls:][order][:-1]
    free = same & (wall[order][1:] < 0)
    a, b = owner[order][1:][free], owner[order][:-1][free]
    joined = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(cells),) * 2)
    part = connected_components(joined, directed=False)[1]
    at = np.flatnonzero(wall >= 0)
    alike = _turns_alike(faces[at], walls.triangles[wall[at]])
    seen = np.where(alike, walls.sides[wall[at], 0], walls.sides[wall[at], 1])
    label = np.full(part.max() + 1, -1)
    label[part[owner[at]]] = seen
    if (label < 0).any() or (label[part[owner[at]]] != seen).any():
        raise TetrahedraError(
            "tetrahedra: expected every region to be closed by walls, got tetrahedra that lie in "
            "two regions or none; change edge_mm or root_radius_mm a little"
        )
    found = label[part]
    kept = found != walls.names.index(EXTERIOR)
    numbers = counted(walls.regions)
    number = np.array([numbers.get(name, 0) for name in walls.names], dtype=np.int32)
    meaning = {label: name for name, label in numbers.items()}
    return Tetrahedra(points, cells[kept], number[found[kept]], meaning)


def _keys(triangles: np.ndarray, n: int) -> np.ndarray:
    """Sorted vertices (T, 2): two numbers that name a triangle whichever way it turns."""
    low, middle, high = np.sort(triangles, axis=1).T
    return np.stack([low * n + middle, high], axis=1)


def _turns_alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether triangles (T, 3) of the same vertices run the same way round."""
    first = np.argmax(other == one[:, :1], axis=1)
    return np.asarray(other[np.arange(len(other)), (first + 1) % 3] == one[:, 1])


def _volumes(corners: np.ndarray) -> np.ndarray:
    a, b, c, d = corners.swapaxes(0, 1)
    return np.asarray((np.cross(b - a, c - a) * (d - a)).sum(axis=1) / 6)


def _dihedral_deg(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest angle (T,) between two faces, degrees."""
    p, q, r = (corners[:, FACES[:, k]] for k in range(3))
    normal = np.cross(q - p, r - p)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    i, j = np.triu_indices(4, 1)
    angle = np.degrees(np.arccos(np.clip(-(normal[:, i] * normal[:, j]).sum(axis=2), -1, 1)))
    return angle.min(axis=1), angle.max(axis=1)


def _ratio(corners: np.ndarray) -> np.ndarray:
    """Three times inradius over circumradius (T,)."""
    a, b, c, d = corners.swapaxes(0, 1)
    u, v, w = b - a, c - a, d - a
    volume = np.abs((np.cross(u, v) * w).sum(axis=1)) / 6
    p, q, r = (corners[:, FACES[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(q - p, r - p), axis=2).sum(axis=1) / 2
    squares = [(x * x).sum(axis=1)[:, None] for x in (u, v, w)]
    turned = squares[0] * np.cross(v, w) + squares[1] * np.cross(w, u) + squares[2] * np.cross(u, v)
    radius = np.linalg.norm(turned, axis=1) / (12 * volume)
    return np.asarray(3 * (3 * volume / area) / radius)


def _named(name: str, values: np.ndarray, which: tuple[str, ...]) -> dict[str, float]:
    at = dict(zip(("min", "p1", "p5", "median"), PERCENTILES, strict=True))
    return {name.format(word): float(np.percentile(values, at[word])) for word in which}


def solids_document(meshes: Mapping[str, Mesh]) -> dict[str, Any]:
    """What was assumed, extrapolated and decided to make solids, as JSON values.

    Parameters
    ----------
    meshes : mapping of str to Mesh
        :class:`atlas.mesh.solids.solids.Solids`; of other meshes nothing is known.

    Returns
    -------
    dict
        ``assumed_mm``, ``extrapolated_mm``, ``findings`` and what their columns mean; empty where
        the meshes are no solids.
    """
    if not isinstance(meshes, Solids):
        return {}
    return {
        "assumed_mm": dict(meshes.assumed_mm),
        "extrapolated_mm": {name: round(mm, 3) for name, mm in meshes.extrapolated_mm.items()},
        "findings": meshes.rows(),
        "finding_columns": FINDING_COLUMNS,
    }


def write_tetrahedra(
    meshes: Mapping[str, Mesh], folder: Path, *, name: str, notice: str
) -> tuple[Path, dict[str, Any]]:
    """Fill solids with tetrahedra and write them as one VTU.

    Parameters
    ----------
    meshes : Solids
    folder : path
    name : str
        Of the shape; the file is ``<name>_tetrahedra.vtu``.
    notice : str
        What the file says of itself.

    Returns
    -------
    path : Path
    document : dict
        Number, quality by region and what the columns mean, as JSON values.

    Raises
    ------
    MeshFileError
        The meshes are no solids.
    TetrahedraError
        TetGen is not installed, or does not accept the walls.
    """
    if not isinstance(meshes, Solids):
        raise MeshFileError(
            f"{name}: expected solids to fill with tetrahedra, got surfaces; add --solids"
        )
    filled = tetrahedra(meshes)
    path = write_vtu(
        np.array(filled.points),
        filled.tetrahedra,
        folder / f"{name}{TETRAHEDRA}",
        labels=filled.labels,
        names=filled.names,
        notice=notice,
    )
    document = {
        "made_by": "TetGen (Si 2015, doi:10.1145/2629697), AGPL-3.0",
        "regions": {str(label): region for label, region in filled.names.items()},
        "quality": filled.quality(meshes),
        "quality_columns": QUALITY_COLUMNS,
    }
    return path, document
