"""Colours of structures, the same in every format that holds colours.

They carry no measurement.  A level has one colour on both sides: side is told by place and name.
"""

from __future__ import annotations

from typing import NamedTuple

from atlas.data.subject import LEVELS


class Colour(NamedTuple):
    """sRGB and opacity, each 0 to 1."""

    red: float
    green: float
    blue: float
    opacity: float = 1.0


# Okabe & Ito 2008, told apart by colour-blind readers, without their yellow, which white paper
# swallows, and with grey for black, which a dark page does.
LEVEL_CODES = dict(
    zip(LEVELS, ("0072B2", "E69F00", "009E73", "CC79A7", "56B4E9", "D55E00", "6E6E6E"), strict=True)
)
_STRUCTURES = {"cord": "F2E6C9", "dura": "9FB4C7", "csf": "B9DDF0"}
_OTHER = "BBBBBB"
# What lies around the rest is seen through.
_OPACITY = {"dura": 0.22, "csf": 0.22}


def colour_of(structure: str) -> Colour:
    """The colour of a structure by its name; grey where the name says nothing.

    Examples
    --------
    >>> colour_of("root/L5/left") == colour_of("root/L5/right")
    True
    >>> colour_of("dura").opacity
    0.22
    """
    parts = structure.split("/")
    code = _STRUCTURES.get(parts[0], _OTHER)
    if len(parts) > 1 and parts[1] in LEVELS:
        code = LEVEL_CODES[parts[1]]
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return Colour(red, green, blue, _OPACITY.get(parts[0], 1.0))


def linear(value: float) -> float:
    """A value of sRGB as linear light (IEC 61966-2-1), as glTF holds its colours."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
