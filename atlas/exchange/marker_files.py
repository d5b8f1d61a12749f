"""An anatomy as marker files in the layout of the published archive, to be read back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from atlas.data.markups import format_markups
from atlas.data.subject import RootKey
from atlas.landmarks.scheme import Anatomy


def marker_files(
    anatomy: Anatomy,
    stem: str,
    *,
    notice: str,
    traced: Mapping[RootKey, int] | None = None,
) -> dict[str, bytes]:
    """The marker files of one anatomy.

    Parameters
    ----------
    anatomy : Anatomy
        LPS mm, nothing missing.
    stem : str
        Subject id the names begin with: ``sub-01``.
    notice : str
        What every file says of itself: generated or predicted, not imaged.
    traced : mapping of (level, side) to int, optional
        Points of a root that stand for a trace; the rest of the way to the ganglion is left
        out, as it is where the image ends.  By default all points but the ganglion.

    Returns
    -------
    dict of str to bytes
        ``sub-01_dura_1.json``: 3D Slicer Markups, a closed curve a ring, a fiducial list a root
        and a ganglion.
    """
    files = {}
    for kind, rings in (("dura", anatomy.dura), ("cord", anatomy.cord)):
        for number, ring in enumerate(rings, 1):
            files[f"{stem}_{kind}_{number}.json"] = format_markups(
                ring, type="ClosedCurve", stem=kind, description=notice
            )
    for key, root in anatomy.roots.items():
        name = f"{key.level}_{key.side[0].upper()}"
        end = len(root) - 1 if traced is None else min(traced[key], len(root) - 1)
        parts = {"nerveroots": root[:end], "ganglions": root[-1:]}
        for kind, points in parts.items():
            files[f"{stem}_{kind}_{name}.json"] = format_markups(
                np.asarray(points), type="Fiducial", stem=name, description=notice
            )
    return files


def write_markers(
    anatomy: Anatomy,
    folder: Path,
    stem: str,
    *,
    notice: str,
    traced: Mapping[RootKey, int] | None = None,
) -> None:
    """Write :func:`marker_files` into a folder that is not in its place yet.

    Parameters
    ----------
    anatomy, stem, notice, traced
        As :func:`marker_files` takes them.
    folder : Path
        Made if it is not there; the caller moves it into place when all is done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in marker_files(anatomy, stem, notice=notice, traced=traced).items():
        (folder / name).write_bytes(content)
