"""Where marker files stand and what their names mean.

Liberal in what is found: an archive, ``markers/``, ``derivatives/markers/``, a folder of
subjects or a single subject; ``_`` or nothing between the words; sides in any spelling.
Level and side come from the name, never from the labels inside.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from atlas.data.subject import LEVELS, RootKey

# Without a hyphen a digit follows: a folder named "subjects" or "subset" is no subject.
SUBJECT = re.compile(r"sub(?:[-_]|(?=\d))(?P<label>[A-Za-z0-9]+)$", re.IGNORECASE)
MARKER = re.compile(
    r"(?P<subject>sub[-_]?[A-Za-z0-9]+?)_?"
    r"(?P<kind>cord|dura|ganglions?|ganglia|nerveroots?)_?"
    r"(?P<rest>[A-Za-z0-9_-]*?)(?:\.mrk)?\.json$",
    re.IGNORECASE,
)
STRUCTURE = re.compile(r"(?P<level>[CTLS]\d{1,2})_?(?P<side>left|right|l|r)$", re.IGNORECASE)
# Marker files hold some kilobytes; one this large is something else, and would fill the memory.
MAXIMUM_BYTES = 64 << 20
# What a fetch that was cut off leaves in its folder.
IN_PROGRESS = ".fetching"
KINDS = {"cord": "cord", "dura": "dura", "gangl": "ganglia", "nerve": "roots"}


class FileTooLargeError(OSError):
    """A file beyond ``MAXIMUM_BYTES``."""


class FileTree(Protocol):
    """Files of a folder or an archive by name, with ``/`` between folders."""

    def names(self) -> list[str]:
        """All files, sorted."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        ...


@dataclass(frozen=True, slots=True)
class FolderTree:
    """A folder on disk."""

    root: Path

    def names(self) -> list[str]:
        """All files, sorted; a link that leads nowhere is one, and cannot be read."""
        found: list[str] = []
        for folder, _, files in os.walk(self.root, onerror=_refuse_unreadable):
            inside = Path(folder).relative_to(self.root).as_posix()
            found += files if inside == "." else [f"{inside}/{name}" for name in files]
        return sorted(name for name in found if name.partition("/")[0] != IN_PROGRESS)

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


@dataclass(frozen=True, slots=True)
class ArchiveTree:
    """A zip archive, read in place."""

    archive: zipfile.ZipFile

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(i.filename for i in self.archive.infolist() if not i.is_dir())

    def read(self, name: str) -> bytes:
        """The bytes of one file; BadZipFile where the archive is damaged or locked.

        OSError if it is too large, whatever size the archive's directory gives it.
        """
        try:
            with self.archive.open(name) as content:
                return _limited(content.read(MAXIMUM_BYTES + 1))
        except (zlib.error, EOFError, RuntimeError) as error:
            raise zipfile.BadZipFile(str(error)) from None


def file_name(name: str) -> str:
    """The last part of a name inside a tree."""
    return name.rpartition("/")[2]


def _refuse_unreadable(error: OSError) -> None:
    """Pass over a folder that is locked, as ``Path.rglob`` does; anything else is an error."""
    if not isinstance(error, PermissionError):
        raise error


def _limited(content: bytes) -> bytes:
    if len(content) > MAXIMUM_BYTES:
        raise FileTooLargeError(
            f"expected at most {MAXIMUM_BYTES >> 20} MiB, got more; this is no file of annotations"
        )
    return content


@dataclass(frozen=True, slots=True)
class MarkerFile:
    """One marker file and what its name says.

    Parameters
    ----------
    name : str
        Path inside the tree.
    subject : str
        Normalised id of the folder that holds it (``sub-14``), or of the file's own name.
    named_subject : str
        The subject its own name gives, as spelled.
    kind : str
        ``dura``, ``cord``, ``roots`` or ``ganglia``.
    key : RootKey or None
        Level and side of a root or ganglion; None if the name gives none.
    """

    name: str
    subject: str
    named_subject: str
    kind: str
    key: RootKey | None


def subject_id(text: str) -> str:
    """Normalise a subject's spelling: ``sub_14`` and ``sub14`` are ``sub-14``."""
    match = SUBJECT.match(text)
    return f"sub-{match['label']}" if match else text


def marker_files(names: list[str], *, root_name: str = "") -> Iterator[MarkerFile]:
    """Recognise marker files among names.

    Parameters
    ----------
    names : list of str
        Files of a tree.
    root_name : str
        Name of the folder the tree was opened at; a subject where it is spelled like one.

    Yields
    ------
    MarkerFile
        In the order of ``names``.
    """
    for name in names:
        *folders, own = name.split("/")
        match = MARKER.match(own)
        if match is None:
            continue
        holders = [part for part in (root_name, *folders) if SUBJECT.match(part)]
        kind = next(v for k, v in KINDS.items() if match["kind"].lower().startswith(k))
        yield MarkerFile(
            name=name,
            subject=subject_id(holders[-1] if holders else match["subject"]),
            named_subject=match["subject"],
            kind=kind,
            key=root_key(match["rest"]) if kind in ("roots", "ganglia") else None,
        )


def root_key(text: str) -> RootKey | None:
    """Level and side of a name's last words: ``L3_R``, ``L3right``; None if they say neither.

    Examples
    --------
    >>> root_key("L3_R")
    RootKey(level='L3', side='right')
    >>> root_key("T12_left") is None
    True
    """
    match = STRUCTURE.match(text)
    if match is None or match["level"].upper() not in LEVELS:
        return None
    return RootKey(match["level"].upper(), "left" if match["side"][0] in "lL" else "right")
