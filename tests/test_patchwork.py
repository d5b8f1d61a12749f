"""Single changes of a patch: what may contract, what may not, and that sides follow."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes

from atlas.mesh.complexes import EXTERIOR, WallComplex, unpaired_edges
from atlas.mesh.patchwork import Patchwork


def ball():
    mesh = solid_shapes.sphere(2.0, subdivisions=2)
    sides = np.tile([1, 0], (len(mesh.faces), 1))
    return WallComplex(mesh.vertices, mesh.faces, sides, (EXTERIOR, "a"))


def patch_of(walls, *, deviation=0.05, frozen=None, budget=1.0):
    n = len(walls.vertices)
    still = np.zeros(n, dtype=bool) if frozen is None else frozen
    return Patchwork(
        walls,
        np.arange(len(walls.triangles)),
        still,
        deviation=deviation,
        within=np.array([False, True]),
        budget=budget,
    )


def pinched():
    """A ball with one vertex drawn towards its neighbour: needles about it."""
    walls = ball()
    points = walls.vertices.copy()
    u, v = walls.triangles[0, :2]
    points[u] = points[v] + 0.02 * (points[u] - points[v])
    return WallComplex(points, walls.triangles, walls.sides, walls.names)


def test_a_needle_contracts_and_the_surface_stays_closed():
    walls = pinched()
    patch = patch_of(walls)
    patch.improve()
    better, changed = patch.complex()
    assert len(better.triangles) == len(walls.triangles) - 2
    assert changed.any()
    assert len(unpaired_edges(better)) == 0
    assert set(map(tuple, better.sides.tolist())) == {(1, 0)}


def test_frozen_vertices_stay():
    walls = pinched()
    patch = patch_of(walls, frozen=np.ones(len(walls.vertices), dtype=bool))
    patch.improve()
    assert patch.complex()[0].triangles.tolist() == walls.triangles.tolist()


def test_no_budget_means_no_change_of_volume():
    walls = pinched()
    patch = patch_of(walls, budget=0.0)
    patch.improve()
    after = patch.complex()[0].surface("a").volume_mm3
    assert after == pytest.approx(walls.surface("a").volume_mm3, rel=1e-12)


def test_a_tetrahedron_is_never_contracted():
    corners = np.array([[0, 0, 0], [0.01, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    faces = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]
    walls = WallComplex(corners, faces, [[1, 0]] * 4, (EXTERIOR, "a"))
    patch = patch_of(walls, deviation=10.0)
    patch.improve()
    assert len(patch.complex()[0].triangles) == 4
