"""What glTF 2.0 demands of a GLB as this project writes it, from the specification's text.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html; section numbers stand at each check.
Import it as ``import gltf_checker``.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def read_glb(content: bytes) -> tuple[dict[str, Any], bytes]:
    """JSON and binary chunk, after what 4.4 demands of the container."""
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    n_json, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON" and n_json % 4 == 0
    text = content[20 : 20 + n_json]
    n_bin, kind = struct.unpack_from("<I4s", content, 20 + n_json)
    assert kind == b"BIN\0" and n_bin % 4 == 0
    assert 28 + n_json + n_bin == length
    # Padding of the JSON is spaces, so that a text reader takes it as it is.
    assert text.rstrip(b" ").endswith(b"}")
    return json.loads(text), content[28 + n_json :]


def accessor(document: dict[str, Any], binary: bytes, number: int) -> np.ndarray:
    """Values of an accessor, after 3.6.2: alignment, fit, and bounds that are its own."""
    own = document["accessors"][number]
    view = document["bufferViews"][own["bufferView"]]
    kind, width = np.dtype(TYPES[own["componentType"]]), WIDTHS[own["type"]]
    begin = view.get("byteOffset", 0) + own.get("byteOffset", 0)
    assert begin % max(4, kind.itemsize) == 0
    size = own["count"] * width * kind.itemsize
    assert begin + size <= view.get("byteOffset", 0) + view["byteLength"] <= len(binary)
    values = np.frombuffer(binary, kind, own["count"] * width, begin).reshape(-1, width)
    if "min" in own:
        np.testing.assert_array_equal(np.array(own["min"], dtype=kind), values.min(axis=0))
        np.testing.assert_array_equal(np.array(own["max"], dtype=kind), values.max(axis=0))
    return values


def assert_valid(content: bytes) -> dict[str, Any]:
    """Everything below; the document."""
    document, binary = read_glb(content)
    assert document["asset"]["version"] == "2.0"
    assert document["buffers"] == [{"byteLength": len(binary)}]  # 3.6.1.2
    for number in range(len(document["accessors"])):
        accessor(document, binary, number)
    used: list[int] = []
    for mesh in document["meshes"]:
        lists = [p.get("targets", []) for p in mesh["primitives"]]
        assert len({len(targets) for targets in lists}) == 1  # 3.7.2.2
        assert len(mesh.get("weights", [])) == len(lists[0])
        for primitive in mesh["primitives"]:
            used += _assert_primitive(document, binary, primitive)
    assert sorted(used) == list(range(len(document["accessors"])))
    _assert_tree(document)
    return document


def _assert_primitive(document: dict[str, Any], binary: bytes, primitive: dict) -> list[int]:
    attributes = primitive["attributes"]
    n = document["accessors"][attributes["POSITION"]]["count"]
    indices = accessor(document, binary, primitive["indices"])
    kind = indices.dtype
    # 3.7.2.1: every index is a vertex, and none restarts a primitive.
    assert indices.max() < n and indices.max() < np.iinfo(kind).max
    assert _target(document, primitive["indices"]) == 34963
    normals = accessor(document, binary, attributes["NORMAL"])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    targets = [t[name] for t in primitive.get("targets", []) for name in t]
    for number in [*attributes.values(), *targets]:
        assert document["accessors"][number]["count"] == n
        assert _target(document, number) == 34962
    for number in [attributes["POSITION"], *targets]:
        assert {"min", "max"} <= set(document["accessors"][number])
    return [*attributes.values(), *targets, primitive["indices"]]


def _target(document: dict[str, Any], number: int) -> int:
    return document["bufferViews"][document["accessors"][number]["bufferView"]]["target"]


def _assert_tree(document: dict[str, Any]) -> None:
    """3.5.2: nodes are trees; every node has one parent at most, and the scene holds the roots."""
    children = [c for node in document["nodes"] for c in node.get("children", [])]
    assert len(children) == len(set(children))
    roots = set(range(len(document["nodes"]))) - set(children)
    assert set(document["scenes"][document["scene"]]["nodes"]) == roots
    for node in document["nodes"]:
        if "matrix" in node:
            assert not {"translation", "rotation", "scale"} & set(node)
            assert np.linalg.det(np.reshape(node["matrix"], (4, 4))) > 0
