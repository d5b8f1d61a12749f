"""Whole figures: views side by side at one scale, with legend, caption and notice."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures.anatomy_axes import (
    HORIZONTAL,
    TEXT_PT,
    View,
    draw_anatomy,
    draw_mode,
    legend_handles,
    mode_handles,
)
from analysis.figures.scree import draw_scree
from analysis.figures.settings import own_settings
from atlas.landmarks.scheme import Anatomy
from atlas.model.shape_model import ShapeModel
from atlas.text.plain_text import one_line


class Drawn(Protocol):
    """What is drawn of an atlas; an :class:`atlas.store.Atlas` is one."""

    @property
    def model(self) -> ShapeModel:
        """Mean and modes."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """With ``anchor`` and ``notice``."""


VIEWS: tuple[View, ...] = ("front", "side")
TITLES = {"front": "front", "side": "left side"}
HOW_TO_READ = (
    "Front: the viewer faces the person, whose left (L) is at the viewer's right. "
    "Left side: anterior (A) is at the viewer's left. To scale."
)
DPI = 150
# Of zlib: two thirds of the time of its default, an eighth more bytes.
COMPRESSION = 3
# Inches: height of a view, room above and below it, beside it the scale of height, and the legend.
VIEW_IN, ABOVE_IN, BELOW_IN, BESIDE_IN, LEGEND_IN = 7.4, 0.85, 1.2, 0.32, 1.75
SCALE_IN = 0.75
MARGIN_MM = 10.0


def group_text(atlas: Drawn) -> str:
    """How many subjects an atlas has, and where they are anchored."""
    anchor = atlas.provenance["anchor"].replace("-", " ")
    return f"n = {atlas.model.n_subjects} subjects, anchor: {anchor}."


def caption(atlas: Drawn) -> str:
    """What every view of an atlas says below it: n, anchor, and how to read it."""
    shared = "The sac is drawn over the depth that all subjects share."
    return f"{group_text(atlas)} {HOW_TO_READ} {shared}"


@own_settings()
def anatomy_figure(
    anatomy: Anatomy, *, title: str, text: str = HOW_TO_READ, notice: str = ""
) -> Figure:
    """An anatomy from the front and from the side.

    Parameters
    ----------
    anatomy : Anatomy
        mm, z rostral and x left.
    title, text, notice : str
        Above, below, and what generated data say of themselves.

    Returns
    -------
    Figure
    """
    figure, axes, right = side_by_side([anatomy], VIEWS, room_in=LEGEND_IN)
    for view, ax in zip(VIEWS, axes, strict=True):
        draw_anatomy(anatomy, view, ax, legend=False)
        title_view(ax, TITLES[view], first=view == VIEWS[0])
    place_legend(figure, legend_handles(anatomy), right)
    return written(figure, title, text, notice)


@own_settings()
def mode_figure(
    model: ShapeModel, mode: int, *, sd: float = 2.0, text: str = HOW_TO_READ, notice: str = ""
) -> Figure:
    """One mode from the front and from the side; ``mode`` counts from 1."""
    figure, axes, right = side_by_side(_mode_shapes(model, mode, sd), VIEWS, room_in=LEGEND_IN)
    for view, ax in zip(VIEWS, axes, strict=True):
        draw_mode(model, mode, view, ax, sd=sd)
        title_view(ax, TITLES[view], first=view == VIEWS[0])
    place_legend(figure, mode_handles(sd), right)
    return written(figure, _mode_title(model, mode), text, notice)


@own_settings()
def scree_figure(model: ShapeModel, *, text: str = "", notice: str = "") -> Figure:
    """The share of the variance each mode holds."""
    figure = new_figure(6.0, 4.4)
    ax = figure.add_axes((0.12, 0.25, 0.84, 0.63))
    draw_scree(model, ax)
    return written(figure, "Modes of shape variation", text, notice)


@own_settings()
def population_figure(atlas: Drawn, *, mode: int = 1, sd: float = 2.0) -> Figure:
    """The atlas at a glance: the mean, one mode, and the scree.

    Parameters
    ----------
    atlas : Drawn
        An :class:`atlas.store.Atlas`, or what there is to draw of it.
    mode : int
        From 1.
    sd : float

    Returns
    -------
    Figure
    """
    model = atlas.model
    mean = model.scheme.anatomy(model.mean)
    shapes = [mean, *_mode_shapes(model, mode, sd)]
    figure, axes, right = side_by_side(shapes, VIEWS + VIEWS, room_in=4.6)
    for i, (view, ax) in enumerate(zip(VIEWS + VIEWS, axes, strict=True)):
        if i < len(VIEWS):
            draw_anatomy(mean, view, ax, legend=False)
        else:
            draw_mode(model, mode, view, ax, sd=sd)
        kind = "Mean" if i < len(VIEWS) else f"Mode {mode}"
        title_view(ax, f"{kind}, {TITLES[view]}", first=i == 0)
    place_legend(figure, legend_handles(mean), right)
    place_legend(figure, mode_handles(sd), right + 1.9 / figure.get_figwidth())
    width, height = figure.get_size_inches()
    scree = figure.add_axes((right + 0.75 / width, BELOW_IN / height, 3.6 / width, 3.0 / height))
    draw_scree(model, scree)
    scree.set_title("Variance by mode", fontsize=TEXT_PT + 1)
    title = "Lumbosacral cord, roots and dural sac: mean shape and variation"
    return written(figure, title, caption(atlas), atlas.provenance["notice"])


@own_settings()
def png_bytes(figure: Figure) -> bytes:
    """A figure as PNG of 150 dpi, the same bytes for the same figure."""
    buffer = io.BytesIO()
    # Without Software the bytes do not change with the release of matplotlib's metadata.
    figure.savefig(
        buffer,
        format="png",
        dpi=DPI,
        metadata={"Software": None},
        pil_kwargs={"compress_level": COMPRESSION},
    )
    return buffer.getvalue()


def _mode_shapes(model: ShapeModel, mode: int, sd: float) -> list[Anatomy]:
    """The shapes at -sd and +sd of a mode."""
    if not 1 <= mode <= len(model.variance):
        raise ValueError(f"mode: expected 1 to {len(model.variance)}, got {mode}")
    ends = np.zeros((2, mode))
    ends[:, -1] = -sd, sd
    return [model.scheme.anatomy(points) for points in model.shape(ends)]


def _mode_title(model: ShapeModel, mode: int) -> str:
    share = model.variance[mode - 1] / model.total_variance
    return f"Mode {mode}: {share:.0%} of the shape variance"


def new_figure(width: float, height: float) -> Figure:
    """A white figure without axes; width and height in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _extent(anatomies: Iterable[Anatomy], axis: int) -> tuple[float, float]:
    """Lowest and highest coordinate of all structures, with a margin, mm."""
    parts = [
        np.reshape(part, (-1, 3))[:, axis]
        for a in anatomies
        for part in (a.dura, a.cord, *a.roots.values(), *a.ganglia.values())
    ]
    values = np.concatenate(parts)
    return float(np.nanmin(values)) - MARGIN_MM, float(np.nanmax(values)) + MARGIN_MM


