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

from atlas.data.layout import FileTree, FolderTree, file_name, subject_id
from atlas.data.subject import Finding, Severity

FOLDER = "anatqc"
TABLE = re.compile(
    r"(?P<subject>sub[-_]?[A-Za-z0-9]+?)_(?P<sequence>[A-Za-z0-9]+)_(?P<kind>SNR|CNR)\.csv$",
    re.IGNORECASE,
)
# Columns that count rows: their mean says nothing of the image.
COUNTERS = {"", "index", "row", "slice", "slice_index", "slice_number", "unnamed_0"}
MISSING = {"", "n/a", "na", "nan", "none"}
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
    for source, name, subject, prefix in _tables(tree, names, place):
        if subject not in subjects:
            continue
        try:
            if (subject, prefix) in seen:
                raise ValueError(f"expected one table {prefix} a subject, got another; keep one")
            columns = _numeric_columns(source.read(name).decode("utf-8-sig"))
        except (OSError, ValueError, csv.Error, zipfile.BadZipFile) as error:
            findings.append(_unusable(subject, name, error))
            continue
        seen.add((subject, prefix))
        for column, numbers in columns.items():
            values[subject][f"{prefix}_{column}"] = math.fsum(numbers) / len(numbers)
            averaged[f"{prefix}_{column}"].add(len(numbers))
    findings += _said_averaged(averaged)
    return dict(values)


def _tables(
    tree: FileTree, names: Collection[str], place: Path
) -> Iterator[tuple[FileTree, str, str, str]]:
    """Tree, name, subject and prefix of every table, those inside before those beside."""
    trees: list[tuple[FileTree, Collection[str]]] = [(tree, names)]
    if not any(TABLE.match(file_name(n)) for n in names):
        place = place.resolve()
        folders = (f / FOLDER for f in (place.parent, place.parent.parent))
        beside = next((FolderTree(f) for f in folders if f.is_dir()), None)
        trees = [(beside, beside.names())] if beside else []
    for source, files in trees:
        for name in files:
            match = TABLE.match(file_name(name))
            if match:
                prefix = f"{match['sequence']}_{match['kind']}".lower()
                yield source, name, subject_id(match["subject"]), prefix


def _numeric_columns(text: str) -> dict[str, list[float]]:
    """Columns of finite numbers by their heading in lower case; ValueError if there are none."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = [r for r in csv.reader(io.StringIO(text), delimiter=delimiter) if any(map(str.strip, r))]
    if not rows:
        raise ValueError(f"{EXPECTED}, got an empty file")
    heading, body = rows[0], rows[1:]
    if any(_number(cell, delimiter) is not None for cell in heading):
        heading, body = [str(i) for i in range(1, len(rows[0]) + 1)], rows
    columns = {}
    for i, title in enumerate(heading):
        name = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
        cells = [r[i] for r in body if i < len(r) and r[i].strip().lower() not in MISSING]
        numbers = [n for n in (_number(c, delimiter) for c in cells) if n is not None]
        if name not in COUNTERS and name not in columns and cells and len(numbers) == len(cells):
            columns[name] = numbers
    if not columns:
        raise ValueError(f"{EXPECTED}, got {len(rows)} rows without a column of numbers")
    return columns


def _number(cell: str, delimiter: str) -> float | None:
    try:
        value = float(cell.replace(",", ".") if delimiter == ";" else cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


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
