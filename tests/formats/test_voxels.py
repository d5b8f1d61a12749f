"""Voxels inside a surface: against closed forms and against trimesh's own ray test."""

import numpy as np
import pytest
import solid_shapes
from scipy.spatial.transform import Rotation

from atlas.mesh.formats.nifti import Grid, filled, inside
from atlas.mesh.surfaces.named_surfaces import Mesh


def centres_inside(mesh, grid):
    whole = np.zeros(grid.shape, bool)
    box, mask = inside(mesh, grid)
    whole[box] = mask
    return whole


def grid_over(mesh, voxel_mm):
    return Grid.around(mesh.vertices.min(axis=0), mesh.vertices.max(axis=0), voxel_mm)


def centres(grid):
    axes = [o + grid.voxel_mm * np.arange(n) for o, n in zip(grid.origin, grid.shape, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def test_a_box_holds_the_centres_between_its_walls():
    grid = Grid((0.0, 0.0, 0.0), (6, 7, 8), 1.0)
    found = centres_inside(solid_shapes.box((0.5, 1.5, 2.5), (3.5, 4.5, 6.5)), grid)
    expected = np.zeros(grid.shape, bool)
    expected[1:4, 2:5, 3:7] = True
    np.testing.assert_array_equal(found, expected)


def test_walls_on_centres_are_taken_from_one_side_and_boxes_that_touch_share_no_voxel():
    grid = Grid((0.0, 0.0, 0.0), (8, 8, 8), 1.0)
    parts = [
        solid_shapes.box((x, y, z), (x + 2, y + 2, z + 2))
        for x in (1, 3)
        for y in (1, 3)
        for z in (1, 3)
    ]
    counts = sum(centres_inside(part, grid).astype(int) for part in parts)
    assert counts.max() == 1
    assert counts.sum() == 4**3


def test_a_sphere_holds_exactly_the_centres_within_its_facets():
    ball = solid_shapes.sphere(5.0, centre=(0.13, -0.21, 0.34), subdivisions=2)
    grid = grid_over(ball, 0.5)
    # A convex solid: inside is behind every face.
    normals, corner = ball.face_normals_mm2, ball.vertices[ball.faces[:, 0]]
    offsets = np.einsum("fj,fj->f", normals, corner)
    expected = (centres(grid) @ normals.T < offsets).all(axis=-1)
    np.testing.assert_array_equal(centres_inside(ball, grid), expected)


@pytest.mark.parametrize("seed", range(5))
def test_turning_a_solid_keeps_its_volume(seed):
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    mesh = solid_shapes.box((-3, -4, -5), (3, 4, 5))
    turned = Mesh(mesh.vertices @ turn.T + 0.017, mesh.faces)
    volume = centres_inside(turned, grid_over(turned, 0.2)).sum() * 0.2**3
    assert volume == pytest.approx(480, rel=0.005)


def test_a_wall_wound_inward_bounds_a_hollow():
    shell = solid_shapes.joined(
        solid_shapes.box((0, 0, 0), (9, 9, 9)),
        solid_shapes.inward(solid_shapes.box((3, 3, 3), (6, 6, 6))),
    )
    found = centres_inside(shell, Grid((0.5, 0.5, 0.5), (9, 9, 9), 1.0))
    assert found.sum() == 9**3 - 3**3
    assert not found[3:6, 3:6, 3:6].any()


def test_parts_that_overlap_count_once():
    two = solid_shapes.joined(
        solid_shapes.box((0, 0, 0), (4, 4, 4)), solid_shapes.box((2, 0, 0), (6, 4, 4))
    )
    assert centres_inside(two, Grid((0.5, 0.5, 0.5), (9, 9, 9), 1.0)).sum() == 6 * 4 * 4


def test_a_solid_beyond_the_grid_is_cut_at_its_edge():
    found = centres_inside(
        solid_shapes.box((-5.5,) * 3, (5.5,) * 3), Grid((0.0, 0.0, 0.0), (3, 9, 9), 1.0)
    )
    assert found.sum() == 3 * 6 * 6


def tube(radius, turn):
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)
    count = len(ring)
    ends = np.array([[0, 0, 0], [0, 0, 30.0]])
    vertices = np.concatenate([ring, ring + np.array([0, 0, 30]), ends]) @ turn.T
    a, b = np.arange(count), np.roll(np.arange(count), -1)
    bottom, top = np.full(count, 2 * count), np.full(count, 2 * count + 1)
    faces = [
        (a, b, b + count),
        (a, b + count, a + count),
        (b, a, bottom),
        (a + count, b + count, top),
    ]
    return Mesh(vertices, np.concatenate([np.stack(face, axis=1) for face in faces]))


@pytest.mark.parametrize("voxel_mm", [0.2, 0.3, 0.6])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_thin_tube_fills_its_volume_in_any_direction(voxel_mm, seed):
    turned = (
        Rotation.identity() if seed is None else Rotation.random(rng=np.random.default_rng(seed))
    )
    mesh = tube(0.5, turned.as_matrix())
    grid = grid_over(mesh, voxel_mm)
    box, mask = filled(mesh, grid)
    volume = mask.sum() * voxel_mm**3
    assert volume == pytest.approx(mesh.volume_mm3, rel=0.0051, abs=voxel_mm**3)
    # Every voxel taken touches the tube, and the tube is no thicker at one end.
    places = centres(grid)[box][mask] @ turned.as_matrix()
    assert np.linalg.norm(places[:, :2], axis=1).max() < 0.5 + np.sqrt(3) / 2 * voxel_mm
    assert places[:, 2].mean() == pytest.approx(15, abs=0.1 + 0.5 * voxel_mm)


def test_where_centres_have_the_volume_they_are_what_is_taken():
    ball = solid_shapes.sphere(5.0)
    grid = grid_over(ball, 0.3)
    np.testing.assert_array_equal(filled(ball, grid)[1], inside(ball, grid)[1])


def test_grid_has_its_centres_at_whole_voxels_and_a_margin():
    grid = Grid.around(np.array([0.1, -0.1, 5.0]), np.array([1.0, 0.2, 5.3]), 0.3, margin=1)
    np.testing.assert_allclose(np.array(grid.origin) / 0.3, [-1, -2, 15])
    assert grid.size == np.prod(grid.shape)
    assert (np.array(grid.origin) + 0.3 * (np.array(grid.shape) - 1) > [1.0, 0.2, 5.3]).all()
