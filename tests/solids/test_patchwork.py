"""Single changes of a patch: what may contract, what may not, and that sides follow."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes

from atlas.mesh.solids.complexes import EXTERIOR, WallComplex, pinched_edges, unpaired_edges
from atlas.mesh.solids.patchwork import Patchwork


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
    better, _, changed = patch.complex()
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


def cushion():
    """A flat closed cushion; u and v beside each other on its rim, w on the rim across.

    The upper side has an edge from u to w, the lower one from v to w: u, v, w bound no triangle.
    """
    p, u, v, q, w, a, b = range(7)
    points = np.array([
        *([-1, 0, 0], [0, 0, 0], [0.02, 0, 0], [1, 0, 0], [0, 2, 0]),
        *([0.5, 0.6, 0.2], [-0.4, 0.6, -0.2]),
    ])  # fmt: skip
    upper = [(p, u, w), (u, v, a), (v, q, a), (q, w, a), (w, u, a)]
    lower = [(v, w, q), (u, p, b), (v, u, b), (w, v, b), (p, w, b)]
    faces = upper + lower
    return WallComplex(points, faces, [[1, 0]] * len(faces), (EXTERIOR, "a")), (u, v)


def test_contracting_an_edge_needs_the_link_condition():
    walls, (u, v) = cushion()
    assert len(unpaired_edges(walls)) == 0
    patch = patch_of(walls)
    assert not patch.may_collapse(patch.collapsed(u, v), u, v)
    patch.improve()
    better = patch.complex()[0]
    assert not pinched_edges(better)
    assert len(unpaired_edges(better)) == 0


def test_without_the_third_edge_the_same_contraction_is_allowed():
    walls, (u, v) = cushion()
    faces = [t for t in walls.triangles.tolist() if t not in ([0, 1, 4], [4, 1, 5])]
    faces += [[0, 1, 5], [0, 5, 4]]
    other = WallComplex(walls.vertices, faces, [[1, 0]] * len(faces), walls.names)
    assert len(unpaired_edges(other)) == 0
    patch = patch_of(other)
    assert patch.may_collapse(patch.collapsed(u, v), u, v)


def test_changes_that_touch_no_common_triangle_are_undone_apart():
    walls = ball()
    points = walls.vertices.copy()
    (a, b), (c, d) = walls.triangles[0, :2], walls.triangles[200, :2]
    points[a] = points[b] + 0.02 * (points[a] - points[b])
    points[c] = points[d] + 0.02 * (points[c] - points[d])
    patch = patch_of(WallComplex(points, walls.triangles, walls.sides, walls.names))
    patch.improve()
    whole, leaders, changed = patch.complex()
    lots = set(leaders[changed].tolist())
    assert len(lots) == 2
    half, kept, _ = patch.complex({min(lots)})
    assert len(half.triangles) == len(whole.triangles) + 2
    assert len(unpaired_edges(half)) == 0
    assert (kept == min(lots)).any()
