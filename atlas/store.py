"""An atlas, and an atlas as one HDF5 file: plain numbers and JSON, no pickle.

The group ``/atlas`` holds everything to the bit, and a digest of it; nothing else is read here.
Around it stands the same model in float32 as
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

from atlas.components.principal import Factors
from atlas.errors import AtlasError
from atlas.exchange.interchange import write_models
from atlas.hdf5.fields import FieldError, Fields, attributes, opened, seal
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import EXTENTS, ORIGINS, LandmarkScheme
from atlas.model.fitting import BRIDGED
from atlas.model.shape_model import ShapeModel
from atlas.output.files import hdf5_file, new_file
from atlas.procrustes.alignment import Alignment
from atlas.procrustes.generalised import ROTATIONS, SCALINGS
from atlas.procrustes.weights import WEIGHTS
from atlas.store_checks import refuse_impossible
from atlas.text.display import summary_html

if TYPE_CHECKING:
    import h5py

FORMAT = 2
LANDMARK_ARRAYS = ("points", "status", "bridge_sd")
ALIGNMENT_ARRAYS = ("points", "completed", "mean", "rotation", "scale", "translation", "weights")
ALIGNMENT_FACTS: dict[str, type] = {
    "anchor": str,
    "rotations": str,
    "scaling": str,
    "weighting": str,
    "n_iterations": int,
    "converged": bool,
}
# Arrays beyond this size are written in one piece and not loaded: the system maps the file.
MAPPED_BYTES = 4 << 20
# Settings that the first files of this format do not have.
ADDED_SETTINGS = ("variance_held",)
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
    path = Path(path)
    size = 4 * atlas.alignment.points.nbytes + 2 * atlas.model.modes.nbytes
    with new_file(path) as place, hdf5_file(place, size=size) as file:
        group = file.create_group("atlas")
        write_header(group, atlas.model.scheme, atlas.settings, atlas.provenance)
        landmarks = group.create_group("landmarks")
        _write_json(landmarks, "subject_ids", list(atlas.alignment.landmarks.subject_ids))
        for name in LANDMARK_ARRAYS:
            _write_array(landmarks, name, getattr(atlas.alignment.landmarks, name))
        _write_alignment(group.create_group("alignment"), atlas.alignment)
        write_model(group.create_group("model"), atlas.model)
        seal(group)
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
    group.attrs["noise"] = float(model.noise)
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
        Not there, not HDF5, not an atlas, damaged or changed, or of numbers that cannot be; the
        text names the field.
    """
    path = Path(path)
    path = path / "model.h5" if path.is_dir() else path
    if not path.is_file():
        raise AtlasFileError(f"{path}: expected an atlas (model.h5), got nothing there")
    try:
        with opened(path) as file:
            atlas = _read(file.within("atlas", apart=True))
            _refuse_other_copy(file, atlas.model)
            return atlas
    except ValueError as error:
        raise AtlasFileError(
            f"{path}: expected an atlas of format {FORMAT}, got {error}; build it again"
        ) from None


def _read(fields: Fields) -> Atlas:
    number = fields.attribute("format", int)
    if number != FORMAT:
        raise ValueError(f"format {number}")
    scheme = _read_scheme(fields)
    atlas = Atlas(
        alignment=_read_alignment(fields.within("alignment"), _read_landmarks(fields, scheme)),
        model=_read_model(fields.within("model"), scheme),
        settings=fields.json("settings", Settings, optional=ADDED_SETTINGS),
        provenance=fields.json("provenance", dict[str, Any]),
    )
    # What was changed says more than what is odd because of it; without a digest, what is odd.
    sealed = fields.finish()
    refuse_impossible(atlas, sealed=sealed)
    return atlas


def _refuse_other_copy(file: Fields, model: ShapeModel) -> None:
    """Refuse an atlas put into the file of another: the copy for other programs tells."""
    if "model" not in file:
        return
    copy = file.within("model").array("mean", (model.mean.size,), np.float32)
    if not np.array_equal(copy, model.mean.astype(np.float32).ravel()):
        raise FieldError("model/mean: expected the mean of atlas/model, got that of another atlas")


def _read_scheme(fields: Fields) -> LandmarkScheme:
    scheme = LandmarkScheme.of_document(fields.json("scheme", dict[str, Any]))
    names = fields.json("names", list[str])
    # The number first: names are made only of a scheme that is no longer than the list.
    if len(names) != scheme.size or tuple(names) != scheme.names:
        raise ValueError("landmark names that its scheme does not have")
    return scheme


def _read_landmarks(fields: Fields, scheme: LandmarkScheme) -> LandmarkSet:
    part = fields.within("landmarks")
    ids = tuple(part.json("subject_ids", list[str]))
    shape = (len(ids), scheme.size)
    return LandmarkSet(
        subject_ids=ids,
        scheme=scheme,
        points=part.array("points", (*shape, 3), float, mapped=MAPPED_BYTES),
        status=part.array("status", shape, np.uint8, mapped=MAPPED_BYTES),
        bridge_sd=part.array("bridge_sd", shape, float, mapped=MAPPED_BYTES),
    )


def _read_alignment(fields: Fields, landmarks: LandmarkSet) -> Alignment:
    s, n = len(landmarks.subject_ids), landmarks.scheme.size
    shapes: dict[str, tuple[int, ...]] = {
        "points": (s, n, 3),
        "completed": (s, n, 3),
        "mean": (n, 3),
        "rotation": (s, 3, 3),
        "scale": (s,),
        "translation": (s, 3),
        "weights": (n,),
    }
    arrays: dict[str, Any] = {}
    for name, shape in shapes.items():
        # Where nothing is missing, both are one array under two names.
        one = name == "completed" and fields.same(name, "points")
        arrays[name] = (
            arrays["points"] if one else fields.array(name, shape, float, mapped=MAPPED_BYTES)
        )
    return Alignment(
        landmarks=landmarks,
        factors=_read_factors(fields.within("factors"), n) if "factors" in fields else None,
        **arrays,
        **attributes(fields, ALIGNMENT_FACTS),
    )


def _read_factors(fields: Fields, n: int) -> Factors:
    return Factors(
        fields.array("mean", (n, 3), float),
        fields.array("loadings", (n, 3, None), float),
        fields.attribute("noise", float),
    )


def _read_model(fields: Fields, scheme: LandmarkScheme) -> ShapeModel:
    n = scheme.size
    # Its length is that of the modes: those are compared before they are read.
    variance = fields.array("variance", (None,), float)
    return ShapeModel(
        scheme=scheme,
        mean=fields.array("mean", (n, 3), float),
        modes=fields.array("modes", (len(variance), n, 3), float),
        variance=variance,
        noise=fields.attribute("noise", float),
        n_subjects=fields.attribute("n_subjects", int),
        weights=fields.array("weights", (n,), float),
        noise_share=fields.array("noise_share", (n,), float),
    )


def _write_array(group: h5py.Group, name: str, array: np.ndarray) -> None:
    group.create_dataset(name, data=array, compression="gzip", shuffle=True, track_times=False)


def _write_json(group: h5py.Group, name: str, value: object) -> None:
    # A dataset, not an attribute: HDF5 attributes end at 64 KiB, and input hashes pass that.
    try:
        text = json.dumps(value, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise AtlasFileError(f"{name}: expected values that JSON holds, got {error}") from None
    group.create_dataset(name, data=text, track_times=False)
