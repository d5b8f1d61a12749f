"""A forest of effects: each with its interval, n and p beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.anatomy_axes import LEVEL_COLOURS, TEXT_PT
from analysis.tables.rounding import probability, with_interval

# Widths of the axes: where the columns of text stand.
BESIDE = (1.03, 1.58, 1.68)


def draw_forest(effects: pd.DataFrame, ax: Axes, *, label: str) -> Axes:
    """Effects as points with intervals, one row each, with estimate, n and adjusted p as text.

    Parameters
    ----------
    effects : DataFrame
        ``level, n, estimate, low, high, p, p_holm`` of one measure, as ``side_differences``
        gives it.
    ax : Axes
    label : str
        Of the effect, with its unit.

    Returns
    -------
    Axes
        First row on top; the line at 0 is no effect.  A filled point excludes 0 after Holm's
        adjustment at 5 %.

    Raises
    ------
    ValueError
        No effect to draw.
    """
    rows = effects[effects["n"] > 0]
    if rows.empty:
        raise ValueError("effects: expected rows with subjects, got none")
    ax.axvline(0, color="0.6", lw=0.8, zorder=0, gid="none")
    for y, row in enumerate(rows.to_dict("records")):
        colour, level = LEVEL_COLOURS.get(row["level"], "black"), row["level"]
        ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=1.4, gid=f"interval/{level}")
        sure = row["p_holm"] < 0.05
        point = ax.plot([row["estimate"]], [y], "o", ms=5, color=colour, gid=f"effect/{level}")[0]
        point.set_markerfacecolor(colour if sure else "white")
        texts = (
            with_interval(row["estimate"], row["low"], row["high"]),
            str(int(row["n"])),
            probability(row["p_holm"]),
        )
        for x, text in zip(BESIDE, texts, strict=True):
            _beside(ax, x, y, text)
    for x, text in zip(BESIDE, ("difference (95 % CI)", "n", "p (Holm)"), strict=True):
        _beside(ax, x, -0.8, text, weight="bold")
    ax.set_yticks(np.arange(len(rows)), rows["level"])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(label, fontsize=TEXT_PT + 0.5)
    ax.tick_params(labelsize=TEXT_PT)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _beside(ax: Axes, x: float, y: float, text: str, *, weight: str = "normal") -> None:
    ax.text(
        x, y, text, transform=ax.get_yaxis_transform(), fontsize=TEXT_PT, fontweight=weight,
        va="center", gid="beside",
    )  # fmt: skip
