"""The published dataset into a folder: each part once, whole or not at all, checked."""

from __future__ import annotations

import errno
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from atlas.data.layout import IN_PROGRESS
from atlas.data.remote.catalogue import Published, published, wanted_subjects
from atlas.data.remote.downloads import Progress, download, part_name, silent
from atlas.data.remote.extraction import ArchiveError, Limits, Written, extract, safe_members
from atlas.data.remote.figshare import Article, RemoteFile, base_url, read_article
from atlas.data.remote.manifest import (
    MANIFEST,
    Record,
    State,
    checksum,
    read_manifest,
    source_of,
    state_of,
    units_of,
    write_manifest,
)
from atlas.data.remote.remote_zip import RangeFile
from atlas.data.remote.retry import FetchError, Patience, RangeError
from atlas.output.files import TEMPORARY, OutputError, UnfinishedError

# An archive up to this size is fetched whole, and so checked by its MD5, even for a part of it.
SMALL_BYTES = 64 << 20
UNPACKING = "unpacking-"


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


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """What became of one published file.

    Parameters
    ----------
    item : Published
    place : Path
        Its folder, or the file.
    files : mapping of str to Written
        What was asked for, by path inside the folder it was fetched into.
    source : mapping
        As :class:`~atlas.data.remote.manifest.Record` has it.
    reused : bool
        Whether all of it was there already.
    """

    item: Published
    place: Path
    files: Mapping[str, Written]
    source: Mapping[str, Any]
    reused: bool


@dataclass(slots=True)
class _Run:
    """One call: where to, from where, and what is known already."""

    folder: Path
    base: str
    patience: Patience
    progress: Progress
    limits: Limits
    records: dict[str, Record]
    articles: dict[int, Article] = field(default_factory=dict)

    def article(self, identity: int) -> Article:
        if identity not in self.articles:
            found = read_article(identity, base=self.base, patience=self.patience)
            self.articles[identity] = found
        return self.articles[identity]


def fetch(
    folder: str | Path,
    *,
    what: Iterable[str],
    subjects: Iterable[str] = (),
    patience: Patience | None = None,
    progress: Progress = silent,
    limits: Limits | None = None,
) -> tuple[Fetched, ...]:
    """Fetch published files into a folder, in the published layout.

    Parameters
    ----------
    folder : path
        Made if it is not there.  What was fetched into it before is kept and not fetched again;
        what is not from here is never touched.
    what : iterable of str
        Some of :data:`atlas.data.remote.catalogue.KINDS`, or ``all``.
    subjects : iterable of str
        Only these, of what is kept a folder a subject; all by default.
    patience : Patience, optional
    progress : callable
        Called with name, bytes done and bytes in all.
    limits : Limits, optional
        What an archive may hold.

    Returns
    -------
    tuple of Fetched
        One a published file.

    Raises
    ------
    FetchError
        Not published, not reachable, or not what was announced.
    ArchiveError
        An archive that is not safe to unpack.
    OutputError
        The folder cannot be written, or holds something else where a file would go.

    Notes
    -----
    Whole files are held against figshare's MD5; members read out of a remote archive against its
    directory's CRC-32.  ``fetched.json`` says which.
    """
    chosen = wanted_subjects(subjects)
    items = published(what, whole=not chosen)
    if chosen and not any(item.by_subject for item in items):
        raise FetchError(
            "--subjects: expected it together with markers, models or images, got only "
            f"{', '.join(item.what for item in items)}, which have no part of a subject"
        )
    folder = Path(folder)
    base = base_url()
    is_new = not folder.exists()
    try:
        (folder / IN_PROGRESS).mkdir(parents=True, exist_ok=True)
        _clear_abandoned(folder / IN_PROGRESS)
        run = _Run(
            folder=folder,
            base=base,
            patience=patience or Patience(),
            progress=progress,
            limits=limits or Limits(),
            records=read_manifest(folder),
        )
        return tuple(
            _fetch_one(run, item, chosen if item.by_subject else frozenset()) for item in items
        )
    except OSError as error:
        kind = OutputError if error.errno in (errno.EACCES, errno.EROFS) else UnfinishedError
        raise kind(
            f"{folder}: cannot be written ({error.strerror or error}); free some space or choose "
            "another place"
        ) from None
    finally:
        remove_if_empty(folder / IN_PROGRESS)
        if is_new:
            remove_if_empty(folder)


def _clear_abandoned(place: Path) -> None:
    """Remove what a killed fetch left; what it had downloaded stays, to go on with."""
    for stale in place.glob(f"{UNPACKING}*"):
        shutil.rmtree(stale)
    for pattern in (MANIFEST, f"{TEMPORARY}*"):
        for stale in place.glob(pattern):
            stale.unlink()


