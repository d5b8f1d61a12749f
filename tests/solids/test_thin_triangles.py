"""Thin triangles go, and the volume within an outline stays."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes
from test_regions import space

from atlas.mesh.solids.complexes import EXTERIOR, WallComplex, unpaired_edges
from atlas.mesh.solids.intersections import self_intersections
from atlas.mesh.solids.regions import Cutter, cut
from atlas.mesh.solids.remeshing import GOOD
from atlas.mesh.solids.thin_triangles import (
    bent_vertices,
    outlined_volume,
    restored_volume,
    without_thin_triangles,
)
from atlas.mesh.surfaces.named_surfaces import Mesh

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


def shapes(walls):
    """By another formula than the module's: from the lengths of edges, after Heron."""
    corners = walls.vertices[walls.triangles]
    a, b, c = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2).T
    s = (a + b + c) / 2
    area = np.sqrt(np.maximum(s * (s - a) * (s - b) * (s - c), 0))
    return 4 * np.sqrt(3) * area / (a**2 + b**2 + c**2)


def ball(name, centre):
    mesh = solid_shapes.sphere(2.0, centre, subdivisions=3)
    return Cutter(name, mesh, {"in": name, "out": name + "/outside"})


@pytest.fixture(scope="module")
def cut_balls():
    """Two balls that overlap, one of them through the wall: curves with slivers along them."""
    return cut(space(), [ball("a", (5, 5, 8.87)), ball("b", (6.3, 5.2, 6.9))])


@pytest.mark.slow
def test_thin_triangles_get_fewer_and_the_worst_better(cut_balls):
    clean = without_thin_triangles(cut_balls)
    before, after = shapes(cut_balls), shapes(clean)
    assert (before < GOOD).sum() > 50
    assert (after < GOOD).sum() < 0.4 * (before < GOOD).sum()


@pytest.mark.slow
def test_regions_stay_closed_and_untangled(cut_balls):
    clean = without_thin_triangles(cut_balls)
    assert clean.regions == cut_balls.regions
    assert len(unpaired_edges(clean)) == 0
    assert len(self_intersections(clean.vertices, clean.triangles)) == 0
    for name in clean.regions:
        whole = cut_balls.surface(name).volume_mm3
        assert clean.surface(name).volume_mm3 == pytest.approx(whole, rel=5e-3)


@pytest.mark.slow
def test_the_volume_within_the_outline_stays(cut_balls):
    within = np.array([n not in ("",) and "outside" not in n for n in cut_balls.names])
    clean = without_thin_triangles(cut_balls, outline=within)
    total = sum(clean.surface(n).volume_mm3 for n in clean.regions if "outside" not in n)
    assert total == pytest.approx(1000, rel=1e-6)


def test_flat_walls_stay_flat_where_curves_on_them_move(cut_balls):
    within = np.array([n not in ("",) and "outside" not in n for n in cut_balls.names])
    clean = without_thin_triangles(cut_balls, outline=within)
    of_outline = within[clean.sides[:, 0]] != within[clean.sides[:, 1]]
    points = clean.vertices[np.unique(clean.triangles[of_outline])]
    off = np.minimum(np.abs(points), np.abs(points - 10)).min(axis=1)
    assert off.max() < 1e-6


def test_a_box_keeps_its_corners():
    fine = solid_shapes.box((2, 2, 2), (3, 3, 3))
    middle = fine.vertices[fine.faces[0, 0]] * 0.99 + fine.vertices[fine.faces[0, 1]] * 0.01
    edge = set(fine.faces[0, :2].tolist())
    rows = []
    for t in fine.faces.tolist():
        rows += _halved(t, edge, len(fine.vertices)) if edge <= set(t) else [t]
    mesh = Mesh(np.vstack([fine.vertices, middle]), rows)
    walls = cut(space(), [Cutter("a", mesh, {"in": "a", "out": "a"})])
    clean = without_thin_triangles(walls)
    assert len(walls.vertices) == len(clean.vertices) + 1
    assert clean.surface("a").volume_mm3 == pytest.approx(1, rel=1e-12)


def _halved(t, edge, middle):
    k = next(k for k in range(3) if {t[k], t[(k + 1) % 3]} == edge)
    a, b, c = t[k], t[(k + 1) % 3], t[(k + 2) % 3]
    return [[a, middle, c], [middle, b, c]]
