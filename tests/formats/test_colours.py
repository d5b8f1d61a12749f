"""Colours tell levels apart; they are the same left and right."""

import pytest

from atlas.data.subject import LEVELS
from atlas.mesh.formats.colours import colour_of, linear


def test_levels_differ_and_sides_do_not():
    colours = {level: colour_of(f"root/{level}/left") for level in LEVELS}
    assert len(set(colours.values())) == len(LEVELS)
    for level, colour in colours.items():
        assert colour_of(f"root/{level}/right") == colour


def test_what_lies_around_is_seen_through():
    assert colour_of("dura").opacity < 1
    assert colour_of("cord").opacity == colour_of("no such thing").opacity == 1


@pytest.mark.parametrize(("srgb", "light"), [(0, 0), (1, 1), (0.5, 0.214041), (0.04, 0.0030960)])
def test_light_is_that_of_the_standard(srgb, light):
    assert linear(srgb) == pytest.approx(light, rel=1e-4)
