"""A folder that takes the place of another in one step, and what a killed process left behind.

A folder under way stands in a holder beside its place, ``.<name>-XXXXXXXX``, with a file that its
process keeps locked.  The kernel drops the lock when the process dies, however it dies: a holder
whose lock is free is nobody's, and the next writer to the same place removes it.

What the place holds of others is linked into the new folder before the two change places.  Where
they cannot (a mount point, another file system within it, Windows), the holder stands inside the
place and files move one by one; what is yet to be moved is written down first, and the next writer
finishes what a killed one began.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

try:
    import fcntl as posix_locks

    locks: ModuleType | None = posix_locks
except ImportError:  # Windows: nothing is locked there, and so nothing is removed.
    locks = None

LOCK, NEW, LIST, READY = "under-way", "new", "list", "ready"
# Of the name that a holder inside its place has.
INSIDE = "atlas-result"
# Of the one holder inside its place that is there for whoever works on its files one by one.
SOLE = "the_only"
# What file systems and kernels answer that cannot exchange two names, or where one is a mount.
CANNOT = (
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EBUSY,
    errno.EXDEV,
)
# What they answer that have no hard links, or none left for this file.
NO_LINKS = (*CANNOT, errno.EMLINK)
_HERE, _EXCHANGE = -100, 2


class InTheWayError(OSError):
    """Others' files at places that a new folder needs; ``names`` says which."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.names = names
        super().__init__(errno.EEXIST, f"{len(names)} files in the way", str(path))


@contextmanager
def holder(path: Path, *, inside: bool = False) -> Iterator[Path]:
    """A folder beside ``path``, or inside it, locked while the block runs and removed after it.

    Parameters
    ----------
    path : Path
        Absolute; its parent is there, or itself for a holder inside.
    inside : bool
        For a place that cannot be renamed, or whose parent cannot be written.

    Yields
    ------
    Path
        With the lock in it, and nothing else.
    """
    beside, prefix = (path, _prefix(INSIDE)) if inside else (path.parent, _prefix(path.name))
    while True:
        place = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
        handle = _locked(place)
        if handle is not None:
            break
    try:
        yield place
    finally:
        # What was half moved when the disk failed is for the next writer to finish.
        if not (place / READY).exists():
            _remove(place)
        os.close(handle)


@contextmanager
def sole_holder(path: Path) -> Iterator[Path]:
    """A holder inside a folder of which there is one at a time, removed after the block.

    Parameters
    ----------
    path : Path
        Absolute, and there.

    Yields
    ------
    Path
        With the lock in it, and nothing else.

    Raises
    ------
    BlockingIOError
        Another process has it.
    """
    place = path / f"{_prefix(INSIDE)}{SOLE}"
    while True:
        place.mkdir(exist_ok=True)
        handle = _locked(place, wait=False)
        if handle is not None:
            break
    try:
        _empty(place)
        yield place
    finally:
        _remove(place)
        os.close(handle)


def _locked(place: Path, *, wait: bool = True) -> int | None:
    """Take the lock of a holder; None where it was removed meanwhile as that of a dead process."""
    try:
        handle = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    if _lock(handle, wait=wait) is False:
        os.close(handle)
        raise BlockingIOError(errno.EWOULDBLOCK, "another process has it", str(place))
    try:
        if os.path.samestat(os.fstat(handle), (place / LOCK).stat()):
            return handle
    except FileNotFoundError:
        pass
    os.close(handle)
    return None


def _empty(place: Path) -> None:
    """Remove what a holder holds, but its lock."""
    for entry in os.scandir(place):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif entry.name != LOCK:
            with suppress(OSError):
                os.unlink(entry.path)  # noqa: PTH108


def _remove(place: Path) -> None:
    """Remove a holder: its lock only when all else is gone, so that what is left is found again."""
    with suppress(OSError):
        _empty(place)
        if os.listdir(place) == [LOCK]:  # noqa: PTH208
            (place / LOCK).unlink()
            place.rmdir()


def must_be_inside(path: Path) -> bool:
    """Whether a folder cannot be renamed: a mount point, or a parent that is not ours to write."""
    return path.is_dir() and (os.path.ismount(path) or not os.access(path.parent, os.W_OK))


def clear_abandoned(path: Path) -> None:
    """Remove holders that killed processes left for ``path``; finish what one was about to move.

    A holder of a process that lives is left alone.
    """
    if locks is None:
        return
    found = [*path.parent.glob(_pattern(path.name))]
    if path.is_dir():
        found += path.glob(_pattern(INSIDE))
    for place in sorted(found):
        try:
            handle = os.open(place / LOCK, os.O_RDWR)
        except FileNotFoundError:
            # It died before it had a lock, or after: then there is nothing in it.
            with suppress(OSError):
                place.rmdir()
            continue
        except OSError:
            continue
        try:
            if _lock(handle, wait=False):
                if (place / READY).exists():
                    _move_all(place, path)
                _remove(place)
        finally:
            os.close(handle)


