"""A volume comes back by a move too small to see, of bent walls only."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes

from atlas.mesh.solids.complexes import EXTERIOR, WallComplex
from atlas.mesh.solids.conserved_volume import bent_vertices, outlined_volume, restored_volume

WITHIN = np.array([False, True])


def outline(mesh):
    return WallComplex(mesh.vertices, mesh.faces, [[1, 0]] * len(mesh.faces), (EXTERIOR, "a"))


def test_the_volume_within_is_that_of_the_surface():
    assert outlined_volume(outline(solid_shapes.box((1, 2, 3), (2, 4, 6))), WITHIN) == (
        pytest.approx(6)
    )


def test_a_ball_gets_its_volume_back():
    walls = outline(solid_shapes.sphere(2.0))
    volume = 1.001 * outlined_volume(walls, WITHIN)
    again = restored_volume(walls, WITHIN, volume, drift=5e-7)
    assert outlined_volume(again, WITHIN) == pytest.approx(volume, rel=1e-12)
    moved = np.linalg.norm(again.vertices, axis=1) - np.linalg.norm(walls.vertices, axis=1)
    np.testing.assert_allclose(moved, 2.0 * (1.001 ** (1 / 3) - 1), rtol=0.02)


def test_flat_walls_and_their_corners_stay():
    walls = outline(solid_shapes.box())
    assert len(bent_vertices(walls, WITHIN)) == 0
    same = restored_volume(walls, WITHIN, 1.1, drift=5e-7)
    assert same.vertices.tobytes() == walls.vertices.tobytes()


def test_what_touches_a_wall_within_stays():
    ball = solid_shapes.sphere(2.0, subdivisions=2)
    inner = solid_shapes.sphere(1.0, subdivisions=1)
    faces = np.concatenate([ball.faces, inner.faces + len(ball.vertices)])
    sides = [[1, 0]] * len(ball.faces) + [[2, 1]] * len(inner.faces)
    points = np.concatenate([ball.vertices, inner.vertices])
    walls = WallComplex(points, faces, sides, (EXTERIOR, "a", "b"))
    within = np.array([False, True, True])
    again = restored_volume(walls, within, 1.01 * outlined_volume(walls, within), drift=5e-7)
    n = len(ball.vertices)
    np.testing.assert_array_equal(again.vertices[n:], walls.vertices[n:])
    assert (np.linalg.norm(again.vertices[:n], axis=1) > 2.0).all()


def test_a_wall_that_reaches_the_outline_stays_where_it_does():
    turns, n = np.radians(np.arange(0, 360, 30)), 12
    rings = [
        np.stack([np.cos(t) * np.cos(turns), np.cos(t) * np.sin(turns), np.full(n, np.sin(t))], 1)
        for t in np.radians([-60, -30, 0, 30, 60])
    ]
    points = np.concatenate([*rings, [[0, 0, -1.0], [0, 0, 1.0], [0, 0, 0]]])
    rows, sides = [], []
    for k in range(n):
        after = (k + 1) % n
        rows += [[60, after, k], [61, 48 + k, 48 + after], [62, 24 + k, 24 + after]]
        sides += [[1, 0], [2, 0], [1, 2]]
        for ring in range(4):
            a, b, c, d = (
                12 * ring + k,
                12 * ring + after,
                12 * ring + 12 + after,
                12 * ring + 12 + k,
            )
            rows += [[a, b, c], [a, c, d]]
            sides += [[1 if ring < 2 else 2, 0]] * 2
    walls = WallComplex(points, rows, sides, (EXTERIOR, "a", "b"))
    within = np.array([False, True, True])
    volume = 1.001 * outlined_volume(walls, within)
    again = restored_volume(walls, within, volume, drift=5e-7)
    assert outlined_volume(again, within) == pytest.approx(volume, rel=1e-12)
    np.testing.assert_array_equal(again.vertices[24:36], walls.vertices[24:36])
    assert (again.vertices[:24] != walls.vertices[:24]).any()
