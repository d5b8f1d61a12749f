"""Files that are written whole or not at all: beside their place, then renamed into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from atlas.errors import AtlasError
from atlas.replacing import NEW, clear_abandoned, holder, put_in_place


class OutputError(AtlasError):
    """A place that cannot be written to; the text says why and what to do."""


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
    handle, name = tempfile.mkstemp(prefix=".atlas-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    place = Path(name)
    try:
        yield place
        place.chmod(0o666 & ~_umask())
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, *, proof: str) -> Iterator[Path]:
    """A temporary folder beside ``path`` that takes its place if the block succeeds.

    Parameters
    ----------
    path : Path
        May hold an earlier result, which is replaced; nothing else is ever removed.
    proof : str
        A file every such result holds; a folder without it is somebody else's.

    Yields
    ------
    Path
        The folder to write into.

    Raises
    ------
    OutputError
        The place holds something that is not an earlier result, or cannot be written.
    """
    path = path.absolute()
    if path.exists() and not ((path / proof).is_file() or _is_empty_folder(path)):
        raise OutputError(
            f"{path}: expected nothing there, an empty folder or an earlier result (with {proof}), "
            "got something else; choose another place or remove it yourself"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_abandoned(path)
        stack = ExitStack()
        place = stack.enter_context(holder(path))
        (place / NEW).mkdir()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error}); choose another place") from None
    with stack:
        yield place / NEW
        put_in_place(place, path)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
