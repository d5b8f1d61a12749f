"""The statismo layout of a statistical model in HDF5, as scalismo and statismo read it.

Arrays are float32 and cells signed int32, because scalismo casts what it reads to ``float[][]`` and
``int[][]`` and stops at anything else; strings are scalar for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from atlas.arrays import read_only
from atlas.errors import AtlasError
from atlas.hdf5.fields import seal

if TYPE_CHECKING:
    import h5py

VERSION = {"majorVersion": 0, "minorVersion": 9}
REPRESENTER = "itkStandardMeshRepresenter"
REPRESENTER_VERSION = "0.1"
# Points a cell of each kind of data set joins; None where there are no cells.
CELL_SIZE = {"POLYGON_MESH": 3, "LINE_MESH": 2, "POINT_SET": None, "VOLUME_MESH": 4}
MODEL_TYPE = {
    "POLYGON_MESH": "POLYGON_MESH_MODEL",
    "VOLUME_MESH": "VOLUME_MESH_MODEL",
    "POINT_SET": "POINTSET_MODEL",
}


class StatismoError(AtlasError):
    """A statistical model that cannot be, or a file that holds none; says expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class StatisticalModel:
    """A Gaussian of point positions that knows nothing of any landmark scheme.

    ``x = mean + sum_k c_k sqrt(variance_k) modes_k + e`` with standard normal ``c_k`` and ``e`` of
    variance ``noise`` per coordinate.

    Parameters
    ----------
    mean : (N, 3) float
        In the model's own unit and frame; LPS mm where this package wrote it.
    modes : (K, N, 3) float
        Orthonormal, by falling variance.
    variance : (K,) float
    noise : float
    cells : (T, c) int, optional
        Points of each cell, from 0; c is 3 for triangles, 2 for lines, 4 for tetrahedra.
    dataset_type : {"POLYGON_MESH", "LINE_MESH", "POINT_SET", "VOLUME_MESH"}
    reference : (N, 3) float, optional
        The shape the cells were drawn on; the mean by default.

    Raises
    ------
    StatismoError
        Arrays that do not go together.
    """

    mean: np.ndarray
    modes: np.ndarray
    variance: np.ndarray
    noise: float = 0.0
    cells: np.ndarray | None = None
    dataset_type: str = "POINT_SET"
    reference: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.dataset_type not in CELL_SIZE:
            raise StatismoError(
                f"dataset_type: expected one of {tuple(CELL_SIZE)}, got {self.dataset_type!r}"
            )
        n, k = len(self.mean), len(self.variance)
        reference = self.mean if self.reference is None else self.reference
        try:
            object.__setattr__(self, "mean", read_only(self.mean, (n, 3), "mean"))
            object.__setattr__(self, "modes", read_only(self.modes, (k, n, 3), "modes"))
            object.__setattr__(self, "variance", read_only(self.variance, (k,), "variance"))
            object.__setattr__(self, "reference", read_only(reference, (n, 3), "reference"))
            object.__setattr__(self, "cells", self._checked_cells(n))
        except AtlasError:
            raise
        except ValueError as error:
            raise StatismoError(str(error)) from None
        for name in ("mean", "modes", "variance", "reference"):
            if not np.isfinite(getattr(self, name)).all():
                raise StatismoError(f"{name}: expected finite numbers, got others")
        if (self.variance < 0).any() or not 0 <= self.noise < np.inf:
            raise StatismoError(
                f"variance: expected 0 or more, also of the noise, got {self.variance.min():g} and "
                f"{self.noise:g}"
            )

    def _checked_cells(self, n: int) -> np.ndarray:
        size = CELL_SIZE[self.dataset_type]
        given = np.empty((0, size or 0)) if self.cells is None else self.cells
        cells = read_only(given, (None, size), "cells", dtype=np.int32)
        if cells.size and (cells.min() < 0 or cells.max() >= n):
            raise StatismoError(
                f"cells: expected indices of {n} points from 0, got {cells.min()} to {cells.max()}"
            )
        return cells


@dataclass(frozen=True, slots=True, eq=False)
class ModelInfo:
    """What a statismo file tells of how its model was made.

    Parameters
    ----------
    scores : (K, S) float
        Coefficients of each subject in standard deviations.
    build_time : str
        When the atlas was built, from its provenance; never the time of writing.
    builder : str
    data : mapping of str to str
        What went in.
    parameters : mapping of str to str
        What was chosen.
    """

    scores: np.ndarray
    build_time: str = "unknown"
    builder: str = "lumbosacral-atlas"
    data: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", read_only(self.scores, (None, None), "scores"))
        for name in ("data", "parameters"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


def write_model(group: h5py.Group, model: StatisticalModel, info: ModelInfo) -> None:
    """Write a model into the root of a file or a group of it.

    Parameters
    ----------
    group : h5py.Group
        Must not hold a model yet.
    model : StatisticalModel
    info : ModelInfo
    """
    for name, number in VERSION.items():
        _scalar(group, f"version/{name}", np.int32(number))
    _write_representer(group.create_group("representer"), model)
    k = len(model.variance)
    _array(group, "model/mean", model.mean.ravel(), np.float32)
    _array(group, "model/pcaBasis", model.modes.reshape(k, -1).T, np.float32)
    _array(group, "model/pcaVariance", model.variance, np.float32)
    _scalar(group, "model/noiseVariance", np.float32(model.noise))
    for part in ("version", "representer", "model"):
        seal(group[part])
    _write_info(group.create_group("modelinfo"), info)


def write_catalog(file: h5py.Group, models: Mapping[str, StatisticalModel]) -> None:
    """List the models of a file that lie in the groups of their names."""
    for name, model in models.items():
        _scalar(file, f"catalog/{name}/modelPath", f"/{name}")
        _scalar(file, f"catalog/{name}/modelType", MODEL_TYPE[model.dataset_type])


def _write_representer(group: h5py.Group, model: StatisticalModel) -> None:
    assert model.reference is not None  # filled in at construction, as cells are
    assert model.cells is not None
    group.attrs["name"] = REPRESENTER
    group.attrs["datasetType"] = model.dataset_type
    group.attrs["version"] = REPRESENTER_VERSION
    _array(group, "points", model.reference.T, np.float32)
    # As scalismo does: a model without cells has no such entry, not an empty one.
    if model.cells.size:
        _array(group, "cells", model.cells.T, np.int32)


def _write_info(group: h5py.Group, info: ModelInfo) -> None:
    _scalar(group, "build-time", info.build_time)
    _array(group, "scores", info.scores, np.float32)
    builder = group.create_group("modelBuilder-0")
    _scalar(builder, "builderName", info.builder)
    _scalar(builder, "buildTime", info.build_time)
    for name, entries in (("dataInfo", info.data), ("parameters", info.parameters)):
        place = builder.create_group(name)
        for key, text in entries.items():
            _scalar(place, key, text)


def _array(group: h5py.Group, name: str, values: np.ndarray, dtype: type) -> None:
    group.create_dataset(
        name,
        data=np.ascontiguousarray(values, dtype=dtype),
        compression="gzip" if values.size else None,
        shuffle=bool(values.size),
        track_times=False,
    )


def _scalar(group: h5py.Group, name: str, value: str | np.generic) -> None:
    group.create_dataset(name, data=value, track_times=False)
