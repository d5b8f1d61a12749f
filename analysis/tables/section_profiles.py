"""Section measures along the depth over a group, by where depth is counted from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from analysis.morphometry import named_values, section_profile, unit
from analysis.variability.normal_intervals import CONFIDENCE, mean_interval
from atlas.landmarks.scheme import Anatomy

STEP_MM = 4.0
APEX, CONUS = "dura-apex", "conus"
COLUMNS = {
    "anchor": "where depth is counted from: dura-apex (the top of the image) or conus",
    "depth_mm": "below the anchor, negative above it, mm",
    "measure": "section measure, in the slice at that depth",
    "unit": "of all but n",
    "n": "subjects whose field of view holds a slice there",
    "mean, mean_low, mean_high": f"mean and its {CONFIDENCE:.0%} t-interval, depth by depth",
    "sd": "SD (n - 1)",
    "range_low, range_high": "mean ± 1.96 SD, where 95 % of a normal population would lie; an "
    "estimate without an interval",
}


def profile_table(anatomies: Mapping[str, Anatomy]) -> pd.DataFrame:
    """Mean section measures of a group along the depth, from the apex and from the conus.

    Parameters
    ----------
    anatomies : mapping of subject id to Anatomy
        mm.

    Returns
    -------
    DataFrame
        One row an anchor, depth (every 4 mm) and measure; ``COLUMNS`` says what stands in it.
    """
    depths = {name: _conus_depth(anatomy) for name, anatomy in anatomies.items()}
    parts = []
    for anchor in (APEX, CONUS):
        for name, anatomy in anatomies.items():
            origin = 0.0 if anchor == APEX else depths[name]
            grid = _grid(anatomy, origin)
            rows = section_profile(anatomy, grid + origin)
            rows["depth_mm"] = rows["depth_mm"] - origin
            parts.append(rows.assign(subject=name, anchor=anchor))
    return summarise_profiles(pd.concat(parts, ignore_index=True))


def summarise_profiles(profiles: pd.DataFrame) -> pd.DataFrame:
    """Mean, its interval and the 95 % range at every depth.

    Parameters
    ----------
    profiles : DataFrame
        ``subject, anchor, depth_mm, measure, value``.

    Returns
    -------
    DataFrame
        As :func:`profile_table`; depths where no subject has a value are left out.
    """
    profiles = profiles.assign(depth_mm=profiles["depth_mm"].round(6) + 0.0)
    keys = ["anchor", "measure", "depth_mm"]
    values = profiles.groupby(keys, observed=True)["value"]
    table = values.agg(n="count", mean="mean", sd="std").reset_index()
    table = table[table["n"] > 0].reset_index(drop=True)
    half = mean_interval(table["n"].to_numpy(), table["sd"].to_numpy(float))
    reach = stats.norm.ppf(0.5 + CONFIDENCE / 2) * table["sd"]
    table = table.assign(
        unit=table["measure"].map(unit),
        mean_low=table["mean"] - half,
        mean_high=table["mean"] + half,
        range_low=table["mean"] - reach,
        range_high=table["mean"] + reach,
    )
    names = ["anchor", "depth_mm", "measure", "unit", "n", "mean", "mean_low", "mean_high"]
    return table[[*names, "sd", "range_low", "range_high"]]


def _conus_depth(anatomy: Anatomy) -> float:
    """Depth (mm) of the conus below the first dura ring, along the sac's slices."""
    return named_values(anatomy)["all", "both", "apex_to_conus_mm"]


def _grid(anatomy: Anatomy, origin: float) -> np.ndarray:
    """Depths (n,) mm below the anchor, whole steps, over the extent of the dura."""
    rings = anatomy.dura[~np.isnan(anatomy.dura).any(axis=(1, 2))].mean(axis=1)
    length = float(np.linalg.norm(np.diff(rings, axis=0), axis=1).sum())
    first, last = np.ceil(-origin / STEP_MM), np.floor((length - origin) / STEP_MM)
    return STEP_MM * np.arange(first, last + 1) if np.isfinite(origin) else np.empty(0)
