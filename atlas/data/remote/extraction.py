"""Files out of a zip archive that is not trusted.

Everything is judged by the archive's directory before the first byte is written; what is written
is held to what the directory said.
"""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from atlas.errors import AtlasError

PIECE_BYTES = 8 << 20
LOCAL_HEADER_BYTES = 30
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# What file managers leave in archives; nobody's data.
LITTER = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|\._[^/]*$|Thumbs\.db$)")
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')


class ArchiveError(AtlasError):
    """An archive that is refused; the text names it, the member and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold: bytes of a member and in all, members, growth of a large member."""

    member_bytes: int = 4 << 30
    total_bytes: int = 16 << 30
    members: int = 100_000
    growth: int = 200
    growth_matters_from_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was written: its size and the CRC-32 of its content."""

    size: int
    crc32: int


def safe_members(
    archive: zipfile.ZipFile, *, place: str, limits: Limits | None = None
) -> dict[str, zipfile.ZipInfo]:
    """Files of an archive by name, if all of them are safe to write.

    Parameters
    ----------
    archive : ZipFile
    place : str
        What errors call it.
    limits : Limits, optional

    Returns
    -------
    dict of str to ZipInfo
        Without folders and without what file managers leave behind.

    Raises
    ------
    ArchiveError
        A member leads outside, is absolute, a link or a device, locked, of an unknown method,
        larger than the limits, there twice, differs from another by case only, lies inside
        another's bytes, or is a file where another needs a folder.
    """
    limits = limits or Limits()
    infos = archive.infolist()
    if len(infos) > limits.members:
        raise ArchiveError(f"{place}: expected at most {limits.members} members, got {len(infos)}")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        problem = _problem(info, limits)
        if problem:
            raise _refused(place, info.orig_filename, problem)
        if not info.is_dir() and not LITTER.search(info.filename):
            if info.filename in members:
                raise _refused(place, info.filename, "is there twice")
            members[info.filename] = info
    _check_together(members, place, limits)
    return members


def extract(
    archive: zipfile.ZipFile,
    members: dict[str, zipfile.ZipInfo],
    folder: Path,
    *,
    place: str,
    progress: Callable[[int], None] = lambda _count: None,
) -> dict[str, Written]:
    """Write members into a new folder.

    Parameters
    ----------
    archive : ZipFile
    members : dict of str to ZipInfo
        By the name each is written under, from :func:`safe_members`.
    folder : Path
        Nobody else's: nothing in it may be a link.
    place : str
        What errors call the archive.
    progress : callable
        Called with the bytes of each piece written.

    Returns
    -------
    dict of str to Written

    Raises
    ------
    ArchiveError
        A member is damaged, or is not what the directory says.
    OSError
        The disk is full or cannot be written.
    """
    written = {}
    for name, info in members.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        written[name] = _extract_one(archive, info, target, place, progress)
    return written


def _extract_one(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    target: Path,
    place: str,
    progress: Callable[[int], None],
) -> Written:
    size = crc = 0
    with target.open("xb") as out:
        try:
            with archive.open(info) as source:
                while piece := source.read(PIECE_BYTES):
                    size += len(piece)
                    crc = zlib.crc32(piece, crc)
                    if size > info.file_size:
                        break
                    out.write(piece)
                    progress(len(piece))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise _refused(place, info.filename, f"is damaged ({error})") from None
    if size != info.file_size or crc != info.CRC:
        raise _refused(
            place, info.filename, f"holds {size} bytes where {info.file_size} were announced"
        )
    return Written(size, crc)


def _problem(info: zipfile.ZipInfo, limits: Limits) -> str:
    """What is wrong with one member; empty if nothing is."""
    name = info.orig_filename
    mode = stat.S_IFMT(info.external_attr >> 16)
    grown = info.file_size > limits.growth * max(info.compress_size, 1)
    wrong = {
        "leads outside": ".." in PurePosixPath(name.replace("\\", "/")).parts,
        "is an absolute path": name.startswith(("/", "\\")) or name[1:2] == ":",
        "has no name": not PurePosixPath(name).parts,
        "has characters no file name may have": bool(FORBIDDEN.search(name)),
        "is a link": stat.S_ISLNK(mode),
        "is a device or a pipe": mode not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK),
        "has a place before the archive begins": info.header_offset < 0,
        "is locked with a password": bool(info.flag_bits & 0x1),
        f"is packed by an unknown method ({info.compress_type})": info.compress_type not in METHODS,
        f"would take {info.file_size} bytes, more than {limits.member_bytes}": (
            info.file_size > limits.member_bytes
        ),
        f"would grow from {info.compress_size} to {info.file_size} bytes, more than "
        f"{limits.growth} times": grown and info.file_size > limits.growth_matters_from_bytes,
    }
    return next((text for text, holds in wrong.items() if holds), "")


def _check_together(members: dict[str, zipfile.ZipInfo], place: str, limits: Limits) -> None:
    """What no member shows of itself."""
    total = sum(info.file_size for info in members.values())
    if total > limits.total_bytes:
        raise ArchiveError(
            f"{place}: refused: it would take {total} bytes, more than {limits.total_bytes}"
        )
    spelled: dict[str, str] = {}
    for name in members:
        path = PurePosixPath(name)
        for part in (path, *path.parents[:-1]):
            other = spelled.setdefault(_folded(part), str(part))
            if other != str(part):
                raise _refused(place, name, f"differs from {other} by case or accents only")
    for name in members:
        inside = next((p for p in PurePosixPath(name).parents if str(p) in members), None)
        if inside is not None:
            raise _refused(place, name, f"needs a folder where the file {inside} is")
    end = 0
    for name, info in sorted(members.items(), key=lambda item: item[1].header_offset):
        if info.header_offset < end:
            raise _refused(place, name, "lies inside the bytes of another member")
        end = info.header_offset + LOCAL_HEADER_BYTES + info.compress_size


def _folded(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _refused(place: str, name: str, problem: str) -> ArchiveError:
    return ArchiveError(
        f"{place}: refused: its member {name[:200]!r} {problem}; nothing is unpacked from it"
    )
