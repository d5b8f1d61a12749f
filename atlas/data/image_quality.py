"""Image quality beside a dataset: its tables of signal and contrast to noise, as covariates.

The layout of the published tables is not described, so any column of numbers is taken:
``sub-03_CISS_SNR.csv`` with a column ``CSF`` becomes the covariate ``ciss_snr_csf``, the mean over
the rows.  Weights of subjects are in :mod:`atlas.data.quality_weights`.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from atlas.data.file_trees import FileTree, FolderTree
from atlas.data.layout import LONGEST_NAME, file_name, subject_id
from atlas.data.participants import is_missing, number
from atlas.data.subject import Finding, Severity
from atlas.data.unread import listed_briefly

FOLDER = "anatqc"
TABLE = re.compile(
    r"(?P<subject>sub[-_]?[A-Za-z0-9]+?)_(?P<sequence>[A-Za-z0-9]+)_(?P<kind>SNR|CNR)\.csv\Z",
    re.IGNORECASE,
)
# A table that is named like one but for its end: a copy, another format.
LIKE_TABLE = re.compile(
    r".*(?P<subject>sub[-_]?[A-Za-z0-9]+)_[A-Za-z0-9]+_(?:SNR|CNR)\b.*"
    r"\.(?:csv|tsv|txt|xlsx?|ods)\Z",
    re.IGNORECASE,
)
# Columns that count rows: their mean says nothing of the image.
COUNTERS = {"", "index", "row", "slice", "slice_index", "slice_number", "unnamed_0"}
EXPECTED = "expected rows of numbers under a heading (comma, semicolon or tab)"


def read_image_quality(
    tree: FileTree,
    names: Collection[str],
    place: Path,
    subjects: Collection[str],
    findings: list[Finding],
) -> dict[str, dict[str, float | str | None]]:
    """Quality covariates by subject id, from tables inside the tree or ``anatqc/`` beside it.

    Parameters
    ----------
    tree : FileTree
    names : collection of str
        Its files.
    place : Path
        Where the tree was opened.
    subjects : collection of str
        Ids; tables of others are passed over.
    findings : list of Finding
        A warning is added for every table that cannot be used, and a note where values are means.

    Returns
    -------
    dict of str to dict
        Subject id to ``<sequence>_<snr|cnr>_<column>``, in the unit of the table.
    """
    values: dict[str, dict[str, float | str | None]] = defaultdict(dict)
    averaged: dict[str, set[int]] = defaultdict(set)
    seen: set[tuple[str, str]] = set()
    for source, name, subject, prefix in _tables(tree, names, place, findings):
        if subject not in subjects:
            continue
        try:
            if not prefix:
                raise ValueError("expected a name like sub-01_CISS_SNR.csv, got another")
            if (subject, prefix) in seen:
                raise ValueError(f"expected one table {prefix} a subject, got another; keep one")
            columns, left_out = _numeric_columns(source.read(name).decode("utf-8-sig"))
        except (OSError, ValueError, csv.Error, zipfile.BadZipFile) as error:
            findings.append(_unusable(subject, name, error))
            continue
        seen.add((subject, prefix))
        findings += [_left_out(subject, name, *what) for what in left_out]
        for column, numbers in columns.items():
            values[subject][f"{prefix}_{column}"] = _mean(numbers)
            averaged[f"{prefix}_{column}"].add(len(numbers))
    findings += _said_averaged(averaged)
    return dict(values)


def _tables(
    tree: FileTree, names: Collection[str], place: Path, findings: list[Finding]
) -> Iterator[tuple[FileTree, str, str, str]]:
    """Tree, name, subject and prefix of every table, those inside before those beside.

    The prefix is empty where only the end of the name is not that of a table.
    """
    source = tree
    if not any(_is_table(file_name(n)) for n in names):
        place = place.resolve()
        folders = (f / FOLDER for f in (place.parent, place.parent.parent))
        try:
            beside = next((FolderTree(f) for f in folders if f.is_dir()), None)
            inside = beside.listing() if beside else None
        except OSError as error:
            findings.append(_unusable("", FOLDER, error))
            return
        if beside is None or inside is None:
            return
        findings += inside.problems
        source, names = beside, inside.names
    for name in names:
        own = file_name(name)
        match = TABLE.match(own) if len(own) <= LONGEST_NAME else None
        if match:
            prefix = f"{match['sequence']}_{match['kind']}".lower()
            yield source, name, subject_id(match["subject"]), prefix
        elif len(own) <= LONGEST_NAME and (match := LIKE_TABLE.match(own)):
            yield source, name, subject_id(match["subject"]), ""


def _is_table(own: str) -> bool:
    return len(own) <= LONGEST_NAME and bool(TABLE.match(own) or LIKE_TABLE.match(own))


Columns = dict[str, list[float]]


def _numeric_columns(text: str) -> tuple[Columns, list[tuple[Severity, str]]]:
    """Columns of finite numbers by their heading in lower case, and what is said of others.

    ValueError if there are none.
    """
    rows, delimiter = _rows(text)
    heading, body = rows[0], rows[1:]
    if any(_number(cell, delimiter) is not None for cell in heading):
        heading, body = [str(i) for i in range(1, len(rows[0]) + 1)], rows
    columns: Columns = {}
    said: list[tuple[Severity, str]] = []
    for i, title in enumerate(heading):
        name = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
        cells = [r[i] for r in body if i < len(r) and not _is_missing(r[i])]
        read = [_number(cell, delimiter) for cell in cells]
        numbers = [value for value in read if value is not None]
        if name in COUNTERS or not numbers:
            continue
        if name in columns:
            said.append((Severity.NOTE, f"expected one column {name}, got another"))
        elif len(numbers) < len(cells):
            odd = [f"{c.strip()[:40]!r}" for c, v in zip(cells, read, strict=True) if v is None]
            got = f"got {listed_briefly(odd)} in {len(odd)} of {len(cells)} rows"
            said.append((Severity.WARNING, f"expected numbers in column {name}, {got}"))
        else:
            columns[name] = numbers
    if any(map(str.strip, (cell for row in body for cell in row[len(heading) :]))):
        said.append((Severity.NOTE, f"expected {len(heading)} cells a row, got more in some"))
    if not columns:
        why = "; ".join(text for _, text in said)
        got = f"got {len(rows)} rows without a column of numbers"
        raise ValueError(f"{EXPECTED}, {got}{f' ({why})' if why else ''}")
    return columns, said


def _rows(text: str) -> tuple[list[list[str]], str]:
    """Rows that are not empty, and what separates their cells; ValueError if there are none."""
    lines = io.StringIO(text, newline=None)
    first = lines.readline()
    delimiter = max(",;\t", key=first.count)
    lines.seek(0)
    rows = [
        r for r in csv.reader(lines, delimiter=delimiter, strict=True) if any(map(str.strip, r))
    ]
    if not rows:
        raise ValueError(f"{EXPECTED}, got an empty file")
    return rows, delimiter


def _is_missing(cell: str) -> bool:
    return is_missing(cell) or cell.strip().lower() == "none"


def _number(cell: str, delimiter: str) -> float | None:
    return number(cell.strip().replace(",", ".") if delimiter == ";" else cell.strip())


def _mean(numbers: list[float]) -> float:
    try:
        return math.fsum(numbers) / len(numbers)
    except OverflowError:
        return math.fsum(value / len(numbers) for value in numbers)


def _left_out(subject: str, name: str, severity: Severity, text: str) -> Finding:
    message = f"{text}; not used: correct it"
    return Finding(severity, "image-quality-left-out", subject, file_name(name), message)


def _unusable(subject: str, name: str, error: Exception) -> Finding:
    problem = str(error)
    if isinstance(error, UnicodeDecodeError):
        problem = f"{EXPECTED}, got bytes that are not text in UTF-8"
    return Finding(
        Severity.WARNING,
        "unreadable-image-quality",
        subject,
        PurePosixPath(name).name,
        f"{problem}; the table is not used",
    )


def _said_averaged(averaged: dict[str, set[int]]) -> list[Finding]:
    several = {name: counts for name, counts in averaged.items() if max(counts) > 1}
    if not several:
        return []
    rows = set().union(*several.values())
    text = f"{min(rows)} to {max(rows)}" if len(rows) > 1 else f"{max(rows)}"
    return [
        Finding(
            Severity.NOTE,
            "image-quality-averaged",
            "",
            FOLDER,
            f"mean of {text} rows a subject: {', '.join(sorted(several))}",
        )
    ]
