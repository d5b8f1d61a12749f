"""What stands in a dataset and is not read: named, never dropped in silence.

Copies, files of other programs, subjects' folders without annotations, results among them.
"""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

import orjson

from atlas.data.file_trees import FileTree
from atlas.data.layout import LONGEST_NAME, SUBJECT, MarkerFile, file_name, subject_id, subject_in
from atlas.data.subject import Finding, Severity

# Most names that one finding lists.
MOST_NAMES = 20
# A folder or file that was meant for a subject, however its name goes on.
LIKE_SUBJECT = re.compile(r"sub(?:[-_ ]|(?=\d))", re.IGNORECASE)
LIKE_MARKER = re.compile(
    r".*sub[-_ ]?[A-Za-z0-9]+[-_ .]*(?:cord|dura|gangli|nerve|root)|.*\.(?:json|fcsv|mrml|mrb)",
    re.IGNORECASE,
)
# What goes with a dataset or is a result of this package: no annotation, and no news.
COMPANIONS = re.compile(
    r"(?:readme|licen[cs]e|changes|citation)\b.*|\..*"
    r"|(?:dataset_description|participants|sessions|fetched|provenance|atlas-result|tables|plan"
    r"|export|record)\.json|participants\.tsv|.*_[SC]NR\.csv",
    re.IGNORECASE,
)
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz")
# Images, meshes and pages may be named like the annotation they show.
OTHER_KINDS = re.compile(
    r".*\.(?:nii|nii\.gz|nrrd|nhdr|mha|mhd|dcm|stl|obj|ply|vt[kpu]|glb|gltf|msh|blend|h5|np[yz]|mat"
    r"|png|jpe?g|tiff?|gif|svg|pdf|html?|bval|bvec|log|ipynb|py)",
    re.IGNORECASE,
)
# These may be anything, and are annotations only where their name says so.
TEXTS = re.compile(r".*\.(?:txt|md|rst|csv|tsv|xlsx?|ods|xml|ya?ml|docx?)", re.IGNORECASE)
# Written into a result; of old results without it, a file that each has.
RESULT = "atlas-result.json"
OLD_RESULTS = {"plan.json": "sample", "intervals.csv": "predict"}
# Results whose marker files nobody marked on an image.
WITH_MADE_MARKERS = ("sample", "predict")


def unrecognised_files(names: Iterable[str], files: Iterable[MarkerFile]) -> list[Finding]:
    """Files among marker files, or named like them, that no rule understands.

    Parameters
    ----------
    names : iterable of str
        Of a tree.
    files : iterable of MarkerFile
        Those of them that are read.

    Returns
    -------
    list of Finding
    """
    known = {f.name for f in files}
    folders = {name.rpartition("/")[0] for name in known}
    return [
        Finding(
            Severity.WARNING,
            "unrecognised-file",
            "",
            name,
            "expected a name like sub-01_dura_1.json or sub-01_nerveroots_L3_R.json; "
            "the file is not used: rename or remove it",
        )
        for name in names
        if name not in known
        and _is_overlooked(name, among_markers=name.rpartition("/")[0] in folders)
    ]


def _is_overlooked(name: str, *, among_markers: bool) -> bool:
    """Whether a file that is not read may be an annotation, by its name."""
    own = file_name(name)
    if len(own) > LONGEST_NAME:  # Only an archive has such a name; patterns would take long.
        return True
    like_marker = LIKE_MARKER.match(own) is not None
    if OTHER_KINDS.fullmatch(own) or (TEXTS.fullmatch(own) and not like_marker):
        return False
    if among_markers:
        return COMPANIONS.fullmatch(own) is None or (own.startswith(".") and like_marker)
    # Elsewhere a JSON may be of anything; what is called as a subject holds one perhaps.
    named = re.match(r".*(?:cord|dura|gangli|nerve.?root)", own, re.IGNORECASE)
    return like_marker and named is not None and LIKE_SUBJECT.match(own) is not None


