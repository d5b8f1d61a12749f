"""Slivers go; regions, volumes and the sharing of walls stay."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes
from test_regions import space

from atlas.mesh.solids.complexes import unpaired_edges
from atlas.mesh.solids.intersections import self_intersections
from atlas.mesh.solids.patchwork import GOOD
from atlas.mesh.solids.regions import Cutter, cut
from atlas.mesh.solids.thin_triangles import without_slivers
from atlas.mesh.surfaces.named_surfaces import Mesh


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
    clean = without_slivers(cut_balls)
    before, after = shapes(cut_balls), shapes(clean)
    assert (before < GOOD).sum() > 50
    assert (after < GOOD).sum() < 0.4 * (before < GOOD).sum()


@pytest.mark.slow
def test_regions_stay_closed_and_untangled(cut_balls):
    clean = without_slivers(cut_balls)
    assert clean.regions == cut_balls.regions
    assert len(unpaired_edges(clean)) == 0
    assert len(self_intersections(clean.vertices, clean.triangles)) == 0
    for name in clean.regions:
        whole = cut_balls.surface(name).volume_mm3
        assert clean.surface(name).volume_mm3 == pytest.approx(whole, rel=5e-3)


@pytest.mark.slow
def test_the_volume_within_the_outline_stays(cut_balls):
    within = np.array([n not in ("",) and "outside" not in n for n in cut_balls.names])
    clean = without_slivers(cut_balls, outline=within)
    total = sum(clean.surface(n).volume_mm3 for n in clean.regions if "outside" not in n)
    assert total == pytest.approx(1000, rel=1e-6)


def test_flat_walls_stay_flat_where_curves_on_them_move(cut_balls):
    within = np.array([n not in ("",) and "outside" not in n for n in cut_balls.names])
    clean = without_slivers(cut_balls, outline=within)
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
    clean = without_slivers(walls)
    assert len(walls.vertices) == len(clean.vertices) + 1
    assert clean.surface("a").volume_mm3 == pytest.approx(1, rel=1e-12)


def _halved(t, edge, middle):
    k = next(k for k in range(3) if {t[k], t[(k + 1) % 3]} == edge)
    a, b, c = t[k], t[(k + 1) % 3], t[(k + 2) % 3]
    return [[a, middle, c], [middle, b, c]]
