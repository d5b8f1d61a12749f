"""A folder that takes the place of another in one step, and what a killed process left behind.

A folder under way stands in a holder beside its place, ``.<name>-XXXXXXXX``, with a file that its
process keeps locked.  The kernel drops the lock when the process dies, however it dies: a holder
whose lock is free is nobody's, and the next writer to the same place removes it.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

try:
    import fcntl as posix_locks

    locks: ModuleType | None = posix_locks
except ImportError:  # Windows: nothing is locked there, and so nothing is removed.
    locks = None

LOCK, NEW, OLD, GONE = "under-way", "new", "old", "gone"
# What file systems and kernels answer that cannot exchange two names.
CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)
_HERE, _EXCHANGE = -100, 2


@contextmanager
def holder(path: Path) -> Iterator[Path]:
    """A folder beside ``path``, locked while the block runs and removed after it.

    Parameters
    ----------
    path : Path
        Absolute; its parent is there.

    Yields
    ------
    Path
        With the lock in it, and nothing else.
    """
    while True:
        place = Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))
        handle = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        # Another process may have taken the holder for a dead one before it was locked.
        if _lock(handle, wait=True) is not False and (place / LOCK).exists():
            break
        os.close(handle)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(handle)


def clear_abandoned(path: Path) -> None:
    """Remove holders that killed processes left beside ``path``; put back what one took away.

    A holder without a lock file, or of a process that lives, is left alone.
    """
    if locks is None:
        return
    for place in sorted(path.parent.glob(f"{_prefix(path)}????????")):
        try:
            handle = os.open(place / LOCK, os.O_RDWR)
        except OSError:
            continue
        try:
            if _lock(handle, wait=False):
                if (place / OLD).exists() and not os.path.lexists(path):
                    (place / OLD).rename(path)
                shutil.rmtree(place, ignore_errors=True)
        finally:
            os.close(handle)


def put_in_place(place: Path, path: Path) -> None:
    """Let ``new`` of a holder take its place; what was there goes into the holder.

    In one step where the system can exchange two names (Linux, macOS).  Elsewhere in two, and what
    :func:`clear_abandoned` finds between them it puts back.
    """
    if not os.path.lexists(path):
        (place / NEW).rename(path)
        return
    if exchange(place / NEW, path):
        return
    path.rename(place / OLD)
    try:
        (place / NEW).rename(path)
    except OSError:
        (place / OLD).rename(path)
        raise
    (place / OLD).rename(place / GONE)


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


def _prefix(path: Path) -> str:
    # Characters that a pattern would read as more than themselves stand for nothing here.
    return "." + "".join(c if c not in "[]*?" else "_" for c in path.name[:40]) + "-"


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
