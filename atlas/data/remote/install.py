"""Unpacked files to their place: by renaming, and never over anything that was not fetched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from atlas.data.remote.extraction import Written
from atlas.data.remote.manifest import Record, units_of
from atlas.output.files import OutputError


def refuse_foreign(place: Path, record: Record | None) -> None:
    """Refuse a place that is taken and was not fetched: OutputError."""
    if record is None and place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise OutputError(
            f"{place}: expected nothing there or what was fetched before, got something else; "
            "choose another folder, or move it away yourself"
        )


def check_free(folder: Path, written: Mapping[str, Written], known: Record | None) -> None:
    """Refuse units that are there and are not, file by file, what was fetched: OutputError."""
    for unit, paths in units_of(written).items():
        if not (folder / unit).exists():
            continue
        if known is None or not all(known.files.get(p) == written[p] for p in paths):
            raise OutputError(
                f"{folder / unit}: expected nothing there or what was fetched before, got "
                "something else; choose another folder, or move it away yourself"
            )


def install(staging: Path, folder: Path, written: Mapping[str, Written]) -> None:
    """Move what was unpacked to its place by renaming: a whole folder, or unit by unit."""
    for top in sorted({path.split("/")[0] for path in written}):
        if (folder / top).is_dir() and not any((folder / top).iterdir()):
            (folder / top).rmdir()
        if not (folder / top).exists():
            (staging / top).rename(folder / top)
            continue
        for unit in units_of(written):
            if not (folder / unit).exists():
                (staging / unit).rename(folder / unit)


def remove_if_empty(place: Path) -> None:
    """Remove a folder unless something is in it, or it is not there."""
    try:
        place.rmdir()
    except OSError:
        return
