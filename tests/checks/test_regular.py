"""Measures of a whole stack are those of each contour, and hide no fault."""

from __future__ import annotations

import annotator_slips
import numpy as np
import pytest
import specimens

from atlas.checks import outlines as rules
from atlas.checks import regular
from atlas.checks.profile import Profile
from atlas.curves.polygons import crossing_depths

OF_CONTOURS = [
    kind for kind in annotator_slips.SLIPS if "contour" in kind or "slice" in kind or "cord" in kind
]


def slipped(kind, seed):
    sound = (specimens.make_subject(),)
    slip = annotator_slips.SLIPS[kind](sound, np.random.default_rng(seed))
    return Profile.of(slip.subjects[0])


def measured(stack):
    centres = rules._expected_centres(stack)
    joined = regular.Outlines.of(stack.outlines)
    return centres, joined, joined.about(np.arange(len(centres)), centres)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_CONTOURS)
@pytest.mark.parametrize("seed", [1, 2])
def test_measures_of_a_stack_are_those_of_its_contours(kind, seed):
    for stack in slipped(kind, seed).stacks:
        centres, joined, flat = measured(stack)
        each = [o[:, :2] - c for o, c in zip(stack.outlines, centres, strict=True)]
        off = [np.abs(rules.outline_deviations(stack, i, c)).max() for i, c in enumerate(centres)]
        np.testing.assert_allclose(regular.stray_mm(joined, centres), off, atol=1e-9)
        np.testing.assert_allclose(regular.rounds(flat), [rules._rounds(f)[0] for f in each])
        gaps = [rules._widest_gap(f)[0] for f in each]
        np.testing.assert_allclose(regular.widest_gaps_deg(flat), gaps, rtol=1e-9)
        away = [np.abs(o[:, 2] - np.median(o[:, 2])).max() for o in stack.outlines]
        np.testing.assert_allclose(regular.out_of_plane_mm(stack, joined), away, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_CONTOURS)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_turns_steadily_does_not_cross_itself(kind, seed):
    for stack in slipped(kind, seed).stacks:
        steady = regular.turn_steadily(measured(stack)[2])
        for outline in np.array(stack.outlines, dtype=object)[steady]:
            assert not crossing_depths(np.asarray(outline, dtype=float)[None, :, :2]).any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_CONTOURS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_fault_hides_among_contours_beyond_doubt(monkeypatch, kind, seed):
    profile = slipped(kind, seed)
    found = rules.outline_findings(profile)
    monkeypatch.setattr(rules, "in_doubt", lambda stack, centres: np.ones(len(centres), dtype=bool))
    assert found == rules.outline_findings(profile)


def test_a_circle_is_beyond_doubt_and_so_are_contours_of_other_lengths_beside_it():
    rings = []
    for i, n in enumerate((20, 31, 12, 24, 20)):
        angle = 2 * np.pi * np.arange(n) / n
        rings.append(np.column_stack([8 * np.cos(angle), 8 * np.sin(angle), np.full(n, -2.0 * i)]))
    joined = regular.Outlines.of(tuple(rings))
    assert joined.owner.tolist() == np.repeat(np.arange(5), joined.count).tolist()
    np.testing.assert_array_equal(joined.following[[19, 50, 62]], joined.first[:3])
    flat = joined.about(np.arange(5), np.zeros((5, 2)))
    np.testing.assert_allclose(regular.rounds(flat), 1)
    np.testing.assert_allclose(regular.widest_gaps_deg(flat), 360 / joined.count)
    assert regular.turn_steadily(flat).all()
    # Off a circle through its own points a chord lies inside.
    assert (regular.stray_mm(joined, np.zeros((5, 2))) < 8 * (1 - np.cos(np.pi / 12))).all()


def test_a_star_of_five_points_goes_round_twice():
    angle = 4 * np.pi * np.arange(5) / 5
    star = regular.Outlines.of((np.column_stack([np.cos(angle), np.sin(angle)]),))
    np.testing.assert_allclose(regular.rounds(star), 2)
    assert not regular.turn_steadily(star).any()
