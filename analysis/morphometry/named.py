"""The measures of an anatomy by level, side and name: what sampling asks for.

Registered as an entry point of ``atlas.measures``: nothing in ``atlas`` may import from here.
"""

from __future__ import annotations

from analysis.morphometry.measuring import measure_values, row_names
from atlas.landmarks.scheme import Anatomy


def named_values(anatomy: Anatomy) -> dict[tuple[str, str, str], float]:
    """Level, side and measure to the value of :func:`analysis.morphometry.measure`.

    Parameters
    ----------
    anatomy : Anatomy
        mm, in any frame.

    Returns
    -------
    dict
        NaN where something cannot be measured; the keys are the same for every anatomy.
    """
    return dict(zip(row_names(), measure_values(anatomy).tolist(), strict=True))
