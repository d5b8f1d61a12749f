"""Who is beside whom, and which changes belong together."""

from __future__ import annotations

import numpy as np
import solid_shapes
from test_patchwork import ball, patch_of, pinched

from atlas.mesh.solids.complexes import EXTERIOR, WallComplex


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
