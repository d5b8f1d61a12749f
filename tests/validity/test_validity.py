from __future__ import annotations

import json
from dataclasses import replace

import cylinders
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atlas.data.subject import ROOT_KEYS, RootKey, Subject
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.landmarks.scheme import Anatomy, LandmarkScheme
from atlas.mesh.validity.rules import RULES
from atlas.mesh.validity.validity import COLUMNS, ValidityError, check, check_many

SCHEME = LandmarkScheme.standard(root=cylinders.STEPS, dura=(81, 32), cord=(61, 24))


def broken() -> Anatomy:
    anatomy = cylinders.make_anatomy()
    rng = np.random.default_rng(5)
    return replace(
        anatomy,
        cord=anatomy.cord + np.array([4.5, 0, 0]),
        roots={k: r + rng.normal(scale=0.4, size=r.shape) for k, r in anatomy.roots.items()},
    )


def points_of(anatomy: Anatomy) -> np.ndarray:
    parts = [anatomy.dura.reshape(-1, 3), anatomy.cord.reshape(-1, 3)]
    return np.concatenate([*parts, *(anatomy.roots[key] for key in ROOT_KEYS)])


def amounts(validity):
    return np.array([r.amount_mm for r in validity.results])


@pytest.mark.parametrize("make", [cylinders.make_anatomy, broken])
def test_rigid_motion_changes_nothing(make):
    turn = Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix()
    still, moved = check(make()), check(make().moved(turn, np.array([30.0, -80, 400])))
    np.testing.assert_allclose(amounts(moved), amounts(still), atol=1e-8)
    assert [r.passed for r in moved.results] == [r.passed for r in still.results]
    assert [r.n_places for r in moved.results] == [r.n_places for r in still.results]


@pytest.mark.parametrize("make", [cylinders.make_anatomy, broken])
def test_the_mirror_image_with_sides_renamed_has_the_same_amounts(make):
    still, mirrored = check(make()), check(cylinders.mirrored(make()))
    np.testing.assert_allclose(amounts(mirrored), amounts(still), atol=1e-8)
    assert [r.n_places for r in mirrored.results] == [r.n_places for r in still.results]


def test_the_mirror_image_without_renaming_has_its_sides_swapped():
    anatomy = cylinders.mirrored(cylinders.make_anatomy())
    swapped = {RootKey(k.level, "left" if k.side == "right" else "right"): r
               for k, r in anatomy.roots.items()}  # fmt: skip
    wrong = replace(anatomy, roots=swapped, ganglia={k: r[-1] for k, r in swapped.items()})
    assert [r.rule for r in check(wrong).failures if r.kind == "anatomy"] == ["sides-apart"]


def test_many_at_once_say_what_each_alone_says():
    rng = np.random.default_rng(6)
    base = points_of(cylinders.make_anatomy())
    shapes = base + rng.normal(scale=0.2, size=(20, 1, 3)) * np.array([[1.0, 1, 0]])
    shapes += rng.normal(scale=0.15, size=shapes.shape)
    shapes[3] = points_of(broken())
    many = check_many(shapes, SCHEME)
    assert many.rules == tuple(RULES)
    for i, shape in enumerate(shapes):
        one = check(SCHEME.anatomy(shape))
        np.testing.assert_allclose(many.amount_mm[i], amounts(one), atol=1e-9)
        assert list(many.held[i]) == [r.passed is not False for r in one.results]
        assert (many.passed[i], many.possible[i]) == (one.passed, one.possible)


def test_missing_parts_are_left_out_and_said():
    anatomy = cylinders.make_anatomy()
    dura, root = anatomy.dura.copy(), anatomy.roots[RootKey("L4", "left")].copy()
    dura[-10:] = np.nan
    root[5:9] = np.nan
    roots = {k: r for k, r in anatomy.roots.items() if k.level != "S2"}
    roots[RootKey("L4", "left")] = root
    validity = check(replace(anatomy, dura=dura, roots=roots))
    assert validity.passed
    assert "missing and not checked: dura: 10 rings; roots: 4 points; no roots S2" in (
        validity["roots-inside-sac"].message
    )


def test_a_rule_with_nothing_to_hold_is_neither_passed_nor_broken():
    validity = check(replace(cylinders.make_anatomy(), roots={}, ganglia={}))
    result = validity["roots-apart"]
    assert result.passed is None
    assert result.document()["amount_mm"] is None
    assert "not checked" in result.message
    assert validity.passed


def test_the_table_and_the_document_hold_what_the_columns_say():
    validity = check(broken())
    assert all(set(row) == set(COLUMNS) for row in validity.rows())
    document = json.loads(json.dumps(validity.document()))
    assert document["root_radius"] == "assumed, not measured"
    assert document["possible"] is False
    assert {row["kind"] for row in document["rules"]} == {"geometry", "anatomy", "extent"}


def test_only_the_rules_asked_for_are_held():
    names = ["roots-apart", "rings-simple"]
    assert [r.rule for r in check(cylinders.make_anatomy(), rules=names).results] == names


def test_an_unknown_rule_is_refused_with_those_there_are():
    with pytest.raises(ValidityError, match=r"rules: expected some of \['cord-inside-sac'.*got"):
        check(cylinders.make_anatomy(), rules=["pretty"])


def test_a_sac_of_one_ring_is_refused():
    anatomy = replace(cylinders.make_anatomy(), dura=cylinders.make_anatomy().dura[:1])
    with pytest.raises(ValidityError, match="dura: expected at least 2 rings"):
        check(anatomy)


@pytest.mark.shared
def test_the_real_subject_shows_exactly_its_slips(real_subject: Subject):
    validity = check(subject_anatomy(real_subject, smoothing=0))
    assert [r.rule for r in validity.failures] == ["roots-outside-cord"]
    cord = validity["roots-outside-cord"]
    assert (cord.place, cord.n_places) == ("root/L3/left/0", 2)
    assert cord.amount_mm == pytest.approx(-0.22, abs=0.03)
    sac = validity["roots-inside-sac"]
    assert sac.passed
    assert "root/L1/left/33 (0.08 mm outside)" in sac.message
    assert "root/L2/left/42 (0.37 mm outside)" in sac.message


@pytest.mark.shared
def test_the_real_subject_smoothed_keeps_every_rule(real_subject: Subject):
    assert not check(subject_anatomy(real_subject)).failures
