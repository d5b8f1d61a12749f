"""Shapes drawn on axes: an anatomy, a mode.  Whole figures are in ``atlas_figures``.

Two views, both upright, in mm and to scale.  ``front``: the viewer faces the person, so that the
person's left (+x) is at the viewer's right.  ``side``: seen from the person's left, anterior at the
viewer's left.  Nothing here touches pyplot: figures belong to whoever made them.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from matplotlib.ticker import MultipleLocator

from atlas.data.subject import LEVELS, RootKey
from atlas.landmarks.scheme import Anatomy, Status, block_name
from atlas.mesh.formats.colours import LEVEL_CODES
from atlas.model.shape_model import ShapeModel

View = Literal["front", "side"]
# The same as in meshes and in the explorer.
LEVEL_COLOURS = {level: f"#{code}" for level, code in LEVEL_CODES.items()}
SAC, CORD = "#9DB4C0", "#B08968"
MINUS, MEAN, PLUS = "#0072B2", "#8A8A8A", "#D55E00"
HORIZONTAL = {"front": 0, "side": 1}
DIRECTIONS = {"front": ("R", "L"), "side": ("A", "P")}
TEXT_PT = 7.5
DASHES = (0, (3.2, 1.6))


def draw_anatomy(
    anatomy: Anatomy, view: View, ax: Axes, *, legend: bool = True, labels: bool = True
) -> Axes:
    """An anatomy as outlines of sac and cord, roots in the colour of their level, and ganglia.

    Parameters
    ----------
    anatomy : Anatomy
        mm, in a frame whose z is rostral and x left.
    view : {"front", "side"}
    ax : Axes
    legend, labels : bool
        Whether to draw the legend, and the level's name beside its ganglia.

    Returns
    -------
    Axes
        Traced stretches of a root are solid, bridged ones dashed and lighter; a shape without
        status is drawn solid and said to be generated.  Right roots are paler in the side view,
        where they lie behind the left.
    """
    axis = HORIZONTAL[view]
    for rings, colour, name, order in (
        (anatomy.dura, SAC, "sac", 1),
        (anatomy.cord, CORD, "cord", 2),
    ):
        _draw_silhouette(rings, axis, ax, colour=colour, name=name, zorder=order)
    for key in sorted(anatomy.roots, key=lambda k: k.side == "left"):
        _draw_root(anatomy, key, axis, ax, alpha=_alpha(key, view))
    for key, place in anatomy.ganglia.items():
        dot = _dots(place[None, [axis, 2]], ms=4.2, mew=0.6, zorder=5, alpha=_alpha(key, view))
        dot.set(color=LEVEL_COLOURS[key.level], mec="white")
        dot.set_gid(f"ganglion/{key.level}/{key.side}")
        ax.add_artist(dot)
    _take_in(ax, anatomy, axis)
    if labels:
        _label_levels(anatomy, view, ax)
    _orient(ax, view)
    if legend:
        ax.legend(
            handles=legend_handles(anatomy),
            loc="upper left",
            bbox_to_anchor=(1.02, 1.0),
            frameon=False,
            fontsize=TEXT_PT,
        )
    return ax


def legend_handles(anatomy: Anatomy) -> list[Line2D | Patch]:
    """What a legend of :func:`draw_anatomy` says: structures, levels, and what roots rest on."""
    handles: list[Line2D | Patch] = [
        Patch(facecolor=SAC, alpha=0.5, edgecolor=SAC, label="dural sac"),
        Patch(facecolor=CORD, alpha=0.8, edgecolor=CORD, label="cord"),
    ]
    present = [v for v in LEVELS if any(k.level == v for k in (*anatomy.roots, *anatomy.ganglia))]
    handles += [Line2D([], [], color=LEVEL_COLOURS[v], lw=1.8, label=v) for v in present]
    handles.append(
        Line2D([], [], ls="", marker="o", ms=4.2, color="0.35", mec="white", label="ganglion")
    )
    if anatomy.status:
        handles += [
            Line2D([], [], color="0.35", lw=1.4, label="traced"),
            Line2D([], [], color="0.35", lw=1.0, ls=DASHES, alpha=0.6, label="bridged, not seen"),
        ]
    else:
        handles.append(
            Line2D([], [], color="0.35", lw=1.4, label="generated shape,\nno part of it traced")
        )
    return handles


def draw_mode(model: ShapeModel, mode: int, view: View, ax: Axes, *, sd: float = 2.0) -> Axes:
    """One mode of variation: the mean with the shapes at -sd and +sd laid over it.

    Parameters
    ----------
    model : ShapeModel
    mode : int
        From 1.
    view : {"front", "side"}
    ax : Axes
    sd : float
        Standard deviations to either side.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        The model has no such mode.
    """
    if not 1 <= mode <= len(model.variance):
        raise ValueError(f"mode: expected 1 to {len(model.variance)}, got {mode}")
    axis = HORIZONTAL[view]
    coefficients = np.zeros(mode)
    for amount, colour, order in ((0.0, MEAN, 2), (-sd, MINUS, 3), (sd, PLUS, 4)):
        coefficients[-1] = amount
        anatomy = model.scheme.anatomy(model.shape(coefficients))
        for name, rings in (("sac", anatomy.dura), ("cord", anatomy.cord)):
            edge = silhouette(rings, axis)
            if not amount:
                ax.add_artist(Polygon(edge, fc=MEAN, alpha=0.18, lw=0, zorder=1))
            gid = f"{name}/{amount:+g}"
            ax.add_artist(Polygon(edge, fill=False, ec=colour, lw=0.9, zorder=order, gid=gid))
        courses = [root[:, [axis, 2]] for root in anatomy.roots.values()]
        lines = LineCollection(courses, colors=colour, lw=0.55, capstyle="projecting", zorder=order)
        lines.set_gid(f"roots/{amount:+g}")
        ax.add_artist(lines)
        ends = np.array([course[-1] for course in courses])
        ax.add_artist(_dots(ends, ms=2.8, color=colour, mew=0, zorder=order + 2))
        _take_in(ax, anatomy, axis)
    _orient(ax, view)
    return ax


def mode_handles(sd: float) -> list[Line2D]:
    """What a legend of :func:`draw_mode` says."""
    return [
        Line2D([], [], color=MINUS, lw=1.4, label=f"−{sd:g} SD"),
        Line2D([], [], color=MEAN, lw=1.4, label="mean"),
        Line2D([], [], color=PLUS, lw=1.4, label=f"+{sd:g} SD"),
    ]


def silhouette(rings: np.ndarray, axis: int) -> np.ndarray:
    """Outline of a tube seen along the other horizontal axis.

    Parameters
    ----------
    rings : (k, around, 3) float
        mm; missing rings (NaN) are left out.
    axis : {0, 1}
        The axis drawn from left to right.

    Returns
    -------
    (2 m, 2) float
        Of the m whole rings: down one edge and up the other, mm.
    """
    rings = rings[~np.isnan(rings).any(axis=(1, 2))]
    index = np.arange(len(rings))
    low, high = rings[..., axis].argmin(axis=1), rings[..., axis].argmax(axis=1)
    return np.concatenate([rings[index, low], rings[index, high][::-1]])[:, [axis, 2]]


def _draw_silhouette(
    rings: np.ndarray, axis: int, ax: Axes, *, colour: str, name: str, zorder: int
) -> None:
    edge = silhouette(rings, axis)
    alpha = 0.32 if name == "sac" else 0.75
    ax.add_artist(Polygon(edge, fc=colour, alpha=alpha, lw=0, zorder=zorder, gid=name))
    outline = Polygon(edge, fill=False, ec=colour, lw=0.9, zorder=zorder, gid=f"{name}/outline")
    ax.add_artist(outline)


def _alpha(key: RootKey, view: View) -> float:
    """Right roots are paler where they lie behind the left."""
    return 0.45 if view == "side" and key.side == "right" else 1.0


def _draw_root(anatomy: Anatomy, key: RootKey, axis: int, ax: Axes, *, alpha: float) -> None:
    root = anatomy.roots[key]
    colour, name = LEVEL_COLOURS[key.level], f"root/{key.level}/{key.side}"
    status = anatomy.status.get(block_name(key))
    traced = len(root)
    if status is not None:
        # The ganglion is measured but not traced: the line to it is bridged.
        seen = np.flatnonzero(status[:-1] == Status.MEASURED)
        traced = int(seen[-1]) + 1 if len(seen) else 0
        gap = root[max(traced - 1, 0) :]
        line = Line2D(gap[:, axis], gap[:, 2], color=colour, lw=0.9, ls=DASHES, zorder=3)
        line.set(alpha=0.6 * alpha, gid=f"{name}/bridged")
        ax.add_artist(line)
    seen = root[:traced]
    line = Line2D(seen[:, axis], seen[:, 2], color=colour, lw=1.4, alpha=alpha, zorder=4)
    line.set_gid(f"{name}/{'generated' if status is None else 'traced'}")
    ax.add_artist(line)


def _dots(places: np.ndarray, **look: Any) -> Line2D:
    return Line2D(*places.T, ls="", marker="o", **look)


def _take_in(ax: Axes, anatomy: Anatomy, axis: int) -> None:
    """Let the limits of axes hold an anatomy.

    At once: matplotlib's ``plot`` and ``fill`` do it for each artist, which takes longer than to
    draw them.
    """
    parts = (anatomy.dura, anatomy.cord, *anatomy.roots.values(), *anatomy.ganglia.values())
    points = np.concatenate([np.reshape(part, (-1, 3)) for part in parts])
    ax.update_datalim(points[~np.isnan(points).any(axis=1)][:, [axis, 2]])


def _label_levels(anatomy: Anatomy, view: View, ax: Axes) -> None:
    """Name of the level beside the outermost of its ganglia, so that colour is not alone."""
    axis = HORIZONTAL[view]
    middle = np.nanmean(anatomy.dura[..., axis])
    for level in LEVELS:
        places = [
            g for k, g in anatomy.ganglia.items() if k.level == level and np.isfinite(g).all()
        ]
        if not places:
            continue
        outward = 1.0 if view == "front" or np.mean([g[axis] for g in places]) > middle else -1.0
        place = max(places, key=lambda g: outward * g[axis])
        ax.annotate(
            level,
            (place[axis], place[2]),
            xytext=(5 * outward, 0),
            textcoords="offset points",
            ha="left" if outward > 0 else "right",
            va="center",
            fontsize=TEXT_PT,
            color=LEVEL_COLOURS[level],
            fontweight="bold",
        )


def _orient(ax: Axes, view: View) -> None:
    """Scale, units and anatomical directions of a view."""
    ax.set_aspect("equal", adjustable="box", anchor="N")
    ax.margins(x=0.12, y=0.02)
    ax.set_xlabel(f"{'xy'[HORIZONTAL[view]]} (mm)", fontsize=TEXT_PT + 0.5)
    ax.set_ylabel("z (mm)", fontsize=TEXT_PT + 0.5)
    ax.tick_params(labelsize=TEXT_PT)
    ax.xaxis.set_major_locator(MultipleLocator(20))
    ax.yaxis.set_major_locator(MultipleLocator(50))
    ax.spines[["top", "right"]].set_visible(False)
    low, high = DIRECTIONS[view]
    places = {low: (0.06, 0.985), high: (0.94, 0.985), "S": (0.5, 1.006), "I": (0.5, 0.004)}
    for text, (x, y) in places.items():
        ax.text(
            x,
            y,
            text,
            transform=ax.transAxes,
            ha="center",
            va="top" if text in DIRECTIONS[view] else "bottom",
            fontsize=TEXT_PT + 0.5,
            fontweight="bold",
            color="0.45",
            gid="direction",
        )
