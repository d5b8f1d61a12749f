"""The rules of the statismo layout as a checker: what a file breaks, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

DATASET_TYPES = {"POLYGON_MESH": 3, "LINE_MESH": 2, "POINT_SET": 0, "VOLUME_MESH": 4}
MODEL_TYPES = {"POLYGON_MESH": "POLYGON_MESH_MODEL", "POINT_SET": "POINTSET_MODEL"}
INFO_STRINGS = ("build-time", "modelBuilder-0/builderName", "modelBuilder-0/buildTime")


def broken_rules(file: h5py.File) -> list[str]:
    """Everything a file breaks, at the root and in each model of its catalog."""
    broken = [f"/: {rule}" for rule in _model(file)]
    for name, entry in file.get("catalog", {}).items():
        for key in ("modelPath", "modelType"):
            broken += [f"catalog/{name}: {rule}" for rule in _string(entry, key)]
        if broken:
            continue
        path = entry["modelPath"][()].decode()
        broken += [f"{path}: {rule}" for rule in _model(file[path])]
        kind = file[path]["representer"].attrs["datasetType"]
        if entry["modelType"][()].decode() != MODEL_TYPES[kind]:
            broken.append(f"catalog/{name}: modelType of a {kind}")
    return broken


def uncompressed(file: h5py.File) -> list[str]:
    """Datasets with more than one value that are not gzipped."""
    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape and item.compression != "gzip":
            found.append(name)

    file.visititems(visit)
    return found


def _model(group: h5py.Group) -> Iterator[str]:
    yield from _version(group)
    yield from _representer(group["representer"])
    n = group["representer/points"].shape[1]
    k = len(group["model/pcaVariance"])
    yield from _array(group, "model/mean", "float32", (3 * n,))
    yield from _array(group, "model/pcaBasis", "float32", (3 * n, k))
    yield from _array(group, "model/pcaVariance", "float32", (k,))
    yield from _array(group, "model/noiseVariance", "float32", ())
    basis = group["model/pcaBasis"][()].astype(float)
    if not np.allclose(basis.T @ basis, np.eye(k), atol=1e-5):
        yield "pcaBasis is not orthonormal"
    variance = group["model/pcaVariance"][()]
    if (variance <= 0).any() or (np.diff(variance) > 0).any():
        yield "pcaVariance does not fall"
    # Interleaved and absolute: the mean lies on the reference, not about 0 or block by block.
    mean, points = group["model/mean"][()].reshape(-1, 3), group["representer/points"][()].T
    if np.abs(mean - points).max() > 0.5 * np.ptp(points):
        yield "mean is not interleaved absolute positions"
    yield from _info(group["modelinfo"], k)


def _version(group: h5py.Group) -> Iterator[str]:
    for name, number in (("majorVersion", 0), ("minorVersion", 9)):
        if f"version/{name}" not in group:
            yield f"no version/{name}"
            continue
        yield from _array(group, f"version/{name}", "int32", ())
        if group[f"version/{name}"][()] != number:
            yield f"version/{name} is not {number}"


def _representer(group: h5py.Group) -> Iterator[str]:
    for name in ("name", "datasetType", "version"):
        if not isinstance(group.attrs.get(name), str):
            yield f"representer attribute {name} is not a scalar string"
            return
    if group.attrs["name"] != "itkStandardMeshRepresenter" or group.attrs["version"] != "0.1":
        yield "representer is another one"
    kind = group.attrs["datasetType"]
    if kind not in DATASET_TYPES:
        yield f"datasetType {kind}"
        return
    n = group["points"].shape[-1]
    yield from _array(group, "points", "float32", (3, n))
    if DATASET_TYPES[kind] == 0:
        return
    cells = group["cells"]
    yield from _array(group, "cells", "int32", (DATASET_TYPES[kind], cells.shape[-1]))
    # Every mesh of ours uses its first point, so a lowest index of 1 means counting from 1.
    if cells[()].min() != 0 or cells[()].max() >= n:
        yield "cells do not count from 0"


def _info(group: h5py.Group, k: int) -> Iterator[str]:
    for name in INFO_STRINGS:
        yield from _string(group, name)
    yield from _array(group, "scores", "float32", (k, group["scores"].shape[-1]))
    for name in ("dataInfo", "parameters"):
        place = group.get(f"modelBuilder-0/{name}")
        if not isinstance(place, h5py.Group):
            yield f"modelBuilder-0/{name} is not a group"
            continue
        for key in place:
            yield from _string(place, key)


def _array(group: h5py.Group, name: str, dtype: str, shape: tuple[int, ...]) -> Iterator[str]:
    entry = group[name]
    if entry.dtype != np.dtype(dtype) or entry.shape != shape:
        yield f"{name} is {entry.dtype} {entry.shape}, not {dtype} {shape}"


def _string(group: h5py.Group, name: str) -> Iterator[str]:
    if name not in group:
        yield f"no {name}"
    elif group[name].shape != () or h5py.check_string_dtype(group[name].dtype) is None:
        yield f"{name} is not a scalar string"
