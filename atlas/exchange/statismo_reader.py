"""Statistical models that other programs wrote: statismo ``.h5`` and scalismo ``.h5.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atlas.exchange.statismo import CELL_SIZE, StatismoError, StatisticalModel

# Before 0.9 a basis carried the standard deviations in its columns.
SCALED_BASIS = (0, 8)
ENTRIES = (
    "representer/points",
    "representer/cells",
    "model/mean",
    "model/pcaBasis",
    "model/pcaVariance",
    "model/noiseVariance",
    "version/majorVersion",
    "version/minorVersion",
)


@dataclass(frozen=True, slots=True)
class _Entries:
    """Values by path within a model, and the kind of its data set."""

    values: Mapping[str, Any]
    dataset_type: str


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
    import h5py

    path = _existing(path)
    try:
        with h5py.File(path, "r") as file:
            group = file[model_path]
            places = {name: _place(group, file, name) for name in ENTRIES}
            values = {name: place[name][()] for name, place in places.items() if place is not None}
            kind = group["representer"].attrs["datasetType"]
            return _model(_Entries(values, _text(kind)))
    except (OSError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise _refusal(path, model_path, error) from None


def read_catalog(path: str | Path) -> dict[str, tuple[str, str]]:
    """Path and type of each model a file lists: ``{"dura": ("/dura", "POLYGON_MESH_MODEL")}``."""
    import h5py

    path = _existing(path)
    try:
        with h5py.File(path, "r") as file:
            entries = file["catalog"].items() if "catalog" in file else ()
            return {
                name: (_text(entry["modelPath"][()]), _text(entry["modelType"][()]))
                for name, entry in entries
            }
    except (OSError, KeyError, AttributeError) as error:
        raise _refusal(path, "/catalog", error) from None


def read_scalismo_json(path: str | Path, model_path: str = "/") -> StatisticalModel:
    """Read a statistical model as newer versions of scalismo write it: ``.h5.json``.

    Parameters
    ----------
    path : str or Path
    model_path : str

    Returns
    -------
    StatisticalModel

    Raises
    ------
    StatismoError
        Not there, not JSON, or not such a model.

    Notes
    -----
    The document is HDF5/JSON (hdf5-json.readthedocs.io), as far as scalismo-hdf5-json writes it
    (github.com/unibas-gravis/scalismo-hdf5-json): ``groups`` and ``datasets`` by id, groups
    with ``attributes`` and hard ``links`` (``title``, ``collection``, ``id``), and the id of the
    ``root``.  Scalismo keeps ``/version`` at the root for nested models too, writes
    ``noiseVariance`` as an array of one, and leaves out the cells of a point set.
    """
    import orjson

    path = _existing(path)
    try:
        document = orjson.loads(path.read_bytes())
        base = _json_group(document, document["root"], model_path)
        root = document["groups"][document["root"]]
        found = {}
        for name in ENTRIES:
            value = _json_value(document, base, name)
            if value is None and name.startswith("version/"):
                value = _json_value(document, root, name)
            if value is not None:
                found[name] = value
        representer = _json_child(document, base, "representer")
        kinds = {a["name"]: a["value"] for a in representer.get("attributes", ())}
        return _model(_Entries(found, _text(kinds["datasetType"])))
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise _refusal(path, model_path, error) from None


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise StatismoError(f"{path}: expected a statistical model, got nothing there")
    return path


def _refusal(path: Path, model_path: str, error: Exception) -> StatismoError:
    return StatismoError(
        f"{path}: expected a statistical model in the statismo layout at {model_path}, got {error}"
    )


def _place(group: Any, root: Any, name: str) -> Any:
    """The group that holds an entry; the version of a nested model may stand at the root."""
    if name in group:
        return group
    return root if name.startswith("version/") and name in root else None


def _text(value: Any) -> str:
    value = value[0] if isinstance(value, (list, np.ndarray)) and len(value) == 1 else value
    return value.decode() if isinstance(value, bytes) else str(value)


def _json_child(document: dict[str, Any], group: dict[str, Any], title: str) -> dict[str, Any]:
    for link in group.get("links", ()):
        if link.get("title") == title and link.get("collection") in ("groups", "datasets"):
            return document[link["collection"]][link["id"]]
    raise KeyError(f"nothing named {title}")


def _json_group(document: dict[str, Any], root: str, path: str) -> dict[str, Any]:
    group: dict[str, Any] = document["groups"][root]
    for title in path.strip("/").split("/") if path.strip("/") else ():
        group = _json_child(document, group, title)
    return group


def _json_value(document: dict[str, Any], group: dict[str, Any], path: str) -> Any:
    try:
        for title in path.split("/"):
            group = _json_child(document, group, title)
    except KeyError:
        return None
    return group["value"]


def _model(entries: _Entries) -> StatisticalModel:
    values, kind = entries.values, entries.dataset_type
    missing = [n for n in ENTRIES[:5] if n not in values and n != "representer/cells"]
    if missing:
        raise StatismoError(f"no {', '.join(missing)}")
    variance = _numbers(values["model/pcaVariance"]).ravel()
    mean = _numbers(values["model/mean"]).reshape(-1, 3)
    basis = _numbers(values["model/pcaBasis"])
    if basis.shape != (mean.size, len(variance)):
        raise StatismoError(
            f"a basis of shape {basis.shape} for {len(mean)} points and {len(variance)} modes"
        )
    if _version(values) == SCALED_BASIS:
        basis = basis / np.sqrt(np.where(variance > 0, variance, np.inf))
    points = _numbers(values["representer/points"])
    if points.shape != (3, len(mean)):
        raise StatismoError(f"points of shape {points.shape}, not (3, {len(mean)})")
    cells = None
    if CELL_SIZE.get(kind) is not None:
        if "representer/cells" not in values:
            raise StatismoError(f"no representer/cells in a {kind}")
        cells = np.asarray(values["representer/cells"], dtype=np.int64).T
    noise = _numbers(values.get("model/noiseVariance", 0.0)).ravel()
    return StatisticalModel(
        mean=mean,
        modes=basis.T.reshape(-1, len(mean), 3),
        variance=variance,
        noise=float(noise[0]),
        cells=cells,
        dataset_type=kind,
        reference=points.T,
    )


def _version(values: Mapping[str, Any]) -> tuple[int, int]:
    names = ("version/majorVersion", "version/minorVersion")
    if any(name not in values for name in names):
        raise StatismoError("no version")
    major, minor = (int(np.ravel(values[name])[0]) for name in names)
    if major != 1 and (major, minor) not in (SCALED_BASIS, (0, 9)):
        raise StatismoError(f"version {major}.{minor}; 0.8, 0.9 and 1.x can be read")
    return major, minor


def _numbers(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=float)
