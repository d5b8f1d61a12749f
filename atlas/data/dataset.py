"""A folder or archive of marker files to a group of subjects, with everything found on the way."""

from __future__ import annotations

import os
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from atlas.data.file_trees import FileTree, FolderTree, Listing, open_archive
from atlas.data.image_quality import read_image_quality
from atlas.data.layout import SUBJECT, MarkerFile, marker_files
from atlas.data.participants import read_participants, unmatched_rows
from atlas.data.reader import SubjectReader
from atlas.data.subject import Finding, Severity, Subject, printable
from atlas.data.unread import (
    ARCHIVES,
    listed_briefly,
    made_markers,
    repeated_spellings,
    said_of_results,
    subjects_without_markers,
    unrecognised_files,
)
from atlas.errors import AtlasError
from atlas.text.display import summary_html

LAYOUTS = "an archive, markers/, derivatives/markers/, a folder of sub-XX/ or one sub-XX/"


class DatasetError(AtlasError):
    """A dataset that cannot be used; ``findings`` holds every problem, the text shows them."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        problems = [f for f in self.findings if f.severity is Severity.ERROR]
        count = f"{len(problems)} problems:\n" if len(problems) > 1 else ""
        super().__init__(count + "\n".join(str(f) for f in problems))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A group of subjects as annotated.

    Parameters
    ----------
    root : str
        The folder or archive.
    subjects : tuple of Subject
        Sorted by id.
    findings : tuple of Finding
        About the dataset as a whole and about every subject, unreadable ones included.
    exclusions : tuple of str
        What :func:`atlas.data.exclusions.exclude` left out.
    """

    root: str
    subjects: tuple[Subject, ...]
    findings: tuple[Finding, ...] = ()
    exclusions: tuple[str, ...] = ()

    @property
    def covariates(self) -> Mapping[str, tuple[float | str | None, ...]]:
        """Columns of ``participants.tsv`` and of image quality, a value a subject; None: no row."""
        columns = dict.fromkeys(name for s in self.subjects for name in s.covariates)
        return MappingProxyType(
            {name: tuple(s.covariates.get(name) for s in self.subjects) for name in columns}
        )

    @property
    def notice(self) -> str:
        """What must be said wherever results of these subjects show; empty for annotations."""
        generated = [s for s in self.subjects if s.source.notice]
        if not generated:
            return ""
        texts = "; ".join(dict.fromkeys(s.source.notice for s in generated))
        if len(generated) == len(self.subjects):
            return texts
        return f"{len(generated)} of {len(self.subjects)} subjects {texts}"

    def _repr_html_(self) -> str:
        facts: dict[str, object] = {"root": self.root, "subjects": f"n = {len(self.subjects)}"}
        facts["cohort"] = self.notice or "annotated images"
        for severity in reversed(Severity):
            count = sum(f.severity is severity for f in self.findings)
            facts[f"{severity.name.lower()}s"] = count
        rows = [
            (s.id, len(s.dura), len(s.cord), len(s.roots), len(s.ganglia), f"{s.spacing_mm:.1f}")
            for s in self.subjects
        ]
        columns = ("subject", "dura", "cord", "roots", "ganglia", "spacing mm")
        return summary_html("Dataset", facts, columns=columns, rows=rows)


def read_dataset(path: str | Path, *, optional: Collection[str] = ()) -> Dataset:
    """Read a group of subjects; refuse it if any file or subject cannot be used.

    Parameters
    ----------
    path : str or Path
        An archive, ``markers/``, ``derivatives/markers/``, a folder of ``sub-XX/`` or a single
        ``sub-XX/``.
    optional : collection of str
        ``cord``, where a subject without one is wanted all the same.

    Returns
    -------
    Dataset
        Subjects in the native frame (LPS mm), with warnings and notes as findings.

    Raises
    ------
    DatasetError
        Any error among the findings; all of them are shown together.
    """
    dataset = survey_dataset(path, optional=optional)
    refuse_errors(dataset.findings)
    return dataset


