"""Moving a vertex: what it betters, and what it leaves where it is."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes
from test_patchwork import patch_of

from atlas.mesh.solids.complexes import EXTERIOR, WallComplex, unpaired_edges
from atlas.mesh.solids.relocation import relocated


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
