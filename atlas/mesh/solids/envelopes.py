"""The space solids are cut from: the sac, a shell of dura about it, and what lies around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.mesh.solids.complexes import EXTERIOR
from atlas.mesh.solids.regions import Container
from atlas.mesh.surfaces.layout import TubeLayout
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.mesh.surfaces.tubes import tube_about_curve

CSF, DURA, OUTER = "csf", "dura", "outer"
# Names of containers; that of the dura and what lies around are also labels.
INSIDE, SHELL, AROUND = "inside", "shell", "around"
SAC_WALL, SAC_ENDS, DURA_WALL, EDGE = "sac wall", "sac ends", "dura wall", "edge"
# Far enough about everything that nothing reaches the end of the exterior.
FAR_MM = 50.0
# Triangles of the outer cylinder: this many sides.
OUTER_SIDES = 48


@dataclass(frozen=True, slots=True, eq=False)
class _Sac:
    """The sac's surface: wall and ends apart."""

    vertices: np.ndarray
    wall: np.ndarray
    ends: np.ndarray


def containers(
    sac: Mesh,
    layout: TubeLayout,
    *,
    reach: np.ndarray,
    dura_thickness_mm: float | None = None,
    outer_margin_mm: float | None = None,
) -> dict[str, Container]:
    """Disjoint parts of space that fit together face to face.

    Parameters
    ----------
    sac : Mesh
        Of this layout.
    layout : TubeLayout
    reach : (n, 3) float
        Points that what lies around must enclose, mm.
    dura_thickness_mm : float, optional
        Thickness of the shell about the sac's wall; assumed.
    outer_margin_mm : float, optional
        Least distance of the points from the cylinder about everything.

    Returns
    -------
    dict of str to Container
        ``inside``, ``shell`` where there is one, ``around``.
    """
    n_wall = sum(a + b for a, b in zip(layout.around[:-1], layout.around[1:], strict=True))
    faces = sac.faces.astype(np.int64)
    parts = _Sac(sac.vertices, faces[:n_wall], faces[n_wall:])
    next_to = AROUND if dura_thickness_mm is None else SHELL
    made = {
        INSIDE: Container(
            CSF,
            parts.vertices,
            {SAC_WALL: parts.wall, SAC_ENDS: parts.ends},
            {SAC_WALL: next_to, SAC_ENDS: AROUND},
        )
    }
    vertices, facing = parts.vertices, {SAC_WALL: parts.wall[:, ::-1]}
    if dura_thickness_mm is not None:
        vertices, shell = _shell(parts, layout, dura_thickness_mm)
        patches = {DURA_WALL: shell, SAC_WALL: parts.wall[:, ::-1]}
        made[SHELL] = Container(DURA, vertices, patches, {DURA_WALL: AROUND})
        facing = {DURA_WALL: shell[:, ::-1]}
    facing[SAC_ENDS] = parts.ends[:, ::-1]
    edge = _far_box(reach) if outer_margin_mm is None else _cylinder(parts, reach, outer_margin_mm)
    made[AROUND] = Container(
        EXTERIOR if outer_margin_mm is None else OUTER,
        np.concatenate([vertices, edge.vertices]),
        {**facing, EDGE: edge.faces.astype(np.int64) + len(vertices)},
        {EDGE: EXTERIOR},
    )
    return made


def _shell(sac: _Sac, layout: TubeLayout, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the sac and of its wall moved outward; the moved wall and the rings at its ends.

    Vertices of the rims move within the plane of their end.
    """
    n = sum(layout.around)
    a, b, c = sac.vertices[sac.wall].swapaxes(0, 1)
    normals = np.zeros((n, 3))
    for corner in range(3):
        np.add.at(normals, sac.wall[:, corner], np.cross(b - a, c - a))
    for rim in (np.arange(layout.around[0]), np.arange(n - layout.around[-1], n)):
        ring = sac.vertices[rim]
        plane = np.linalg.svd(ring - ring.mean(axis=0))[2][2]
        normals[rim] -= (normals[rim] @ plane)[:, None] * plane
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    total = len(sac.vertices)
    vertices = np.concatenate([sac.vertices, sac.vertices[:n] + thickness * normals])
    directed = np.concatenate([sac.wall[:, [0, 1]], sac.wall[:, [1, 2]], sac.wall[:, [2, 0]]])
    there = set(map(tuple, directed.tolist()))
    rims = np.array([edge for edge in map(tuple, directed.tolist()) if edge[::-1] not in there])
    begin, end = rims.T
    annuli = [
        np.stack([end + total, begin + total, begin], axis=1),
        np.stack([end + total, begin, end], axis=1),
    ]
    return vertices, np.concatenate([sac.wall + total, *annuli])


def _far_box(reach: np.ndarray) -> Mesh:
    """A box far about everything."""
    low, high = reach.min(axis=0) - FAR_MM, reach.max(axis=0) + FAR_MM
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    faces = [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]),
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ]
    return Mesh(low + corners * (high - low), np.array(faces))


def _cylinder(sac: _Sac, reach: np.ndarray, margin: float) -> Mesh:
    """A round cylinder along the mean direction of the sac, the margin away from everything."""
    axis = np.linalg.svd(sac.vertices - sac.vertices.mean(axis=0), full_matrices=False)[2][0]
    middle = (reach.min(axis=0) + reach.max(axis=0)) / 2
    along = (reach - middle) @ axis
    off = np.linalg.norm(reach - middle - along[:, None] * axis, axis=1).max()
    # The chords of the round tube lie within its radius, by less than a hundredth.
    radius = 1.01 * (float(off) + margin)
    low, high = along.min() - margin, along.max() + margin
    line = middle + np.linspace(low, high, 5)[:, None] * axis
    step = radius * 2 * np.pi / OUTER_SIDES
    rings = max(2, round((high - low) / step)) + 1
    layout = TubeLayout(tuple(np.linspace(0, 1, rings).tolist()), (OUTER_SIDES,) * rings)
    dorsal = np.linalg.svd(axis[None])[2][1]
    tube = tube_about_curve(
        line, (radius, radius), layout, name="outer", caudal=axis, dorsal=dorsal
    )
    return Mesh(*tube)
