"""Binary glTF 2.0: named structures with materials, and a model's modes as sliders.

Written from the specification (Khronos 2021, ISO/IEC 12113:2022): a JSON chunk and a binary chunk.
glTF is in metres with +y up and faces +z; the one node at the root turns LPS millimetres there, so
the buffers hold LPS millimetres and left stays left.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson

from atlas.mesh.formats.colours import colour_of, linear
from atlas.mesh.formats.statements import AXES, FRAME, UNIT, MeshFileError
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.output.files import write_file

# Name of a target -> structure -> displacement (V, 3) mm at weight 1.
MorphTargets = Mapping[str, Mapping[str, np.ndarray]]
NO_TARGETS: MorphTargets = MappingProxyType({})

# Columns one after the other: left to +x, posterior to -z, superior to +y; det is +1e-9.
ROOT_MATRIX = (0.001, 0, 0, 0, 0, 0, -0.001, 0, 0, 0.001, 0, 0, 0, 0, 0, 1)  # fmt: skip
MAGIC, VERSION = b"glTF", 2
_FLOAT, _UINT16, _UINT32 = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963
# The largest index of a type restarts primitives and must not name a vertex.
_UINT16_VERTICES = 65535


@dataclass(frozen=True, slots=True, eq=False)
class _Buffer:
    """The binary chunk as it grows, and the views and accessors into it."""

    content: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, array: np.ndarray, *, target: int, bounds: bool = False) -> int:
        """Append an array (n,) or (n, 3); the index of its accessor."""
        kinds = {"<f4": _FLOAT, "<u2": _UINT16, "<u4": _UINT32}
        view = {"buffer": 0, "byteOffset": len(self.content), "byteLength": array.nbytes}
        self.views.append(view | {"target": target})
        accessor = {
            "bufferView": len(self.views) - 1,
            "componentType": kinds[array.dtype.newbyteorder("<").str],
            "count": len(array),
            "type": "VEC3" if array.ndim == 2 else "SCALAR",
        }
        if bounds:
            # In double, so that JSON holds the single-precision values to the bit.
            exact = array.astype(float)
            accessor |= {"min": exact.min(axis=0).tolist(), "max": exact.max(axis=0).tolist()}
        self.accessors.append(accessor)
        self.content.extend(array.tobytes())
        self.content.extend(bytes(-len(self.content) % 4))
        return len(self.accessors) - 1


def write_glb(
    meshes: Mapping[str, Mesh],
    path: str | Path,
    *,
    targets: MorphTargets = NO_TARGETS,
    name: str = "anatomy",
    notice: str = "",
    attribution: str = "",
) -> Path:
    """Write named meshes as one GLB.

    Parameters
    ----------
    meshes : mapping of str to Mesh
        In an LPS frame, mm; a node each, with the structure's name.
    path : path
        Replaced only once the new file is complete.
    targets : mapping of str to mapping of structure to (V, 3) float
        Morph targets by name, each for every structure, mm from the mesh at weight 1: weights in SD
        where they are a model's modes.  All structures get the same list, in this order, at 0.
    name, notice, attribution : str
        Of the scene; what the file says of itself (``asset.extras``); whose the source is.

    Returns
    -------
    Path

    Raises
    ------
    MeshFileError
        There is no mesh, one is empty, or a target does not fit the meshes.

    Notes
    -----
    Positions at weights w are ``mesh + sum_k w_k target_k`` in single precision, to about
    3e-5 mm.  Normals are those of the mesh itself: light is not recomputed as a slider moves.
    """
    path = Path(path)
    _check(path, meshes, targets)
    buffer = _Buffer()
    entries = [
        _mesh(buffer, structure, mesh, number, targets)
        for number, (structure, mesh) in enumerate(meshes.items())
    ]
    nodes: list[dict[str, Any]] = [
        {"name": structure, "mesh": number} for number, structure in enumerate(meshes)
    ]
    children = list(range(1, len(nodes) + 1))
    root = {"name": f"{name} (LPS mm to glTF m)", "matrix": ROOT_MATRIX, "children": children}
    said = {"frame": f"{FRAME} below the root node: {AXES}", "unit": UNIT, "notice": notice}
    if targets:
        said["targets"] = "displacement at weight 1; weights are standard deviations of modes"
    asset = {"version": "2.0", "generator": "lumbosacral-atlas", "extras": said}
    if attribution:
        asset["copyright"] = attribution
    document = {
        "asset": asset,
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0]}],
        "nodes": [root, *nodes],
        "meshes": entries,
        "materials": [_material(structure) for structure in meshes],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.content)}],
    }
    return write_file(path, _container(document, bytes(buffer.content)))


def _check(path: Path, meshes: Mapping[str, Mesh], targets: MorphTargets) -> None:
    empty = [name for name, mesh in meshes.items() if not len(mesh.faces)]
    if not meshes or empty:
        raise MeshFileError(f"{path}: expected meshes with faces, got none {empty or ''}".rstrip())
    for target, fields in targets.items():
        for name, mesh in meshes.items():
            shape = np.shape(fields[name]) if name in fields else None
            if shape != mesh.vertices.shape:
                raise MeshFileError(
                    f"{path}: target {target!r}: expected displacements of {name} of shape "
                    f"{mesh.vertices.shape}, got {shape or 'none'}"
                )


def _mesh(
    buffer: _Buffer, name: str, mesh: Mesh, material: int, targets: MorphTargets
) -> dict[str, Any]:
    def positions(array: np.ndarray) -> int:
        return buffer.add(np.ascontiguousarray(array, "<f4"), target=_VERTICES, bounds=True)

    index = "<u2" if len(mesh.vertices) <= _UINT16_VERTICES else "<u4"
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": positions(mesh.vertices),
            "NORMAL": buffer.add(_vertex_normals(mesh).astype("<f4"), target=_VERTICES),
        },
        "indices": buffer.add(mesh.faces.astype(index).ravel(), target=_INDICES),
        "material": material,
        "mode": 4,
    }
    entry: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if targets:
        primitive["targets"] = [{"POSITION": positions(f[name])} for f in targets.values()]
        entry |= {"weights": [0.0] * len(targets), "extras": {"targetNames": list(targets)}}
    return entry


def _vertex_normals(mesh: Mesh) -> np.ndarray:
    """Unit normals (V, 3): of the faces around each vertex, weighted by area."""
    normals = np.zeros_like(mesh.vertices)
    for corner in mesh.faces.T:
        np.add.at(normals, corner, mesh.face_normals_mm2)
    length = np.linalg.norm(normals, axis=1)
    # glTF demands unit normals: a vertex without a direction of its own points up.
    normals[length == 0] = [0, 0, 1]
    return normals / np.where(length == 0, 1, length)[:, None]


def _material(structure: str) -> dict[str, Any]:
    colour = colour_of(structure)
    material: dict[str, Any] = {
        "name": structure,
        "pbrMetallicRoughness": {
            "baseColorFactor": [*(linear(v) for v in colour[:3]), colour.opacity],
            "metallicFactor": 0.0,
            "roughnessFactor": 0.7,
        },
        "doubleSided": True,
    }
    return material | ({"alphaMode": "BLEND"} if colour.opacity < 1 else {})


def _container(document: dict[str, Any], binary: bytes) -> bytes:
    text = orjson.dumps(document)
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", MAGIC, VERSION, 12 + len(chunks)) + chunks
