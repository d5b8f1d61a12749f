"""Space cut by closed surfaces: known volumes, precedence, shared walls."""

from __future__ import annotations

import numpy as np
import pytest
import solid_shapes

from atlas.mesh.solids.complexes import EXTERIOR, unpaired_edges
from atlas.mesh.solids.regions import Container, Cutter, RegionError, cut, overlap_mm3
from atlas.mesh.surfaces.named_surfaces import Mesh


def space(low=(0, 0, 0), high=(10, 10, 10)):
    """A box, and a far larger one around it."""
    inner, far = solid_shapes.box(low, high), solid_shapes.box((-50,) * 3, (60,) * 3)
    faces = inner.faces.astype(int)
    return {
        "in": Container("fluid", inner.vertices, {"wall": faces}, {"wall": "out"}),
        "out": Container(
            EXTERIOR,
            np.concatenate([inner.vertices, far.vertices]),
            {"wall": faces[:, ::-1], "far": far.faces.astype(int) + len(inner.vertices)},
            {"far": EXTERIOR},
        ),
    }


def bar(name, low, high):
    return Cutter(name, solid_shapes.box(low, high), {"in": name, "out": name + "/outside"})


def volumes(walls):
    return {name: walls.surface(name).volume_mm3 for name in walls.regions}


def test_a_bar_through_the_wall_has_a_part_on_each_side():
    walls = cut(space(), [bar("a", (4.1, 4.2, 5), (5.1, 5.2, 14))])
    assert volumes(walls) == pytest.approx({"fluid": 995, "a": 5, "a/outside": 4})
    assert len(unpaired_edges(walls)) == 0


def test_an_earlier_cutter_keeps_what_a_later_one_overlaps():
    one, other = bar("a", (2, 2, 2), (4, 4, 4)), bar("b", (3.1, 2.9, 3.05), (5, 5, 5))
    shared = 0.9 * 1.1 * 0.95
    first = volumes(cut(space(), [one, other]))
    assert first == pytest.approx({"fluid": 1000 - 8 - 1.9 * 2.1 * 1.95 + shared, "a": 8,
                                   "b": 1.9 * 2.1 * 1.95 - shared})  # fmt: skip
    assert volumes(cut(space(), [other, one]))["a"] == pytest.approx(8 - shared)
    assert overlap_mm3(one.mesh, other.mesh) == pytest.approx(shared)


def test_three_that_overlap_each_other_and_the_wall_still_close():
    bars = [
        bar("a", (3, 3, 3), (7, 7, 13)),
        bar("b", (5.3, 2.1, 4.2), (9, 6.4, 12)),
        bar("c", (2.2, 4.7, 6.6), (8.3, 8.8, 14)),
    ]
    walls = cut(space(), bars)
    found = volumes(walls)
    inside = sum(v for name, v in found.items() if not name.endswith("outside"))
    assert inside == pytest.approx(1000, rel=1e-9)
    assert len(unpaired_edges(walls)) == 0


def test_an_open_surface_is_refused_by_name():
    whole = solid_shapes.box((2, 2, 2), (3, 3, 3))
    hole = Cutter("a", Mesh(whole.vertices, whole.faces[1:]), {"in": "a", "out": "a"})
    with pytest.raises(RegionError, match="a: expected a closed surface, outward, got NotManifold"):
        cut(space(), [hole])


def test_a_surface_turned_inside_out_is_refused_by_name():
    turned = solid_shapes.inward(solid_shapes.box((2, 2, 2), (3, 3, 3)))
    with pytest.raises(RegionError, match="a: expected a closed surface, outward, got NoError"):
        cut(space(), [Cutter("a", turned, {"in": "a", "out": "a"})])