def subjects_without_markers(
    folders: Sequence[str], names: Iterable[str], holders: Collection[str], ids: Collection[str]
) -> list[Finding]:
    """Folders named like a subject's that hold no marker file.

    Parameters
    ----------
    folders : sequence of str
        All of a tree.
    names : iterable of str
        All its files: one that is named like a subject may be a link that leads nowhere.
    holders : collection of str
        Folders with marker files.
    ids : collection of str
        Subjects with marker files, wherever they stand.

    Returns
    -------
    list of Finding
        A warning for each beside subjects with markers; one note for those elsewhere.
    """
    above = {str(p) for holder in holders for p in (holder, *PurePosixPath(holder).parents)}
    beside = {folder.rpartition("/")[0] for folder in holders}
    found: list[Finding] = []
    elsewhere: dict[str, None] = {}
    for folder in folders:
        own = file_name(folder)
        if LIKE_SUBJECT.match(own) is None or folder in above or _known(own, ids):
            continue
        if any(LIKE_SUBJECT.match(part) for part in folder.split("/")[:-1]):
            continue
        if folder.rpartition("/")[0] in beside:
            found.append(_without_markers(folder, "got a folder without any"))
        else:
            elsewhere[own] = None
    for name in names:
        own = file_name(name)
        packed = next((end for end in ARCHIVES if own.lower().endswith(end)), "")
        stem = own[: len(own) - len(packed)]
        if SUBJECT.match(stem) and not _known(stem, ids) and not subject_in(name[: -len(own)]):
            if packed:
                found.append(_without_markers(name, "got an archive"))
            else:
                got = "got a file, or a link that leads nowhere"
                found.append(_without_markers(name, got, severity=Severity.ERROR))
    return found + _said_elsewhere(elsewhere)


def _known(own: str, ids: Collection[str]) -> bool:
    return SUBJECT.match(own) is not None and subject_id(own) in ids


def _without_markers(place: str, got: str, *, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(
        severity,
        "subject-without-markers",
        subject_in(place),
        place,
        f"expected a folder of marker files (sub-01_dura_1.json, …), {got}; this subject is not "
        "there: add its files or remove it",
    )


def _said_elsewhere(names: Iterable[str]) -> list[Finding]:
    listed = sorted(names)
    if not listed:
        return []
    text = f"{len(listed)} folders of subjects without marker files: {listed_briefly(listed)}"
    return [Finding(Severity.NOTE, "subject-without-markers", "", "", text)]


def listed_briefly(names: Sequence[str]) -> str:
    """Names in one line, the first ``MOST_NAMES`` of many.

    Examples
    --------
    >>> listed_briefly(["sub-01", "sub-02"])
    'sub-01, sub-02'
    """
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def repeated_spellings(folders: Iterable[str]) -> list[Finding]:
    """Folders that stand together and whose names are spellings of one subject."""
    spelled: dict[tuple[str, str], list[str]] = defaultdict(list)
    for folder in folders:
        holder, _, own = folder.rpartition("/")
        if SUBJECT.match(own):
            spelled[holder, subject_id(own)].append(own)
    return [
        Finding(
            Severity.ERROR,
            "repeated-subject",
            identity,
            holder,
            f"expected a folder a subject, got {len(names)} folders of one: "
            f"{', '.join(sorted(names))}; they are spelled alike: rename or remove one",
        )
        for (holder, identity), names in spelled.items()
        if len(names) > 1
    ]


def made_markers(tree: FileTree, names: Iterable[str]) -> dict[str, str]:
    """Folders below the root that hold marker files which this package made: folder to command."""
    made: dict[str, str] = {}
    for name in names:
        folder, _, own = name.rpartition("/")
        if not folder or (own != RESULT and own not in OLD_RESULTS):
            continue
        command = OLD_RESULTS.get(own) or _command(tree, name)
        if command in WITH_MADE_MARKERS:
            made.setdefault(folder, command)
    return made


def _command(tree: FileTree, name: str) -> str:
    try:
        document = orjson.loads(tree.read(name))
    except (OSError, ValueError, zipfile.BadZipFile):
        return ""
    command = document.get("command", "") if isinstance(document, dict) else ""
    return command if isinstance(command, str) else ""


def said_of_results(made: dict[str, str]) -> list[Finding]:
    """A note for each folder of made markers: it is not read."""
    return [
        Finding(
            Severity.NOTE,
            "result-among-markers",
            "",
            folder,
            f"expected annotations, got a result of atlas {command}; its marker files are not "
            "read: give the folder itself to read them",
        )
        for folder, command in sorted(made.items())
    ]
