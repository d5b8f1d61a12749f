"""Files of a folder or an archive by name: links followed, circles guarded, nothing lost unsaid.

Names have ``/`` between folders, whatever system packed them.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from atlas.data.layout import (
    SUBJECT,
    file_name,
    is_system_file,
    is_system_folder,
    subject_in,
)
from atlas.data.subject import Finding, Severity

try:
    from lzma import LZMAError
except ImportError:  # A Python without it cannot meet its errors.
    LZMAError = zlib.error  # type: ignore[assignment,misc]

# Marker files hold some kilobytes; one this large is something else, and would fill the memory.
MAXIMUM_BYTES = 64 << 20
# Annotations shrink to a tenth; what shrinks to less than this was made to fill memory or time.
MOST_EXPANDED = 200
# As much may come from however few bytes.
ALWAYS_EXPANDED_BYTES = 256 << 10
ENCRYPTED = 1
NAMED_IN_UTF8 = 0x800
DRIVE = re.compile(r"[A-Za-z]:")
# All that zipfile and what it decompresses with raise over a damaged archive.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    struct.error,
)


class FileTooLargeError(OSError):
    """A file beyond ``MAXIMUM_BYTES``, or one that expands beyond measure."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a tree holds.

    Parameters
    ----------
    names : list of str
        All files, sorted.
    folders : list of str
        All folders but the root, sorted, empty ones included.
    problems : list of Finding
        Folders and entries that could not be looked into, each by its name.
    """

    names: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)

    def without(self, folders: Collection[str]) -> Listing:
        """What does not lie in some folders, at any depth."""
        if not folders:
            return self

        def outside(name: str) -> bool:
            return not any(name.startswith(f"{folder}/") for folder in folders)

        return Listing(
            list(filter(outside, self.names)),
            list(filter(outside, self.folders)),
            [problem for problem in self.problems if outside(problem.place)],
        )


class FileTree(Protocol):
    """Files of a folder or an archive by name, with ``/`` between folders."""

    def names(self) -> list[str]:
        """All files, sorted."""
        ...

    def listing(self) -> Listing:
        """All files and folders, and what could not be looked into."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        ...


@dataclass(frozen=True, slots=True)
class FolderTree:
    """A folder on disk; links to files and folders are followed, each folder is read once."""

    root: Path

    def names(self) -> list[str]:
        """All files, sorted; a link that leads nowhere is one, and cannot be read."""
        return self.listing().names

    def listing(self) -> Listing:
        """All files and folders, and what could not be looked into; OSError if the root cannot."""
        found = Listing()
        for folder, files in self.walk(found.problems):
            if folder:
                found.folders.append(folder)
            found.names.extend(f"{folder}/{name}" if folder else name for name in files)
        found.names.sort()
        found.folders.sort()
        return found

    def walk(self, problems: list[Finding]) -> Iterator[tuple[str, list[str]]]:
        """Each folder from the root and the names of its own files, real folders before links.

        A folder that links lead to again is read once; that it was passed over, and what is
        locked, is added to ``problems``.
        """
        root = os.path.realpath(self.root)
        seen: dict[str, str] = {}
        waiting, links = deque([("", root)]), deque[str]()
        while waiting or links:
            if waiting:
                folder, real = waiting.popleft()
            else:
                folder = links.popleft()
                real = os.path.realpath(self.root / folder)
            again = _passed_again(folder, real, root, seen)
            if again is not None:
                problems.append(again)
                continue
            seen[real] = folder
            entries = _entries(self.root, folder, problems)
            at = f"{folder}/" if folder else ""
            links += [at + name for name, kind in entries if kind == "link"]
            beneath = real.rstrip(os.sep) + os.sep
            waiting += [(at + name, beneath + name) for name, kind in entries if kind == "folder"]
            yield folder, [name for name, kind in entries if kind == "file"]

    def files_in(self, folder: str, problems: list[Finding]) -> list[str]:
        """Names of the files of one folder, without those below; why there are none otherwise."""
        entries = _entries(self.root, folder, problems)
        at = f"{folder}/" if folder else ""
        return [at + name for name, kind in entries if kind == "file"]

    def read(self, name: str) -> bytes:
        """The bytes of one file; OSError if it is too large, or a pipe or device."""
        path = self.root / name
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError("expected a file, got a pipe or a device")
        size = min(status.st_size, MAXIMUM_BYTES)
        with path.open("rb") as file:
            # Asked for the largest size, the reader would reserve it for every file.
            content = file.read(size + 1)
            if len(content) > size:
                content += file.read(MAXIMUM_BYTES + 1 - len(content))
        return _limited(content)


def _entries(root: Path, folder: str, problems: list[Finding]) -> list[tuple[str, str]]:
    """Names in a folder and whether each is a folder, a link to one or a file, sorted.

    A locked folder has none and is added to ``problems``; OSError where it is the root.
    """
    try:
        with os.scandir(root / folder) as entries:
            found = sorted((entry.name, _kind(entry)) for entry in entries)
    except OSError as error:
        if not folder:
            raise
        problems.append(_locked(folder, error))
        return []
    return [
        (name, kind)
        for name, kind in found
        if not (is_system_file(name) if kind == "file" else is_system_folder(name))
    ]


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        return "file" if not entry.is_dir() else "link" if entry.is_symlink() else "folder"
    except OSError:  # A link in a circle, or through a locked folder: a file nobody can read.
        return "file"


