"""Binary PLY: a mesh or a cloud of landmarks with numbers a vertex, and colours.

The format is Turk's (1994, http://paulbourke.net/dataformats/ply); its comments hold what it has no
field for: frame, unit, notice, and which vertex is which landmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from atlas.mesh.formats.statements import MeshFileError, statements
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.output.files import write_file

NOTHING: Mapping[str, np.ndarray] = MappingProxyType({})
_PLACE = ("x", "y", "z")
_CHANNELS = ("red", "green", "blue", "alpha")
_FACE = np.dtype([("count", "u1"), ("vertices", "<i4", 3)])


def write_ply(
    mesh: Mesh,
    path: str | Path,
    *,
    scalars: Mapping[str, np.ndarray] = NOTHING,
    colours: np.ndarray | None = None,
    landmarks: Mapping[str, int] | None = None,
    notice: str = "",
) -> Path:
    """Write a mesh as binary little-endian PLY, LPS mm in single precision.

    Parameters
    ----------
    mesh : Mesh
        In an LPS frame; without faces it is a cloud of points.
    path : path
        Replaced only once the new file is complete.
    scalars : mapping of str to (V,) float
        Properties of the vertices, unit in the name (``sd_mm``).
    colours : (V, 3) or (V, 4) float, optional
        sRGB, with opacity where there are four; 0 to 1.
    landmarks : mapping of str to int, optional
        Landmark to vertex: written as ``comment landmark <vertex> <name>``.
    notice : str
        What the file says of itself after its frame and unit.

    Returns
    -------
    Path

    Raises
    ------
    MeshFileError
        A scalar or the colours do not fit the vertices, or a name is not one word of ASCII.
    """
    path = Path(path)
    columns: dict[str, tuple[str, np.ndarray]] = {
        axis: ("<f4", mesh.vertices[:, k]) for k, axis in enumerate(_PLACE)
    }
    columns |= _scalar_columns(path, mesh, scalars)
    columns |= _colour_columns(path, mesh, colours)
    vertices = np.zeros(len(mesh.vertices), [(name, kind) for name, (kind, _) in columns.items()])
    for name, (_, values) in columns.items():
        vertices[name] = values
    faces = np.zeros(len(mesh.faces), _FACE)
    faces["count"], faces["vertices"] = 3, mesh.faces
    comments = [*statements(notice)]
    comments += [f"landmark {vertex} {name}" for name, vertex in (landmarks or {}).items()]
    kinds = {name: kind for name, (kind, _) in columns.items()}
    header = _header(comments, kinds, len(vertices), len(faces))
    return write_file(path, header + vertices.tobytes() + faces.tobytes())


def _scalar_columns(
    path: Path, mesh: Mesh, scalars: Mapping[str, np.ndarray]
) -> dict[str, tuple[str, np.ndarray]]:
    for name, values in scalars.items():
        if not (name.isascii() and name.isidentifier()) or name in _PLACE + _CHANNELS:
            raise MeshFileError(
                f"{path}: expected a scalar's name of ASCII letters, digits and _, other than "
                f"{', '.join(_PLACE + _CHANNELS)}, got {name!r}"
            )
        if np.shape(values) != (len(mesh.vertices),):
            raise MeshFileError(
                f"{path}: {name}: expected a number for each of {len(mesh.vertices)} vertices, "
                f"got shape {np.shape(values)}"
            )
    return {name: ("<f4", np.asarray(values)) for name, values in scalars.items()}


def _colour_columns(
    path: Path, mesh: Mesh, colours: np.ndarray | None
) -> dict[str, tuple[str, np.ndarray]]:
    if colours is None:
        return {}
    given = np.asarray(colours, dtype=float)
    n = len(mesh.vertices)
    if given.shape not in ((n, 3), (n, 4)) or not ((given >= 0) & (given <= 1)).all():
        raise MeshFileError(
            f"{path}: expected colours of shape ({n}, 3) or ({n}, 4) from 0 to 1, "
            f"got shape {given.shape}"
        )
    levels = np.round(given * 255)
    return {_CHANNELS[k]: ("u1", levels[:, k]) for k in range(given.shape[1])}


def _header(comments: list[str], kinds: Mapping[str, str], n: int, n_faces: int) -> bytes:
    words = {"<f4": "float", "u1": "uchar"}
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [f"comment {text}" for text in comments]
    lines += [f"element vertex {n}"]
    lines += [f"property {words[kind]} {name}" for name, kind in kinds.items()]
    lines += [f"element face {n_faces}", "property list uchar int vertex_indices", "end_header"]
    return ("\n".join(lines) + "\n").encode("ascii")
