"""Subjects of a large dataset as folders: listed by name alone, read one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from atlas.data.dataset import Dataset, DatasetError, survey_subject
from atlas.data.exclusions import ExclusionError, exclude
from atlas.data.image_quality import read_image_quality
from atlas.data.layout import SUBJECT, FolderTree, subject_id
from atlas.data.participants import read_participants, unmatched_rows
from atlas.data.subject import Finding, Severity, Subject

# Where folders of subjects stand in a dataset, from its root.
HOLDERS = ("", "markers", "derivatives/markers")


@dataclass(frozen=True, slots=True)
class SubjectFolder:
    """The marker files of one subject.

    Parameters
    ----------
    root : str
        The dataset.
    folder : str
        From its root.
    id : str
    covariates : mapping
        Of ``participants.tsv`` and of image quality.
    exclusions : tuple of str
        What is left out of it, as :func:`atlas.data.exclusions.exclude` takes it.
    """

    root: str
    folder: str
    id: str
    covariates: Mapping[str, float | str | None]
    exclusions: tuple[str, ...] = ()

    def read(self) -> tuple[Subject | None, tuple[Finding, ...]]:
        """The subject, None where it cannot be used, and what was found on the way."""
        tree = _FolderOf(Path(self.root), self.folder)
        subject, findings = survey_subject(tree, self.id, self.covariates)
        if subject is None or not self.exclusions:
            return subject, findings
        left = exclude(Dataset(self.root, (subject,), findings), self.exclusions)
        return left.subjects[0], left.findings


@dataclass(frozen=True, slots=True)
class _FolderOf:
    """One folder of a tree, by the names its files have in the tree."""

    root: Path
    folder: str

    def names(self) -> list[str]:
        """The files of the folder, sorted, from the root of the tree."""
        return [f"{self.folder}/{name}" for name in FolderTree(self.root / self.folder).names()]

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
    holder = next(h for h in HOLDERS if _subject_names(root / h))
    findings: list[Finding] = []
    tree = FolderTree(root)
    loose = sorted(e.name for e in os.scandir(root) if e.is_file())
    known = read_participants(tree, loose, root, findings)
    names = _subject_names(root / holder)
    ids = {subject_id(name): name for name in names}
    quality = read_image_quality(tree, loose, root, ids, findings)
    findings += unmatched_rows(known, ids)
    folders = [
        SubjectFolder(
            str(root),
            f"{holder}/{name}" if holder else name,
            identity,
            known.get(identity, {}) | quality.get(identity, {}),
        )
        for identity, name in sorted(ids.items())
    ]
    if len(ids) < len(names):
        findings.append(
            Finding(
                Severity.ERROR,
                "repeated-subject",
                "",
                str(root),
                f"expected a folder a subject, got {len(names)} folders of {len(ids)}; two are "
                "spelled alike: rename or remove one",
            )
        )
    return FolderListing(str(root), tuple(folders), tuple(findings))


def leave_out(listing: FolderListing, names: Iterable[str]) -> FolderListing:
    """Leave subjects or structures out of a listing, as :func:`atlas.data.exclusions.exclude`."""
    wanted = tuple(dict.fromkeys(name.strip().rstrip("/") for name in names))
    ids = {f.id for f in listing.folders}
    lost = [name for name in wanted if name.partition("/")[0] not in ids]
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
    return replace(listing, folders=folders, exclusions=wanted)


def _subject_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(e.name for e in os.scandir(folder) if e.is_dir() and SUBJECT.match(e.name))
