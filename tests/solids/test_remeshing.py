"""Bettering a patch: arithmetic of points, allowed changes, what moves leave in place."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes

from atlas.mesh.solids.complexes import EXTERIOR, WallComplex, pinched_edges, unpaired_edges
from atlas.mesh.solids.remeshing import (
    Patch,
    aside,
    cross,
    dot,
    minus,
    relocated,
    runs_along,
    shape_of,
    shapes_of,
    with_vertex,
)


def test_products_are_those_of_numpy():
    a, b = np.random.default_rng(2).normal(size=(2, 3))
    assert minus(tuple(a), tuple(b)) == pytest.approx(a - b)
    assert dot(tuple(a), tuple(b)) == pytest.approx(a @ b)
    assert cross(tuple(a), tuple(b)) == pytest.approx(np.cross(a, b))


def test_an_equilateral_triangle_has_shape_one_and_a_flat_one_none():
    assert shape_of((0, 0, 0), (1, 0, 0), (0.5, 3**0.5 / 2, 0)) == pytest.approx(1)
    assert shape_of((0, 0, 0), (1, 0, 0), (2, 0, 0)) == 0
    assert shape_of((1, 1, 1), (1, 1, 1), (1, 1, 1)) == 0


def test_one_and_many_agree():
    corners = np.random.default_rng(3).normal(size=(20, 3, 3))
    one = [shape_of(*map(tuple, c)) for c in corners.tolist()]
    assert shapes_of(corners) == pytest.approx(one)


def test_distance_from_a_segment_counts_its_ends():
    assert aside((0.5, 2, 0), (0, 0, 0), (1, 0, 0)) == pytest.approx(2)
    assert aside((4, 4, 0), (0, 0, 0), (1, 0, 0)) == pytest.approx(5)


def test_a_triangle_runs_along_its_edges_one_way():
    assert runs_along((3, 5, 9), 9, 3)
    assert not runs_along((3, 5, 9), 3, 9)
    assert not runs_along(None, 3, 9)


def test_a_vertex_is_exchanged_where_it_stands():
    assert with_vertex((3, 5, 9), 5, 7) == (3, 7, 9)


def test_a_patch_without_changes_is_the_complex():
    walls = ball()
    whole, leaders, changed = patch_of(walls).complex()
    assert whole.triangles.tolist() == walls.triangles.tolist()
    assert sorted(leaders.tolist()) == list(range(len(walls.triangles)))
    assert not changed.any()


def test_edges_of_a_box_are_creases_and_its_diagonals_none():
    box = solid_shapes.box()
    walls = WallComplex(box.vertices, box.faces, [[1, 0]] * 12, (EXTERIOR, "a"))
    patch = patch_of(walls)
    for u in range(8):
        for v in patch.neighbours(u):
            along = np.abs(box.vertices[u] - box.vertices[v])
            assert patch.crease(u, v) == (along.sum() == 1)


def test_a_changed_volume_is_what_the_patch_says_it_drifted_by():
    walls = pinched()
    patch = patch_of(walls)
    patch.improve()
    change = patch.complex()[0].surface("a").volume_mm3 - walls.surface("a").volume_mm3
    np.testing.assert_allclose(patch.drifted, change, atol=1e-12)


def test_undoing_every_change_gives_the_first_surface_back():
    walls = pinched()
    patch = patch_of(walls)
    patch.improve()
    _, leaders, changed = patch.complex()
    back = patch.complex(set(leaders[changed].tolist()))[0]
    first = {frozenset(t) for t in walls.triangles.tolist()}
    assert {frozenset(t) for t in back.triangles.tolist()} == first


def ball():
    mesh = solid_shapes.sphere(2.0, subdivisions=2)
    sides = np.tile([1, 0], (len(mesh.faces), 1))
    return WallComplex(mesh.vertices, mesh.faces, sides, (EXTERIOR, "a"))


def patch_of(walls, *, deviation=0.05, frozen=None, budget=1.0):
    n = len(walls.vertices)
    still = np.zeros(n, dtype=bool) if frozen is None else frozen
    return Patch(
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


def flattened(lift=0.0):
    """A fine box side with one vertex drawn close to an edge across from it."""
    side = np.linspace(0, 4, 5)
    x, y = np.meshgrid(side, side, indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), np.zeros(25)], axis=1)
    points[12] = (1.5, 2.48, lift)
    faces = []
    for i in range(4):
        for j in range(4):
            a, b, c, d = 5 * i + j, 5 * i + j + 5, 5 * i + j + 6, 5 * i + j + 1
            faces += [[a, b, c], [a, c, d]]
    apex = np.array([[2.0, 2.0, -6.0]])
    rim = [0, 5, 10, 15, 20, 21, 22, 23, 24, 19, 14, 9, 4, 3, 2, 1]
    faces += [[b, a, 25] for a, b in zip(rim, np.roll(rim, -1).tolist(), strict=True)]
    points = np.concatenate([points, apex])
    return WallComplex(points, faces, [[1, 0]] * len(faces), (EXTERIOR, "a"))


def worst(patch):
    return min(range(len(patch.shape)), key=lambda k: patch.shape[k])


def test_a_move_betters_the_worst_triangle_and_stays_in_a_flat_wall():
    walls = flattened()
    assert len(unpaired_edges(walls)) == 0
    patch = patch_of(walls)
    before = min(patch.shape)
    assert relocated(patch, worst(patch))
    better = patch.complex()[0]
    assert len(better.vertices) == len(walls.vertices) + 1
    assert min(patch.shape[k] for k, t in enumerate(patch.triangles) if t) >= before
    np.testing.assert_allclose(better.vertices[-1, 2], 0, atol=1e-9)
    assert len(unpaired_edges(better)) == 0
    volume = walls.surface("a").volume_mm3
    assert better.surface("a").volume_mm3 == pytest.approx(volume, rel=1e-12)


def test_frozen_vertices_are_not_moved():
    walls = flattened()
    patch = patch_of(walls, frozen=np.ones(len(walls.vertices), dtype=bool))
    assert relocated(patch, worst(patch)) == set()
    assert not patch.new_points


@pytest.mark.slow
def test_what_a_vertex_has_used_of_the_deviation_goes_with_it():
    box = solid_shapes.box()
    walls = WallComplex(box.vertices, box.faces, [[1, 0]] * 12, (EXTERIOR, "a"))
    patch = patch_of(walls, deviation=0.05)
    for _ in range(20):
        for k, t in enumerate(patch.triangles):
            if t:
                patch.shape[k] = 0.01
                relocated(patch, k)
    moved = patch.complex()[0].surface("a").vertices
    apart = np.linalg.norm(moved[:, None] - np.asarray(box.vertices)[None], axis=2).min(axis=1)
    assert apart.max() <= 0.05
