"""Fits of surveyed subjects on disk, until their group is known well enough to place them.

One file a task, whole or not at all, so that a task may be done again by whoever is left.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from atlas.curves.natural_splines import NaturalSpline
from atlas.curves.polylines import points_along
from atlas.data.subject import ROOT_KEYS, Subject
from atlas.errors import AtlasError
from atlas.landmarks.fitting_curves import FittedRoot, FittedSubject, FittedTube
from atlas.landmarks.scheme import LandmarkScheme, block_name
from atlas.output.files import UnfinishedError, write_file

# What stands for a structure that a subject does not have.
NOTHING = np.empty(0)
TUBE_ARRAYS, ROOT_ARRAYS = 6, 4
MAKE_ROOM = "free some space, or let the result lie on a larger disk that every worker sees"


class KeptFitsError(AtlasError):
    """Fits that were kept and are not there any more; the text says expected and got."""


@dataclass(frozen=True, slots=True)
class KeptFits:
    """A folder of fits, a file a task: what placing needs of each subject, as numbers.

    Parameters
    ----------
    folder : str
        One that every worker sees.
    scheme : LandmarkScheme
        By which subjects are fitted, and later placed; its depths may still be unknown.
    """

    folder: str
    scheme: LandmarkScheme

    def write(self, first: int, fits: Sequence[FittedSubject]) -> None:
        """Keep the fits of a task.

        Parameters
        ----------
        first : int
            Place of its first subject in the group.
        fits : sequence of FittedSubject

        Raises
        ------
        UnfinishedError
            The disk is full or cannot be written.
        """
        arrays = [[np.ravel(a) for a in _arrays(fitted, self.scheme)] for fitted in fits]
        content = io.BytesIO()
        np.savez(
            content,
            ids=np.array([fitted.subject.id for fitted in fits]),
            sizes=np.array([[a.size for a in own] for own in arrays]),
            numbers=np.concatenate([a for own in arrays for a in own]),
        )
        try:
            write_file(self._file(first), content.getvalue())
        except OSError as error:
            raise UnfinishedError(
                f"{self.folder}: expected room for the fits of {len(fits)} subjects, "
                f"{content.tell() / 1e6:.1f} MB, got {error.strerror or error}; {MAKE_ROOM}"
            ) from None

    def read(self, first: int) -> list[FittedSubject]:
        """The fits of a task: of their subjects only ids and ganglia, of roots what placing needs.

        Raises
        ------
        KeptFitsError
            Nothing whole is kept of this task.
        """
        file = self._file(first)
        try:
            with file.open("rb") as content, np.load(content, allow_pickle=False) as kept:
                ids, sizes, numbers = (kept[name] for name in ("ids", "sizes", "numbers"))
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise KeptFitsError(
                f"{file}: expected the fits that the survey kept, got {error}; begin the build "
                "again, and leave its folder alone while it runs"
            ) from None
        arrays = iter(np.split(numbers, np.cumsum(sizes)[:-1]))
        return [_fitted(str(i), islice(arrays, sizes.shape[1])) for i in ids]

    def expect_room(self, first: int, *, kept: int, left: int) -> None:
        """Refuse a group that the disk cannot hold, as soon as one task tells how much it takes.

        Parameters
        ----------
        first : int
            Of the task that is done.
        kept : int
            Subjects it kept, 1 or more.
        left : int
            Subjects still to come.

        Raises
        ------
        UnfinishedError
            More is needed than is free.
        """
        each = self._file(first).stat().st_size / kept
        free = shutil.disk_usage(self.folder).free
        if each * left > free:
            raise UnfinishedError(
                f"{self.folder}: expected {each * left / 1e6:,.0f} MB of free space for the fits "
                f"of {left:,} subjects, {each / 1e3:.0f} kB each, got {free / 1e6:,.0f} MB; "
                f"{MAKE_ROOM}"
            )

    def _file(self, first: int) -> Path:
        return Path(self.folder) / f"{first:09}.npz"


@contextmanager
def kept_fits(beside: Path, scheme: LandmarkScheme) -> Iterator[KeptFits]:
    """A folder for fits inside another one, gone after the block, however it ends."""
    # A task that nobody waits for any more may write while the folder is removed.
    with TemporaryDirectory(dir=beside, prefix=".fits-", ignore_cleanup_errors=True) as folder:
        yield KeptFits(folder, scheme)


def _arrays(fitted: FittedSubject, scheme: LandmarkScheme) -> list[np.ndarray]:
    """All that placing needs of a subject, always as many arrays in the same order."""
    found = [*_tube_arrays(fitted.dura), *_tube_arrays(fitted.drawn_cord)]
    for key in ROOT_KEYS:
        root = fitted.roots.get(key)
        found += _root_arrays(root and _thinned(root, scheme.block(block_name(key)).levels))
        found.append(fitted.subject.ganglia.get(key, NOTHING))
    return found


def _fitted(subject_id: str, arrays: Iterator[np.ndarray]) -> FittedSubject:
    """A subject from :func:`_arrays`."""
    dura, cord = (_tube(islice(arrays, TUBE_ARRAYS)) for _ in range(2))
    assert dura is not None  # every subject has one
    roots, ganglia = {}, {}
    for key in ROOT_KEYS:
        *own, ganglion = islice(arrays, ROOT_ARRAYS)
        root = _root(*own)
        if root is not None:
            roots[key] = root
        if ganglion.size:
            ganglia[key] = ganglion
    return FittedSubject(Subject(subject_id, (), (), {}, ganglia), dura, cord, roots)


def _tube_arrays(tube: FittedTube | None) -> list[np.ndarray]:
    if tube is None:
        return [NOTHING] * TUBE_ARRAYS
    tracks = tube.tracks
    noise = np.array([tube.noise_mm])
    return [tracks.x, tracks.values, tracks.bends, tube.heights, tube.depths, noise]


def _tube(arrays: Iterable[np.ndarray]) -> FittedTube | None:
    x, values, bends, heights, depths, noise = arrays
    if not x.size:
        return None
    rings = (len(x), -1, 3)
    tracks = NaturalSpline(x, values.reshape(rings), bends.reshape(rings))
    return FittedTube(tracks, heights, depths, float(noise[0]))


def _thinned(root: FittedRoot, landmarks: int) -> FittedRoot:
    """A root by its points where landmarks stand and where its trace ends.

    A twentieth of the dense line.  Landmarks, their status and their uncertainty are the same to
    the bit: lengths are those along the dense line, and each landmark is one of the points.
    """
    goal = np.linspace(0, root.lengths[-1], landmarks)
    lengths = np.union1d(goal, root.traced_mm)
    return FittedRoot(
        line=points_along(root.line, root.lengths, lengths),
        lengths=lengths,
        traced_points=int(np.searchsorted(lengths, root.traced_mm)) + 1,
        noise_mm=root.noise_mm,
    )


def _root_arrays(root: FittedRoot | None) -> list[np.ndarray]:
    if root is None:
        return [NOTHING] * (ROOT_ARRAYS - 1)
    return [root.line, root.lengths, np.array([root.traced_points, root.noise_mm])]


def _root(line: np.ndarray, lengths: np.ndarray, rest: np.ndarray) -> FittedRoot | None:
    if not lengths.size:
        return None
    return FittedRoot(line.reshape(-1, 3), lengths, int(rest[0]), float(rest[1]))
