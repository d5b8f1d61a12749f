from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from analysis.morphometry import anatomy_axes


def test_axes_are_left_dorsal_rostral_with_and_without_pairs_of_roots():
    anatomy = cylinders.make_anatomy()
    rotation = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix()
    moved = anatomy.moved(rotation, np.zeros(3))
    np.testing.assert_allclose(anatomy_axes(moved), rotation, atol=1e-9)
    left_only = {k: r for k, r in moved.roots.items() if k.side == "left"}
    np.testing.assert_allclose(anatomy_axes(replace(moved, roots=left_only)), rotation, atol=1e-9)


def test_axes_refuse_a_sac_without_rings():
    anatomy = cylinders.make_anatomy()
    with pytest.raises(ValueError, match="expected at least 2 whole rings, got 0"):
        anatomy_axes(replace(anatomy, dura=np.full_like(anatomy.dura, np.nan)))


def test_an_absent_or_unpaired_root_does_not_turn_the_axes():
    anatomy = cylinders.make_anatomy()
    some = {k: r for k, r in anatomy.roots.items() if k.level != "L3" and k != ("S1", "left")}
    np.testing.assert_allclose(anatomy_axes(replace(anatomy, roots=some)), np.eye(3), atol=1e-9)


def test_roots_below_the_rings_do_not_say_where_left_is():
    anatomy = cylinders.make_anatomy(status=False)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    roots = {k: np.concatenate([r, (r - [0, 0, 200.0]) @ turn.T]) for k, r in anatomy.roots.items()}
    np.testing.assert_allclose(anatomy_axes(replace(anatomy, roots=roots)), np.eye(3), atol=1e-9)
