"""Walls taken once close regions; what hangs is split; what has no area goes."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes

from atlas.mesh.solids.complexes import (
    EXTERIOR,
    ComplexError,
    WallComplex,
    compact,
    pinched_edges,
    unpaired_edges,
    weld,
)

NAMES = (EXTERIOR, "low", "high")


def corners_of(mesh):
    return mesh.vertices[mesh.faces]


def two_boxes():
    """Two unit boxes on each other; their common face taken from the lower one."""
    low, high = solid_shapes.box(), solid_shapes.box((0, 0, 1), (1, 1, 2))
    flat = np.isclose(corners_of(high)[:, :, 2], 1).all(axis=1)
    shared = np.isclose(corners_of(low)[:, :, 2], 1).all(axis=1)
    corners = np.concatenate([corners_of(low), corners_of(high)[~flat]])
    sides = np.concatenate([np.where(shared[:, None], [1, 2], [1, 0]), [[2, 0]] * (~flat).sum()])
    return corners, sides


def test_neighbours_share_their_wall_with_opposite_winding():
    walls = weld(*two_boxes(), NAMES)
    assert walls.regions == ("low", "high")
    assert [walls.surface(n).volume_mm3 for n in walls.regions] == pytest.approx([1, 1])
    assert len(walls.vertices) == 12
    shared = (np.sort(walls.sides, axis=1) == [1, 2]).all(axis=1)
    below = {tuple(t) for t in walls.boundary("low").tolist()}
    above = {tuple(t[::-1]) for t in walls.boundary("high").tolist()}
    turned = {t[k:] + t[:k] for t in above for k in range(3)}
    assert shared.sum() == 2 == len(below & turned)


def test_vertices_computed_twice_are_one():
    corners, sides = two_boxes()
    noise = np.random.default_rng(1).uniform(-1e-7, 1e-7, corners.shape)
    assert len(weld(corners + noise, sides, NAMES).vertices) == 12


def test_an_edge_that_a_neighbours_vertex_lies_on_is_split_there():
    corners, sides = two_boxes()
    first = corners[0]
    middle = (first[0] + first[1]) / 2
    halves = np.stack([np.stack([first[0], middle, first[2]]), np.stack([middle, *first[1:]])])
    walls = weld(np.concatenate([corners[1:], halves]), np.r_[sides[1:], sides[[0, 0]]], NAMES)
    assert len(unpaired_edges(walls)) == 0
    assert len(walls.vertices) == 13
    assert walls.surface("low").volume_mm3 == pytest.approx(1)


def test_a_hole_is_refused_by_place_and_number():
    corners, sides = two_boxes()
    with pytest.raises(ComplexError, match=r"closed by shared walls, got 3 open edges, .* at \["):
        weld(corners[1:], sides[1:], NAMES)


def test_two_triangles_that_enclose_nothing_are_none():
    walls = weld(*two_boxes(), NAMES)
    flap = np.array([walls.triangles[0], walls.triangles[0][::-1]])
    more = WallComplex(
        walls.vertices,
        np.concatenate([walls.triangles[1:], [walls.triangles[0]], flap]),
        np.concatenate([walls.sides[1:], walls.sides[:1], [[1, 0], [1, 0]]]),
        NAMES,
    )
    clean = compact(more)
    assert len(clean.triangles) == len(walls.triangles)
    assert len(unpaired_edges(clean)) == 0


def test_boxes_that_touch_along_an_edge_are_pinched_there():
    low, beside = solid_shapes.box(), solid_shapes.box((1, 0, 1), (2, 1, 2))
    corners = np.concatenate([corners_of(low), corners_of(beside)])
    walls = weld(corners, np.tile([1, 0], (24, 1)), (EXTERIOR, "a"))
    (edge,) = pinched_edges(walls)["a"]
    assert len(unpaired_edges(walls)) == 0
    np.testing.assert_allclose(walls.vertices[edge][:, [0, 2]], 1)
    assert not pinched_edges(weld(*two_boxes(), NAMES))
