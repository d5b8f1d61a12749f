"""3D Slicer Markups: landmarks with their names, rings as closed curves, roots as open ones.

One markup a file, as Slicer reads them; :mod:`atlas.data.markups` reads them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson

from atlas.data.markups import format_markups
from atlas.landmarks.scheme import Anatomy, Status, block_name
from atlas.mesh.formats.statements import file_stem
from atlas.output.files import write_file

SUFFIX = ".mrk.json"
WORDS = {
    Status.MEASURED: "measured",
    Status.BRIDGED: "bridged: no data here, not traced",
    Status.MISSING: "missing",
}


def write_markups(anatomy: Anatomy, folder: str | Path, *, notice: str = "") -> tuple[Path, ...]:
    """Write an anatomy as Slicer Markups, LPS mm.

    Parameters
    ----------
    anatomy : Anatomy
        In an LPS frame; a landmark that is NaN is written as a point with status ``missing``.
    folder : path
        Made if it is not there.  ``landmarks.mrk.json`` holds every landmark by name; a file a ring
        (``dura_07.mrk.json``) and a root (``root_L5_left.mrk.json``) holds the curves.
    notice : str
        Written into every point's description, after what the point rests on.

    Returns
    -------
    tuple of Path
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths, every = [], []
    for name, kind, points, labels, notes in _curves(anatomy):
        described = [_join(note, notice) for note in notes]
        path = folder / f"{file_stem(name)}{SUFFIX}"
        paths.append(write_file(path, _markups(points, kind, labels, described)))
        every.append((points, labels, described))
    landmarks = _markups(
        np.concatenate([points for points, _, _ in every]),
        "Fiducial",
        [label for _, labels, _ in every for label in labels],
        [note for _, _, notes in every for note in notes],
    )
    return (write_file(folder / f"landmarks{SUFFIX}", landmarks), *paths)


Curve = tuple[str, str, np.ndarray, list[str], list[str]]


def _curves(anatomy: Anatomy) -> Iterator[Curve]:
    """Name, type of markup, points (n, 3), landmark names and what each point rests on."""
    for kind, rings in (("dura", anatomy.dura), ("cord", anatomy.cord)):
        states = _words(anatomy, kind, rings.shape[:2])
        for number, (ring, notes) in enumerate(zip(rings, states, strict=True)):
            labels = [f"{kind}/{number}/{point}" for point in range(len(ring))]
            yield f"{kind}/{number:02d}", "ClosedCurve", ring, labels, notes
    for key, root in anatomy.roots.items():
        name = block_name(key)
        (notes,) = _words(anatomy, name, (1, len(root)))
        yield name, "Curve", root, [f"{name}/{point}" for point in range(len(root))], notes


def _words(anatomy: Anatomy, name: str, shape: tuple[int, ...]) -> list[list[str]]:
    if name not in anatomy.status:
        return [[""] * shape[1]] * shape[0]
    states = anatomy.status[name].reshape(shape)
    return [[WORDS[Status(value)] for value in row] for row in states.tolist()]


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _markups(
    points: np.ndarray, kind: str, labels: Sequence[str], descriptions: Sequence[str]
) -> bytes:
    document = orjson.loads(format_markups(points, type=kind, stem=""))
    markup = document["markups"][0]
    for point, label, text in zip(markup["controlPoints"], labels, descriptions, strict=True):
        point |= {"label": label, "description": text}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
