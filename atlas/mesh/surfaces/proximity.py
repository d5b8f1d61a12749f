"""Exact distances of points from a triangulated surface, and points spread evenly over one."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from atlas.mesh.surfaces.named_surfaces import Mesh

FIRST_CANDIDATES = 8
CHUNK_PAIRS = 400_000


def distance_to_surface(points: np.ndarray, mesh: Mesh) -> np.ndarray:
    """Distance of points from the nearest triangle of a surface.

    Parameters
    ----------
    points : (n, 3) float
        mm, in the frame of the mesh.
    mesh : Mesh
        Open or closed, of triangles of any size; those without area are left out.

    Returns
    -------
    (n,) float
        mm, unsigned; exact to rounding.

    Raises
    ------
    ValueError
        No triangle has an area.

    Notes
    -----
    A triangle nearer than d has its centroid nearer than d plus its reach, the distance from its
    centroid to its farthest corner.  Centroids are asked for in order until that is ruled out,
    class by class of reach, so that one large triangle does not make all of them candidates.
    The distance to a triangle: Ericson 2005, Real-Time Collision Detection, section 5.1.5.
    """
    triangles = mesh.vertices[mesh.faces]
    triangles = triangles[np.linalg.norm(mesh.face_normals_mm2, axis=1) > 0]
    if not len(triangles):
        raise ValueError("distance_to_surface: expected a surface, got no triangle with an area")
    centres = triangles.mean(axis=1)
    reach = np.linalg.norm(triangles - centres[:, None], axis=2).max(axis=1)
    classes = np.ceil(np.log2(reach)).astype(int)
    nearest = np.full(len(points), np.inf)
    for size in np.unique(classes):
        members = np.flatnonzero(classes == size)
        _improve(nearest, points, triangles[members], centres[members], reach[members].max())
    return nearest


def _improve(
    nearest: np.ndarray,
    points: np.ndarray,
    triangles: np.ndarray,
    centres: np.ndarray,
    reach: float,
) -> None:
    """Lower ``nearest`` (n,) to the distance from these triangles where they are nearer."""
    tree = cKDTree(centres)
    count = min(FIRST_CANDIDATES, len(triangles))
    waiting = np.arange(len(points))
    while len(waiting):
        open_still = []
        for chunk in np.array_split(waiting, len(waiting) * count // CHUNK_PAIRS + 1):
            to_centre, near = tree.query(points[chunk], k=np.arange(1, count + 1))
            found = _to_triangles(points[chunk], triangles[near])
            nearest[chunk] = np.minimum(nearest[chunk], found)
            open_still.append(chunk[to_centre[:, -1] < nearest[chunk] + reach])
        waiting = np.concatenate(open_still) if count < len(triangles) else np.empty(0, int)
        count = min(4 * count, len(triangles))


def _to_triangles(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Least distance (n,) of points (n, 3) from k triangles each (n, k, 3, 3)."""
    from trimesh.triangles import closest_point

    repeated = np.repeat(points, triangles.shape[1], axis=0)
    apart = closest_point(triangles.reshape(-1, 3, 3), repeated) - repeated
    return np.linalg.norm(apart, axis=1).reshape(triangles.shape[:2]).min(axis=1)


def points_on_surface(mesh: Mesh, count: int, *, seed: int = 0) -> np.ndarray:
    """Points (count, 3) on a surface, as many on each part as it has area; mm.

    Stratified along the cumulative area of the triangles, so that no stretch goes without.
    """
    rng = np.random.default_rng(seed)
    area = np.cumsum(np.linalg.norm(mesh.face_normals_mm2, axis=1))
    drawn = (np.arange(count) + rng.random(count)) / count * area[-1]
    faces = np.minimum(np.searchsorted(area, drawn, side="right"), len(area) - 1)
    a, b, c = mesh.vertices[mesh.faces[faces]].swapaxes(0, 1)
    root, other = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    return (1 - root) * a + root * (1 - other) * b + root * other * c
