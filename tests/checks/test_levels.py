"""Roots under the wrong level."""

from __future__ import annotations

from dataclasses import replace

import pytest
import specimens

from atlas.checks.levels import exchanged_levels, roots_of
from atlas.checks.profile import Profile, places_of
from atlas.data.subject import LEVELS, SIDES, Place, RootKey

SOUND = specimens.make_subject()


def exchanged(first, second, *sides):
    roots = dict(SOUND.roots)
    for side in sides:
        a, b = RootKey(first, side), RootKey(second, side)
        roots[a], roots[b] = SOUND.roots[b], SOUND.roots[a]
    return replace(SOUND, roots=roots)


def test_sound_levels_have_no_finding():
    assert exchanged_levels(Profile.of(SOUND)) == []


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("i", range(6))
def test_neighbours_exchanged_on_one_side_are_named(i, side):
    (finding,) = exchanged_levels(Profile.of(exchanged(LEVELS[i], LEVELS[i + 1], side)))
    assert finding.rule == "exchanged-levels"
    assert finding.place == f"roots {LEVELS[i]} and {LEVELS[i + 1]} {side}"
    assert "log likelihood ratio" in finding.message


def test_an_exchange_on_both_sides_is_one_finding():
    (finding,) = exchanged_levels(Profile.of(exchanged("L1", "L2", *SIDES)))
    assert finding.place == "roots L1 and L2 both sides"
    assert roots_of(places_of([finding])) == {
        Place("root", x, s) for x in ("L1", "L2") for s in SIDES
    }


def test_distant_levels_are_named_and_those_between_are_not():
    (finding,) = exchanged_levels(Profile.of(exchanged("L2", "L5", "right")))
    assert finding.place == "roots L2 and L5 right"


def test_one_side_alone_is_held_against_the_published_cohort():
    bad = exchanged("L1", "L4", "left")
    bad = replace(bad, roots={k: p for k, p in bad.roots.items() if k.side == "left"})
    (finding,) = exchanged_levels(Profile.of(bad))
    assert finding.place == "roots L1 and L4 left"


def test_what_another_finding_accounts_for_is_left_out():
    bad = Profile.of(exchanged("L1", "L2", "left"))
    assert exchanged_levels(bad, [Place("root", "L1", "left")]) == []
