"""Files that are written whole or not at all: beside their place, then renamed into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from atlas.errors import AtlasError, MachineError

if TYPE_CHECKING:
    import h5py


# How names of files begin that are not in their place yet.
TEMPORARY = ".atlas-"
# HDF5 files up to this size are made in memory.
IN_MEMORY_BYTES = 64 << 20


class OutputError(AtlasError):
    """A place that cannot be written to; the text says why and what to do."""


class UnfinishedError(OutputError, MachineError):
    """A place that takes no more of what is being written; the text says why and what to do."""


def write_file(path: Path, content: bytes | str) -> Path:
    """Write one file atomically.

    Parameters
    ----------
    path : Path
        Its folder must exist.
    content : bytes or str
        Text is written as UTF-8.

    Returns
    -------
    Path
        The path.
    """
    data = content.encode() if isinstance(content, str) else content
    with new_file(path) as place:
        place.write_bytes(data)
    return path


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary place beside ``path`` that takes its place if the block succeeds."""
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    place = Path(name)
    try:
        yield place
        place.chmod(0o666 & ~_umask())
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


@contextmanager
def hdf5_file(place: Path, *, size: int = 0, more: bool = False) -> Iterator[h5py.File]:
    """An HDF5 file to fill.

    HDF5 does not survive a disk that takes no more: it loses what it had in hand without a word,
    or ends the process.  So a file is made in memory and written as any other, and for a large
    one the room is taken first.

    Parameters
    ----------
    place : Path
    size : int
        Bytes it will hold, about; beyond :data:`IN_MEMORY_BYTES` it is not made in memory.
    more : bool
        Whether it is there already, and is to be added to.

    Raises
    ------
    OSError
        The disk has no room.
    """
    import h5py

    if size > IN_MEMORY_BYTES:
        if not more:
            take_room(place, size)
        with h5py.File(place, "r+" if more else "w") as file:
            yield file
        return
    # Read if there is more to come; never written to.
    mode = "r+" if more else "w"
    with h5py.File(place, mode, driver="core", backing_store=False) as file:
        yield file
        file.flush()
        content = file.id.get_file_image()
    place.write_bytes(content)


def take_room(place: Path, size: int) -> None:
    """Have the system set so many bytes aside for a file, and give them back: OSError if not."""
    try:
        with place.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    finally:
        place.write_bytes(b"")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
