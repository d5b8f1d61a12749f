"""What the definition of a measure consists of, its unit, and the columns of a table of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Per = Literal["root", "level", "subject"]

# Columns of every table of measures to what they hold.
COLUMNS = {
    "level": "spinal level; all for a measure of the whole subject",
    "side": "left or right; both for a measure of a level or of the subject",
    "measure": "name of the measure",
    "value": "in the unit the name ends in; NaN where it cannot be measured",
    "rests_on": "measured, bridged, missing or generated",
}

# Longest first: a curvature in 1/mm also ends in `_mm`.
UNITS = {
    "_per_mm": "1/mm",
    "_ratio": "1",
    "_deg": "deg",
    "_mm2": "mm2",
    "_mm": "mm",
    "_ml": "ml",
}


FROSTELL = "Frostell et al. 2016, doi:10.3389/fneur.2016.00238"
HOLSHEIMER = "Holsheimer et al. 1994, AJNR 15:951-959, PMID 8059666"
LIU = "Liu et al. 2024, doi:10.1038/s41597-024-03919-4"
MENGER = "Menger 1930"


@dataclass(frozen=True, slots=True)
class Measure:
    """Definition of one measure.

    Parameters
    ----------
    name : str
        Ends in its unit.
    text : str
        What it says, in a line.
    how : str
        Formula or procedure.
    per : {"root", "level", "subject"}
        What has one value of it.
    ratio : bool
        It has a zero of its own, so that a coefficient of variation means something.
    signed : bool
        Its sign flips when left and right are exchanged.
    needs : tuple of str
        Structures without which it is missing.
    uses_bridge : bool
        It may rest on the bridged stretch between trace and ganglion.
    follows_view : bool
        It changes with how much of the sac the image holds, the conus being seen.
    source : str
        Who defined it or gave numbers for it; empty for this project's own.
    """

    name: str
    text: str
    how: str
    per: Per
    ratio: bool = False
    signed: bool = False
    needs: tuple[str, ...] = ()
    uses_bridge: bool = False
    follows_view: bool = False
    source: str = ""

    @property
    def unit(self) -> str:
        """Unit, from the end of the name."""
        return unit(self.name)


def unit(measure: str) -> str:
    """Unit of a measure, from the end of its name.

    Raises
    ------
    ValueError
        The name ends in no unit.

    Examples
    --------
    >>> unit("cord_area_mm2"), unit("curvature_mean_per_mm")
    ('mm2', '1/mm')
    """
    for ending, name in UNITS.items():
        if measure.endswith(ending):
            return name
    raise ValueError(f"measure {measure!r}: expected a name that ends in one of {list(UNITS)}")
