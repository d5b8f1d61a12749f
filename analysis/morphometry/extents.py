"""What an anatomy has one value of: volumes, the conus's taper and the curvature of the sac."""

from __future__ import annotations

import numpy as np

from analysis.morphometry.slices import Stack

# Stretch above the tip over which the taper is a straight line's slope.
TAPER_MM = 20.0
# Degree of the polynomial through the sac's centroids: its two bends and no annotator's jitter.
DEGREE = 4
MM3_PER_ML = 1000.0
EQUAL = 1e-6


def extent_measures(dura: Stack, cord: Stack, axes: np.ndarray) -> dict[str, float]:
    """Measures of the whole anatomy.

    Notes
    -----
    Volumes integrate the areas of the slices along their normal (Cavalieri, trapezoids) and are NaN
    if a ring between is missing.  CSF is sac less cord and so holds the roots.  The taper is the
    slope of ``2 sqrt(area / pi)`` against distance above the tip, least squares over the rings of
    the last 20 mm; its length runs from the ring of largest area to the tip.
    """
    apex, conus = dura.centres[0], cord.centres[-1]
    top, tip = dura.depths[0], cord.depths[-1]
    sac, sac_above = _volume(dura, np.inf), _volume(dura, tip)
    own = _volume(cord, np.inf)
    if tip > np.nanmax(dura.depths, initial=-np.inf) + 1e-6:
        sac_above = np.nan
    # A cord above the sac's first ring would count twice; here both begin at one plane.
    within = _volume(cord, np.inf, above=top)
    slope, length = _taper(cord)
    return {
        "apex_to_conus_mm": float((apex - conus) @ axes[:, 2]),
        "cord_volume_ml": own,
        "sac_volume_ml": sac,
        "csf_volume_ml": sac - within,
        "sac_volume_apex_to_conus_ml": sac_above,
        "csf_volume_apex_to_conus_ml": sac_above - within,
        "conus_taper_ratio": slope,
        "conus_taper_length_mm": length,
    } | _bends(dura, axes)


def _volume(stack: Stack, below: float, *, above: float = -np.inf) -> float:
    """Volume in ml between two depths, as far as the stack goes; NaN if a ring is missing."""
    if not stack.whole.all() or len(stack.depths) < 2 or np.isnan(below) or np.isnan(above):
        return np.nan
    low, high = max(stack.depths[0], above), min(stack.depths[-1], below)
    if high <= low:
        return 0.0
    inner = stack.depths[(stack.depths > low) & (stack.depths < high)]
    depths = np.concatenate([[low], inner, [high]])
    areas = np.interp(depths, stack.depths, stack.areas)
    return float(np.trapezoid(areas, depths) / MM3_PER_ML)


def _taper(cord: Stack) -> tuple[float, float]:
    tip = cord.depths[-1]
    if np.isnan(tip):
        return np.nan, np.nan
    # Of rings equally large to rounding the lowest counts: where the taper begins.
    widest = np.flatnonzero(cord.areas >= np.nanmax(cord.areas) * (1 - EQUAL))[-1]
    length = tip - cord.depths[widest] if cord.whole.all() else np.nan
    last = cord.whole & (cord.depths >= tip - TAPER_MM - 1e-6)
    if last.sum() < 3:
        return np.nan, float(length)
    diameter = 2 * np.sqrt(cord.areas[last] / np.pi)
    down = cord.depths[last] - cord.depths[last].mean()
    return float(-(down @ diameter) / (down @ down)), float(length)


def _bends(dura: Stack, axes: np.ndarray) -> dict[str, float]:
    """Curvature and bend of the sac's centreline, seen from the side and from behind.

    The centroids' offsets are polynomials of degree 4 in height; the bend is the angle from the
    lower to the upper end tangent, the mean curvature that angle over the length of the line in its
    plane.  Sagittal + is lordosis (concave dorsally), lateral + is concave to the left.
    """
    names = {"sagittal": 1, "lateral": 0}
    if dura.whole.sum() <= DEGREE + 1:
        parts = ("curvature_{}_per_mm", "bend_{}_deg")
        return {"sac_" + part.format(name): np.nan for name in names for part in parts}
    local = dura.centres[dura.whole] @ axes
    height = local[:, 2]
    middle, half = (height.max() + height.min()) / 2, np.ptp(height) / 2
    scaled = (height - middle) / half
    dense = np.linspace(-1, 1, 201)
    fits = np.polynomial.polynomial.polyfit(scaled, local[:, :2], DEGREE)
    slopes = np.polynomial.polynomial.polyval(dense, np.polynomial.polynomial.polyder(fits)) / half
    result = {}
    for name, axis in names.items():
        slope = slopes[axis]
        bend = np.arctan(slope[-1]) - np.arctan(slope[0])
        length = np.trapezoid(np.hypot(1, slope), dense * half)
        result[f"sac_curvature_{name}_per_mm"] = float(bend / length)
        result[f"sac_bend_{name}_deg"] = float(np.degrees(bend))
    return result
