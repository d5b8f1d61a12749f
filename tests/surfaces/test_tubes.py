"""Tubes: volume kept, rounded tips tangential, folds refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tube_shapes import cylinders, tapering

from atlas.mesh.surfaces.layout import TubeLayout, mesh_layout
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.mesh.surfaces.tubes import (
    FoldedTubeError,
    chord_excess,
    tube_about_curve,
    tube_through_rings,
)

DOWN, DORSAL = np.array([0, 0, -1.0]), np.array([0, 1.0, 0])


def about(points, radii=(0.5, 0.5), rings=40, around=6):
    layout = TubeLayout(tuple(np.linspace(0, 1, rings)), (around,) * rings)
    return tube_about_curve(points, radii, layout, name="root/L5/left", caudal=DOWN, dorsal=DORSAL)


@pytest.mark.parametrize("around", [6, 8, 24, 50])
def test_volume_of_a_straight_tube_is_that_of_the_cylinder(around):
    points = np.array([[0, 0, 0], [3, 0, -10], [6, 0, -20.0]])
    mesh = Mesh(*about(points, radii=(0.8, 0.8), around=around))
    length = np.linalg.norm(points[-1])
    assert mesh.volume_mm3 == pytest.approx(np.pi * 0.64 * length, rel=1e-12)


def test_vertices_stand_off_less_the_more_there_are():
    excess = [chord_excess(n) - 1 for n in (6, 12, 24, 48)]
    # Chords fall short of the circle with the square of their number.
    np.testing.assert_allclose(np.array(excess[:-1]) / excess[1:], 4, rtol=0.1)
    assert excess[0] == pytest.approx(0.0723, abs=1e-4)


def tip_of(anatomy):
    layout = mesh_layout(anatomy, edge_mm=0.25)["cord"]
    vertices, _ = tube_through_rings(anatomy.cord, layout)
    n_wall = sum(layout.around)
    cap = vertices[n_wall + sum(layout.rostral) + 1 :]
    starts = np.cumsum([0, *layout.tip.around])
    rings = [cap[a:b] for a, b in pairwise(starts)]
    wall = np.split(vertices[:n_wall], np.cumsum(layout.around)[:-1])
    return wall, rings, cap[-1]


def radius(ring):
    return np.linalg.norm((ring - ring.mean(axis=0))[:, :2], axis=1).mean()


@pytest.mark.slow
def test_conus_goes_on_along_its_taper_and_closes_across_its_axis():
    plain = cylinders()
    depth = np.linspace(0, 1, 40)[:, None, None]
    scale = np.concatenate([2 - 1.75 * depth, 2 - 1.75 * depth, 0 * depth + 14 / 120], axis=2)
    wall, rings, apex = tip_of(replace(plain, cord=plain.cord * scale))
    drop = [ring[:, 2].mean() for ring in (*wall[-3:], *rings)] + [apex[2]]
    wide = [radius(ring) for ring in (*wall[-3:], *rings)] + [0.0]
    turn = np.degrees(np.arctan2(np.diff(wide), np.diff(drop)))
    # From the wall's own slope the profile turns evenly to the horizontal, without a corner.
    bends = np.diff(np.unwrap(turn, period=360))
    bends *= np.sign(bends.sum())
    assert bends.min() > -0.5
    assert bends.max() < 25
    assert abs(abs(turn[-1]) - 90) < 12
    assert turn[0] == pytest.approx(turn[1], abs=0.5)
    np.testing.assert_allclose(apex[:2], 0, atol=1e-9)


def test_conus_adds_little():
    anatomy = tapering(tip_mm=0.6)
    wall, _, apex = tip_of(anatomy)
    added = anatomy.cord[-1, :, 2].mean() - apex[2]
    assert 0 < added <= 0.61
    assert Mesh(
        *tube_through_rings(anatomy.cord, mesh_layout(anatomy)["cord"])
    ).volume_mm3 == pytest.approx(np.pi * np.trapezoid(*profile(anatomy)), rel=2e-3)
    assert wall[-1][:, 2].mean() == pytest.approx(-120)


def profile(anatomy):
    z = np.linspace(0, 1, 40001)
    narrow = np.clip((1 - z) / 0.35, 0, 1) * (1 - 0.15) + 0.15
    return (4 * narrow) ** 2, 120 * z


def test_tube_thicker_than_its_bend_is_refused_with_its_place():
    angle = np.linspace(0, np.pi, 30)
    points = np.stack([0.7 * np.sin(angle), 0 * angle, 0.7 * np.cos(angle)], axis=1)
    assert Mesh(*about(points, radii=(0.5, 0.5), rings=12)).volume_mm3 > 0
    text = r"^root/L5/left: .* a bend of radius 0\.\d+ mm at \(.*smaller root_radius_mm, or smooth"
    with pytest.raises(FoldedTubeError, match=text):
        about(points, radii=(0.8, 0.8), rings=12)


def test_only_the_thick_end_of_a_taper_can_be_too_thick():
    angle = np.linspace(0, np.pi / 2, 30)
    bend = np.stack([1 - np.cos(angle), 0 * angle, -10 - np.sin(angle)], axis=1)
    straight = np.stack([0 * angle, 0 * angle, -np.linspace(0, 9.9, 30)], axis=1)
    points = np.concatenate([straight, bend])
    assert Mesh(*about(points, radii=(1.2, 0.3))).volume_mm3 > 0
    with pytest.raises(FoldedTubeError):
        about(points, radii=(0.3, 1.6))