def put_in_place(
    place: Path, path: Path, *, own: Collection[str] = (), force: bool = False
) -> None:
    """Let ``new`` of a holder take its place, with everything in it that is not our own.

    In one step where the system can exchange two names (Linux, macOS).  Elsewhere file by file,
    and :func:`clear_abandoned` finishes what was begun.

    Parameters
    ----------
    place : Path
        A holder, with the new folder in it.
    path : Path
        Absolute; nothing, or a folder.
    own : collection of str
        Files within ``path``, with ``/`` between folders, that may go.
    force : bool
        Whether others' files whose names the new folder needs may go too; never their folders.

    Raises
    ------
    InTheWayError
        They may not; nothing has changed then.
    """
    new, own = place / NEW, frozenset(own)
    if not os.path.lexists(path):
        new.rename(path)
        return
    names = sorted(n for n, other_kind in _in_the_way(path, new, own) if other_kind or not force)
    if names:
        raise InTheWayError(path, names)
    ours = files_of(new)
    if not must_be_inside(path) and _keep(path, new, own) and exchange(new, path):
        # What others wrote since it was linked; all else is in the new one too.
        _keep(new, path, own)
        return
    with holder(path, inside=True) as within:
        for name in ours:
            (within / NEW / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(new / name, within / NEW / name)
        gone = sorted(name for name in own.difference(ours) if _is_file(path / name))
        (within / LIST).write_text(json.dumps(gone), "utf-8")
        (within / LIST).rename(within / READY)
        _move_all(within, path)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system cannot.

    Linux: ``renameat2`` with ``RENAME_EXCHANGE``; macOS: ``renamex_np`` with ``RENAME_SWAP``.
    """
    import ctypes

    names = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = library.renamex_np(*names, _EXCHANGE)
        else:
            failed = library.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE)
    except (AttributeError, OSError, TypeError):
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _others(path: Path, own: Collection[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Entries of a folder that are not our own: files, links, and folders with nothing of ours.

    Folders are entered, links are not.
    """
    ours = {above for name in own for above in _above(name)}
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(path / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if not entry.is_dir(follow_symlinks=False):
                    if name not in own or entry.is_symlink():
                        yield name, entry
                elif not _is_holder(entry):
                    waiting.append(name)
                    if name not in ours:
                        yield name, entry


def _in_the_way(path: Path, new: Path, own: Collection[str]) -> Iterator[tuple[str, bool]]:
    """Others' entries whose names the new folder needs, and whether they are of another kind."""
    for name, entry in _others(path, own):
        is_folder = entry.is_dir(follow_symlinks=False)
        if os.path.lexists(new / name):
            if not (is_folder and (new / name).is_dir()):
                yield name, is_folder or (new / name).is_dir()
        elif any((new / above).is_file() for above in _above(name)):
            yield name, True


def _keep(path: Path, new: Path, own: Collection[str]) -> bool:
    """Link what is not our own into the new folder; False where that cannot be done."""
    device = path.stat().st_dev
    for name, entry in _others(path, own):
        there = new / name
        if entry.is_dir(follow_symlinks=False):
            # What lies on another disk would stay behind, and go with what is replaced.
            if os.path.ismount(entry.path) or entry.stat(follow_symlinks=False).st_dev != device:
                return False
            _folder_like(Path(entry.path), there)
        elif not os.path.lexists(there):
            _folder_like(Path(entry.path).parent, there.parent)
            try:
                os.link(entry.path, there, follow_symlinks=False)
            except OSError as error:
                if error.errno in NO_LINKS:
                    return False
                raise
    shutil.copymode(path, new)
    return True


def _folder_like(model: Path, place: Path) -> None:
    if not place.is_dir():
        place.mkdir(parents=True)
        shutil.copystat(model, place)


def _move_all(place: Path, path: Path) -> None:
    """Move what stands in ``new`` of a holder into its place, and remove what is to go."""
    gone = json.loads((place / READY).read_text("utf-8"))
    for name in files_of(place / NEW):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (place / NEW / name).replace(path / name)
    for name in gone:
        (path / name).unlink(missing_ok=True)
        for above in _above(name):
            try:
                (path / above).rmdir()
            except OSError:
                break
    (place / READY).unlink()


def files_of(folder: Path) -> list[str]:
    """Files and links of a folder by name, those at its top last: they say what it is."""
    found = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() or path.is_symlink()
    ]
    return sorted(found, key=lambda name: "/" not in name)


def _above(name: str) -> list[str]:
    """Folders that a name lies in, the nearest first."""
    parts = name.split("/")
    return ["/".join(parts[:k]) for k in range(len(parts) - 1, 0, -1)]


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_holder(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(_prefix(INSIDE)) and os.path.exists(f"{entry.path}/{LOCK}")  # noqa: PTH110


def _prefix(name: str) -> str:
    # Characters that a pattern would read as more than themselves stand for nothing here.
    return "." + "".join(c if c not in "[]*?" else "_" for c in name[:40]) + "-"


def _pattern(name: str) -> str:
    return f"{_prefix(name)}????????"


def _lock(handle: int, *, wait: bool) -> bool | None:
    """Whether the lock is ours; None where the file system has no locks."""
    if locks is None:
        return None
    try:
        locks.flock(handle, locks.LOCK_EX | (0 if wait else locks.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
