"""What is prolonged, how far, and that nothing annotated moves."""

from __future__ import annotations

import cylinders
import numpy as np
import pytest
from cylinders import CORD_MM, CORD_OFF_MM

from atlas.data.subject import LEVELS
from atlas.landmarks.scheme import block_name
from atlas.mesh.solids.extension import ABOVE_MM, BELOW_MM, TAPER, prolonged

RADII = dict.fromkeys(LEVELS, (0.5, 0.5))


@pytest.fixture(scope="module")
def anatomy():
    return cylinders.make_anatomy()


@pytest.fixture(scope="module")
def longer(anatomy):
    return prolonged(anatomy, radii=RADII)


def off_cord(points):
    """Distance (n,) from the cylinder that is the cord."""
    return np.hypot(points[..., 0], points[..., 1] + CORD_OFF_MM) - CORD_MM


def test_every_annotated_point_stays(anatomy, longer):
    np.testing.assert_array_equal(longer.anatomy.dura, anatomy.dura)
    np.testing.assert_array_equal(longer.anatomy.cord[-len(anatomy.cord) :], anatomy.cord)
    for key, points in anatomy.roots.items():
        np.testing.assert_array_equal(longer.anatomy.roots[key][-len(points) :], points)


def test_the_cord_stands_out_of_the_top_by_its_own_steps(anatomy, longer):
    added = longer.anatomy.cord[: -len(anatomy.cord)]
    assert added[..., 2].min() > 0
    assert added[0, :, 2].min() >= ABOVE_MM
    np.testing.assert_allclose(off_cord(added), 0, atol=1e-9)


def test_a_stub_ends_a_radius_and_more_below_the_cords_surface(longer):
    for points in longer.anatomy.roots.values():
        assert off_cord(points[0]) < -0.5


def test_a_stub_leaves_along_the_root_and_never_bends_tighter_than_its_radius(anatomy, longer):
    for key, points in anatomy.roots.items():
        line = longer.anatomy.roots[key]
        stub = line[: len(line) - len(points) + 1]
        turns = np.diff(stub, axis=0)
        turns /= np.linalg.norm(turns, axis=1, keepdims=True)
        first = (points[1] - points[0]) / np.linalg.norm(points[1] - points[0])
        assert turns[-1] @ first > 0.9
        bend = np.arccos(np.clip((turns[1:] * turns[:-1]).sum(axis=1), -1, 1))
        step = np.linalg.norm(np.diff(stub, axis=0), axis=1)
        assert (step[1:] / bend).min() > 2 * 0.5


def test_gaps_are_distances_from_the_cylinder(anatomy, longer):
    for key, points in anatomy.roots.items():
        found = longer.begin_gap_mm[block_name(key)]
        assert found == pytest.approx(off_cord(points[0]), abs=0.05)


def test_the_sac_goes_on_below_the_lowest_ganglion_and_tapers(anatomy):
    found = prolonged(anatomy, radii=RADII, extend_sac=True)
    lowest = min(g[2] for g in anatomy.ganglia.values())
    end = anatomy.dura[-1, 0, 2]
    assert found.sac_mm == pytest.approx(max(end - lowest, 0) + BELOW_MM)
    rings = found.anatomy.dura[len(anatomy.dura) :]
    width = np.ptp(rings[..., 0], axis=1) / np.ptp(anatomy.dura[-1, :, 0])
    assert (np.diff(width) < 0).all()
    assert width[-1] == pytest.approx(TAPER)
    assert width[0] > 0.85


def test_a_stated_length_is_kept(anatomy):
    found = prolonged(anatomy, radii=RADII, extend_sac=30.0)
    assert found.sac_mm == 30
    assert np.ptp(found.anatomy.dura[..., 2]) == pytest.approx(np.ptp(anatomy.dura[..., 2]) + 30)


def test_moving_the_anatomy_moves_what_is_added(anatomy):
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    shift = np.array([10.0, -20.0, 30.0])
    moved = prolonged(anatomy.moved(turn, shift), radii=RADII, extend_sac=40.0).anatomy
    there = prolonged(anatomy, radii=RADII, extend_sac=40.0).anatomy.moved(turn, shift)
    np.testing.assert_allclose(moved.dura, there.dura, atol=1e-9)
    np.testing.assert_allclose(moved.cord, there.cord, atol=1e-9)
    for key, points in there.roots.items():
        np.testing.assert_allclose(moved.roots[key], points, atol=1e-9)
