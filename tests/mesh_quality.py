"""Whether a surface is fit for simulation: closed, whole, untangled, of well-shaped triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from atlas.mesh.solids.intersections import self_intersections
from atlas.mesh.surfaces.named_surfaces import Mesh

PERCENTILES = {"min": 0, "p1": 1, "p5": 5, "median": 50, "p99": 99, "max": 100}


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
    """Measure a surface."""
    vertices, faces = mesh.vertices, mesh.faces
    edges, uses, once = _edges(faces)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    smallest, largest, aspect = _shapes(mesh)
    volumes = _volumes(mesh)
    return MeshQuality(
        vertices=len(vertices),
        faces=len(faces),
        components=len(volumes),
        watertight=bool(len(faces)) and bool((uses == 2).all()),
        winding_consistent=once,
        outward=bool(len(faces)) and bool((volumes > 0).all()),
        euler_number=len(np.unique(faces)) - len(edges) + len(faces),
        self_intersections=len(self_intersections(vertices, faces)),
        volume_mm3=mesh.volume_mm3,
        area_mm2=mesh.area_mm2,
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
