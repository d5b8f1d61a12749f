"""Radii of roots by level."""

import pytest

from atlas.data.subject import LEVELS
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, radii_by_level


def test_one_radius_is_that_of_every_level_from_begin_to_ganglion():
    assert radii_by_level(0.7, {"S1", "L2"}) == {"L2": (0.7, 0.7), "S1": (0.7, 0.7)}
    assert ROOT_RADIUS_MM == 0.5


def test_levels_may_differ_and_taper():
    option = {"L5": 0.5, "S1": (0.4, 1.2)}
    assert radii_by_level(option, {"L5", "S1"}) == {"L5": (0.5, 0.5), "S1": (0.4, 1.2)}


def test_radius_of_a_level_without_roots_does_no_harm():
    assert radii_by_level(dict.fromkeys(LEVELS, 0.5), {"L1"}) == {"L1": (0.5, 0.5)}


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ({"L1": 0.5}, r"expected a radius for each of \['L1', 'L2'\], got \['L1'\]"),
        ({"L1": 0.5, "L2": 0.5, "T12": 0.5}, r"got \['L1', 'L2', 'T12'\]"),
        ({"L1": (0.5, 0.0), "L2": 0.5}, "expected radii above 0 mm, from 0.001 to 50, got 0 of L1"),
        (float("inf"), "expected radii above 0 mm"),
        (-1, "expected radii above 0 mm"),
    ],
)
def test_impossible_radii_are_refused(option, text):
    with pytest.raises(ValueError, match=text):
        radii_by_level(option, {"L1", "L2"})
