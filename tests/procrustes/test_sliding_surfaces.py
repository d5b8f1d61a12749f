"""Curves and surfaces to slide on: places and points, tangents, order under any step."""

import numpy as np
import pytest

from atlas.data.subject import RootKey
from atlas.landmarks.fitting_curves import fit_subject
from atlas.landmarks.scheme import Block
from atlas.procrustes.sliding_surfaces import LEAST_SPACING, RootCarrier, TubeCarrier


@pytest.fixture(scope="module")
def fitted(subject):
    return fit_subject(subject, dura_around=8, cord_around=8)


@pytest.fixture(scope="module")
def root(fitted):
    return RootCarrier(fitted.roots[RootKey("L4", "left")], 9)


@pytest.fixture(scope="module")
def sac(fitted):
    return TubeCarrier(fitted.dura, Block("dura", "tube", 12, 8), apex=True)


def even(carrier):
    """Parameters of landmarks at equal spacing."""
    if isinstance(carrier, RootCarrier):
        return np.stack([np.linspace(0, carrier.root.lengths[-1], 9), np.zeros(9)], axis=1)
    heights = np.linspace(*carrier.tube.heights[[0, -1]], carrier.block.levels)
    grid = np.meshgrid(heights, np.arange(float(carrier.block.around)), indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 2)


@pytest.fixture(scope="module", params=["root", "sac"])
def carrier(request):
    return request.getfixturevalue(request.param)


def somewhere(carrier, seed=0):
    """Parameters off the knots, in order."""
    step = np.random.default_rng(seed).normal(size=(len(carrier.free), 2)) * carrier.free
    return even(carrier) + carrier.limited(even(carrier), step)


def test_points_are_located_where_they_stand(carrier):
    places = somewhere(carrier)
    found = carrier.locate(carrier.points(places))
    np.testing.assert_allclose(found[:, 0], places[:, 0], atol=1e-8)
    around = carrier.block.around if isinstance(carrier, TubeCarrier) else 1
    apart = np.mod(found[:, 1] - places[:, 1] + around / 2, around) - around / 2
    np.testing.assert_allclose(apart, 0, atol=1e-8)


def test_the_surface_runs_through_the_rings_that_were_placed(sac, fitted):
    rings = fitted.dura.rings(np.linspace(0, fitted.dura.length_mm, 12))
    np.testing.assert_allclose(sac.points(sac.locate(rings.reshape(-1, 3))), rings.reshape(-1, 3))


def test_tangents_are_the_derivative_of_the_points(carrier):
    places, change = somewhere(carrier), 1e-3
    for parameter, direction in enumerate(np.eye(2)):
        inside = carrier.free[:, parameter]
        ahead, behind = (carrier.points(places + s * change * direction) for s in (1, -1))
        np.testing.assert_allclose(
            carrier.tangents(places)[inside, parameter],
            ((ahead - behind) / (2 * change))[inside],
            atol=0.01,
        )


@pytest.mark.parametrize("seed", range(5))
def test_any_step_keeps_the_order_of_neighbours_and_what_stays(carrier, seed):
    wild = 200 * np.random.default_rng(seed).normal(size=(len(carrier.free), 2)) * carrier.free
    places = even(carrier)
    for _ in range(3):
        step = carrier.limited(places, wild)
        np.testing.assert_array_equal(step[~carrier.free], 0)
        places = places + step
    if isinstance(carrier, TubeCarrier):
        grid = places.reshape(12, 8, 2)
        turn = np.mod(np.roll(grid[..., 1], -1, axis=1) - grid[..., 1], 8)
        np.testing.assert_allclose(turn.sum(axis=1), 8)
        assert turn.min() > 0.99 * LEAST_SPACING
        along = np.diff(grid[..., 0], axis=0)
    else:
        along = np.diff(places[:, :1], axis=0)
    assert along.min() > 0.99 * LEAST_SPACING * along.mean()


def test_a_row_that_moves_together_is_not_held_back(root):
    places = even(root)
    step = np.zeros_like(places)
    step[3:7, 0] = 0.9 * (places[1, 0] - places[0, 0])
    np.testing.assert_allclose(root.limited(places, step), step, atol=1e-12)


def test_landmarks_that_would_pass_each_other_meet_half_way(root):
    places = even(root)
    spacing = places[1, 0]
    step = np.zeros_like(places)
    step[3, 0], step[4, 0] = 2 * spacing, -2 * spacing
    after = (places + root.limited(places, step))[:, 0]
    assert after[3:5].mean() == pytest.approx(3.5 * spacing)
    assert after[4] - after[3] == pytest.approx(LEAST_SPACING * spacing)


def test_a_missing_landmark_leaves_the_others_in_order(root):
    places = even(root)
    places[4] = np.nan
    step = np.zeros_like(places)
    step[3, 0] = 1e3
    given = root.limited(places, step)
    assert given[4, 0] == 0
    after = np.delete(places + given, 4, axis=0)[:, 0]
    assert (np.diff(after) > 0).all() and given[3, 0] > places[1, 0]
