"""Radii of roots: assumed, never measured; per level, and from a root's begin to its ganglion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from atlas.data.subject import LEVELS

# Assumed, never measured: no annotation holds a radius, and the authors' meshes use this one.
ROOT_RADIUS_MM = 0.5
# No root is thinner or thicker, and no file of single precision tells less from nothing.
LEAST_MM, MOST_MM = 0.001, 50.0

# One radius; or for each level one, or one at the begin and one at the ganglion.
RadiusOption = float | Mapping[str, "float | tuple[float, float]"]


def radii_by_level(option: RadiusOption, levels: set[str]) -> dict[str, tuple[float, float]]:
    """Radii at the begin and at the ganglion for each level.

    Parameters
    ----------
    option : float or mapping of level to float or (float, float)
        mm; assumed.  One number for all, or for every level one number or a pair: the radius
        where the root begins and that at its ganglion, between which it changes evenly.
    levels : set of str
        Levels there are roots of.

    Returns
    -------
    dict of level to (float, float)
        Rostral to caudal, mm.

    Raises
    ------
    ValueError
        A level has no radius, there is no such level, or a radius is not above 0 mm.

    Examples
    --------
    >>> radii_by_level({"L5": 0.5, "S1": (0.5, 1.2)}, {"L5", "S1"})
    {'L5': (0.5, 0.5), 'S1': (0.5, 1.2)}
    """
    present = [level for level in LEVELS if level in levels]
    given = option if isinstance(option, Mapping) else dict.fromkeys(present, option)
    unknown, absent = set(given) - set(LEVELS), set(present) - set(given)
    if unknown or absent:
        raise ValueError(
            f"root_radius_mm: expected a radius for each of {present}, got {sorted(given)}"
        )
    pairs = {level: np.broadcast_to(np.asarray(r, float), 2) for level, r in given.items()}
    wrong = [
        f"{r.max():g} of {level}" if (r > MOST_MM).any() else f"{r.min():g} of {level}"
        for level, r in pairs.items()
        if not ((r >= LEAST_MM) & (r <= MOST_MM)).all()
    ]
    if wrong:
        raise ValueError(
            f"root_radius_mm: expected radii above 0 mm, from {LEAST_MM:g} to {MOST_MM:g}, got "
            f"{', '.join(wrong)}"
        )
    return {level: (float(pairs[level][0]), float(pairs[level][1])) for level in present}
