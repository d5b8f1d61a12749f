"""The images that annotations were made on: found, opened, and read a slice at a time.

NIfTI's world is RAS; here, at the edge, it becomes LPS.  Needs nibabel, extra ``images``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from atlas.arrays import read_only
from atlas.data.layout import SUBJECT, subject_id
from atlas.errors import AtlasError
from atlas.text.json_values import JsonError, parse_json, value_as

SEQUENCES = ("CISS", "DESS", "T2TSE")
IMAGE = re.compile(
    r"(?P<subject>sub[-_]?[A-Za-z0-9]+?)_(?P<sequence>[A-Za-z0-9]+)\.nii(?:\.gz)?$", re.IGNORECASE
)
LAYOUT = "rawdata/{subject}/anat/{subject}_{sequence}.nii.gz"
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MILLIMETRES = {"mm": 1.0, "unknown": 1.0, "meter": 1e3, "micron": 1e-3}
HEADER_BYTES = 352
# Deflate packs no more than this into a byte.
MOST_PACKED = 1100
SMALLEST_MM, FARTHEST_MM = 1e-3, 1e5
# BIDS names, and the units BIDS prescribes; whether a sidecar keeps to them cannot be known.
UNITS = {
    "SequenceName": "",
    "RepetitionTime": "s",
    "EchoTime": "s",
    "FlipAngle": "degrees",
    "SliceThickness": "mm",
    "Manufacturer": "",
    "MagneticFieldStrength": "T",
}
OTHER_NAMES = {"SequenceName": ("SequenceName", "PulseSequenceName", "ProtocolName")}


class ImageError(AtlasError):
    """An image that is not there, not NIfTI, of somebody else, or elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One image volume, whose voxels stay on disk.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        Voxels along the three axes of the file.
    to_lps : (4, 4) float
        Voxel index, counted from 0 at a voxel's centre, to LPS mm.
    """

    path: Path
    shape: tuple[int, int, int]
    to_lps: np.ndarray
    _voxels: Any = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "to_lps", read_only(self.to_lps, (4, 4), f"{self.path} affine"))

    @property
    def voxel_mm(self) -> np.ndarray:
        """Edges of a voxel along the axes of the file, (3,) mm."""
        return np.linalg.norm(self.to_lps[:3, :3], axis=0)

    @property
    def slice_axis(self) -> int:
        """The axis whose voxels are longest; the last of several."""
        edges = self.voxel_mm
        return int(np.flatnonzero(edges >= edges.max() * (1 - 1e-3))[-1])

    def to_voxels(self, points: np.ndarray) -> np.ndarray:
        """LPS mm (n, 3) to voxel indices (n, 3), by the inverse of the affine."""
        points = np.atleast_2d(points)
        return np.linalg.solve(self.to_lps[:3, :3], (points - self.to_lps[:3, 3]).T).T

    def slice(self, number: int) -> np.ndarray:
        """Grey values of one slice, (n, m) float32, axes in the order of the file.

        Only this slice is kept in memory.  Ascending numbers read a compressed file once.

        Raises
        ------
        ImageError
            There is no such slice, or the file ends before it.
        """
        axis = self.slice_axis
        if not 0 <= number < self.shape[axis]:
            raise ImageError(
                f"{self.path}: expected a slice from 0 to {self.shape[axis] - 1}, got {number}"
            )
        where: list[Any] = [slice(None)] * 3 + [0] * (len(self._voxels.shape) - 3)
        where[axis] = number
        try:
            return np.asarray(self._voxels[tuple(where)], dtype=np.float32)
        except Exception as error:  # of nibabel and zlib, of every kind in a damaged file
            raise ImageError(
                f"{self.path}: expected voxels of slice {number}, got {_line(error)}; the file may "
                "be truncated: fetch it again"
            ) from None


def find_image(place: str | Path, subject: str, sequence: str) -> Path:
    """Where the image of a subject stands, inside a dataset's folder or beside it.

    Parameters
    ----------
    place : path
        A fetched folder, its ``markers/``, one subject in it, an archive, or ``rawdata/``.
    subject : str
        ``sub-03``.
    sequence : str
        ``CISS``, ``DESS`` or ``T2TSE``.

    Returns
    -------
    Path

    Raises
    ------
    ImageError
        Nothing is there, or the subject's folder holds the image of another.
    """
    folders = [f for f in _anat_folders(Path(place).resolve(), subject) if f.is_dir()]
    others: list[Path] = []
    for folder in folders:
        for path in sorted(folder.iterdir()):
            match = IMAGE.match(path.name)
            if match is None or match["sequence"].upper() != sequence.upper():
                continue
            if subject_id(match["subject"]) == subject:
                return path
            others.append(path)
    if others:
        raise ImageError(
            f"{others[0]}: expected the {sequence} image of {subject}, got one named for "
            f"{subject_id(others[0].name.split('_')[0])}; move it to its subject"
        )
    expected = LAYOUT.format(subject=subject, sequence=sequence)
    raise ImageError(
        f"{place}: expected {expected} there or beside it, got none; fetch it (atlas fetch DIR "
        f"--what images --subjects {subject}) or say where it is (--images)"
    )


def open_image(path: str | Path) -> Image:
    """Open a NIfTI image; voxels are read when asked for.

    Raises
    ------
    ImageError
        nibabel is not installed, or the file is not NIfTI, not three-dimensional, or does not say
        where it lies.
    """
    path = Path(path)
    if find_spec("nibabel") is None:
        raise ImageError(
            f"{path}: reading images needs nibabel; pip install 'lumbosacral-atlas[images]'"
        )
    import nibabel

    try:
        # One open file: ascending slices of a compressed image are then decompressed once.
        image = nibabel.load(path, keep_file_open=True)
    except Exception as error:  # of nibabel and zlib, of every kind in a damaged file
        raise ImageError(f"{path}: expected a NIfTI image, got {_line(error)}") from None
    if not isinstance(image, nibabel.Nifti1Image):
        raise ImageError(f"{path}: expected a NIfTI image, got {type(image).__name__}")
    try:
        shape = tuple(int(n) for n in image.shape)
        affine = _affine(image, path)
        _refuse_odd_voxels(image.dataobj, path)
    except ImageError:
        raise
    except Exception as error:  # likewise
        raise ImageError(f"{path}: expected a NIfTI header, got {_line(error)}") from None
    if len(shape) < 3 or any(n != 1 for n in shape[3:]) or min(shape) < 1:
        raise ImageError(f"{path}: expected three dimensions, got {shape}")
    return Image(path, (shape[0], shape[1], shape[2]), affine, image.dataobj)


def _refuse_odd_voxels(voxels: Any, path: Path) -> None:
    """Refuse values that are no grey values, and more of them than the file can hold."""
    if voxels.dtype.kind not in "iuf":
        raise ImageError(f"{path}: expected one number a voxel, got {voxels.dtype}")
    if voxels.offset < HEADER_BYTES:
        raise ImageError(
            f"{path}: expected voxels behind the header, {HEADER_BYTES} bytes, got {voxels.offset}"
        )
    scaling = (voxels.slope, voxels.inter)
    if not np.isfinite(scaling).all() or voxels.slope == 0:
        raise ImageError(f"{path}: expected a slope and an offset of grey values, got {scaling}")
    size = path.stat().st_size * (MOST_PACKED if path.suffix.lower() == ".gz" else 1)
    declared = voxels.offset + math.prod(int(n) for n in voxels.shape) * voxels.dtype.itemsize
    if declared > size:
        raise ImageError(
            f"{path}: expected {declared} bytes of voxels as its header says, got a file of "
            f"{path.stat().st_size}; the file may be truncated: fetch it again"
        )


def _affine(image: Any, path: Path) -> np.ndarray:
    header = image.header
    if not (int(header["sform_code"]) or int(header["qform_code"])):
        raise ImageError(
            f"{path}: expected an image that says where it lies (sform or qform), got neither; "
            "convert it again"
        )
    affine = np.asarray(image.affine, dtype=float)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ImageError(f"{path}: expected axes that span space, got {affine[:3, :3].tolist()}")
    scaled = affine.copy()
    scaled[:3] *= _MILLIMETRES[header.get_xyzt_units()[0]]
    edges = np.linalg.norm(scaled[:3, :3], axis=0)
    if edges.min() < SMALLEST_MM or max(edges.max(), np.abs(scaled[:3, 3]).max()) > FARTHEST_MM:
        raise ImageError(
            f"{path}: expected voxels of the size of a person's image, got edges of "
            f"{edges.tolist()} mm from {scaled[:3, 3].tolist()}"
        )
    return _RAS_TO_LPS @ scaled


def _anat_folders(place: Path, subject: str) -> list[Path]:
    """Folders that may hold the images of a subject, nearest first."""
    if SUBJECT.match(place.name) and subject_id(place.name) != subject:
        return []
    bases = [place, place.parent, place.parent.parent]
    folders = [b / "rawdata" / subject / "anat" for b in bases]
    return [*folders, place / subject / "anat", place / "anat"]


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


# Fields of the same meaning, in the order they are asked for.
LARGEST_BYTES, LONGEST_TEXT = 16 << 20, 1000


def image_parameters(place: str | Path, subjects: tuple[str, ...]) -> dict[str, Any]:
    """Acquisition parameters of the images beside a dataset, for its provenance.

    Parameters
    ----------
    place : path
        Of the dataset, as :func:`atlas.data.images.find_image` takes it.
    subjects : tuple of str
        Subject ids.

    Returns
    -------
    dict
        ``units`` as BIDS prescribes them, and ``subjects``: id to sequence to the fields that its
        sidecar holds, as it gives them; ``unreadable``: path to what is wrong with a sidecar that
        is no JSON object.  Empty where there are no images or no sidecars.
    """
    if not Path(place).exists():
        return {}
    unreadable: dict[str, str] = {}
    found = {
        subject: of_images
        for subject in subjects
        if (of_images := _parameters_of(Path(place), subject, unreadable))
    }
    told: dict[str, Any] = {}
    if found:
        told = {"units": {k: u for k, u in UNITS.items() if u}, "subjects": found}
    return told | ({"unreadable": unreadable} if unreadable else {})


def _parameters_of(
    place: Path, subject: str, unreadable: dict[str, str]
) -> dict[str, dict[str, float | str]]:
    found = {}
    for sequence in SEQUENCES:
        try:
            image = find_image(place, subject, sequence)
            sidecar = image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")
            if not sidecar.exists():
                continue
        except ImageError:
            continue
        try:
            found[sequence] = _chosen(_read(sidecar))
        except (OSError, ValueError) as error:
            # A name that is no text stays writable.
            name = "/".join(sidecar.parts[-4:]).encode(errors="backslashreplace").decode()
            unreadable[name] = str(error).replace(str(sidecar), sidecar.name)[:200]
    return {name: values for name, values in found.items() if values}


def _read(sidecar: Path) -> dict[str, Any]:
    size = sidecar.stat().st_size
    if size > LARGEST_BYTES:
        raise JsonError(f"expected a few kB of JSON, got {size} bytes")
    document: dict[str, Any] = value_as(
        dict[str, Any], parse_json(sidecar.read_text("utf-8-sig")), "sidecar"
    )
    return document


def _chosen(document: dict[str, Any]) -> dict[str, float | str]:
    lower = {str(k).lower(): v for k, v in document.items()}
    if len(lower) < len(document):
        raise JsonError("expected every field once, got one twice but for capitals")
    values = {}
    for name in UNITS:
        options = (lower.get(n.lower()) for n in OTHER_NAMES.get(name, (name,)))
        value = next((v for v in options if _is_plain(v)), None)
        if value is not None:
            values[name] = value
    return values


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST_TEXT
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
