"""A contact sheet of annotations over the images they were made on, for judging the annotation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.anatomy_axes import TEXT_PT
from analysis.figures.atlas_figures import new_figure, written
from analysis.figures.figure_files import figure_bytes
from analysis.figures.overlay_panels import (
    MARGIN_MM,
    PERCENTILES,
    Panel,
    ganglion_panels,
    slice_panels,
)
from analysis.figures.settings import own_settings
from atlas.data.dataset import Dataset, read_dataset
from atlas.data.images import Image, ImageError, find_image, open_image
from atlas.data.subject import LEVELS, Subject
from atlas.output.files import write_file
from atlas.output.results import (
    Claim,
    claim_file,
    claim_folder,
    new_folder,
    signature,
    write_result_file,
)

CONTOURS, GANGLIA = "CISS", "T2TSE"
OUTLINES = {"dura": "#00D5FF", "cord": "#FFE14D"}
# Distinct on grey: Okabe & Ito 2008, lightened, with white for their black.
LEVEL_COLOURS = dict(
    zip(
        LEVELS,
        ("#4DA3FF", "#FF9F1C", "#2EE6A8", "#FF8AD8", "#B0A0FF", "#FF5A36", "#FFFFFF"),
        strict=True,
    )
)
MARKERS = {"left": "o", "right": "s"}
COLUMNS = 5
SCALE_MM = 10.0
# Inches: a picture, its title, and room around the sheet.
PICTURE_IN, TITLE_IN, ABOVE_IN, BELOW_IN, BESIDE_IN = 2.25, 0.42, 0.5, 1.3, 0.15
HOW_TO_READ = (
    "Points are as annotated; contours are straight between them. White bar: 10 mm. "
    "Letters at the borders are read off the image's affine: L left, R right, A anterior, "
    "P posterior, S superior, I inferior of the person. "
    "Slices are counted from 0, in the order of the file."
)


def write_overlay(
    dataset: str | Path,
    subject: str,
    out: str | Path,
    *,
    images: str | Path | None = None,
    every: int | None = None,
    slices: Sequence[int] = (),
    force: bool = False,
    margin_mm: float = MARGIN_MM,
) -> list[str]:
    """Draw the annotations of a subject over its images.

    Parameters
    ----------
    dataset : path
        As :func:`atlas.read_dataset` takes it.
    subject : str
        ``sub-03``.
    out : path
        A file ``.png`` for one sheet of everything; otherwise a folder, for a sheet an image.
    images : path, optional
        Where ``rawdata/`` is, if it is not in the dataset's folder or beside it.
    force : bool
        As :func:`atlas.output.results.claim_folder` takes it.
    every, slices, margin_mm
        As :func:`analysis.figures.overlay_panels.slice_panels` takes them.

    Returns
    -------
    list of str
        What was not drawn, a line each.

    Raises
    ------
    ImageError
        No such subject; no CISS image of the subject, or one that cannot be used.
    OutputError
        The place cannot be written.
    """
    is_one_sheet = Path(out).suffix.lower() == ".png"
    claim = _claim(out, (dataset, images), force=force)
    group = read_dataset(dataset)
    person = _subject(group, subject)
    place = Path(images if images is not None else dataset)
    image = open_image(find_image(place, subject, CONTOURS))
    panels = slice_panels(person, image, every=every, slices=slices, margin_mm=margin_mm)
    sheets = {CONTOURS: (panels, [image])}
    lost: list[str] = []
    try:
        other = open_image(find_image(place, subject, GANGLIA))
    except ImageError as error:
        lost.append(f"ganglia are not drawn: {error}")
    else:
        near, outside = ganglion_panels(person, other)
        sheets[GANGLIA] = (near, [other])
        lost += [f"{k.level} {k.side} ganglion: outside {other.path.name}" for k in outside]
    if is_one_sheet:
        everything = [p for part, _ in sheets.values() for p in part]
        sheets = {"": (everything, [i for _, found in sheets.values() for i in found])}
    _write(sheets, person, claim, notice=group.notice, lost=lost)
    return lost


def _claim(out: str | Path, inputs: Sequence[str | Path | None], *, force: bool) -> Claim:
    if Path(out).suffix.lower() == ".png":
        return claim_file(out, command="overlay", suffix=".png", inputs=inputs, force=force)
    return claim_folder(out, command="overlay", inputs=inputs, force=force)


def _subject(group: Dataset, subject: str) -> Subject:
    found = next((s for s in group.subjects if s.id == subject), None)
    if found is None:
        ids = ", ".join(s.id for s in group.subjects)
        raise ImageError(f"{group.root}: expected a subject {subject!r}, got only {ids}")
    return found


def _write(
    sheets: dict[str, tuple[list[Panel], list[Image]]],
    subject: Subject,
    claim: Claim,
    *,
    notice: str,
    lost: Sequence[str],
) -> None:
    text = "Not drawn: " + "; ".join(_told(line) for line in lost) + "." if lost else ""
    drawn = {
        name: figure_bytes(
            overlay_figure(panels, subject, images, text=text, notice=notice),
            "png",
            software=signature("overlay"),
        )
        for name, (panels, images) in sheets.items()
        if panels
    }
    if "" in sheets:
        write_result_file(claim, drawn[""])
        return
    # Sheets of other subjects in the same folder stay.
    with new_folder(claim, adding=True) as folder:
        for name, content in drawn.items():
            write_file(folder / f"{subject.id}_{name}.png", content)


@own_settings()
def overlay_figure(
    panels: Sequence[Panel],
    subject: Subject,
    images: Sequence[Image],
    *,
    text: str = "",
    notice: str = "",
) -> Figure:
    """All panels as one sheet, with a legend.

    Parameters
    ----------
    panels : sequence of Panel
        At least one.
    subject : Subject
    images : sequence of Image
        Named in the title.
    text, notice : str
        Said below; what generated annotations say of themselves.

    Returns
    -------
    Figure
    """
    n_columns = min(COLUMNS, len(panels))
    n_rows = -(-len(panels) // n_columns)
    # Wide enough for title and legend, however few the panels.
    width = 2 * BESIDE_IN + COLUMNS * (PICTURE_IN + BESIDE_IN)
    height = ABOVE_IN + n_rows * (PICTURE_IN + TITLE_IN) + BELOW_IN
    figure = new_figure(width, height)
    for i, panel in enumerate(panels):
        row, column = divmod(i, n_columns)
        left = 1.5 * BESIDE_IN + column * (PICTURE_IN + BESIDE_IN)
        top = ABOVE_IN + TITLE_IN + row * (PICTURE_IN + TITLE_IN)
        box = (
            left / width,
            1 - (top + PICTURE_IN) / height,
            PICTURE_IN / width,
            PICTURE_IN / height,
        )
        draw_panel(panel, figure.add_axes(box))
    figure.legend(
        handles=_handles(),
        loc="lower left",
        bbox_to_anchor=(BESIDE_IN / width, 0.72 / height),
        ncols=11,
        fontsize=TEXT_PT,
        frameon=True,
        facecolor="0.25",
        labelcolor="white",
        columnspacing=1.0,
        handletextpad=0.4,
    )
    low, high = PERCENTILES
    greys = sorted({p.limits for p in panels})
    windows = " and ".join(f"{a:.4g} to {b:.4g}" for a, b in greys)
    said = (
        f"{text} {HOW_TO_READ} Grey: from percentile {low:g} to {high:g} of what is shown of an "
        f"image ({windows}, in its own unit)."
    )
    title = f"{subject.id}: annotations over {' and '.join(i.path.name for i in images)}"
    return written(figure, title, said.strip(), notice)


def draw_panel(panel: Panel, ax: Axes) -> Axes:
    """One panel: the slice in grey, outlines, points, and letters at the borders."""
    plane = panel.plane
    assert panel.grey is not None
    left, right, top, bottom = panel.extent_mm
    ax.imshow(
        panel.grey,
        cmap="gray",
        vmin=panel.limits[0],
        vmax=panel.limits[1],
        extent=(left, right, bottom, top),
        origin="upper",
        interpolation="nearest",
    )
    for kind, places in panel.outlines:
        closed = [*places, places[0]]
        ax.plot(*zip(*closed, strict=True), color=OUTLINES[kind], lw=0.8, marker=".", ms=1.8)
    for key, (h, v) in panel.points:
        ax.plot(
            h, v, MARKERS[key.side], color=LEVEL_COLOURS[key.level], ms=2.6, mec="black", mew=0.3
        )
    if panel.ganglion is not None:
        key, (h, v), _ = panel.ganglion
        # A ring, so that what is marked stays visible in its middle.
        for size, colour in ((11.8, "black"), (11, LEVEL_COLOURS[key.level])):
            ax.plot(h, v, "o", mfc="none", mec=colour, ms=size, mew=1.2)
        ax.plot(h, v, "+", color=LEVEL_COLOURS[key.level], ms=4, mew=0.7)
    _draw_scale(panel, ax)
    low, high, below, above = panel.window_mm
    ax.set_xlim((low, high) if plane.right > 0 else (high, low))
    ax.set_ylim((above, below) if plane.down > 0 else (below, above))
    ax.set_aspect("equal", adjustable="box")
    ax.set(xticks=[], yticks=[], facecolor="black")
    ax.set_title(panel.title, fontsize=TEXT_PT - 0.5, pad=2)
    for letter, (x, y) in zip(
        plane.letters, ((0.03, 0.5), (0.97, 0.5), (0.5, 0.96), (0.5, 0.04)), strict=True
    ):
        ax.text(
            x,
            y,
            letter,
            color="white",
            fontsize=TEXT_PT,
            ha="center",
            va="center",
            transform=ax.transAxes,
            gid="direction",
        )
    return ax


def _draw_scale(panel: Panel, ax: Axes) -> None:
    """A bar of ``SCALE_MM`` in the corner at the viewer's lower left."""
    low, high, below, above = panel.window_mm
    h = low + 0.05 * (high - low) if panel.plane.right > 0 else high - 0.05 * (high - low)
    v = above - 0.07 * (above - below) if panel.plane.down > 0 else below + 0.07 * (above - below)
    end = h + panel.plane.right * SCALE_MM
    ax.plot([h, end], [v, v], color="white", lw=1.5, solid_capstyle="butt", gid="scale")


def _told(line: str) -> str:
    """A line about an image without the folders it names: a picture is passed on."""
    return line if "ganglia are not drawn" not in line else f"ganglia, no {GANGLIA} image of use"


def _handles() -> list[Line2D]:
    outlines = [Line2D([], [], color=c, label=k) for k, c in OUTLINES.items()]
    levels = [
        Line2D([], [], ls="", marker="D", ms=4, color=c, label=level)
        for level, c in LEVEL_COLOURS.items()
    ]
    sides = [
        Line2D([], [], ls="", marker=m, ms=4, color="0.8", label=f"{side} root")
        for side, m in MARKERS.items()
    ]
    return [*outlines, *levels, *sides]
