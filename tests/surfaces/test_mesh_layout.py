"""Layouts: what they promise about edges, what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from mesh_quality import mesh_quality
from tube_shapes import cylinders, irregular, tapering, tube

from atlas.mesh.surfaces.layout import LayoutError, MeshLayout, TipLayout, TubeLayout, mesh_layout
from atlas.mesh.surfaces.named_surfaces import surfaces


@pytest.mark.slow
@pytest.mark.parametrize("edge", [0.6, 1.0, 2.0])
def test_edges_are_as_long_as_was_asked_for(edge):
    bare = replace(irregular(), roots={}, ganglia={})
    found = mesh_quality(surfaces(bare, edge_mm=edge)["dura"])
    assert found.edge_median_mm == pytest.approx(edge, rel=0.08)
    assert found.edge_p99_mm < 1.5 * edge


def test_counts_say_what_the_surfaces_hold():
    anatomy = irregular()
    layout = mesh_layout(anatomy)
    built = surfaces(anatomy, layout=layout)
    assert layout.n_faces == sum(len(mesh.faces) for mesh in built.values())
    for name, mesh in built.items():
        assert (layout[name].n_vertices, layout[name].n_faces) == (
            len(mesh.vertices),
            len(mesh.faces),
        )


def test_cord_has_fewer_vertices_around_towards_the_conus_and_no_tiny_edges():
    anatomy = tapering()
    layout = mesh_layout(anatomy)["cord"]
    assert layout.around[0] == 26
    assert layout.around[-1] == 8
    assert all(a >= b for a, b in zip(layout.around, layout.around[1:], strict=False))
    found = mesh_quality(surfaces(anatomy)["cord"])
    assert found.edge_min_mm > 0.3
    assert found.angle_min_deg > 33
    assert found.angle_p1_deg > 40


def test_thicker_roots_have_more_sides():
    layout = mesh_layout(cylinders(), root_radius_mm=2.0)
    assert set(layout["root/L3/left"].around) == {12}
    levels = dict.fromkeys(("L1", "L2", "L3", "L4", "L5", "S2"), 0.5) | {"S1": (0.5, 2.5)}
    around = mesh_layout(cylinders(), root_radius_mm=levels)["root/S1/left"].around
    assert (around[0], around[-1]) == (6, 16)


def test_layout_moves_with_nothing():
    anatomy = irregular()
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    one, other = mesh_layout(anatomy), mesh_layout(anatomy.moved(turn, np.array([5, 6, -700.0])))
    for name, tube_layout in one.tubes.items():
        assert other[name].around == tube_layout.around
        np.testing.assert_allclose(other[name].places, tube_layout.places, atol=1e-9)


@pytest.mark.parametrize("edge", [0, -1, float("nan"), float("inf")])
def test_edge_that_is_no_length_is_refused(edge):
    with pytest.raises(LayoutError, match="edge_mm: expected a length above 0 mm, got"):
        mesh_layout(cylinders(), edge_mm=edge)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"places": (0.0, 0.5), "around": (8, 8)}, "places: expected shares that rise from 0 to 1"),
        ({"places": (0.0, 0.7, 0.5, 1.0), "around": (8,) * 4}, "places: expected shares"),
        ({"places": (0.0, 1.0), "around": (8, 7)}, r"even number of at least 6 .*got \(8, 7\)"),
        ({"places": (0.0, 1.0), "around": (8,)}, "for each of 2 rings"),
        (
            {"places": (0.0, 1.0), "around": (8, 8), "tip": TipLayout((0.5,), (4,), 0.01)},
            r"got \(8, 8, 4\)",
        ),
    ],
)
def test_impossible_rings_are_refused(options, text):
    with pytest.raises(LayoutError, match=text):
        TubeLayout(**options)


def test_structure_that_is_not_there_is_named():
    layout = MeshLayout(1.0, {"dura": TubeLayout((0.0, 1.0), (8, 8))})
    with pytest.raises(LayoutError, match=r"^cord: expected .* one of \['dura'\]; make the layout"):
        layout["cord"]


def test_short_and_wide_is_laid_out_too():
    anatomy = replace(
        cylinders(),
        dura=tube(4, 32, semi_axes=(9, 9), height=3.0),
        cord=tube(4, 24, semi_axes=(4, 4), height=2.0),
    )
    found = mesh_quality(surfaces(anatomy)["dura"])
    assert found.watertight
    assert found.euler_number == 2
