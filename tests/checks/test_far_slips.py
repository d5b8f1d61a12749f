"""What lies far from its subject, or in another unit, is an error; sound people turned are not."""

from __future__ import annotations

from dataclasses import replace

import far_slips
import numpy as np
import pytest
import specimens
from annotator_slips import contour_place, mapped

from atlas.checks import Profile, find_implausible, subject_findings
from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import Dataset, read_dataset
from atlas.data.subject import LEVELS, SIDES, Finding, RootKey, Severity, Subject

SOUND = mapped(specimens.make_subject(), np.eye(3), [5.0, 53.0, -351.6])
KEY = RootKey("L3", "left")
TURNS = [
    (0, 0, 15), (0, 0, -20), (0, 0, 45), (0, 0, 90), (0, 0, -90), (0, 0, 120), (0, 0, 180),
    (45, 0, 0), (-45, 0, 30), (0, 45, 0), (0, -45, -80), (30, -30, 180), (-40, 40, 90),
]  # fmt: skip
# Contours that come to lie between others, alike in place and size, are not far from anything.
LEAST_FOUND = 0.98


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> tuple[Subject, ...]:
    place = tmp_path_factory.mktemp("far") / "cohort"
    return read_dataset(write_surrogate_cohort(place, seed=7)).subjects


def found(subject: Subject) -> list[Finding]:
    return subject_findings(Profile.of(subject))


def errors(subject: Subject) -> list[tuple[str, str]]:
    return [(f.rule, f.place) for f in found(subject) if f.severity is Severity.ERROR]


def with_contour(kind: str, i: int, change: far_slips.Change) -> tuple[Subject, str]:
    contours = list(getattr(SOUND, kind))
    contours[i] = change(contours[i])
    place = contour_place(kind, contours[i])
    contours.sort(key=lambda c: -c[:, 2].mean())
    return replace(SOUND, **{kind: tuple(contours)}), place


# --- contours ---


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dura", "cord"])
@pytest.mark.parametrize("i", [0, 20, -1])
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda p: np.add(p, [0, 0, 400.0]), "misplaced-file"),
        (lambda p: np.subtract(p, [0, 0, 400.0]), "misplaced-file"),
        (lambda p: np.add(p, [0, 0, 1e6]), "misplaced-file"),
        (lambda p: np.add(p, [40.0, 0, 0]), "misplaced-file"),
        (lambda p: np.subtract(p, [0, 250.0, 0]), "misplaced-file"),
        (lambda p: p * 10, "wrong-unit"),
        (lambda p: p / 10, "wrong-unit"),
        (lambda p: p / 25.4, "wrong-unit"),
        (lambda p: p * 1e-3, "wrong-unit"),
        (lambda p: p * 1e3, "wrong-unit"),
        (lambda p: p * [-1, -1, 1], "ras-not-lps"),
        (lambda p: p * [1, -1, 1], "misplaced-file"),
        (lambda p: p * [1, 1, -1], "misplaced-file"),
    ],
)
def test_one_contour_far_off_is_an_error_at_its_place(kind, i, change, rule):
    assert errors(with_contour(kind, i, change)[0]) == [
        (rule, with_contour(kind, i, change)[1])
    ]  # fmt: skip


def test_a_contour_of_the_middle_just_beyond_the_end_is_told_by_the_hole_it_left():
    heights = [c[0, 2] for c in SOUND.dura]
    i = len(heights) // 2
    narrow = replace(SOUND, dura=tuple(c * [1, 1, 1] for c in tapering(SOUND.dura, least=0.6)))
    up = heights[0] - heights[i] + 14.0
    contours = [np.add(c, [0, 0, up]) if j == i else c for j, c in enumerate(narrow.dura)]
    contours.sort(key=lambda c: -c[:, 2].mean())
    assert [rule for rule, _ in errors(replace(narrow, dura=tuple(contours)))] == ["misplaced-file"]


def tapering(contours, *, least):
    middles = [c.mean(axis=0) for c in contours]
    share = np.linspace(least, 1.0, len(contours))
    return [m + s * (c - m) for c, m, s in zip(contours, middles, share, strict=True)]


