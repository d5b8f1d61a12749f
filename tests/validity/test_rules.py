"""Each rule fails on cylinders made to break it, with the place and amount of the closed form."""

from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pytest

from atlas.data.subject import RootKey
from atlas.mesh.validity.rules import RULES
from atlas.mesh.validity.validity import check

L1, L2, L5 = (RootKey(level, "left") for level in ("L1", "L2", "L5"))


def clean():
    return cylinders.make_anatomy()


def with_root(key, change):
    anatomy = clean()
    root = anatomy.roots[key].copy()
    change(root)
    return replace(
        anatomy,
        roots={**anatomy.roots, key: root},
        ganglia={**anatomy.ganglia, key: root[-1]},
    )


def with_rings(name, change):
    anatomy = clean()
    rings = getattr(anatomy, name).copy()
    change(rings)
    return replace(anatomy, **{name: rings})


def cord_out_of_the_sac():
    # Radius 4 about (5.3, -1): its far side towards the left is 0.36 mm outside the sac of 9 mm.
    def change(cord):
        cord[20] += [5.3, 0, 0]

    return with_rings("cord", change)


def root_in_the_cord():
    def change(root):
        root[10] = [*(3.7 * np.array([np.sin(1.2), np.cos(1.2)]) - [0, 1]), root[10, 2]]

    return with_root(L1, change)


def root_through_root():
    # L2 passes through the place of L1 at one point: the centrelines meet.
    other = clean().roots[L1]

    def change(root):
        z = root[12, 2]
        share = (other[0, 2] - z) / (other[0, 2] - other[-1, 2])
        root[12] = other[0] + share * (other[-1] - other[0])

    return with_root(L2, change)


def root_out_and_in_again():
    def change(root):
        root[6] = [9.4 * np.sin(1.4), 9.4 * np.cos(1.4), root[6, 2]]

    return with_root(L1, change)


def root_leaves_on_the_other_side():
    def change(root):
        root[12:, 0] = -0.5 - np.arange(len(root) - 12) * 0.05
        root[12:, 1] = 9.6
        root[9:12, 0] = [2.5, 1.5, 0.4]
        root[9:12, 1] = [6, 7, 8]

    return with_root(RootKey("S2", "left"), change)


def ring_folded():
    def change(dura):
        dura[30, 7, 2] += 2.5

    return with_rings("dura", change)


def ring_crossing_itself():
    def change(cord):
        cord[12, [4, 5]] = cord[12, [5, 4]]

    return with_rings("cord", change)


def ring_the_wrong_way_round():
    def change(cord):
        cord[12, 1:] = cord[12, :0:-1]

    return with_rings("cord", change)


def root_bent_back():
    def change(root):
        root[20] = root[19] + [0, 0, 0.2]

    return with_root(L5, change)


def levels_swapped():
    anatomy = clean()
    roots = dict(anatomy.roots)
    roots[L2] = roots[L2] + [0, 0, 13.0]
    return replace(anatomy, roots=roots, ganglia={**anatomy.ganglia, L2: roots[L2][-1]})


def sides_swapped():
    return with_root(RootKey("S2", "left"), lambda root: root.__setitem__((0, 0), -0.3))


CASES = {
    "cord-inside-sac": (cord_out_of_the_sac, None, "cord/20"),
    "roots-outside-cord": (root_in_the_cord, -0.3, "root/L1/left/10"),
    "roots-inside-sac": (root_out_and_in_again, -0.4, "root/L1/left/6"),
    "roots-apart": (root_through_root, -1.0, "root/L1/left/"),
    "rings-in-order": (ring_folded, -0.5, "dura/30/7"),
    "no-self-intersection": (root_bent_back, None, "root/L5/left/"),
    "levels-in-order": (levels_swapped, -1.0, "root/L2/left"),
    "sides-apart": (sides_swapped, -0.3, "root/S2/left/0"),
}


def test_clean_cylinders_break_no_rule_and_every_rule_is_held():
    results = check(clean()).results
    assert [r.rule for r in results] == list(RULES)
    assert all(r.passed for r in results)


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_fails_by_the_closed_form_at_its_place(rule):
    make, amount, place = CASES[rule]
    result = check(make())[rule]
    assert result.passed is False
    assert result.place.startswith(place)
    if amount is not None:
        assert result.amount_mm == pytest.approx(amount, abs=0.05)


@pytest.mark.parametrize(
    "rule", [r for r in CASES if r not in {"cord-inside-sac", "levels-in-order"}]
)
def test_breaking_one_rule_breaks_no_other(rule):
    assert [r.rule for r in check(CASES[rule][0]()).failures] == [rule]


def test_the_amount_of_a_cord_outside_the_sac_is_that_of_two_circles():
    # The farthest point of a circle (4 mm) about (d, -1) lies hypot(d, 1) + 4 from the axis.
    result = check(cord_out_of_the_sac())["cord-inside-sac"]
    assert result.amount_mm == pytest.approx(9 - (np.hypot(5.3, 1) + 4), abs=0.05)
    assert result.n_places > 1


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_clearance_of_a_cord_in_the_sac_is_that_of_two_circles(shift):
    def change(cord):
        cord += [shift, 0, 0]

    result = check(with_rings("cord", change))["cord-inside-sac"]
    assert result.amount_mm == pytest.approx(9 - 4 - np.hypot(shift, 1), abs=0.05)


