"""VTK XML: surfaces as PolyData (VTP), tetrahedra as UnstructuredGrid (VTU).

Written from the format's description (VTK User's Guide, 11th edition, section 19.3): arrays inline,
base64, little-endian, each after its length in bytes as UInt64.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from atlas.mesh.formats.ply import NOTHING
from atlas.mesh.formats.statements import MeshFileError, statements
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.output.files import write_file

_TYPES = {"f4": "Float32", "f8": "Float64", "i4": "Int32", "i8": "Int64", "u1": "UInt8"}
_TETRAHEDRON = 10


def write_vtp(
    mesh: Mesh,
    path: str | Path,
    *,
    point_data: Mapping[str, np.ndarray] = NOTHING,
    cell_data: Mapping[str, np.ndarray] = NOTHING,
    notice: str = "",
) -> Path:
    """Write a surface as VTK PolyData, LPS mm in double precision.

    Parameters
    ----------
    mesh : Mesh
        In an LPS frame.
    path : path
        Replaced only once the new file is complete.
    point_data, cell_data : mapping of str to (V, …) or (F, …) array
        Numbers of vertices and of faces, unit in the name.
    notice : str
        What the file says of itself after frame and unit, in comments at its head.

    Returns
    -------
    Path

    Raises
    ------
    MeshFileError
        Data that do not fit the points or the cells, or of another type than VTK's.
    """
    path = Path(path)
    n, m = len(mesh.vertices), len(mesh.faces)
    polygons = {
        "connectivity": mesh.faces.astype("<i8").ravel(),
        "offsets": 3 * np.arange(1, m + 1, dtype="<i8"),
    }
    sizes = f'NumberOfPoints="{n}" NumberOfVerts="0" NumberOfLines="0" NumberOfStrips="0" '
    piece = [
        *_data(path, "PointData", point_data, n),
        *_data(path, "CellData", cell_data, m),
        *_element("Points", {"Points": mesh.vertices}),
        *_element("Polys", polygons),
    ]
    return _write(path, "PolyData", f'{sizes}NumberOfPolys="{m}"', piece, notice)


def write_vtu(
    points: np.ndarray,
    tetrahedra: np.ndarray,
    path: str | Path,
    *,
    labels: np.ndarray | None = None,
    names: Mapping[int, str] | None = None,
    point_data: Mapping[str, np.ndarray] = NOTHING,
    cell_data: Mapping[str, np.ndarray] = NOTHING,
    notice: str = "",
) -> Path:
    """Write tetrahedra as a VTK UnstructuredGrid, LPS mm in double precision.

    Parameters
    ----------
    points : (V, 3) float
        mm, in an LPS frame.
    tetrahedra : (T, 4) int
        Of positive volume: the fourth vertex on the side the first three turn anticlockwise to.
    path : path
        Replaced only once the new file is complete.
    labels : (T,) int, optional
        Region of each tetrahedron, written as cell data ``region``.
    names : mapping of int to str, optional
        What the labels mean; written in comments at the file's head.
    point_data, cell_data, notice
        As in :func:`write_vtp`.

    Returns
    -------
    Path

    Raises
    ------
    MeshFileError
        Data that do not fit, or tetrahedra of vertices that are not there or turned inside out.
    """
    path = Path(path)
    points = np.asarray(points, dtype="<f8")
    cells = np.asarray(tetrahedra, dtype="<i8")
    _check_tetrahedra(path, points, cells)
    n, m = len(points), len(cells)
    grid = {
        "connectivity": cells.ravel(),
        "offsets": 4 * np.arange(1, m + 1, dtype="<i8"),
        "types": np.full(m, _TETRAHEDRON, "u1"),
    }
    regions = {} if labels is None else {"region": np.asarray(labels, dtype="<i4")}
    piece = [
        *_data(path, "PointData", point_data, n),
        *_data(path, "CellData", {**regions, **cell_data}, m),
        *_element("Points", {"Points": points}),
        *_element("Cells", grid),
    ]
    said = "\n".join([notice, *(f"region {k}: {v}" for k, v in (names or {}).items())])
    sizes = f'NumberOfPoints="{n}" NumberOfCells="{m}"'
    return _write(path, "UnstructuredGrid", sizes, piece, said)


def _check_tetrahedra(path: Path, points: np.ndarray, cells: np.ndarray) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or cells.ndim != 2 or cells.shape[1] != 4:
        raise MeshFileError(
            f"{path}: expected points (V, 3) and tetrahedra (T, 4), "
            f"got {points.shape} and {cells.shape}"
        )
    if cells.size and (cells.min() < 0 or cells.max() >= len(points)):
        raise MeshFileError(
            f"{path}: expected tetrahedra of {len(points)} points, "
            f"got indices {cells.min()} to {cells.max()}"
        )
    a, b, c, d = points[cells].swapaxes(0, 1)
    turned = int((np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) <= 0).sum())
    if turned:
        raise MeshFileError(
            f"{path}: expected tetrahedra of positive volume, got {turned} of {len(cells)} flat or "
            "turned inside out; swap two vertices of those"
        )


def _data(path: Path, element: str, data: Mapping[str, np.ndarray], n: int) -> list[str]:
    for name, values in data.items():
        kind = np.asarray(values).dtype.str[1:]
        if np.shape(values)[:1] != (n,) or np.ndim(values) > 2 or kind not in _TYPES:
            raise MeshFileError(
                f"{path}: {element} {name!r}: expected {n} rows of {', '.join(_TYPES)}, "
                f"got shape {np.shape(values)} of {kind}"
            )
    return _element(element, data)


def _element(element: str, arrays: Mapping[str, np.ndarray]) -> list[str]:
    inner = [_array(name, np.asarray(values)) for name, values in arrays.items()]
    return [f"<{element}>", *inner, f"</{element}>"]


def _array(name: str, values: np.ndarray) -> str:
    # It brings a web client with it, which no other format of a build has a use for.
    from xml.sax.saxutils import quoteattr

    kind = values.dtype.str[1:]
    content = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()
    text = base64.b64encode(np.uint64(len(content)).astype("<u8").tobytes() + content).decode()
    width = f' NumberOfComponents="{values.shape[1]}"' if values.ndim == 2 else ""
    head = f'<DataArray type="{_TYPES[kind]}" Name={quoteattr(name)}{width} format="binary">'
    return f"{head}{text}</DataArray>"


def _write(path: Path, kind: str, sizes: str, piece: list[str], notice: str) -> Path:
    from xml.sax.saxutils import escape

    # XML allows no double hyphen within a comment.
    said = [f"<!-- {escape(line).replace('--', '- -')} -->" for line in statements(notice)]
    lines = [
        '<?xml version="1.0"?>',
        *said,
        f'<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" header_type="UInt64">',
        f"<{kind}>",
        f"<Piece {sizes}>",
        *piece,
        "</Piece>",
        f"</{kind}>",
        "</VTKFile>",
    ]
    return write_file(path, "\n".join(lines) + "\n")
