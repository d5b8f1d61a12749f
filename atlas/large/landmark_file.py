"""Landmarks of a group in one HDF5 file, chunked by subject, and as a group to pass over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from atlas.components.blocks import Block, parts
from atlas.errors import AtlasError
from atlas.hdf5.fields import FieldError, opened
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.large.memory import Budget
from atlas.output.files import hdf5_file, new_file
from atlas.store_checks import check_landmarks

if TYPE_CHECKING:
    import h5py

FORMAT = 1
ARRAYS = {"points": (3,), "status": (), "bridge_sd": ()}
TYPES = {"points": np.float64, "status": np.uint8, "bridge_sd": np.float64}
# Of one landmark of one subject in the file.
SUBJECT_LANDMARK_BYTES = 24 + 1 + 8
# A chunk is read whole: a megabyte or so is one request to the disk.
CHUNK_SUBJECTS = 16

Outcome = TypeVar("Outcome")


class LandmarkFileError(AtlasError):
    """A file that holds no landmarks; the text says expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkFile:
    """Landmarks of a group on disk.

    Parameters
    ----------
    path : str
    subject_ids : tuple of str
    scheme : LandmarkScheme
        Depths included.
    whole : bool
        Whether no landmark of any subject is missing.
    """

    path: str
    subject_ids: tuple[str, ...]
    scheme: LandmarkScheme
    whole: bool

    @classmethod
    def open(cls, path: str | Path) -> LandmarkFile:
        """A file of :func:`new_landmark_file`.

        Raises
        ------
        LandmarkFileError
            Not there, not HDF5, or of something else.
        """
        with _named_errors(path), opened(Path(path)) as file:
            number = file.attribute("landmark_format", int)
            if number != FORMAT:
                raise FieldError(f"format {number}")
            scheme = LandmarkScheme.of_document(file.json("scheme", dict[str, Any]))
            ids = tuple(file.json("subject_ids", list[str]))
            found = cls(str(path), ids, scheme, file.attribute("whole", bool))
            for name in ARRAYS:
                file.checked(name, found.shape(name), TYPES[name])
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one of its arrays."""
        return (len(self.subject_ids), self.scheme.size, *ARRAYS[name])

    def read(self, where: slice) -> LandmarkSet:
        """The landmarks of some subjects.

        Raises
        ------
        LandmarkFileError
            The file is damaged, or another than the one that was opened.
        """
        with _named_errors(self.path), opened(Path(self.path)) as file:
            arrays = {
                name: file.array(name, self.shape(name), TYPES[name], rows=where) for name in ARRAYS
            }
            found = LandmarkSet(self.subject_ids[where], self.scheme, **arrays)
            check_landmarks(found, where="")
            if self.whole and (found.status == Status.MISSING).any():
                raise FieldError("whole: expected no landmark to be missing, got some that are")
        return found


@contextmanager
def _named_errors(path: str | Path) -> Iterator[None]:
    """What is wrong with a field as an error that names the file."""
    try:
        yield
    except ValueError as error:
        raise LandmarkFileError(
            f"{path}: expected landmarks of format {FORMAT}, got {error}; write them again"
        ) from None


def save_landmarks(landmarks: LandmarkSet, path: str | Path) -> LandmarkFile:
    """Write landmarks that are in memory.

    Parameters
    ----------
    landmarks : LandmarkSet
    path : str or Path
        Written whole or not at all.

    Returns
    -------
    LandmarkFile
    """
    with new_landmark_file(path, landmarks.subject_ids, landmarks.scheme) as write:
        write(0, landmarks)
    return LandmarkFile.open(path)


@contextmanager
def new_landmark_file(
    path: str | Path, subject_ids: Sequence[str], scheme: LandmarkScheme
) -> Iterator[Callable[[int, LandmarkSet], None]]:
    """A file of landmarks that is there when every subject has been written.

    Parameters
    ----------
    path : str or Path
    subject_ids : sequence of str
        In the order of the file.
    scheme : LandmarkScheme
        Depths included.

    Yields
    ------
    callable
        ``write(first, landmarks)`` puts some subjects into their places, in any order.

    Raises
    ------
    LandmarkFileError
        Subjects that were never written.
    """
    written = np.zeros(len(subject_ids), dtype=bool)
    whole = True
    size = len(subject_ids) * scheme.size * SUBJECT_LANDMARK_BYTES
    with new_file(Path(path)) as place, hdf5_file(place, size=size) as file:
        _make_arrays(file, len(subject_ids), scheme)
        file["subject_ids"] = json.dumps(list(subject_ids))
        file["scheme"] = json.dumps(asdict(scheme))

        def write(first: int, landmarks: LandmarkSet) -> None:
            nonlocal whole
            where = slice(first, first + len(landmarks.subject_ids))
            if tuple(subject_ids[where]) != landmarks.subject_ids or landmarks.scheme != scheme:
                raise LandmarkFileError(
                    f"{path}: expected landmarks of {tuple(subject_ids[where])[:3]} … in the "
                    f"scheme of the file, got {landmarks.subject_ids[:3]} …"
                )
            for name in ARRAYS:
                file[name][where] = getattr(landmarks, name)
            whole = whole and not (landmarks.status == Status.MISSING).any()
            written[where] = True

        yield write
        if not written.all():
            lost = [subject_ids[i] for i in np.flatnonzero(~written)[:3]]
            raise LandmarkFileError(
                f"{path}: expected every subject, got none of {', '.join(lost)}"
            )
        file.attrs["whole"] = whole
        file.attrs["landmark_format"] = FORMAT


def _make_arrays(file: h5py.File, subjects: int, scheme: LandmarkScheme) -> None:
    for name, rest in ARRAYS.items():
        shape = (subjects, scheme.size, *rest)
        file.create_dataset(
            name,
            shape,
            TYPES[name],
            chunks=(min(CHUNK_SUBJECTS, subjects), *shape[1:]),
            track_times=False,
        )


@dataclass(frozen=True, slots=True, eq=False)
class DiskGroup:
    """A group on disk, of which one block at a time is in memory.

    Parameters
    ----------
    file : LandmarkFile
    budget : Budget
        Of this process.
    """

    file: LandmarkFile
    budget: Budget

    @property
    def scheme(self) -> LandmarkScheme:
        """The landmarks every subject has, depths included."""
        return self.file.scheme

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """Names of the subjects."""
        return self.file.subject_ids

    @property
    def whole(self) -> bool:
        """Whether no landmark of any subject is missing."""
        return self.file.whole

    def fits(self, n_bytes: int) -> bool:
        """Whether so many bytes of results may lie beside a block."""
        return n_bytes <= self.budget.work // 4

    def each(
        self, work: Callable[..., Outcome], *shared: Any, own: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Outcomes of a pass, each block read from the file as its turn comes."""
        for where in blocks(len(self.subject_ids), self.budget.block(self.scheme)):
            yield work(Block(self.file.read(where), where), *parts(own, where), *shared)


def blocks(subjects: int, size: int) -> list[slice]:
    """Subjects in blocks of a size, whole chunks of the file where it can be."""
    step = size - size % CHUNK_SUBJECTS or size
    return [slice(i, min(i + step, subjects)) for i in range(0, subjects, step)]
