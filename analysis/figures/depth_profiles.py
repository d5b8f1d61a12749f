"""Section measures along the depth: mean, its interval and the 95 % range as bands."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.anatomy_axes import MINUS, TEXT_PT

# An interval from fewer subjects is so wide that it hides all the others.
FEW = 5
ANCHOR_WORDS = {"dura-apex": "dura apex (top of the image)", "conus": "conus"}


def draw_profile(
    profiles: pd.DataFrame, measure: str, ax: Axes, *, anchor: str, label: str, few: int = FEW
) -> Axes:
    """One section measure along the depth.

    Parameters
    ----------
    profiles : DataFrame
        As ``section_profiles.profile_table`` gives it.
    measure : str
    ax : Axes
    anchor : {"dura-apex", "conus"}
        Where depth is counted from.
    label : str
        Of the measure, with its unit.
    few : int
        Depths with fewer subjects have a line but no bands.

    Returns
    -------
    Axes
        Depth runs down.  The darker band is the 95 % interval of the mean, the lighter one the
        95 % range of the population; the line is dashed where not all subjects have a value.

    Raises
    ------
    ValueError
        The table has no such measure or anchor.
    """
    rows = profiles[(profiles["measure"] == measure) & (profiles["anchor"] == anchor)]
    if rows.empty:
        raise ValueError(f"profiles: expected rows of {measure} from {anchor}, got none")
    depth = rows["depth_mm"].to_numpy(float)
    banded = (rows["n"] >= few).to_numpy()
    for low, high, alpha, name in (
        ("range_low", "range_high", 0.16, "range"),
        ("mean_low", "mean_high", 0.38, "interval"),
    ):
        ax.fill_betweenx(
            depth, rows[low], rows[high], where=banded, color=MINUS, alpha=alpha, lw=0, gid=name
        )
    whole = (rows["n"] == rows["n"].max()).to_numpy()
    ax.plot(rows["mean"], depth, color=MINUS, lw=0.9, ls=(0, (2, 1.5)), gid="mean/some")
    ax.plot(rows["mean"].where(whole), depth, color=MINUS, lw=1.5, gid="mean")
    ax.set_ylim(depth.max(), depth.min())
    if rows["range_low"].min() < 0 <= rows["mean"].min():
        ax.set_xlim(left=0)
    if anchor == "conus":
        ax.axhline(0, color="0.5", lw=0.7, ls=":", gid="conus")
    ax.set_xlabel(label, fontsize=TEXT_PT + 0.5)
    ax.set_ylabel(f"depth below the {ANCHOR_WORDS[anchor]} (mm)", fontsize=TEXT_PT + 0.5)
    ax.tick_params(labelsize=TEXT_PT)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
