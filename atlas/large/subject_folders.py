"""Subjects of a large dataset as folders: listed by name alone, read one at a time."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from atlas.data.dataset import Dataset, DatasetError, said_of_folders, survey_subject
from atlas.data.exclusions import ExclusionError, exclude
from atlas.data.file_trees import FolderTree, Listing
from atlas.data.image_quality import read_image_quality
from atlas.data.layout import SUBJECT, MarkerFile, marker_files
from atlas.data.participants import read_participants, unmatched_rows
from atlas.data.subject import Finding, Severity, Subject
from atlas.data.unread import made_markers, said_of_results, unrecognised_files

# Where folders of subjects stand in a dataset, from its root.
HOLDERS = ("", "markers", "derivatives/markers")


@dataclass(frozen=True, slots=True)
class SubjectFolder:
    """The marker files of one subject.

    Parameters
    ----------
    root : str
        The dataset.
    folders : tuple of str
        That hold its files, from the root; other subjects may have files in them.
    id : str
    covariates : mapping
        Of ``participants.tsv`` and of image quality.
    exclusions : tuple of str
        What is left out of it, as :func:`atlas.data.exclusions.exclude` takes it.
    """

    root: str
    folders: tuple[str, ...]
    id: str
    covariates: Mapping[str, float | str | None]
    exclusions: tuple[str, ...] = ()

    def read(self) -> tuple[Subject | None, tuple[Finding, ...]]:
        """The subject, None where it cannot be used, and what was found on the way."""
        tree = _FoldersOf(Path(self.root), self.folders)
        subject, findings = survey_subject(tree, self.id, self.covariates)
        if subject is None or not self.exclusions:
            return subject, findings
        left = exclude(Dataset(self.root, (subject,), findings), self.exclusions)
        return left.subjects[0], left.findings


@dataclass(frozen=True, slots=True)
class _FoldersOf:
    """Some folders of a tree, without those below them, by the names files have in the tree."""

    root: Path
    folders: tuple[str, ...]

    def names(self) -> list[str]:
        """The files of the folders, sorted, from the root of the tree."""
        return self.listing().names

    def listing(self) -> Listing:
        """The files of the folders, and which of these cannot be looked into."""
        found = Listing()
        for folder in self.folders:
            found.names.extend(FolderTree(self.root).files_in(folder, found.problems))
        found.names.sort()
        return found

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        return FolderTree(self.root).read(name)


@dataclass(frozen=True, slots=True, eq=False)
class FolderListing:
    """The subjects of a large dataset, none of them read.

    Parameters
    ----------
    root : str
    folders : tuple of SubjectFolder
        Sorted by id.
    findings : tuple of Finding
        About the dataset as a whole.
    exclusions : tuple of str
    """

    root: str
    folders: tuple[SubjectFolder, ...]
    findings: tuple[Finding, ...]
    exclusions: tuple[str, ...] = ()


def count_subjects(path: str | Path) -> int:
    """How many folders of subjects a dataset has; 0 where it is laid out otherwise."""
    root = Path(path)
    if not root.is_dir() or SUBJECT.match(root.resolve().name):
        return 0
    return next((len(names) for h in HOLDERS if (names := _subject_names(root / h))), 0)


def list_subjects(path: str | Path) -> FolderListing:
    """The folders of subjects of a dataset that has them.

    Parameters
    ----------
    path : str or Path
        A folder that holds ``sub-XX/`` folders, itself or in ``markers`` or
        ``derivatives/markers``.

    Returns
    -------
    FolderListing

    Raises
    ------
    DatasetError
        An archive, one subject, or files that are not in folders of their subjects.
    """
    root = Path(path)
    if not count_subjects(root):
        message = (
            "expected a folder of sub-XX/ for workers to share, got another layout; unpack the "
            "archive, or leave out --workers and --scheduler"
        )
        raise DatasetError([Finding(Severity.ERROR, "no-subject-folders", "", str(root), message)])
    # Workers may stand in another folder.
    root = root.resolve()
    tree = FolderTree(root)
    found, others, findings = _walk(tree)
    ids = {identity: tuple(sorted(holders)) for identity, holders in sorted(found.items())}
    known = read_participants(tree, others, root, findings, subjects=ids)
    findings += unmatched_rows(known, ids)
    quality = read_image_quality(tree, others, root, ids, findings)
    folders = tuple(
        SubjectFolder(
            str(root), holders, identity, known.get(identity, {}) | quality.get(identity, {})
        )
        for identity, holders in ids.items()
    )
    return FolderListing(str(root), folders, tuple(findings))


def _walk(tree: FolderTree) -> tuple[dict[str, set[str]], list[str], list[Finding]]:
    """Folders of each subject, files that are no markers, and findings of a whole tree.

    As reading the dataset has them, without the names of marker files: they are too many.
    """
    listing = Listing()
    # One file of each subject in each folder stands for all of them.
    markers: dict[str, MarkerFile] = {}
    for folder, own in tree.walk(listing.problems):
        names = [f"{folder}/{name}" if folder else name for name in own]
        files = list(marker_files(names))
        known = {file.name for file in files}
        markers |= {f.name: f for f in {file.subject: file for file in files}.values()}
        listing.names.extend(name for name in names if name not in known)
        listing.folders.extend([folder] if folder else [])
        listing.problems.extend(unrecognised_files(names, files))
    made = made_markers(tree, listing.names)
    listing = listing.without(made)
    read = [markers[name] for name in Listing(list(markers)).without(made).names]
    folders: dict[str, set[str]] = defaultdict(set)
    for file in read:
        folders[file.subject].add(file.name.rpartition("/")[0])
    said = said_of_folders(listing, read, folders)
    return folders, listing.names, [*listing.problems, *said_of_results(made), *said]


def leave_out(listing: FolderListing, names: Iterable[str]) -> FolderListing:
    """Leave subjects or structures out of a listing, as :func:`atlas.data.exclusions.exclude`."""
    wanted = tuple(dict.fromkeys(name.strip().rstrip("/") for name in names))
    # A subject that cannot be read is known by its findings only, and can be left out as a whole.
    ids = {f.id for f in listing.folders}
    named = ids | {f.subject for f in listing.findings} - {""}
    lost = [
        name for name in wanted if name.partition("/")[0] not in (ids if "/" in name else named)
    ]
    if lost:
        raise ExclusionError(f"{listing.root}: no {', '.join(lost)} to exclude")
    gone = {name for name in wanted if "/" not in name}
    parts = {
        i: tuple(n for n in wanted if n.partition("/")[0] == i)
        for i in {name.partition("/")[0] for name in wanted} - gone
    }
    folders = tuple(
        replace(f, exclusions=parts.get(f.id, ())) for f in listing.folders if f.id not in gone
    )
    if not folders:
        raise ExclusionError(f"{listing.root}: expected subjects left after the exclusions")
    findings = tuple(f for f in listing.findings if f.subject not in gone)
    return replace(listing, folders=folders, findings=findings, exclusions=wanted)


def _subject_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if SUBJECT.match(e.name) and e.is_dir())
    except OSError:  # Not there or locked: reading it whole says so.
        return []
