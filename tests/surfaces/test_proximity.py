"""Distances from surfaces, held against every triangle in turn and against libigl."""

from __future__ import annotations

import igl
import numpy as np
import pytest
import trimesh

from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.mesh.surfaces.proximity import distance_to_surface, points_on_surface


def sphere(radius=10.0, subdivisions=3):
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(made.vertices, made.faces)


def box(size=10.0):
    made = trimesh.creation.box((size, size, size))
    return Mesh(made.vertices, made.faces)


def test_the_distance_from_a_box_is_known():
    points = np.array([[0, 0, 8], [8, 8, 0], [8, 8, 8], [0, 0, 0], [0, 0, 5.0]])
    expected = [3, 3 * np.sqrt(2), 3 * np.sqrt(3), 5, 0]
    np.testing.assert_allclose(distance_to_surface(points, box()), expected, atol=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_triangles_of_any_size_give_the_distance_every_triangle_in_turn_gives(seed):
    rng = np.random.default_rng(seed)
    # Reaches over four orders of magnitude: long slivers and specks.
    size = 10.0 ** rng.uniform(-2, 2, (300, 1, 1))
    corners = rng.normal(size=(300, 1, 3)) * 20 + size * rng.normal(size=(300, 3, 3))
    mesh = Mesh(corners.reshape(-1, 3), np.arange(900).reshape(-1, 3))
    points = rng.normal(size=(200, 3)) * 40
    repeated = np.repeat(points, 300, axis=0)
    closest = trimesh.triangles.closest_point(np.tile(corners, (200, 1, 1)), repeated)
    each = np.linalg.norm(closest - repeated, axis=1).reshape(200, 300).min(axis=1)
    np.testing.assert_allclose(distance_to_surface(points, mesh), each, atol=1e-12)
    by_igl = np.sqrt(igl.point_mesh_squared_distance(points, mesh.vertices, mesh.faces)[0])
    np.testing.assert_allclose(distance_to_surface(points, mesh), by_igl, atol=1e-9)


def test_triangles_without_area_are_left_out():
    mesh = box()
    with_speck = Mesh(mesh.vertices, [*mesh.faces, [0, 0, 0], [0, 1, 1]])
    points = points_on_surface(sphere(), 50)
    np.testing.assert_array_equal(
        distance_to_surface(points, with_speck), distance_to_surface(points, mesh)
    )
    with pytest.raises(ValueError, match="expected a surface, got no triangle with an area"):
        distance_to_surface(points, Mesh(mesh.vertices, [[0, 0, 0]]))


def test_points_lie_on_the_surface_as_dense_everywhere():
    mesh = box()
    points = points_on_surface(mesh, 6000)
    np.testing.assert_allclose(distance_to_surface(points, mesh), 0, atol=1e-12)
    on_side = [np.isclose(points[:, axis], side).sum() for axis in range(3) for side in (-5, 5)]
    # Twelve triangles of equal area: 500 each, but for the points that fall on their borders.
    assert on_side == pytest.approx([1000] * 6, abs=2)
    quarter = (points[:, :2] > 0).all(axis=1).sum()
    assert quarter == pytest.approx(1500, abs=100)


def test_the_same_seed_gives_the_same_points():
    np.testing.assert_array_equal(points_on_surface(box(), 9), points_on_surface(box(), 9))
    assert (points_on_surface(box(), 9) != points_on_surface(box(), 9, seed=1)).any()
