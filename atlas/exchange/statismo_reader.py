"""Statistical models that other programs wrote in the statismo layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atlas.exchange.statismo import CELL_SIZE, StatismoError, StatisticalModel
from atlas.hdf5.fields import NUMBERS, FieldError, Fields, opened

# Before 0.9 a basis carried the standard deviations in its columns.
SCALED_BASIS = (0, 8)
# The shape of each; a single number may stand in a list of one.
ENTRIES: dict[str, tuple[int | None, ...]] = {
    "representer/points": (3, None),
    "representer/cells": (None, None),
    "model/mean": (None,),
    "model/pcaBasis": (None, None),
    "model/pcaVariance": (None,),
    "model/noiseVariance": (),
    "version/majorVersion": (),
    "version/minorVersion": (),
}
NEEDED = ("representer/points", "model/mean", "model/pcaBasis", "model/pcaVariance")


def read_statismo(path: str | Path, model_path: str = "/") -> StatisticalModel:
    """Read a statistical model in the statismo layout.

    Parameters
    ----------
    path : str or Path
        HDF5, of statismo, scalismo or this package.
    model_path : str
        Group of the model; :func:`read_catalog` lists those besides the root.

    Returns
    -------
    StatisticalModel
        What the file holds, in float64; writing it again gives the same arrays.

    Raises
    ------
    StatismoError
        Not there, not HDF5, or not such a model.
    """
    path = _existing(path)
    try:
        with opened(path) as file:
            base = file
            for name in filter(None, model_path.split("/")):
                base = base.within(name)
            parts = _parts(base, file)
            model = _model(*_entries(parts))
            for part in parts.values():
                # Of ours it holds a digest; other programs know of none.
                part.is_sealed()
            return model
    except ValueError as error:
        raise _refusal(path, model_path, error) from None


def _parts(base: Fields, root: Fields) -> dict[str, Fields]:
    """Groups of a model that are there; the version of a nested one may stand at the root."""
    parts = {}
    for name in ("representer", "model", "version"):
        owner = root if name == "version" and name not in base else base
        if name in owner:
            parts[name] = owner.within(name, apart=True)
    return parts


def _entries(parts: Mapping[str, Fields]) -> tuple[dict[str, Any], str]:
    """Values by path within a model, and the kind of its data set."""
    values: dict[str, Any] = {}
    for name, shape in ENTRIES.items():
        group, _, entry = name.partition("/")
        if group in parts and entry in parts[group]:
            values[name] = _numbers_at(parts[group], entry, shape)
    if "representer" not in parts:
        raise StatismoError("no representer")
    parts["representer"].attributes_if_there(("name", "version"), str)
    return values, parts["representer"].attribute("datasetType", str)


def _numbers_at(part: Fields, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Numbers of whatever type; a single one may be a list of one."""
    try:
        return part.array(name, shape, NUMBERS)
    except FieldError:
        if shape:
            raise
        return part.array(name, (1,), NUMBERS)


def read_catalog(path: str | Path) -> dict[str, tuple[str, str]]:
    """Path and type of each model a file lists: ``{"dura": ("/dura", "POLYGON_MESH_MODEL")}``."""
    path = _existing(path)
    try:
        with opened(path) as file:
            if "catalog" not in file:
                return {}
            catalog = file.within("catalog")
            entries = {name: catalog.within(name) for name in catalog.names()}
            return {n: (e.text("modelPath"), e.text("modelType")) for n, e in entries.items()}
    except ValueError as error:
        raise _refusal(path, "/catalog", error) from None


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise StatismoError(f"{path}: expected a statistical model, got nothing there")
    return path


def _refusal(path: Path, model_path: str, error: Exception) -> StatismoError:
    return StatismoError(
        f"{path}: expected a statistical model in the statismo layout at {model_path}, got {error}"
    )


def _model(values: Mapping[str, Any], kind: str) -> StatisticalModel:
    missing = [name for name in NEEDED if name not in values]
    if missing:
        raise StatismoError(f"no {', '.join(missing)}")
    variance = _numbers(values["model/pcaVariance"], "model/pcaVariance").ravel()
    mean = _numbers(values["model/mean"], "model/mean")
    if mean.ndim != 1 or not mean.size or mean.size % 3:
        raise StatismoError(f"model/mean: shape {mean.shape}, not three numbers a point")
    mean = mean.reshape(-1, 3)
    basis = _numbers(values["model/pcaBasis"], "model/pcaBasis")
    if basis.shape != (mean.size, len(variance)):
        raise StatismoError(
            f"a basis of shape {basis.shape} for {len(mean)} points and {len(variance)} modes"
        )
    if _version(values) == SCALED_BASIS:
        basis = basis / np.sqrt(np.where(variance > 0, variance, np.inf))
    points = _numbers(values["representer/points"], "representer/points")
    if points.shape != (3, len(mean)):
        raise StatismoError(f"points of shape {points.shape}, not (3, {len(mean)})")
    cells = None
    if CELL_SIZE.get(kind) is not None:
        if "representer/cells" not in values:
            raise StatismoError(f"no representer/cells in a {kind}")
        cells = _numbers(values["representer/cells"], "representer/cells").T
        if (cells != np.trunc(cells)).any():
            raise StatismoError("representer/cells: numbers of points that are not whole")
        # Before they are cast: what no integer holds would become another point's number.
        if not ((cells >= 0) & (cells < len(mean))).all():
            raise StatismoError(f"representer/cells: numbers of points beyond 0 to {len(mean) - 1}")
    noise = _one(values.get("model/noiseVariance", 0.0), "model/noiseVariance")
    return StatisticalModel(
        mean=mean,
        modes=basis.T.reshape(-1, len(mean), 3),
        variance=variance,
        noise=noise,
        cells=cells,
        dataset_type=kind,
        reference=points.T,
    )


def _version(values: Mapping[str, Any]) -> tuple[int, int]:
    names = ("version/majorVersion", "version/minorVersion")
    if any(name not in values for name in names):
        raise StatismoError("no version")
    major, minor = (_one(values[name], name) for name in names)
    if major != 1 and (major, minor) not in (SCALED_BASIS, (0, 9)):
        raise StatismoError(f"version {major:g}.{minor:g}; 0.8, 0.9 and 1.x can be read")
    if major != int(major) or minor != int(minor):
        raise StatismoError(f"version {major}.{minor}")
    return int(major), int(minor)


def _one(values: Any, name: str) -> float:
    numbers = _numbers(values, name).ravel()
    if len(numbers) != 1:
        raise StatismoError(f"{name}: {len(numbers)} numbers, not one")
    return float(numbers[0])


def _numbers(values: Any, name: str) -> np.ndarray:
    found = np.asarray(values)
    if found.dtype.kind not in NUMBERS:
        raise StatismoError(f"{name}: no numbers")
    found = found.astype(float)
    if not np.isfinite(found).all():
        raise StatismoError(f"{name}: numbers that are not finite")
    return found
