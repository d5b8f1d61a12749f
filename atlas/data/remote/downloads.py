"""One published file to one file on disk: resumed where it broke off, checked against its MD5."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from atlas.data.remote.figshare import RemoteFile, Reply, open_reply
from atlas.data.remote.retry import (
    FetchError,
    Headway,
    Patience,
    RangeError,
    TransientError,
)
from atlas.output.files import OutputError

# Name of what is transferred, bytes done, bytes in all.
Progress = Callable[[str, int, int], None]
PIECE_BYTES = 1 << 18
# The largest published file has 1.2 GB; a listing that announces more than this is none of it.
MOST_BYTES = 16 << 30


def silent(_name: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


def part_name(file: RemoteFile) -> str:
    """Name of a transfer in progress: another file, or another version, has another."""
    return f"{file.id}-{file.md5}.part"


def download(
    file: RemoteFile, folder: Path, *, patience: Patience, progress: Progress = silent
) -> Path:
    """Fetch a file whole, or go on with what an earlier call left.

    Parameters
    ----------
    file : RemoteFile
    folder : Path
        There; it holds the part, and the whole file under :func:`part_name` once complete.
    patience : Patience
    progress : callable
        Called with name, bytes done and bytes in all.

    Returns
    -------
    Path
        The complete file, of the announced size and MD5.

    Raises
    ------
    FetchError
        The server refuses, never delivers, or delivers something else: another size, another MD5
        (what came is then deleted).
    OutputError
        The disk is full or cannot be written.
    """
    part = folder / part_name(file)
    try:
        _check_room(file, part)
        _transfer_all(file, part, patience, progress)
        _check_md5(file, part)
    except FetchError as error:
        kept = _size(part)
        if not kept:
            part.unlink(missing_ok=True)
            raise
        raise FetchError(
            f"{error}; {kept} of {file.size} bytes are kept: the same command goes on from there"
        ) from None
    except OSError as error:
        raise _unwritable(part, error) from None
    return part


def _transfer_all(file: RemoteFile, part: Path, patience: Patience, progress: Progress) -> None:
    whole, headway, furthest = False, Headway(patience), _size(part)
    while (done := _size(part)) != file.size or not part.exists():
        if done > file.size:
            part.unlink()
            continue
        try:
            for reached in _transfer(file, part, 0 if whole else done, headway):
                progress(file.name, reached, file.size)
                headway.brought(max(0, reached - furthest))
                furthest = max(furthest, reached)
        except RangeError as error:
            # What is there stays: all of the file is asked for, and held against it.
            whole = True
            headway.failed(TransientError(str(error)))
        except TransientError as error:
            if not part.exists():
                # What came was none of the file: the same again is no headway.
                furthest = file.size
            headway.failed(error)


def _transfer(file: RemoteFile, part: Path, done: int, headway: Headway) -> Iterator[int]:
    """Ask for a file from a byte on, and say after each piece how many are there."""
    with open_reply(
        file.url, first=done, timeout_s=headway.timeout_s, left_s=headway.left_s
    ) as reply:
        _check_reply(file, reply, done)
        # A server that ignores the range sends the file from its beginning.
        anew = reply.first != _size(part)
        with part.open("r+b" if anew else "ab", buffering=0) as out:
            done = reply.first
            yield done
            while piece := reply.read(PIECE_BYTES):
                done += len(piece)
                if done > file.size:
                    break
                out.write(_new_of(piece, out) if anew else piece)
                yield done
    if done > file.size:
        part.unlink()
        raise TransientError(
            f"{file.url}: expected {file.size} bytes of {file.name}, got more than announced"
        )
    if done < file.size:
        raise TransientError(
            f"{file.url}: expected {file.size} bytes of {file.name}, got {done} and the end"
        )


def _new_of(piece: bytes, out: FileIO) -> bytes:
    """What of a piece the file does not hold already; it is cut off where it differs."""
    place = out.tell()
    there = out.read(len(piece))
    if there == piece[: len(there)]:
        return piece[len(there) :]
    out.seek(place)
    out.truncate()
    return piece


def _check_reply(file: RemoteFile, reply: Reply, done: int) -> None:
    if reply.is_web_page:
        raise TransientError(
            f"{file.url}: expected {file.name}, got a web page; a proxy or a log-in page may "
            "stand between"
        )
    if reply.total is not None and reply.total != file.size:
        raise TransientError(
            f"{file.url}: expected {file.size} bytes of {file.name}, the server offers "
            f"{reply.total}"
        )
    if reply.first not in (0, done):
        raise RangeError(f"{file.url}: expected bytes from {done}, got bytes from {reply.first}")


def _check_md5(file: RemoteFile, part: Path) -> None:
    with part.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != file.md5:
        part.unlink()
        raise FetchError(
            f"{file.url}: expected {file.name} with MD5 {file.md5}, got {found}; what came is "
            "deleted: fetch it again"
        )


def _check_room(file: RemoteFile, part: Path) -> None:
    if file.size > MOST_BYTES:
        raise FetchError(
            f"{file.url}: expected at most {MOST_BYTES >> 30} GiB of {file.name}, the listing "
            f"announces {file.size} bytes; something else may answer in figshare's place"
        )
    needed = file.size - _size(part)
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise OutputError(
            f"{part.parent}: expected {needed / 1e6:.0f} MB of free space for {file.name}, got "
            f"{free / 1e6:.0f} MB; free some or choose another place"
        )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _unwritable(place: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"{place}: cannot be written ({reason}); free some space or choose another place"
    )
