from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atlas.data.subject import RootKey, Subject
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.mesh.validity.repair import WINDOW, repair
from atlas.mesh.validity.validity import ValidityError, check

L1, L2 = RootKey("L1", "left"), RootKey("L2", "left")


def with_root(key, change):
    anatomy = cylinders.make_anatomy()
    root = anatomy.roots[key].copy()
    change(root)
    return replace(anatomy, roots={**anatomy.roots, key: root})


def in_the_cord(depth=0.3, index=10):
    def change(root):
        along = np.array([np.sin(1.2), np.cos(1.2)])
        root[index, :2] = (4 - depth) * along - [0, 1]

    return with_root(L1, change)


def crossing():
    other = cylinders.make_anatomy().roots[L1]

    def change(root):
        share = (other[0, 2] - root[12, 2]) / (other[0, 2] - other[-1, 2])
        root[11:14] += (other[0] + share * (other[-1] - other[0])) - root[12]

    return with_root(L2, change)


def test_with_nothing_to_repair_the_anatomy_comes_back_itself():
    anatomy = cylinders.make_anatomy()
    result = repair(anatomy)
    assert result.anatomy is anatomy
    assert (dict(result.moved), result.n_points_moved, result.unrepaired) == ({}, 0, ())


def test_a_root_in_the_cord_comes_out_by_as_much_as_it_was_in():
    anatomy = in_the_cord()
    result = repair(anatomy)
    assert not result.unrepaired
    assert list(result.moved) == ["root/L1/left"]
    assert result.moved["root/L1/left"].max_mm == pytest.approx(0.3, abs=0.05)
    way = np.linalg.norm(result.anatomy.roots[L1] - anatomy.roots[L1], axis=1)
    assert way.argmax() == 10
    # Smooth: it dies away to both sides and is nothing beyond the window.
    assert (np.diff(way[10 - WINDOW : 11]) > 0).all()
    assert (np.diff(way[10 : 11 + WINDOW]) < 0).all()
    np.testing.assert_array_equal(way[: 10 - WINDOW], 0)
    np.testing.assert_array_equal(way[11 + WINDOW :], 0)
    assert result.n_points_moved == 2 * WINDOW + 1


def test_what_is_valid_does_not_move_by_a_bit():
    anatomy = in_the_cord()
    mended = repair(anatomy).anatomy
    for key, root in anatomy.roots.items():
        if key != L1:
            np.testing.assert_array_equal(mended.roots[key], root)
    np.testing.assert_array_equal(mended.cord, anatomy.cord)
    np.testing.assert_array_equal(mended.dura, anatomy.dura)
    for key, ganglion in anatomy.ganglia.items():
        np.testing.assert_array_equal(mended.ganglia[key], ganglion)


def test_a_begin_moves_only_when_it_breaks_a_rule_itself():
    begin = in_the_cord(index=0)
    assert (repair(begin).anatomy.roots[L1][0] != begin.roots[L1][0]).any()
    second = in_the_cord(index=1)
    np.testing.assert_array_equal(repair(second).anatomy.roots[L1][0], second.roots[L1][0])


def test_roots_through_each_other_are_separated_by_moving_both():
    anatomy = crossing()
    assert not check(anatomy).possible
    result = repair(anatomy)
    assert not result.unrepaired
    assert set(result.moved) == {"root/L1/left", "root/L2/left"}
    # Up to the allowed 0.6 mm of overlap: 0.4 mm between the centrelines, shared by both.
    assert max(m.max_mm for m in result.moved.values()) < 0.4
    assert check(result.anatomy)["roots-apart"].amount_mm == pytest.approx(-0.6, abs=0.01)


def test_the_cord_moves_whole_rings_into_the_sac():
    anatomy = cylinders.make_anatomy()
    cord = anatomy.cord.copy()
    cord[30] += [5.3, 0, 0]
    anatomy = replace(anatomy, cord=cord, roots={}, ganglia={})
    result = repair(anatomy)
    assert not result.unrepaired
    shift = result.anatomy.cord - cord
    np.testing.assert_allclose(shift[30], np.broadcast_to(shift[30, 0], shift[30].shape))
    assert np.linalg.norm(shift[30, 0]) == pytest.approx(np.hypot(5.3, 1) + 4 - 9, abs=0.06)


def test_what_cannot_be_repaired_is_said():
    anatomy = cylinders.make_anatomy()
    dura = anatomy.dura.copy()
    dura[30, 7, 2] += 2.5
    result = repair(replace(anatomy, dura=dura))
    assert result.unrepaired == ("rings-in-order",)
    assert result.document()["unrepaired"] == ["rings-in-order"]


def test_a_repair_turns_with_the_anatomy():
    turn, shift = Rotation.from_rotvec([0.2, 0.7, -1.0]).as_matrix(), np.array([5.0, 60, -300])
    still = repair(in_the_cord()).anatomy.moved(turn, shift)
    moved = repair(in_the_cord().moved(turn, shift)).anatomy
    np.testing.assert_allclose(moved.roots[L1], still.roots[L1], atol=1e-6)


def test_a_repaired_anatomy_needs_no_repair():
    once = repair(crossing()).anatomy
    assert repair(once).anatomy is once


def test_an_unknown_method_is_refused():
    with pytest.raises(ValidityError, match=r"method: expected one of \('minimal',\), got 'bold'"):
        repair(cylinders.make_anatomy(), method="bold")


@pytest.mark.shared
def test_the_real_subject_is_repaired_by_its_two_slips(real_subject: Subject):
    result = repair(subject_anatomy(real_subject, smoothing=0))
    assert not result.unrepaired
    assert set(result.moved) == {"root/L3/left", "root/L5/left"}
    assert result.moved["root/L3/left"].max_mm < 0.25
