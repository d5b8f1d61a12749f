from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.data.ordering import _nearest_neighbour, order_along_root, order_dense_points

# A root runs down, bends back up over three slices and runs down again: height cannot order it.
BENDS_BACK = np.array(
    [[0, 0, -2 * i] for i in range(8)]
    + [[3, 0, -12], [6, 0, -10], [9, 0, -8], [12, 0, -10]]
    + [[12, 0, -12 - 2 * i] for i in range(6)],
    dtype=float,
)


def open_length(points):
    return np.linalg.norm(np.diff(points, axis=0), axis=1).sum()


def test_points_that_ascend_are_turned_round():
    ascending = np.array([[0, 0, z] for z in (-8, -6, -4, -2, 0)], dtype=float)
    np.testing.assert_array_equal(order_along_root(ascending), [4, 3, 2, 1, 0])


def test_points_that_descend_stay():
    descending = np.array([[0, 0, z] for z in (0, -2, -4, -6, -8)], dtype=float)
    np.testing.assert_array_equal(order_along_root(descending), np.arange(5))


def test_two_points_out_of_order_are_put_back():
    points = np.array([[0, 0, z] for z in (0, -2, -6, -4, -8, -10)], dtype=float)
    np.testing.assert_array_equal(order_along_root(points), [0, 1, 3, 2, 4, 5])


def test_the_specimen_that_bends_back_is_not_ordered_by_height():
    by_height = BENDS_BACK[np.argsort(-BENDS_BACK[:, 2], kind="stable")]
    assert open_length(by_height) > 1.5 * open_length(BENDS_BACK)


@pytest.mark.parametrize("seed", range(20))
def test_a_root_that_bends_back_keeps_its_continuity_however_its_points_are_shuffled(seed):
    shuffled = np.random.default_rng(seed).permutation(len(BENDS_BACK))
    order = order_along_root(BENDS_BACK[shuffled])
    np.testing.assert_array_equal(shuffled[order], np.arange(len(BENDS_BACK)))


def test_points_at_one_height_follow_each_other_along_the_root():
    shelf = np.array([[0, 0, 0], [0, 0, -2], [4, 0, -2], [2, 0, -2], [6, 0, -4]], dtype=float)
    np.testing.assert_array_equal(order_along_root(shelf), [0, 1, 3, 2, 4])


def test_the_rostral_end_comes_first_though_the_root_rises_above_it_midway():
    hook = np.array([[0, 0, 0], [1, 0, 2], [3, 0, 2], [4, 0, 0], [5, 0, -2]], dtype=float)
    np.testing.assert_array_equal(order_along_root(hook[::-1]), [4, 3, 2, 1, 0])


@pytest.mark.parametrize("seed", range(20))
def test_a_root_that_first_rises_is_ordered_though_it_begins_at_neither_its_top_nor_bottom(seed):
    rise = [[0, 0, -8], [1, 0, -6], [2, 0, -4], [3, 0, -2], [5, 0, 0], [8, 0, -1]]
    fall = [[9, 0, -3 - 2 * i] for i in range(8)]
    points = np.array(rise + fall, dtype=float)
    shuffled = np.random.default_rng(seed).permutation(len(points))
    order = order_along_root(points[shuffled])
    np.testing.assert_array_equal(shuffled[order], np.arange(len(points)))


steps = st.lists(
    st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(1.8, 2.0)),
    min_size=4,
    max_size=40,
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(steps=steps, seed=st.integers(0, 2**16))
def test_a_root_that_runs_down_is_ordered_by_height_from_any_order(steps, seed):
    points = np.cumsum(np.array(steps) * [1, 1, -1], axis=0)
    shuffled = np.random.default_rng(seed).permutation(len(points))
    order = order_along_root(points[shuffled])
    np.testing.assert_array_equal(shuffled[order], np.arange(len(points)))


clouds = st.integers(4, 20).flatmap(
    lambda n: st.integers(0, 2**16).map(lambda s: np.random.default_rng(s).normal(size=(n, 3)))
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(points=clouds)
def test_every_point_is_kept_once_rostral_end_first_on_a_path_no_longer_than_by_height(points):
    order = order_along_root(points)
    assert sorted(order) == list(range(len(points)))
    assert points[order[0], 2] >= points[order[-1], 2]
    by_height = points[np.argsort(-points[:, 2], kind="stable")]
    assert open_length(points[order]) <= open_length(by_height) + 1e-9


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("aside_mm", [0.1, 3.0, 30.0])
def test_the_nearest_that_is_left_follows_each_point(seed, aside_mm):
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.normal(0, aside_mm, (20, 2)), -2.0 * rng.permutation(20)])
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    path = _nearest_neighbour(distance, np.argsort(-points[:, 2]))
    assert points[path[0], 2] == 0
    assert sorted(path) == list(range(20))
    for i in range(18):
        assert distance[path[i], path[i + 1]] == distance[path[i], path[i + 1 :]].min()


# --- very many points ---


def dense_root(n, *, jitter_mm=0.0):
    along = np.linspace(0, 1, n)[:, None]
    line = np.hstack([20 * along, -5 * along**2, -90 * along])
    return line + np.random.default_rng(n).normal(0, jitter_mm, line.shape) * [1, 1, 0]


def ordered(points, seed=0):
    shuffled = np.random.default_rng(seed).permutation(len(points))
    begin = time.process_time()
    order = order_along_root(points[shuffled])
    return shuffled[order], time.process_time() - begin


@pytest.mark.parametrize("n", [101, 500, 2000, 20_000])
def test_a_dense_root_is_ordered_from_any_order_in_little_time(n):
    order, seconds = ordered(dense_root(n))
    np.testing.assert_array_equal(order, np.arange(n))
    assert seconds < 2 + n / 2000


def test_a_dense_root_that_bends_back_keeps_its_continuity():
    turn = np.linspace(0, 12, 3000)
    points = np.column_stack([3 * np.cos(turn), 3 * np.sin(turn), 4 * np.sin(2 * turn) - 5 * turn])
    np.testing.assert_array_equal(ordered(points)[0], np.arange(3000))


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_find_a_path_as_short_as_all_pairs_do(seed):
    points = dense_root(100, jitter_mm=0.4)[np.random.default_rng(seed).permutation(100)]
    near = order_dense_points(points, ())
    assert sorted(near) == list(range(100))
    assert open_length(points[near]) <= 1.01 * open_length(points[order_along_root(points)])


def test_dense_points_in_the_order_of_the_root_stay():
    points = dense_root(400, jitter_mm=0.01)
    np.testing.assert_array_equal(order_along_root(points), np.arange(400))
