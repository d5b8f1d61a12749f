"""What a change of a patch is made of."""

from __future__ import annotations

from atlas.mesh.solids.options import runs_along, with_vertex


def test_a_triangle_runs_along_its_edges_one_way():
    assert runs_along((3, 5, 9), 9, 3)
    assert not runs_along((3, 5, 9), 3, 9)
    assert not runs_along(None, 3, 9)


def test_a_vertex_is_exchanged_where_it_stands():
    assert with_vertex((3, 5, 9), 5, 7) == (3, 7, 9)
