"""Whether a surface is fit for simulation: closed, whole, untangled, of well-shaped triangles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from atlas.mesh.solids.intersections import coplanar, crossing, intersections, self_intersections
from atlas.mesh.surfaces.named_surfaces import Mesh

ALL = "all"
PERCENTILES = {"min": 0, "p1": 1, "p5": 5, "median": 50, "p99": 99, "max": 100}

# What the columns of :func:`quality_table` mean.
QUALITY_COLUMNS = {
    "surface": f"name of the surface; {ALL!r}: every triangle of the set together",
    "vertices": "number of vertices",
    "faces": "number of triangles",
    "components": "pieces that no edge joins",
    "watertight": "every edge lies between exactly two triangles",
    "winding_consistent": "neighbouring triangles run their edge in opposite directions",
    "outward": "every piece encloses a positive volume",
    "euler_number": "vertices - edges + faces; 2 for each closed piece without handles",
    "self_intersections": "pairs of triangles of one surface that meet outside what they share, "
    "closer than 1e-9 mm, coplanar overlaps included",
    "volume_mm3": "enclosed volume, mm³",
    "area_mm2": "area, mm²",
    "edge_min_mm": "shortest edge, mm",
    "edge_p1_mm": "1st percentile of edge lengths, mm",
    "edge_median_mm": "median edge length, mm",
    "edge_p99_mm": "99th percentile of edge lengths, mm",
    "edge_max_mm": "longest edge, mm",
    "angle_min_deg": "smallest angle of any triangle, degrees; 60 at best",
    "angle_p1_deg": "1st percentile over triangles of their smallest angle, degrees",
    "angle_p5_deg": "5th percentile over triangles of their smallest angle, degrees",
    "angle_median_deg": "median over triangles of their smallest angle, degrees",
    "angle_max_deg": "largest angle of any triangle, degrees; 60 at best",
    "aspect_median": "median of circumradius / (2 inradius); 1 where a triangle is equilateral",
    "aspect_p99": "99th percentile of circumradius / (2 inradius)",
    "aspect_max": "largest circumradius / (2 inradius)",
}
# What the columns of :func:`intersection_table` mean.
INTERSECTION_COLUMNS = {
    "first": "name of a surface",
    "second": "name of another",
    "crossing_pairs": "pairs of their triangles that reach through each other",
    "touching_pairs": "pairs of their triangles that meet, neither in one plane nor crossing",
    "coplanar_pairs": "pairs of their triangles that lie on each other in one plane: flat ends cut "
    "by the same plane, such as the tops of dura and cord",
}


@dataclass(frozen=True, slots=True)
class MeshQuality:
    """Topology, size and triangle shape of one surface.

    Parameters
    ----------
    vertices, faces, components, euler_number, self_intersections : int
    watertight, winding_consistent, outward : bool
    volume_mm3, area_mm2 : float
    edge_min_mm, edge_p1_mm, edge_median_mm, edge_p99_mm, edge_max_mm : float
        Over edges; NaN without any.
    angle_min_deg, angle_p1_deg, angle_p5_deg, angle_median_deg : float
        Over triangles, of the smallest angle of each.
    angle_max_deg : float
        Over all angles.
    aspect_median, aspect_p99, aspect_max : float
        Over triangles: circumradius over twice the inradius, 1 at best; infinite where a triangle
        has no area.

    Notes
    -----
    ``QUALITY_COLUMNS`` says what each means.
    """

    vertices: int
    faces: int
    components: int
    watertight: bool
    winding_consistent: bool
    outward: bool
    euler_number: int
    self_intersections: int
    volume_mm3: float
    area_mm2: float
    edge_min_mm: float
    edge_p1_mm: float
    edge_median_mm: float
    edge_p99_mm: float
    edge_max_mm: float
    angle_min_deg: float
    angle_p1_deg: float
    angle_p5_deg: float
    angle_median_deg: float
    angle_max_deg: float
    aspect_median: float
    aspect_p99: float
    aspect_max: float


def mesh_quality(mesh: Mesh) -> MeshQuality:
    """Measure a surface.

    Parameters
    ----------
    mesh : Mesh

    Returns
    -------
    MeshQuality

    Examples
    --------
    >>> corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    >>> found = mesh_quality(Mesh(corners, [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]))
    >>> found.watertight, found.euler_number, round(found.angle_min_deg, 1)
    (True, 2, 45.0)
    """
    met = len(self_intersections(mesh.vertices, mesh.faces))
    return _measured([mesh], met)


def quality_table(surfaces: Mapping[str, Mesh]) -> list[dict[str, str | int | float | bool]]:
    """Quality of each surface and of all together.

    Parameters
    ----------
    surfaces : mapping of str to Mesh

    Returns
    -------
    list of dict
        A row a surface, then the row ``all``, whose self-intersections are the sum of theirs; what
        lies between surfaces is in :func:`intersection_table`.  Columns: ``QUALITY_COLUMNS``.
    """
    found = {name: mesh_quality(mesh) for name, mesh in surfaces.items()}
    if found:
        met = sum(quality.self_intersections for quality in found.values())
        found[ALL] = _measured(list(surfaces.values()), met)
    return [{"surface": name, **asdict(quality)} for name, quality in found.items()]


def intersection_table(surfaces: Mapping[str, Mesh]) -> list[dict[str, str | int]]:
    """Which surfaces meet which, and in how many pairs of triangles.

    Not a fault of the meshes: roots begin on the cord, lie on each other and leave through the
    dura.  Booleans make solids that share walls of them.

    Parameters
    ----------
    surfaces : mapping of str to Mesh

    Returns
    -------
    list of dict
        A row for each two surfaces that meet.  Columns: ``INTERSECTION_COLUMNS``.
    """
    rows: list[dict[str, str | int]] = []
    for (first, a), (second, b) in combinations(surfaces.items(), 2):
        pairs = intersections((a.vertices, a.faces), (b.vertices, b.faces))
        if len(pairs):
            met = a.vertices[a.faces[pairs[:, 0]]], b.vertices[b.faces[pairs[:, 1]]]
            flat, through = int(coplanar(*met).sum()), int(crossing(*met).sum())
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "crossing_pairs": through,
                    "touching_pairs": len(pairs) - through - flat,
                    "coplanar_pairs": flat,
                }
            )
    return rows


def _measured(meshes: list[Mesh], self_intersecting: int) -> MeshQuality:
    """Quality of meshes taken as one, that share no vertices."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes]).tolist()
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    faces = np.concatenate([m.faces + at for m, at in zip(meshes, starts, strict=False)])
    whole = Mesh(vertices, faces)
    edges, uses, once = _edges(faces)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    smallest, largest, aspect = _shapes(whole)
    volumes = _volumes(whole)
    return MeshQuality(
        vertices=len(vertices),
        faces=len(faces),
        components=len(volumes),
        watertight=bool(len(faces)) and bool((uses == 2).all()),
        winding_consistent=once,
        outward=bool(len(faces)) and bool((volumes > 0).all()),
        euler_number=len(np.unique(faces)) - len(edges) + len(faces),
        self_intersections=self_intersecting,
        volume_mm3=whole.volume_mm3,
        area_mm2=whole.area_mm2,
        angle_max_deg=_percentile(largest, 100),
        **_spread("edge_{}_mm", lengths, ("min", "p1", "median", "p99", "max")),
        **_spread("angle_{}_deg", smallest, ("min", "p1", "p5", "median")),
        **_spread("aspect_{}", aspect, ("median", "p99", "max")),
    )


