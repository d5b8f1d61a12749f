"""What was fetched into a folder: from where, when, under which licence, and every file of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zlib import crc32

import orjson

from atlas.data.remote.catalogue import CITE
from atlas.data.remote.extraction import Written
from atlas.data.remote.figshare import Article, RemoteFile
from atlas.errors import AtlasError
from atlas.output.files import write_file

MANIFEST = "fetched.json"
PIECE_BYTES = 1 << 20


class ManifestError(AtlasError):
    """A ``fetched.json`` that cannot be read."""


class State(Enum):
    """How files on disk stand to what was fetched."""

    ABSENT = "absent"
    WHOLE = "whole"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One published file, or the part of it that was fetched.

    Parameters
    ----------
    source : mapping
        ``url``, ``file``, ``md5`` of the published file, ``date``, ``article``, ``title``,
        ``doi``, ``version``, ``licence``, ``licence_url``, and ``verified_by``: what the fetched
        bytes were held against.
    complete : bool
        Whether all of it was fetched.
    files : mapping of str to Written
        By path inside the folder.
    """

    source: Mapping[str, Any]
    complete: bool
    files: Mapping[str, Written]

    def __post_init__(self) -> None:
        for name in ("source", "files"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


def read_manifest(folder: Path) -> dict[str, Record]:
    """Records by name of the published file; none where nothing was fetched.

    Raises
    ------
    ManifestError
        The manifest is there and cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        document = orjson.loads(path.read_bytes())
        return {name: _record(entry) for name, entry in document["fetched"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ManifestError(
            f"{path}: expected the list of what was fetched, got {error}; choose another folder, "
            "or remove the file together with what was fetched"
        ) from None


def write_manifest(folder: Path, records: Mapping[str, Record]) -> Path:
    """Write ``fetched.json``, whole or not at all."""
    document = {
        "what": "published files fetched into this folder; sizes in bytes, CRC-32 of each content",
        "fetched": {
            name: {
                **record.source,
                "complete": record.complete,
                "files": {
                    path: {"bytes": w.size, "crc32": f"{w.crc32:08x}"}
                    for path, w in sorted(record.files.items())
                },
            }
            for name, record in sorted(records.items())
        },
    }
    return write_file(folder / MANIFEST, orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _record(entry: dict[str, Any]) -> Record:
    files = {path: Written(w["bytes"], int(w["crc32"], 16)) for path, w in entry["files"].items()}
    source = {k: v for k, v in entry.items() if k not in ("files", "complete")}
    return Record({"md5": entry["md5"], **source}, bool(entry["complete"]), files)


def state_of(folder: Path, files: Mapping[str, Written]) -> tuple[State, tuple[str, ...]]:
    """How files stand to what was fetched, by size and content.

    Returns
    -------
    State
        ``ABSENT`` if none is there, ``WHOLE`` if all are as fetched.
    tuple of str
        Files that are missing or differ; of an absent group, all.
    """
    there = [path for path in files if (folder / path).exists()]
    if not there:
        return State.ABSENT, tuple(files)
    wrong = tuple(path for path, written in files.items() if not _is(folder / path, written))
    return (State.CHANGED if wrong else State.WHOLE), wrong


def checksum(path: Path) -> Written:
    """Size and CRC-32 of a file."""
    size = crc = 0
    with path.open("rb") as content:
        while piece := content.read(PIECE_BYTES):
            size += len(piece)
            crc = crc32(piece, crc)
    return Written(size, crc)


def source_of(article: Article, file: RemoteFile, verified_by: str) -> dict[str, object]:
    """Where a file is from, under which licence, and what it was held against, as of now."""
    return {
        "url": file.url,
        "bytes": file.size,
        "md5": file.md5,
        "verified_by": verified_by,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "article": article.id,
        "version": article.version,
        "title": article.title,
        "doi": article.doi,
        "licence": article.licence,
        "licence_url": article.licence_url,
        "cite": CITE,
    }


def units_of(paths: Iterable[str]) -> dict[str, list[str]]:
    """Paths by what appears at once: a subject's folder, or a single file.

    Examples
    --------
    >>> units_of(["markers/sub-01/a.json", "markers/sub-01/b.json", "README"])
    {'markers/sub-01': ['markers/sub-01/a.json', 'markers/sub-01/b.json'], 'README': ['README']}
    """
    units: dict[str, list[str]] = {}
    for path in paths:
        units.setdefault("/".join(path.split("/")[:2]), []).append(path)
    return units


def _is(path: Path, written: Written) -> bool:
    return path.is_file() and path.stat().st_size == written.size and checksum(path) == written