def test_leaving_on_the_other_side_fails_by_the_way_across_the_midline():
    result = check(root_leaves_on_the_other_side())["roots-inside-sac"]
    assert (result.passed, result.place) == (False, "root/S2/left/12")
    assert result.amount_mm == pytest.approx(-0.5, abs=0.01)


def test_leaving_once_on_the_own_side_is_no_break_but_is_told():
    result = check(clean())["roots-inside-sac"]
    assert result.passed
    assert "leaving the sac: root/S2/left/31" in result.message


def test_a_begin_may_touch_the_cord_and_the_next_point_may_not():
    def touching(depth, index):
        def change(root):
            along = np.array([np.sin(1.3), np.cos(1.3)])
            root[index, :2] = (4 - depth) * along - [0, 1]

        return check(with_root(L1, change))["roots-outside-cord"].passed

    assert touching(0.04, 0)
    assert not touching(0.3, 0)
    assert not touching(0.08, 1)


def test_a_cord_below_the_last_ring_of_the_sac_is_not_a_cord_outside_it():
    anatomy = replace(clean(), dura=clean().dura[:50])
    validity = check(anatomy)
    assert [r.rule for r in validity.failures] == ["cord-within-rings"]
    result = validity["cord-within-rings"]
    assert result.amount_mm == pytest.approx(-(120 - 98))
    assert (result.place, result.n_places, result.kind) == ("cord/60", 11, "extent")
    assert validity.passed
    assert validity.possible


def test_the_dorsal_and_ventral_gaps_are_those_of_the_circles():
    result = check(clean())["csf-positive"]
    assert (result.amount_mm, result.place) == (pytest.approx(4.0), "cord/0 (ventral gap)")
    moved = check(with_rings("cord", lambda cord: cord.__iadd__([0, 7, 0])))["csf-positive"]
    assert moved.amount_mm == pytest.approx(-1.0)
    assert moved.place.endswith("(dorsal gap)")


def test_a_cord_wider_than_the_sac_fails_by_the_radii():
    def change(cord):
        cord[30] = (cord[30] - [0, -1, -60]) * [2.5, 2.5, 1] + [0, 0, -60]

    result = check(with_rings("cord", change))["csf-positive"]
    assert result.amount_mm == pytest.approx(-1.0, abs=0.06)


def test_a_ring_that_crosses_itself_is_named():
    result = check(ring_crossing_itself())["rings-simple"]
    assert result.passed is False
    assert result.place.startswith("cord/12/")
    # Edges 3-5 and 4-6 cross; corner 4 is a sagitta of 30 degrees, 4 (1 - cos 15), from chord 3-5.
    assert result.amount_mm == pytest.approx(-4 * (1 - np.cos(np.radians(15))), abs=0.01)


def test_a_ring_that_runs_the_wrong_way_round_is_named():
    result = check(ring_the_wrong_way_round())["rings-simple"]
    assert (result.passed, result.place) == (False, "cord/12/0")
    assert result.amount_mm == pytest.approx(-4, abs=0.05)


def test_the_margin_of_two_parallel_roots_is_their_distance_minus_their_radii():
    anatomy = clean()
    roots = {k: anatomy.roots[k] for k in (L1,)}
    roots[L2] = roots[L1] + [1.7, 0, 0]
    pair = replace(anatomy, roots=roots, ganglia={k: r[-1] for k, r in roots.items()})
    result = check(pair, rules=["roots-apart"])["roots-apart"]
    assert result.amount_mm == pytest.approx(0.7)
    assert check(pair, root_radius_mm=1.0).results[7].amount_mm == pytest.approx(-0.3)


@pytest.mark.parametrize(("overlap", "passed"), [(0.5, True), (0.59, True), (0.61, False)])
def test_roots_may_overlap_by_the_stated_share_of_their_radii(overlap, passed):
    anatomy = clean()
    roots = {L1: anatomy.roots[L1], L2: anatomy.roots[L1] + [1 - overlap, 0, 0]}
    pair = replace(anatomy, roots=roots, ganglia={})
    assert check(pair, rules=["roots-apart"])["roots-apart"].passed is passed


@pytest.mark.parametrize(("radius", "passed"), [(0.55, True), (0.45, False)])
def test_a_root_may_not_bend_closer_than_its_radius(radius, passed):
    turn = np.linspace(0, np.pi / 2, 30)[:, None]
    arc = radius * np.hstack([np.sin(turn), 0 * turn, np.cos(turn)]) + [6, 0, -60]
    anatomy = replace(clean(), roots={L1: arc}, ganglia={L1: arc[-1]})
    result = check(anatomy, rules=["no-self-intersection"])["no-self-intersection"]
    assert result.passed is passed
    assert result.amount_mm == pytest.approx(radius - 0.5, abs=1e-3)


def test_a_root_that_loops_back_to_itself_is_named():
    # A wide turn (4 mm) that comes back 0.6 mm beside its own beginning: tubes overlap by 0.4.
    turn = np.linspace(0, 2 * np.pi, 60)[:, None]
    loop = np.hstack([4 * np.sin(turn), 4 * np.cos(turn), -0.6 * turn / (2 * np.pi) - 60])
    anatomy = replace(clean(), roots={L1: loop}, ganglia={L1: loop[-1]})
    result = check(anatomy, rules=["no-self-intersection"])["no-self-intersection"]
    assert (result.passed, result.place) == (False, "root/L1/left/0")
    assert result.amount_mm == pytest.approx(-0.4, abs=0.05)
