"""Measures of roots level by level: means with intervals, single subjects, left against right."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures.anatomy_axes import LEVEL_COLOURS, TEXT_PT
from atlas.data.subject import LEVELS

OFFSETS = {"left": -0.2, "right": 0.2, "both": 0.0}
MARKERS = {"left": "o", "right": "s", "both": "D"}
DOT_SPREAD = 0.055


def draw_segments(
    segments: pd.DataFrame, measures: pd.DataFrame, measure: str, ax: Axes, *, label: str
) -> Axes:
    """One measure by level and side: every subject a dot, the mean with its 95 % interval.

    Parameters
    ----------
    segments : DataFrame
        As ``summarise_segments`` gives it.
    measures : DataFrame
        As ``measure_group`` gives it, of the same subjects.
    measure : str
    ax : Axes
    label : str
        Of the measure, with its unit.

    Returns
    -------
    Axes
        Values that rest on bridged points are hollow dots.

    Raises
    ------
    ValueError
        The table has no such measure.
    """
    rows = segments[(segments["measure"] == measure) & segments["side"].isin(list(OFFSETS))]
    if "basis" in rows:
        rows = rows[rows["basis"].isin(["all", "generated"])]
    if rows.empty:
        raise ValueError(f"segments: expected rows of {measure}, got none")
    single = measures[measures["measure"] == measure].dropna(subset=["value"])
    for row in rows.to_dict("records"):
        level, side = str(row["level"]), str(row["side"])
        if level not in LEVELS or not row["n"]:
            continue
        x = LEVELS.index(level) + OFFSETS[side]
        own = single[(single["level"] == level) & (single["side"] == side)]
        _draw_subjects(own, x, level, side, ax)
        if row["n"] < 2:
            continue  # the bar would hide the only subject there is
        gid = f"{level}/{side}"
        ends = [row["mean_low"], row["mean_high"]]
        ax.plot([x, x], ends, color="black", lw=1.3, zorder=5, gid=f"interval/{gid}")
        mean = ax.plot([x], [row["mean"]], "_", ms=11, mew=1.6, color="black", zorder=5)[0]
        mean.set_gid(f"mean/{gid}")
    ax.set_xticks(range(len(LEVELS)), LEVELS)
    ax.set_xlim(-0.6, len(LEVELS) - 0.4)
    ax.set_ylabel(label, fontsize=TEXT_PT + 0.5)
    ax.tick_params(labelsize=TEXT_PT)
    ax.yaxis.grid(True, color="0.92", lw=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def segment_handles(measures: pd.DataFrame) -> list[Line2D]:
    """What a legend of :func:`draw_segments` says of the rows it was given."""

    def dot(marker: str, text: str, *, hollow: bool = False) -> Line2D:
        face = "none" if hollow else "0.4"
        return Line2D([], [], ls="", marker=marker, ms=4, color="0.4", mfc=face, label=text)

    sides = [s for s in MARKERS if (measures["side"] == s).any()]
    dots = [dot(MARKERS[s], "subject" if s == "both" else f"subject, {s}") for s in sides]
    if (measures["rests_on"] == "bridged").any():
        dots.append(dot("o", "rests on bridged points", hollow=True))
    mean = Line2D([], [], marker="_", ms=9, mew=1.6, lw=1.3, color="black", label="mean, 95 % CI")
    return [*dots, mean]


def draw_sides(
    measures: pd.DataFrame, measure: str, ax: Axes, *, label: str, mirrored: bool = False
) -> Axes:
    """Left against right of each subject, a colour a level, with the line of equality.

    Parameters
    ----------
    measures : DataFrame
        As ``measure_group`` gives it.
    measure : str
        Of roots.
    ax : Axes
    label : str
        Of the measure, with its unit.
    mirrored : bool
        Turn the sign of the right side: for measures that flip under mirroring.

    Returns
    -------
    Axes
        Equal scales on both axes.
    """
    rows = measures[(measures["measure"] == measure) & measures["side"].isin(["left", "right"])]
    wide = rows.pivot(index=["subject", "level"], columns="side", values="value")
    wide = wide.reindex(columns=["left", "right"]).dropna()
    wide = wide.assign(right=-wide["right"]) if mirrored else wide
    for level in LEVELS:
        if level not in wide.index.get_level_values("level"):
            continue
        own = wide.xs(level, level="level")
        ax.plot(
            own["left"], own["right"], "o", ms=3.6, mew=0, alpha=0.85, color=LEVEL_COLOURS[level],
            label=level, gid=f"sides/{level}",
        )  # fmt: skip
    low, high = (wide.min().min(), wide.max().max()) if len(wide) else (0.0, 1.0)
    margin = 0.06 * max(high - low, 1e-9)
    ends = [low - margin, high + margin]
    ax.plot(ends, ends, color="0.6", lw=0.8, zorder=0, gid="identity")
    ax.set(xlim=ends, ylim=ends)
    ax.set_aspect("equal", adjustable="box")
    ax.set_xlabel(f"left: {label}", fontsize=TEXT_PT + 0.5)
    ax.set_ylabel(f"right{', mirrored' if mirrored else ''}: {label}", fontsize=TEXT_PT + 0.5)
    ax.tick_params(labelsize=TEXT_PT)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _draw_subjects(own: pd.DataFrame, x: float, level: str, side: str, ax: Axes) -> None:
    # Beside each other in the order of subjects, so that the same picture comes each time.
    places = x + DOT_SPREAD * (np.arange(len(own)) % 3 - 1)
    bridged = (own["rests_on"] == "bridged").to_numpy()
    for mask, part in ((~bridged, "traced"), (bridged, "bridged")):
        if mask.any():
            dots = ax.plot(places[mask], own["value"][mask], MARKERS[side], ms=3.0, ls="")[0]
            dots.set(color=LEVEL_COLOURS[level], alpha=0.55, gid=f"{part}/{level}/{side}")
            dots.set_markerfacecolor("none" if part == "bridged" else LEVEL_COLOURS[level])
            dots.set_markeredgewidth(0.7 if part == "bridged" else 0)