def test_a_third_of_the_contours_aside_does_not_draw_the_line_they_are_judged_by():
    n = len(SOUND.dura)
    block = range(n // 3)
    dura = tuple(np.add(c, [60.0, 0, 0]) if i in block else c for i, c in enumerate(SOUND.dura))
    (finding,) = [f for f in found(replace(SOUND, dura=dura)) if f.rule == "misplaced-file"]
    assert finding.place == "dura"
    assert f"{n // 3} files alike" in finding.message


def test_contours_of_which_none_stand_in_a_row_are_one_error():
    rng = np.random.default_rng(3)
    dura = tuple(c + rng.uniform(-900, 900, 3) for c in SOUND.dura)
    assert errors(replace(SOUND, dura=dura)) == [("misplaced-file", "dura")]


@pytest.mark.parametrize("kind", ["dura", "cord"])
@pytest.mark.parametrize("shift", [(0, 0, 40.0), (28.0, 0, 30.0), (-45.0, 0, 0), (0, 1e5, 0)])
def test_one_point_of_a_contour_far_off_is_an_error(kind, shift):
    def change(points):
        points = points.copy()
        points[3] += shift
        return points

    bad, place = with_contour(kind, 20, change)
    assert ("stray-point", place) in errors(bad)


@pytest.mark.parametrize(("kind", "place"), [("dura", "dura"), ("cord", "cord")])
@pytest.mark.parametrize("shift", [(60.0, 0, 0), (0, -300.0, 0), (0, 0, 60.0), (0, 0, -300.0)])
def test_a_whole_stack_elsewhere_is_named_by_what_the_roots_agree_with(kind, place, shift):
    moved = tuple(c + shift for c in getattr(SOUND, kind))
    assert errors(replace(SOUND, **{kind: moved})) == [("misplaced-file", place)]


@pytest.mark.parametrize(("kind", "factor"), [("dura", 0.1), ("cord", 0.1), ("cord", 1e3)])
def test_a_stack_in_another_unit_is_named(kind, factor):
    changed = tuple(c * factor for c in getattr(SOUND, kind))
    assert errors(replace(SOUND, **{kind: changed})) == [("wrong-unit", kind)]


# --- roots and ganglia ---


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda p: np.add(p, [0, 0, 400.0]), "misplaced-file"),
        (lambda p: np.subtract(p, [0, 0, 150.0]), "misplaced-file"),
        (lambda p: np.subtract(p, [0, 0, 40.0]), "misplaced-file"),
        (lambda p: np.add(p, [40.0, 0, 0]), "misplaced-file"),
        (lambda p: p * 0.1, "wrong-unit"),
        (lambda p: p / 25.4, "wrong-unit"),
        (lambda p: p * [1, -1, 1], "misplaced-file"),
    ],
)
def test_one_root_far_off_is_an_error(change, rule):
    bad = replace(SOUND, roots={**SOUND.roots, KEY: change(SOUND.roots[KEY])})
    assert errors(bad) == [(rule, "root L3 left")]


@pytest.mark.parametrize("shift", [(60.0, 0, 0), (0, -1e4, 0), (0, 0, 200.0), (0, 0, -150.0)])
def test_one_point_of_a_root_far_off_is_an_error(shift):
    points = SOUND.roots[KEY].copy()
    points[10] += shift
    points = points[np.argsort(-points[:, 2])]
    (finding,) = [
        f
        for f in found(replace(SOUND, roots={**SOUND.roots, KEY: points}))
        if f.severity is Severity.ERROR
    ]
    assert finding.rule == "stray-point"
    assert finding.place.startswith("root L3 left at z ")


@pytest.mark.parametrize("mm", [40.0, -40.0])
def test_all_roots_along_the_sac_are_told_by_the_conus(mm):
    roots = {k: np.add(p, [0, 0, mm]) for k, p in SOUND.roots.items()}
    assert ("misplaced-file", "roots") in errors(replace(SOUND, roots=roots))


@pytest.mark.slow
@pytest.mark.parametrize("key", [RootKey(level, side) for level in LEVELS for side in SIDES])
@pytest.mark.parametrize("shift", [(0, 40.0, 0), (0, -40.0, 0), (0, 0, 45.0), (0, 0, -45.0)])
def test_one_ganglion_far_off_is_an_error_of_that_ganglion(key, shift):
    bad = replace(SOUND, ganglia={**SOUND.ganglia, key: SOUND.ganglia[key] + shift})
    assert f"ganglion {key.level} {key.side}" in {place for _, place in errors(bad)}


def test_both_ganglia_of_a_level_off_together_are_errors():
    both = {
        RootKey("L4", side): SOUND.ganglia[RootKey("L4", side)] + [0, 50.0, 0] for side in SIDES
    }
    bad = replace(SOUND, ganglia={**SOUND.ganglia, **both})
    assert {f"ganglion L4 {side}" for side in SIDES} <= {place for _, place in errors(bad)}


