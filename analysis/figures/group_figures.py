"""Whole figures of how a group varies: panels of measures, and landmarks over the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from analysis.figures.anatomy_axes import LEVEL_COLOURS, draw_anatomy
from analysis.figures.atlas_figures import (
    HOW_TO_READ,
    LEGEND_IN,
    TITLES,
    VIEWS,
    new_figure,
    place_legend,
    side_by_side,
    title_view,
    written,
)
from analysis.figures.depth_profiles import FEW, draw_profile
from analysis.figures.ellipsoids import draw_ellipse
from analysis.figures.forests import draw_forest
from analysis.figures.segments import draw_segments, draw_sides, segment_handles
from analysis.figures.settings import own_settings
from atlas.data.subject import LEVELS
from atlas.landmarks.scheme import Anatomy, block_name
from atlas.store import Atlas

# Inches: a panel, room left of it for its scale, above and below it.
PANEL_IN, SCALE_IN, ABOVE_IN, BETWEEN_IN, BELOW_IN = (3.1, 2.5), 0.7, 0.75, 0.75, 1.3
BESIDE_FOREST_IN = 2.1
# An ellipse of 95 % in two directions reaches so many SDs along an axis.
REACH_SD = np.sqrt(stats.chi2.ppf(0.95, 2))


@own_settings()
def profile_figure(
    profiles: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    anchor: str,
    title: str,
    text: str,
    notice: str = "",
) -> Figure:
    """Section measures side by side along the depth from one anchor.

    Parameters
    ----------
    profiles : DataFrame
        As ``section_profiles.profile_table`` gives it.
    labels : mapping of measure to str
        Which, and what stands at their axes.
    anchor : {"dura-apex", "conus"}
    title, text, notice : str
        Above, below, and what generated data say of themselves.

    Returns
    -------
    Figure
    """
    figure, axes = _panels(1, len(labels), panel=(2.1, 4.6), room_in=0.1)
    depths = profiles.loc[profiles["anchor"] == anchor, "depth_mm"]
    for i, (ax, (name, label)) in enumerate(zip(axes, labels.items(), strict=True)):
        draw_profile(profiles, name, ax, anchor=anchor, label=label)
        ax.set_ylim(depths.max(), depths.min())
        if i:
            ax.set_ylabel("")
    n = profiles.loc[profiles["anchor"] == anchor, "n"].max()
    bands = (
        f"Line: mean, solid where all {n} have a slice, dashed where fewer do. Dark band: 95 % CI "
        "of the mean (Student's t), depth by depth. Light band: mean ± 1.96 SD, where 95 % of a "
        f"normal population would lie. No bands where fewer than {FEW} subjects have a slice."
    )
    return written(figure, title, f"{text} {bands}", notice)


@own_settings()
def segment_figure(
    segments: pd.DataFrame,
    measures: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    title: str,
    text: str,
    notice: str = "",
) -> Figure:
    """Measures by level and side, every subject a dot; two panels a row."""
    shown = measures["measure"].isin(list(labels))
    figure, axes = _panels(-(-len(labels) // 2), 2, room_in=1.9)
    for ax, (name, label) in zip(axes, labels.items(), strict=False):
        draw_segments(segments, measures, name, ax, label=label)
    _drop_empty(axes, len(labels))
    place_legend(figure, segment_handles(measures[shown]), _right(axes))
    said = f"{text} Bars: mean and its 95 % CI, as in the table segment_variability."
    return written(figure, title, said, notice)


@own_settings()
def sides_figure(
    measures: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    mirrored: Sequence[str],
    title: str,
    text: str,
    notice: str = "",
) -> Figure:
    """Left against right of every subject.

    The sign of the right side is turned for the measures in ``mirrored``.
    """
    figure, axes = _panels(-(-len(labels) // 2), 2, panel=(2.6, 2.6), room_in=1.0)
    for ax, (name, label) in zip(axes, labels.items(), strict=False):
        draw_sides(measures, name, ax, label=label, mirrored=name in mirrored)
    _drop_empty(axes, len(labels))
    handles = [
        Line2D([], [], ls="", marker="o", ms=4, color=LEVEL_COLOURS[v], label=v) for v in LEVELS
    ]
    handles.append(Line2D([], [], color="0.6", lw=0.8, label="equal"))
    place_legend(figure, handles, _right(axes))
    said = f"{text} A dot: one level of one subject, in the colour of its level."
    return written(figure, title, said, notice)


@own_settings()
def effects_figure(
    differences: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    title: str,
    text: str,
    notice: str = "",
) -> Figure:
    """Side differences of measures as forests, two a row."""
    figure, axes = _panels(
        -(-len(labels) // 2), 2, panel=(2.4, 2.3), room_in=0.0, beside_in=BESIDE_FOREST_IN
    )
    for ax, (name, label) in zip(axes, labels.items(), strict=False):
        draw_forest(differences[differences["measure"] == name], ax, label=label)
    _drop_empty(axes, len(labels))
    said = (
        f"{text} Left minus right with the 95 % CI (Student's t); filled where p, adjusted after "
        "Holm over the levels of a measure, is below 0.05."
    )
    return written(figure, title, said, notice)


@own_settings()
def ellipsoid_figure(atlas: Atlas, *, title: str, text: str, notice: str = "") -> Figure:
    """Where begins and ganglia lie: 95 % ellipses over the mean, from the front and the side."""
    model, points = atlas.model, atlas.alignment.points
    mean = model.scheme.anatomy(model.mean)
    figure, axes, right = side_by_side([mean, *_ends(atlas, mean)], VIEWS, room_in=LEGEND_IN)
    for view, ax in zip(VIEWS, axes, strict=True):
        draw_anatomy(mean, view, ax, legend=False, labels=True)
        for line in ax.lines:
            line.set_alpha(0.25)
        for key in mean.roots:
            span = model.scheme.span(block_name(key))
            root = points[:, span]
            for place, name, filled in ((0, "begin", False), (-1, "ganglion", True)):
                draw_ellipse(
                    root[:, place], view, ax, level=key.level, filled=filled,
                    name=f"{name}/{key.level}/{key.side}",
                )  # fmt: skip
        title_view(ax, TITLES[view], first=view == VIEWS[0])
    handles: list[Artist] = [
        Line2D([], [], color=LEVEL_COLOURS[v], lw=1.8, label=v) for v in LEVELS
    ]
    handles += [
        Line2D([], [], ls="", marker="o", ms=8, mfc="none", color="0.35", label="begin of trace"),
        Line2D([], [], ls="", marker="o", ms=8, mfc="0.8", color="0.35", label="ganglion"),
        Line2D([], [], ls="", marker=".", ms=4, color="0.35", label="subject"),
        Patch(facecolor="0.85", label="mean anatomy"),
    ]
    place_legend(figure, handles, right)
    said = (
        f"{text} {HOW_TO_READ} Ellipses hold 95 % of a normal population with the covariance "
        "estimated from the subjects as aligned; they carry no interval."
    )
    return written(figure, title, said, notice)


def _panels(
    rows: int,
    columns: int,
    *,
    panel: tuple[float, float] = PANEL_IN,
    room_in: float,
    beside_in: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels, row by row; ``beside_in`` is room right of each for text."""
    width = columns * (SCALE_IN + panel[0] + beside_in) + room_in + 0.2
    height = ABOVE_IN + rows * panel[1] + (rows - 1) * BETWEEN_IN + BELOW_IN
    figure = new_figure(width, height)
    axes = []
    for row in range(rows):
        for column in range(columns):
            x = SCALE_IN + column * (SCALE_IN + panel[0] + beside_in)
            y = BELOW_IN + (rows - 1 - row) * (panel[1] + BETWEEN_IN)
            place = (x / width, y / height, panel[0] / width, panel[1] / height)
            axes.append(figure.add_axes(place))
    return figure, axes


def _right(axes: Sequence[Axes]) -> float:
    return float(max(ax.get_position(original=True).x1 for ax in axes))


def _drop_empty(axes: Sequence[Axes], used: int) -> None:
    for ax in axes[used:]:
        ax.remove()


def _ends(atlas: Atlas, mean: Anatomy) -> list[Anatomy]:
    """The mean with its ganglia as far out as their ellipses reach, to either side."""
    last = {key: atlas.model.scheme.span(block_name(key)).stop - 1 for key in mean.ganglia}
    points = atlas.alignment.points
    reach = {key: REACH_SD * np.nanstd(points[:, i], axis=0, ddof=1) for key, i in last.items()}
    middle = {key: np.nanmean(points[:, i], axis=0) for key, i in last.items()}
    return [
        replace(mean, ganglia={key: middle[key] + sign * reach[key] for key in last})
        for sign in (-1, 1)
    ]
