"""Containers fit together face to face and hold known volumes."""

from __future__ import annotations

import numpy as np
import pytest
import tube_shapes

from atlas.mesh.solids.complexes import unpaired_edges
from atlas.mesh.solids.envelopes import containers
from atlas.mesh.solids.regions import cut
from atlas.mesh.surfaces.layout import mesh_layout
from atlas.mesh.surfaces.named_surfaces import surfaces


@pytest.fixture(scope="module")
def sac():
    anatomy = tube_shapes.cylinders()
    layout = mesh_layout(anatomy, edge_mm=1.5)
    return surfaces(anatomy, layout=layout)["dura"], layout["dura"]


def made(sac, **options):
    mesh, layout = sac
    return cut(containers(mesh, layout, reach=mesh.vertices, **options), [])


def test_a_sac_alone_is_one_region(sac):
    walls = made(sac)
    assert walls.regions == ("csf",)
    assert walls.surface("csf").volume_mm3 == pytest.approx(sac[0].volume_mm3)


def test_a_shell_has_the_volume_between_two_cylinders(sac):
    walls = made(sac, dura_thickness_mm=0.3)
    expected = np.pi * (9.3**2 - 9**2) * tube_shapes.HEIGHT
    assert walls.surface("dura").volume_mm3 == pytest.approx(expected, rel=5e-3)
    assert walls.surface("csf").volume_mm3 == pytest.approx(sac[0].volume_mm3)
    assert len(unpaired_edges(walls)) == 0


def test_a_shell_ends_in_the_planes_of_the_sac(sac):
    height = made(sac, dura_thickness_mm=0.3).surface("dura").vertices[:, 2]
    assert height.min() == pytest.approx(-tube_shapes.HEIGHT)
    assert height.max() == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_what_lies_around_keeps_its_distance(sac):
    walls = made(sac, dura_thickness_mm=0.3, outer_margin_mm=6.0)
    outer = walls.surface("outer")
    radius = np.hypot(*outer.vertices[:, :2].T)
    assert outer.vertices[:, 2].max() == pytest.approx(6.0)
    assert radius.max() >= 15
    assert len(unpaired_edges(walls)) == 0
    whole = sum(walls.surface(n).volume_mm3 for n in walls.regions)
    edge = np.pi * radius.max() ** 2 * (tube_shapes.HEIGHT + 12)
    assert whole == pytest.approx(edge, rel=0.02)
