"""The measures of one anatomy and what each rests on, as arrays: what large builds collect.

Registered as an entry point of ``atlas.survey_measures``: nothing in ``atlas`` may import from
here.
"""

from __future__ import annotations

import numpy as np

from analysis.morphometry.measuring import measure, row_names
from atlas.landmarks.scheme import Anatomy

# Codes of what a value rests on, by their place.
GROUNDS = ("measured", "bridged", "missing", "generated")


def values_and_grounds(
    anatomy: Anatomy,
) -> tuple[tuple[tuple[str, str, str], ...], np.ndarray, np.ndarray]:
    """Every measure of one anatomy as arrays.

    Parameters
    ----------
    anatomy : Anatomy
        mm, in any frame.

    Returns
    -------
    names : tuple of (level, side, measure)
        The same for every anatomy.
    values : (R,) float
        In the unit that ends a measure's name; NaN where it cannot be measured.
    grounds : (R,) uint8
        Place in :data:`GROUNDS` of what each rests on.
    """
    table = measure(anatomy)
    codes = {name: code for code, name in enumerate(GROUNDS)}
    grounds = table["rests_on"].map(codes).to_numpy(dtype=np.uint8)
    return tuple(row_names()), table["value"].to_numpy(dtype=float), grounds
