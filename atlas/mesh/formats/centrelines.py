"""Centrelines of roots as a table (CSV) and as trees (SWC); their radii are assumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atlas.curves.polylines import arc_length
from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.landmarks.scheme import Anatomy, Status, block_name
from atlas.mesh.formats.statements import MeshFileError, statements
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption, radii_by_level
from atlas.output.files import write_file
from atlas.text.plain_text import csv_text

# Radii (n,) mm of a root at shares (n,) of its length, 0 where it begins, 1 at its ganglion.
RadiusFunction = Callable[[RootKey, np.ndarray], np.ndarray]

COLUMNS = {
    "root": "level and side: root/L5/left",
    "i": "number of the point, 0 where the root begins; the last is the ganglion",
    "x_mm": "LPS, + left, mm; empty where missing",
    "y_mm": "LPS, + posterior, mm",
    "z_mm": "LPS, + superior, mm",
    "radius_mm": "radius of the root, mm: ASSUMED, never measured",
    "arc_length_mm": "from the root's first point along straight lines, mm",
    "status": "measured, bridged (no data: not traced), missing, or generated (a model's)",
    "notice": "what the file says of itself",
}
# SWC (Cannon et al. 1998, doi:10.1016/S0165-0270(98)00091-0): 2 axon; from 5 on custom.
TRACED_CODE, BRIDGED_CODE = 2, 5
_UM_PER_MM = 1000


@dataclass(frozen=True, slots=True, eq=False)
class _Centreline:
    """One root: points (n, 3) mm, radii (n,) mm, arc lengths (n,) mm, words of status (n)."""

    key: RootKey
    points: np.ndarray
    radii: np.ndarray
    lengths: np.ndarray
    status: list[str]


def write_centrelines_csv(
    anatomy: Anatomy,
    path: str | Path,
    *,
    root_radius_mm: RadiusOption | RadiusFunction = ROOT_RADIUS_MM,
    notice: str = "",
) -> Path:
    """Write the roots' centrelines as one table, LPS mm; :data:`COLUMNS` says what columns mean.

    Parameters
    ----------
    anatomy : Anatomy
        In an LPS frame.
    path : path
        Replaced only once the new file is complete.
    root_radius_mm : float, mapping of level to float or (float, float), or function
        Assumed.  As in :func:`atlas.mesh.surfaces.named_surfaces.surfaces`, or a function of root
        and share of its length that gives radii in mm.
    notice : str
        Stands in every row.

    Returns
    -------
    Path

    Raises
    ------
    MeshFileError
        A radius is not above 0 mm.
    """
    table: list[list[object]] = [list(COLUMNS)]
    for line in _centrelines(anatomy, root_radius_mm):
        rows = zip(line.points, line.radii, line.lengths, line.status, strict=True)
        for i, (point, radius, length, status) in enumerate(rows):
            place = [_number(v) for v in point]
            numbers = [_number(radius), _number(length)]
            table.append([block_name(line.key), i, *place, *numbers, status, notice])
    return write_file(Path(path), csv_text(table))


def write_swc(
    anatomy: Anatomy,
    path: str | Path,
    *,
    root_radius_mm: RadiusOption | RadiusFunction = ROOT_RADIUS_MM,
    notice: str = "",
) -> Path:
    """Write the roots' centrelines as SWC, each root a tree that begins at the cord.

    SWC is in micrometres: so are places (LPS) and radii here.  Type 2 (axon) is a point that was
    traced or generated, 5 (custom) one that was bridged; missing points are left out, and the
    header says how many.

    Parameters
    ----------
    anatomy, path, root_radius_mm, notice
        As in :func:`write_centrelines_csv`.

    Returns
    -------
    Path

    Raises
    ------
    MeshFileError
        A radius is not above 0 mm.
    """
    head = ["roots as centrelines; radii are ASSUMED, not measured", *statements(notice)]
    head[1] = head[1].replace("unit mm", "unit um (mm x 1000), as SWC has it")
    head += [f"type {TRACED_CODE}: traced or generated; type {BRIDGED_CODE}: bridged, not traced"]
    rows: list[str] = []
    for line in _centrelines(anatomy, root_radius_mm):
        there = np.flatnonzero(np.isfinite(line.points).all(axis=1)).tolist()
        n_absent = len(line.points) - len(there)
        absent = f"; {n_absent} points missing" if n_absent else ""
        head.append(f"{block_name(line.key)}: points {len(rows) + 1} to ")
        parent = -1
        for i in there:
            code = BRIDGED_CODE if line.status[i] == "bridged" else TRACED_CODE
            place = " ".join(f"{_UM_PER_MM * v:.2f}" for v in line.points[i])
            radius = _UM_PER_MM * line.radii[i]
            rows.append(f"{len(rows) + 1} {code} {place} {radius:.2f} {parent}")
            parent = len(rows)
        head[-1] += f"{len(rows)}{absent}"
    text = [*(f"# {line}" for line in head), "# id type x y z radius parent", *rows]
    return write_file(Path(path), "\n".join(text) + "\n")


def _centrelines(anatomy: Anatomy, option: RadiusOption | RadiusFunction) -> Iterator[_Centreline]:
    keys = [key for key in ROOT_KEYS if key in anatomy.roots]
    radius = option if callable(option) else _even_change(option, {key.level for key in keys})
    for key in keys:
        points = anatomy.roots[key]
        lengths = _lengths(points)
        total = np.nanmax(lengths, initial=0.0)
        shares = lengths / (total or 1.0)
        radii = np.broadcast_to(np.asarray(radius(key, shares), dtype=float), lengths.shape)
        if not (radii[np.isfinite(lengths)] > 0).all():
            raise MeshFileError(
                f"root_radius_mm: {block_name(key)}: expected radii above 0 mm, got {radii.min()}"
            )
        yield _Centreline(key, points, radii, lengths, _status(anatomy, key, points))


def _even_change(option: RadiusOption, levels: set[str]) -> RadiusFunction:
    pairs = radii_by_level(option, levels)
    return lambda key, share: np.interp(share, [0, 1], pairs[key.level])


def _lengths(points: np.ndarray) -> np.ndarray:
    """Arc length (n,) mm of each point that is there; NaN where missing."""
    there = np.isfinite(points).all(axis=1)
    lengths = np.full(len(points), np.nan)
    if there.any():
        lengths[there] = arc_length(points[there])
    return lengths


def _status(anatomy: Anatomy, key: RootKey, points: np.ndarray) -> list[str]:
    name = block_name(key)
    if name not in anatomy.status:
        words = ["generated"] * len(points)
    else:
        words = [Status(value).name.lower() for value in anatomy.status[name].tolist()]
    there = np.isfinite(points).all(axis=1)
    return [word if here else "missing" for word, here in zip(words, there, strict=True)]


def _number(value: float) -> str:
    return f"{value:.6f}" if np.isfinite(value) else ""
