"""Closed meshes of known volume and place.  Import it as ``import solid_shapes``."""

from __future__ import annotations

import numpy as np

from atlas.mesh.surfaces.named_surfaces import Mesh


def box(low=(0.0, 0.0, 0.0), high=(1.0, 1.0, 1.0)) -> Mesh:
    """An upright box, outward."""
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    faces = [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]),
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ]
    return Mesh(low + corners * (high - low), faces)


def sphere(radius: float, centre=(0.0, 0.0, 0.0), subdivisions: int = 4) -> Mesh:
    """An icosphere, outward; by trimesh."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(ball.vertices + np.array(centre), ball.faces)


def inward(mesh: Mesh) -> Mesh:
    """The same wound the other way."""
    return Mesh(mesh.vertices, mesh.faces[:, ::-1])


def joined(*meshes: Mesh) -> Mesh:
    """Several as one, as they are."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=True)]),
    )


# One structure of each kind at places that tell the axes and the sides apart.
def body() -> dict[str, Mesh]:
    """A sac, a cord in it and a left and a right root; LPS mm, +x left."""
    return {
        "dura": box((-6, -5, -40), (6, 5, 0)),
        "cord": box((-2, -2, -30), (2, 2, -1)),
        "root/L5/left": box((3, 3, -20), (4, 4, -10)),
        "root/L5/right": box((-4, 3, -20), (-3, 4, -10)),
    }