def _edges(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Edges (E, 2), how many triangles each has (E,), and whether none is run twice one way."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    return edges, uses, len(np.unique(directed, axis=0)) == len(directed)


def _volumes(mesh: Mesh) -> np.ndarray:
    """Volume (c,) that each piece encloses, mm³."""
    a, b, c = mesh.faces.T
    n = len(mesh.vertices)
    joined = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, c])), shape=(n, n))
    piece = connected_components(joined, directed=False)[1][a]
    each = (mesh.vertices[a] * mesh.face_normals_mm2).sum(axis=1) / 6
    return np.bincount(np.unique(piece, return_inverse=True)[1], each) if len(a) else np.empty(0)


def _shapes(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest and largest angle (F,) of each triangle, degrees, and its aspect."""
    corners = mesh.vertices[mesh.faces]
    ahead = np.roll(corners, -1, axis=1) - corners
    behind = np.roll(corners, 1, axis=1) - corners
    twice_area = np.linalg.norm(mesh.face_normals_mm2, axis=1)
    angles = np.degrees(np.arctan2(twice_area[:, None], (ahead * behind).sum(axis=2)))
    side = np.linalg.norm(ahead, axis=2)
    # R = abc / 4A and r = 2A / (a + b + c), so that R / 2r = abc (a + b + c) / 16 A².
    product = side.prod(axis=1) * side.sum(axis=1)
    aspect = np.full(len(side), np.inf)
    np.divide(product, 4 * twice_area**2, out=aspect, where=twice_area > 0)
    return angles.min(axis=1), angles.max(axis=1), aspect


def _spread(name: str, values: np.ndarray, which: tuple[str, ...]) -> dict[str, float]:
    """Percentiles under their names: ``edge_p99_mm``."""
    return {name.format(word): _percentile(values, PERCENTILES[word]) for word in which}


def _percentile(values: np.ndarray, at: float) -> float:
    if not values.size:
        return float("nan")
    # Between a finite aspect and an infinite one there is nothing to interpolate.
    if np.isfinite(values).all():
        return float(np.percentile(values, at))
    return float(np.percentile(values, at, method="nearest"))
