"""An atlas, and an atlas as one HDF5 file: plain numbers and JSON, no pickle.

The group ``/atlas`` holds everything to the bit; around it stands the same model in float32 as
scalismo and statismo read it (:mod:`atlas.exchange.interchange`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas.arrays import freeze
from atlas.display import summary_html
from atlas.errors import AtlasError
from atlas.exchange.interchange import write_models
from atlas.files import new_file
from atlas.shape.alignment import Alignment
from atlas.shape.components import Factors
from atlas.shape.estimation import BRIDGED
from atlas.shape.landmarks import LandmarkSet
from atlas.shape.model import ShapeModel
from atlas.shape.registration import ROTATIONS, SCALINGS
from atlas.shape.scheme import EXTENTS, ORIGINS, LandmarkScheme
from atlas.shape.weights import WEIGHTS

if TYPE_CHECKING:
    import h5py

FORMAT = 2
LANDMARK_ARRAYS = ("points", "status", "bridge_sd")
ALIGNMENT_ARRAYS = ("points", "completed", "mean", "rotation", "scale", "translation", "weights")
ALIGNMENT_FACTS = ("anchor", "rotations", "scaling", "weighting", "n_iterations", "converged")
# Arrays beyond this size are written in one piece and not loaded: the system maps the file.
MAPPED_BYTES = 4 << 20
MODEL_ARRAYS = ("mean", "modes", "variance", "weights", "noise_share")


# Words a setting may be, by its name.
CHOICES: dict[str, tuple[str | None, ...]] = {
    "origin": ORIGINS,
    "rotation": ROTATIONS,
    "scale": SCALINGS,
    "weights": WEIGHTS,
    "extent": EXTENTS,
    "bridged": BRIDGED,
    "slide": (None, "bending", "procrustes"),
}


class SettingsError(AtlasError):
    """A setting that is none; the text says expected and got."""


class AtlasFileError(AtlasError):
    """A file that is not an atlas; the text says expected and got."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a build was asked for.

    Parameters
    ----------
    origin : {"dura-apex", "conus"}
        Where depth along the sac is counted from.
    anchor : str or None
        Point that alignment holds fixed; the origin by default.
    rotation : {"full", "axial", "none"}
    scale : {"none", "unit"}
    weights : {"landmark", "structure", "area"}
    extent : {"common", "full"}
        Dura rings over the depths all subjects share, or down to the deepest field of view.
    bridged : {"as-measured", "uncertain", "missing"}
        How bridged landmarks count in the model.
    variance_held : float or None
        Share of the variance that the modes of the model hold; what is beyond them is noise.
        None leaves it to the build: all of it, or 99 % where it goes by passes; the provenance
        says which.
    slide : {"bending", "procrustes"} or None
        By which criterion semilandmarks slide, if they do; see docs/alignment.md before using it.
    root : int
        Landmarks a root.
    dura, cord : tuple of int
        Rings, and points a ring.
    """

    origin: str = "dura-apex"
    anchor: str | None = None
    rotation: str = "full"
    scale: str = "none"
    weights: str = "landmark"
    extent: str = "common"
    bridged: str = "as-measured"
    variance_held: float | None = None
    slide: str | None = None
    root: int = 32
    dura: tuple[int, int] = (40, 32)
    cord: tuple[int, int] = (40, 24)

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            given = getattr(self, name)
            if given not in known:
                words = ", ".join(word for word in known if word is not None)
                raise SettingsError(f"{name}: expected one of {words}, got {given!r}")
        if self.anchor is not None and not self.anchor.strip():
            raise SettingsError("anchor: expected a name, as conus, got nothing; or leave it out")
        held = self.variance_held
        if held is not None and not 0 < held <= 1:
            raise SettingsError(
                f"variance: expected a share over 0 and up to 1, as 0.95, got {held:g}"
            )

    @property
    def scheme(self) -> LandmarkScheme:
        """The landmark scheme these settings describe."""
        return LandmarkScheme.standard(
            origin=self.origin,
            extent=self.extent,
            root=self.root,
            dura=self.dura,
            cord=self.cord,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """A population's anatomy: the model, what it was made from, and how.

    Parameters
    ----------
    model : ShapeModel
    alignment : Alignment
    settings : Settings
    provenance : mapping of str to object
        JSON values: input hashes, versions, anchor, subjects, findings, notice, attribution.
    """

    model: ShapeModel
    alignment: Alignment
    settings: Settings
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    def _repr_html_(self) -> str:
        origin = self.provenance
        facts = {
            "cohort": origin.get("notice") or "annotated images",
            "made": f"{origin.get('created', '?')} with lumbosacral-atlas "
            f"{origin.get('software', {}).get('version', '?')}",
            "source": origin.get("attribution", ""),
            "note": origin.get("disclaimer", ""),
        }
        parts = (self.alignment._repr_html_(), self.model._repr_html_())
        return summary_html("Lumbosacral atlas", facts) + "".join(parts)


def save_atlas(atlas: Atlas, path: str | Path) -> Path:
    """Write an atlas as HDF5 that scalismo and statismo open too.

    Parameters
    ----------
    atlas : Atlas
    path : str or Path
        Written whole or not at all.

    Returns
    -------
    Path
    """
    import h5py

    path = Path(path)
    with new_file(path) as place, h5py.File(place, "w") as file:
        group = file.create_group("atlas")
        write_header(group, atlas.model.scheme, atlas.settings, atlas.provenance)
        landmarks = group.create_group("landmarks")
        _write_json(landmarks, "subject_ids", list(atlas.alignment.landmarks.subject_ids))
        for name in LANDMARK_ARRAYS:
            _write_array(landmarks, name, getattr(atlas.alignment.landmarks, name))
        _write_alignment(group.create_group("alignment"), atlas.alignment)
        write_model(group.create_group("model"), atlas.model)
        write_models(file, atlas.model, atlas.alignment, atlas.provenance)
    return path


def write_header(
    group: h5py.Group,
    scheme: LandmarkScheme,
    settings: Settings,
    provenance: Mapping[str, Any],
) -> None:
    """Write what an atlas says of itself into the group that holds it."""
    group.attrs["format"] = FORMAT
    _write_json(group, "settings", asdict(settings))
    _write_json(group, "provenance", dict(provenance))
    _write_json(group, "scheme", asdict(scheme))
    _write_json(group, "names", list(scheme.names))


def write_model(group: h5py.Group, model: ShapeModel) -> None:
    """Write a model into a group of its own."""
    for name in MODEL_ARRAYS:
        _write_array(group, name, getattr(model, name))
    group.attrs["noise"] = model.noise
    group.attrs["n_subjects"] = model.n_subjects


def _write_alignment(group: h5py.Group, alignment: Alignment) -> None:
    for name in ALIGNMENT_ARRAYS:
        if name == "completed" and alignment.completed is alignment.points:
            # Nothing is missing: both names are of the same array.
            group["completed"] = group["points"]
        else:
            _write_array(group, name, getattr(alignment, name))
    for name in ALIGNMENT_FACTS:
        group.attrs[name] = getattr(alignment, name)
    if alignment.factors is not None:
        write_factors(group, alignment.factors)


def write_factors(alignment: h5py.Group, factors: Factors) -> None:
    """Write what missing landmarks are expected from beside an alignment."""
    group = alignment.create_group("factors")
    _write_array(group, "mean", factors.mean)
    _write_array(group, "loadings", factors.loadings)
    group.attrs["noise"] = factors.noise


def load_atlas(path: str | Path) -> Atlas:
    """Read an atlas; what was written comes back to the bit.

    Parameters
    ----------
    path : str or Path
        A file of :func:`save_atlas`, or the folder of a build that holds ``model.h5``.

    Returns
    -------
    Atlas

    Raises
    ------
    AtlasFileError
        Not there, not HDF5, or not an atlas.
    """
    import h5py

    path = Path(path)
    path = path / "model.h5" if path.is_dir() else path
    if not path.is_file():
        raise AtlasFileError(f"{path}: expected an atlas (model.h5), got nothing there")
    try:
        with h5py.File(path, "r") as file:
            return _read(file["atlas"])
    except (OSError, KeyError, ValueError) as error:
        raise AtlasFileError(
            f"{path}: expected an atlas of format {FORMAT}, got {error}; build it again"
        ) from None


def _read(group: h5py.Group) -> Atlas:
    if int(group.attrs["format"]) != FORMAT:
        raise ValueError(f"format {group.attrs['format']}")
    scheme = LandmarkScheme.of_document(_read_json(group, "scheme"))
    if tuple(_read_json(group, "names")) != scheme.names:
        raise ValueError("landmark names that its scheme does not have")
    landmarks = LandmarkSet(
        subject_ids=tuple(_read_json(group["landmarks"], "subject_ids")),
        scheme=scheme,
        **{name: _array(group["landmarks"][name]) for name in LANDMARK_ARRAYS},
    )
    alignment = _read_alignment(group["alignment"], landmarks)
    model = ShapeModel(
        scheme=scheme,
        **{name: group["model"][name][()] for name in MODEL_ARRAYS},
        noise=float(group["model"].attrs["noise"]),
        n_subjects=int(group["model"].attrs["n_subjects"]),
    )
    settings = _read_json(group, "settings")
    settings |= {name: tuple(settings[name]) for name in ("dura", "cord")}
    return Atlas(model, alignment, Settings(**settings), _read_json(group, "provenance"))


def _read_alignment(group: h5py.Group, landmarks: LandmarkSet) -> Alignment:
    factors = None
    if "factors" in group:
        part = group["factors"]
        factors = Factors(part["mean"][()], part["loadings"][()], float(part.attrs["noise"]))
    arrays = {name: _array(group[name]) for name in ALIGNMENT_ARRAYS if name != "completed"}
    # Where nothing is missing, both are one array under two names.
    one = group["completed"] == group["points"]
    return Alignment(
        landmarks=landmarks,
        factors=factors,
        **arrays,
        completed=arrays["points"] if one else _array(group["completed"]),
        anchor=str(group.attrs["anchor"]),
        rotations=str(group.attrs["rotations"]),
        scaling=str(group.attrs["scaling"]),
        weighting=str(group.attrs["weighting"]),
        n_iterations=int(group.attrs["n_iterations"]),
        converged=bool(group.attrs["converged"]),
    )


def _array(dataset: h5py.Dataset) -> np.ndarray:
    """The values of a dataset; of one that lies in one piece and is large, the file itself."""
    offset = dataset.id.get_offset()
    if offset is None or dataset.nbytes < MAPPED_BYTES:
        return freeze(dataset[()])
    return np.memmap(
        dataset.file.filename, dataset.dtype, mode="r", offset=offset, shape=dataset.shape
    )


def _write_array(group: h5py.Group, name: str, array: np.ndarray) -> None:
    group.create_dataset(name, data=array, compression="gzip", shuffle=True, track_times=False)


def _write_json(group: h5py.Group, name: str, value: object) -> None:
    # A dataset, not an attribute: HDF5 attributes end at 64 KiB, and input hashes pass that.
    group.create_dataset(name, data=json.dumps(value, sort_keys=True), track_times=False)


def _read_json(group: h5py.Group, name: str) -> Any:
    return json.loads(group[name][()])
