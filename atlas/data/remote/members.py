"""Which files of an archive are asked for, and where they go."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath

from atlas.data.figshare import RemoteFile
from atlas.data.remote.catalogue import Published
from atlas.data.remote.extraction import ArchiveError, Limits, safe_members
from atlas.data.remote.retry import FetchError


def selected(
    paths: Iterable[str], item: Published, subjects: AbstractSet[str]
) -> dict[str, PurePosixPath]:
    """Of paths inside the folder, those an item and a choice of subjects ask for."""
    parted = {path: PurePosixPath(path) for path in paths}
    if item.only:
        return {k: p for k, p in parted.items() if p.parts == (item.folder, item.only)}
    if subjects:
        return {k: p for k, p in parted.items() if len(p.parts) > 2 and p.parts[1] in subjects}
    return parted


def members(
    archive: zipfile.ZipFile, item: Published, file: RemoteFile, limits: Limits
) -> dict[str, zipfile.ZipInfo]:
    """Members by the path they get: below the item's folder, whatever stands above it."""
    placed: dict[str, zipfile.ZipInfo] = {}
    for name, info in safe_members(archive, place=file.name, limits=limits).items():
        parts = name.split("/")
        if item.folder in parts[:-1]:
            parts = parts[parts.index(item.folder) + 1 :]
        path = "/".join([item.folder, *parts])
        if path in placed:
            raise ArchiveError(f"{file.name}: refused: two members would become {path}")
        placed[path] = info
    return placed


def check_found(
    chosen: Mapping[str, PurePosixPath],
    item: Published,
    subjects: AbstractSet[str],
) -> None:
    """Refuse a choice that an archive has nothing of: FetchError."""
    found = {path.parts[1] for path in chosen.values() if len(path.parts) > 1}
    lacking = sorted(set(subjects) - found)
    if lacking or not chosen:
        sought = ", ".join(lacking) or item.only or "a file"
        raise FetchError(f"{item.name}: expected {sought} in it, got none; check the name")