def test_all_ganglia_far_below_their_roots_are_one_error():
    ganglia = {k: g - [0, 0, 60.0] for k, g in SOUND.ganglia.items()}
    assert errors(replace(SOUND, ganglia=ganglia)) == [("misplaced-file", "ganglia")]


@pytest.mark.slow
def test_a_whole_subject_in_cm_beside_its_group_is_one_error(cohort):
    changed = mapped(cohort[3], np.eye(3) * 0.1)
    findings = find_implausible(Dataset("", (*cohort[:3], changed, *cohort[4:])))
    assert [(f.rule, f.subject) for f in findings if f.severity is Severity.ERROR] == [
        ("wrong-unit", changed.id)
    ]


# --- turned people ---


@pytest.mark.slow
@pytest.mark.parametrize("degrees", TURNS)
def test_a_turned_person_has_the_findings_of_one_that_lies_straight(cohort, degrees):
    for subject in (SOUND, *cohort[:2]):
        straight = [f.rule for f in found(subject)]
        assert [f.rule for f in found(far_slips.turned(subject, degrees))] == straight


@pytest.mark.slow
@pytest.mark.parametrize("degrees", TURNS)
def test_a_swapped_side_is_found_at_any_turn(cohort, degrees):
    for subject, level in ((SOUND, "L2"), (cohort[0], "L5")):
        left, right = RootKey(level, "left"), RootKey(level, "right")
        for kind in ("roots", "ganglia"):
            places = getattr(subject, kind)
            swapped = {**places, left: places[right], right: places[left]}
            bad = far_slips.turned(replace(subject, **{kind: swapped}), degrees)
            assert errors(bad) == [("swapped-sides", f"{kind} {level}")]


@pytest.mark.slow
@pytest.mark.parametrize("degrees", TURNS)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirror_image_is_found_at_any_turn(cohort, degrees, axis):
    signs = np.ones(3)
    signs[axis] = -1
    for subject in (SOUND, cohort[0]):
        middle = subject.dura[0].mean(axis=0)
        mirrored = far_slips.everywhere(subject, lambda p, m=middle: (p - m) * signs + m)
        assert ("swapped-sides", "") in errors(far_slips.turned(mirrored, degrees))


def test_a_half_turn_and_ras_are_told_apart_by_where_the_sac_lies():
    assert errors(far_slips.turned(SOUND, (0, 0, 180))) == []
    assert errors(mapped(SOUND, np.diag([-1.0, -1, 1]))) == [("ras-not-lps", "")]


# --- many ---


def undetected(subjects, seed: int, draws: int) -> list[str]:
    rng = np.random.default_rng(seed)
    missed = []
    for _ in range(draws):
        subject = subjects[int(rng.integers(len(subjects)))]
        if rng.random() < 0.5:
            tilt, turn = rng.uniform(-45, 45, 2), rng.uniform(-90, 90)
            subject = far_slips.turned(subject, (*tilt, turn))
        structure, part, change, bad = far_slips.draw(subject, rng)
        if not errors(bad):
            missed.append(f"{structure} {part} {change} of {subject.id}")
    return missed


@pytest.mark.slow
def test_far_slips_drawn_at_random_are_errors(cohort):
    missed = undetected((SOUND, *cohort), 11, 60)
    assert len(missed) <= 60 * (1 - LEAST_FOUND), missed


@pytest.mark.slow
def test_hundreds_of_far_slips_drawn_at_random_are_errors(cohort):
    missed = undetected((SOUND, *cohort), 12, 200)
    assert len(missed) <= 200 * (1 - LEAST_FOUND), missed


@pytest.mark.slow
def test_no_turned_person_of_the_built_in_cohort_has_an_error(cohort):
    rng = np.random.default_rng(4)
    for subject in cohort:
        straight = sorted({f.rule for f in found(subject)} - {"inside-cord", "dural-exit"})
        for _ in range(4):
            degrees = (*rng.uniform(-45, 45, 2), rng.uniform(-180, 180))
            bad = found(far_slips.turned(subject, degrees))
            assert sorted({f.rule for f in bad} - {"inside-cord", "dural-exit"}) == straight


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("degrees", TURNS)
def test_sub_03_turned_has_no_error(real_subject, degrees):
    straight = sorted(f.rule for f in found(real_subject))
    assert sorted(f.rule for f in found(far_slips.turned(real_subject, degrees))) == straight