def _passed_again(folder: str, real: str, root: str, seen: dict[str, str]) -> Finding | None:
    """What is said of a link to a folder that is read already or holds the whole tree."""
    if real in seen:
        first = seen[real] or "the dataset itself"
        got = f"got a link to {first}; its files are read once, as {first}: remove the link"
    elif root.startswith(real.rstrip(os.sep) + os.sep):
        got = f"got a link to {real}, which holds the dataset; not followed: remove the link"
    else:
        return None
    # Under another subject's name it would be a subject that is not there.
    named = SUBJECT.match(file_name(folder)) is not None
    return Finding(
        Severity.ERROR if named else Severity.WARNING,
        "repeated-folder",
        subject_in(folder) if named else "",
        folder,
        f"expected a folder of its own, {got}",
    )


def _locked(folder: str, error: OSError) -> Finding:
    return Finding(
        Severity.ERROR,
        "unreadable-folder",
        subject_in(folder),
        folder,
        f"expected a folder that can be read, got {error.strerror or error}; what is in it is not "
        "used: change its permissions, or exclude or move it",
    )


@dataclass(frozen=True, slots=True)
class ArchiveTree:
    """A zip archive, read in place, however its names are written."""

    archive: zipfile.ZipFile
    _entries: dict[str, zipfile.ZipInfo] = field(init=False, default_factory=dict, repr=False)
    _folders: set[str] = field(init=False, default_factory=set, repr=False)
    _problems: list[Finding] = field(init=False, default_factory=list, repr=False)

    def __post_init__(self) -> None:
        for info in self.archive.infolist():
            name = _entry_name(info)
            parts = [part for part in name.split("/") if part not in ("", ".")]
            is_folder = name.endswith("/")
            if ".." in parts:
                got = "got one that leads out of it; not used: pack the archive again"
                self._refuse(name, f"expected a name inside the archive, {got}")
                continue
            if not parts or any(is_system_folder(p) for p in parts[: None if is_folder else -1]):
                continue
            inside = "/".join(parts)
            self._folders.update(_above(parts, is_folder=is_folder))
            if is_folder or is_system_file(parts[-1]):
                continue
            if inside in self._entries:
                got = "got another; the first is used: pack the archive again"
                self._refuse(inside, f"expected one file of this name in the archive, {got}")
                continue
            self._entries[inside] = info

    def _refuse(self, name: str, message: str) -> None:
        found = Finding(Severity.ERROR, "odd-archive-entry", subject_in(name), name, message)
        self._problems.append(found)

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(self._entries)

    def listing(self) -> Listing:
        """All files and folders, and entries that are not read."""
        return Listing(self.names(), sorted(self._folders), list(self._problems))

    def read(self, name: str) -> bytes:
        """The bytes of one file; BadZipFile where the archive is damaged or locked.

        OSError if it is too large, whatever size the archive's directory gives it.
        """
        info = self._entries[name]
        if info.file_size > MAXIMUM_BYTES:
            raise _too_large()
        if info.file_size > max(ALWAYS_EXPANDED_BYTES, MOST_EXPANDED * info.compress_size):
            raise FileTooLargeError(
                f"expected a file that expands up to {MOST_EXPANDED}-fold, got "
                f"{info.compress_size:,} bytes for {info.file_size:,}; this is no file of "
                "annotations"
            )
        try:
            with self.archive.open(info) as content:
                return _limited(content.read(MAXIMUM_BYTES + 1))
        except DAMAGE as error:
            raise zipfile.BadZipFile(_said(error)) from None


@contextmanager
def open_archive(path: Path) -> Iterator[ArchiveTree]:
    """A zip archive to read from; BadZipFile where it is damaged or locked as a whole."""
    try:
        archive = zipfile.ZipFile(path)
    except UnicodeDecodeError:
        raise zipfile.BadZipFile(
            "a name in it that is not the UTF-8 it is declared to be; pack it again"
        ) from None
    except DAMAGE as error:
        raise zipfile.BadZipFile(_said(error)) from None
    with archive:
        files = [info for info in archive.infolist() if info.file_size]
        if files and all(info.flag_bits & ENCRYPTED for info in files):
            raise zipfile.BadZipFile(
                "one that is encrypted, password required; unpack it and give the folder"
            )
        yield ArchiveTree(archive)


def _entry_name(info: zipfile.ZipInfo) -> str:
    r"""The name of an entry as who packed it meant it.

    Windows programs write ``\``, some of them a drive; others UTF-8 without declaring it.
    """
    name = info.filename
    if not name.isascii() and not info.flag_bits & NAMED_IN_UTF8:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            name = info.filename
    name = name.replace("\\", "/")
    return name[2:] if DRIVE.match(name) else name


def _above(parts: list[str], *, is_folder: bool) -> Iterable[str]:
    """The folders that lead to an entry."""
    count = len(parts) + is_folder
    return ("/".join(parts[:i]) for i in range(1, count))


def _limited(content: bytes) -> bytes:
    if len(content) > MAXIMUM_BYTES:
        raise _too_large()
    return content


def _too_large() -> FileTooLargeError:
    return FileTooLargeError(
        f"expected at most {MAXIMUM_BYTES >> 20} MiB, got more; this is no file of annotations"
    )


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
