"""Binary STL: triangles in LPS millimetres, single precision, an 80-byte header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from atlas.mesh.formats.statements import file_stem
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.output.files import write_file

# 3D Slicer reads the frame of an STL from SPACE= in its header.
_STL_FRAME = "LPS mm SPACE=LPS "
_STL_HEADER_BYTES = 80
_STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])

STL_NOTICE_BYTES = _STL_HEADER_BYTES - len(_STL_FRAME)


def write_surfaces(
    surfaces: Mapping[str, Mesh], folder: str | Path, *, header: str
) -> tuple[Path, ...]:
    """Write each surface as a binary STL: ``dura.stl``, ``root_L5_left.stl``.

    Parameters
    ----------
    surfaces : mapping of str to Mesh
        LPS mm.
    folder : path
        Made if it is not there.
    header : str
        As for :func:`write_stl`.

    Returns
    -------
    tuple of Path
        The files, in the order of the surfaces.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, mesh in surfaces.items():
        paths.append(folder / f"{file_stem(name)}.stl")
        write_stl(mesh, paths[-1], header=header)
    return tuple(paths)


def write_stl(mesh: Mesh, path: str | Path, *, header: str) -> None:
    """Write a mesh as a binary STL, LPS mm in single precision.

    Parameters
    ----------
    mesh : Mesh
        In an LPS frame.
    path : path
        Replaced only once the new file is complete.
    header : str
        What the file says of itself after its frame and unit: source, notice.  ASCII, at most
        ``STL_NOTICE_BYTES``.

    Raises
    ------
    ValueError
        The header does not fit.
    """
    path = Path(path)
    head = _stl_header(path, header) + np.uint32(len(mesh.faces)).astype("<u4").tobytes()
    content = np.zeros(len(head) + len(mesh.faces) * _STL_TRIANGLE.itemsize, np.uint8)
    content[: len(head)] = np.frombuffer(head, np.uint8)
    triangles = content[len(head) :].view(_STL_TRIANGLE)
    triangles["corners"] = mesh.vertices.astype("<f4")[mesh.faces]
    triangles["normal"] = _unit(mesh.face_normals_mm2)
    write_file(path, content.tobytes())


def _unit(normals: np.ndarray) -> np.ndarray:
    """Normals (F, 3) of length 1; 0 for a face without area."""
    length = np.sqrt((normals**2).sum(axis=1, keepdims=True))
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)


def _stl_header(path: Path, text: str) -> bytes:
    if not text.isascii() or len(text) > STL_NOTICE_BYTES:
        raise ValueError(
            f"{path}: expected a header of at most {STL_NOTICE_BYTES} ASCII characters, "
            f"got {len(text)}: {text!r}"
        )
    # Many readers take a file for a text STL when it begins with 'solid'; the frame comes first.
    return (_STL_FRAME + text).encode("ascii").ljust(_STL_HEADER_BYTES)