def refuse_errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, unless one is an error: then all of them as one refusal."""
    found = tuple(findings)
    if any(f.severity is Severity.ERROR for f in found):
        raise DatasetError(found)
    return found


def survey_dataset(path: str | Path, *, optional: Collection[str] = ()) -> Dataset:
    """Read what can be read: like :func:`read_dataset`, with errors as findings.

    A subject with an error is absent from ``subjects`` and named in ``findings``.

    Raises
    ------
    DatasetError
        Nothing there at all: no such path, not an archive, or no marker file in it.
    """
    place = Path(path)
    try:
        if place.is_file():
            with open_archive(place) as tree:
                return _survey(tree, place, root_name="", optional=optional)
        if place.is_dir():
            return _survey(FolderTree(place), place, root_name=root_name(place), optional=optional)
    except (zipfile.BadZipFile, OSError) as error:
        raise _unusable(place, f"expected a zip archive or a folder, got {error}") from None
    got = "a pipe or a device" if place.exists() else "nothing there"
    raise _unusable(place, f"expected a folder or a zip archive, got {got}")


def root_name(place: Path) -> str:
    """The name by which a folder may be one subject's: that of a link, or where it leads."""
    own = Path(os.path.abspath(place)).name  # noqa: PTH100 - resolve() would follow the link
    return own if SUBJECT.match(own) else place.resolve().name


def _unusable(place: Path, message: str) -> DatasetError:
    return DatasetError(
        [
            Finding(
                Severity.ERROR, "unreadable-dataset", "", str(place), f"{message}; check the path"
            )
        ]
    )


def _survey(tree: FileTree, place: Path, *, root_name: str, optional: Collection[str]) -> Dataset:
    listing = tree.listing()
    made = made_markers(tree, listing.names)
    listing = listing.without(made)
    names = listing.names
    files = list(marker_files(names, root_name=root_name))
    if not files:
        raise DatasetError([*listing.problems, _no_marker_files(place, names)])
    findings = [*listing.problems, *said_of_results(made), *unrecognised_files(names, files)]
    by_subject: dict[str, list[MarkerFile]] = defaultdict(list)
    for file in files:
        by_subject[file.subject].append(file)
    findings += said_of_folders(listing, files, by_subject)
    covariates = read_participants(tree, names, place, findings, subjects=by_subject)
    findings += unmatched_rows(covariates, by_subject)
    quality = read_image_quality(tree, names, place, by_subject, findings)
    subjects = []
    for identity, members in sorted(by_subject.items()):
        reader = SubjectReader(tree, identity, optional=optional)
        known = covariates.get(identity, {}) | quality.get(identity, {})
        subject = reader.read(members, known)
        findings.extend(reader.findings)
        if subject is not None:
            subjects.append(subject)
    return Dataset(printable(str(place)), tuple(subjects), tuple(findings))


def _no_marker_files(place: Path, names: Sequence[str]) -> Finding:
    archives = [n for n in names if n.lower().endswith(ARCHIVES)]
    inside = f"; unpack {listed_briefly(archives)} first" if archives else ""
    return Finding(
        Severity.ERROR,
        "no-marker-files",
        "",
        str(place),
        f"expected marker files (sub-01_dura_1.json, …) in {LAYOUTS}; got {len(names)} files, none "
        f"of them named so{inside}",
    )


def said_of_folders(
    listing: Listing, files: Iterable[MarkerFile], ids: Collection[str]
) -> list[Finding]:
    """Findings about folders of subjects: without marker files, or two of one subject."""
    holders = {file.name.rpartition("/")[0] for file in files}
    # A locked folder has its error already.
    locked = {problem.place for problem in listing.problems}
    folders = [f for f in listing.folders if printable(f) not in locked]
    beside = {folder.rpartition("/")[0] for folder in holders}
    together = [f for f in listing.folders if f.rpartition("/")[0] in beside]
    return [
        *subjects_without_markers(folders, listing.names, holders, ids),
        *repeated_spellings(together),
    ]


def survey_subject(
    tree: FileTree, identity: str, covariates: Mapping[str, float | str | None]
) -> tuple[Subject | None, tuple[Finding, ...]]:
    """Read one subject alone, out of a tree that holds little else.

    Parameters
    ----------
    tree : FileTree
        The files of its folders.
    identity : str
    covariates : mapping
        Of the subject.

    Returns
    -------
    subject : Subject or None
        None where it cannot be used.
    findings : tuple of Finding
        About its files, as :func:`survey_dataset` has them.
    """
    listing = tree.listing()
    files = [f for f in marker_files(listing.names) if f.subject == identity]
    if not files:
        return None, tuple(listing.problems)
    reader = SubjectReader(tree, identity)
    subject = reader.read(files, covariates)
    return subject, (*listing.problems, *reader.findings)