def side_by_side(
    anatomies: Sequence[Anatomy], views: Sequence[View], *, room_in: float
) -> tuple[Figure, list[Axes], float]:
    """A figure with one axes a view, all at one scale; and where the room at the right begins."""
    low, high = _extent(anatomies, 2)
    scale = VIEW_IN / (high - low)
    spans = [_extent(anatomies, HORIZONTAL[view]) for view in views]
    widths = [(b - a) * scale for a, b in spans]
    width = SCALE_IN + sum(widths) + BESIDE_IN * (len(views) - 1) + room_in
    figure = new_figure(width, VIEW_IN + ABOVE_IN + BELOW_IN)
    height = figure.get_figheight()
    axes: list[Axes] = []
    x = SCALE_IN
    for span, own in zip(spans, widths, strict=True):
        ax = figure.add_axes((x / width, BELOW_IN / height, own / width, VIEW_IN / height))
        ax.set_xlim(span)
        ax.set_ylim(low, high)
        ax.set_autoscale_on(False)
        axes.append(ax)
        x += own + BESIDE_IN
    return figure, axes, (x - BESIDE_IN) / width


def title_view(ax: Axes, text: str, *, first: bool) -> None:
    """Title of a view; heights stand beside the first only, the scale is the same in all."""
    # With a height of its own matplotlib does not look for one above all ticks.
    ax.set_title(text, fontsize=TEXT_PT + 1, pad=13, y=1.0)
    if not first:
        ax.set_ylabel("")
        ax.tick_params(labelleft=False)


def place_legend(figure: Figure, handles: Sequence[Artist], left: float) -> None:
    """A legend below the titles; ``left`` is where its room begins, as a share of the width."""
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left + 0.15 / figure.get_figwidth(), 1 - ABOVE_IN / figure.get_figheight()),
        frameon=False,
        fontsize=TEXT_PT + 0.5,
        labelspacing=0.55,
    )


def written(figure: Figure, title: str, text: str, notice: str) -> Figure:
    """The figure with its title above, caption below, and the notice under both."""
    width, height = figure.get_size_inches()
    left = 0.18 / width
    title, text, notice = (one_line(said) for said in (title, text, notice))
    letters = int((width - 0.36) * 72 / (0.52 * TEXT_PT))
    figure.text(left, 1 - 0.12 / height, title, fontsize=TEXT_PT + 3.5, fontweight="bold", va="top")
    lines = "\n".join(textwrap.wrap(text, letters))
    figure.text(left, 0.12 / height, lines, fontsize=TEXT_PT, color="0.3", va="bottom")
    if notice:
        above = 0.12 + (lines.count("\n") + 1) * TEXT_PT * 1.35 / 72
        said = textwrap.fill(f"Cohort: {notice}", letters)
        figure.text(
            left,
            above / height,
            said,
            fontsize=TEXT_PT,
            color="#B00020",
            fontweight="bold",
            va="bottom",
            gid="notice",
        )
    return figure