def _fetch_one(run: _Run, item: Published, subjects: AbstractSet[str]) -> Fetched:
    place = run.folder / (item.folder or item.name)
    record = run.records.get(item.name)
    refuse_foreign(place, record)
    if record is not None and _is_held(run.folder, item, record, subjects):
        # A fetch that was ended after it unpacked all left what it had unpacked it from.
        for part in (run.folder / IN_PROGRESS).glob(f"*-{record.source['md5']}.part"):
            part.unlink()
        return _fetched(item, place, record, subjects, reused=True)
    article = run.article(item.article)
    file = article.file(item.name)
    if record is not None and record.source["md5"] != file.md5:
        raise FetchError(
            f"{place}: fetched from a file of MD5 {record.source['md5']}, figshare now has "
            f"{file.md5} (version {article.version}); fetch into another folder, or remove this one"
        )
    if item.folder:
        record = _fetch_archive(run, item, article, file, subjects)
    else:
        record = _fetch_plain(run, item, article, file)
    return _fetched(item, place, record, subjects, reused=False)


def _fetched(
    item: Published, place: Path, record: Record, subjects: AbstractSet[str], *, reused: bool
) -> Fetched:
    files = {path: record.files[path] for path in selected(record.files, item, subjects)}
    return Fetched(item, place, files, record.source, reused)


def _is_held(folder: Path, item: Published, record: Record, subjects: AbstractSet[str]) -> bool:
    """Whether all that is asked for is there as fetched; OutputError if it was changed since."""
    wanted = selected(record.files, item, subjects)
    if record.complete:
        check_found(wanted, item, subjects)
    found = {path.split("/")[1] for path in wanted if "/" in path}
    complete = record.complete or bool(item.only and wanted) or bool(subjects and found >= subjects)
    states = []
    for unit, paths in units_of(wanted).items():
        state, wrong = state_of(folder, {p: record.files[p] for p in paths})
        if state is State.CHANGED:
            raise OutputError(
                f"{folder / unit}: {len(wrong)} of {len(paths)} files changed or missing since "
                f"they were fetched ({wrong[0]}); fetch into another folder, or move {unit} away"
            )
        states.append(state)
    return complete and all(state is State.WHOLE for state in states)


def _fetch_plain(run: _Run, item: Published, article: Article, file: RemoteFile) -> Record:
    part = download(file, run.folder / IN_PROGRESS, patience=run.patience, progress=run.progress)
    files = {item.name: checksum(part)}
    record = _remember(run, item, Record(source_of(article, file, "MD5"), True, files))
    part.replace(run.folder / item.name)
    return record


def _fetch_archive(
    run: _Run, item: Published, article: Article, file: RemoteFile, subjects: AbstractSet[str]
) -> Record:
    in_parts = bool(subjects or item.only) and file.size > SMALL_BYTES
    with _opened(run, item, file, in_parts=in_parts) as archive, _staging(run) as staging:
        there = members(archive, item, file, run.limits)
        chosen = selected(there, item, subjects)
        check_found(chosen, item, subjects)
        kept = {name: there[name] for name in chosen}
        progress = _unpacking(run, file, kept)
        written = extract(archive, kept, staging, place=file.name, progress=progress)
        known = run.records.get(item.name)
        files = {**(known.files if known else {}), **written}
        complete = len(files) == len(there)
        verified = "CRC-32 of each member" if in_parts else "MD5"
        record = Record(source_of(article, file, verified), complete, files)
        check_free(run.folder, written, known)
        # Said before it is moved: a fetch that dies between leaves files that are known.
        _remember(run, item, record)
        install(staging, run.folder, written)
    if not in_parts:
        (run.folder / IN_PROGRESS / part_name(file)).unlink()
    return record


@contextmanager
def _opened(
    run: _Run, item: Published, file: RemoteFile, *, in_parts: bool
) -> Iterator[zipfile.ZipFile]:
    try:
        if in_parts:
            with (
                RangeFile(file, patience=run.patience) as remote,
                zipfile.ZipFile(remote) as archive,
            ):
                yield archive
        else:
            place = run.folder / IN_PROGRESS
            part = download(file, place, patience=run.patience, progress=run.progress)
            with zipfile.ZipFile(part) as archive:
                yield archive
    except zipfile.BadZipFile as error:
        raise ArchiveError(
            f"{file.name}: expected a zip archive, got one damaged: {error}"
        ) from None
    except RangeError as error:
        raise RangeError(
            f"{error}; {item.what} cannot be read out of {file.size / 1e6:.0f} MB in parts: fetch "
            "all of it (--what images or models, without --subjects), or leave it out"
        ) from None


def _unpacking(
    run: _Run, file: RemoteFile, members: Mapping[str, zipfile.ZipInfo]
) -> Callable[[int], None]:
    """Progress in bytes written, for a piece at a time."""
    total, done = sum(info.file_size for info in members.values()), 0

    def piece(count: int) -> None:
        nonlocal done
        done += count
        run.progress(f"unpacking {file.name}", done, total)

    return piece


@contextmanager
def _staging(run: _Run) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix=UNPACKING, dir=run.folder / IN_PROGRESS))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _remember(run: _Run, item: Published, record: Record) -> Record:
    run.records[item.name] = record
    # Not written at its place: what a killed fetch leaves is cleared here only.
    write_manifest(run.folder / IN_PROGRESS, run.records).replace(run.folder / MANIFEST)
    return record
