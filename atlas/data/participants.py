"""Covariates of a dataset: the rows of its ``participants.tsv``."""

from __future__ import annotations

import csv
import io
import math
import os
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from atlas.data.file_trees import FileTree, FolderTree
from atlas.data.layout import file_name, subject_id
from atlas.data.subject import Finding, Severity
from atlas.data.unread import listed_briefly

FILE = "participants.tsv"
KEY = "participant_id"
LIKE_FILE = re.compile(r"participants\b.*\.(?:tsv|csv|txt|xlsx?|ods)", re.IGNORECASE)
# How BIDS, R, pandas and spreadsheets write that there is no value; infinity is none either.
MISSING = {"", "n/a", "na", "n.a.", "nan", "<na>", "#n/a", "null", "inf", "infinity"}
# In a column of numbers, at most this share of words is taken for missing values, and said.
FEW_WORDS = 0.25
NOT_USED = "covariates are not used"

Cell = float | str | None


def read_participants(
    tree: FileTree,
    names: Sequence[str],
    place: Path,
    findings: list[Finding],
    *,
    subjects: Collection[str] = (),
) -> dict[str, dict[str, Cell]]:
    """Covariates by subject id, from the tree's ``participants.tsv`` or one that stands beside it.

    Parameters
    ----------
    tree : FileTree
    names : sequence of str
        Its files.
    place : Path
        Where the tree was opened.
    findings : list of Finding
        What cannot be read, or can be read in two ways, is added.
    subjects : collection of str
        Ids of the dataset; a table with none of them is of another one.

    Returns
    -------
    dict of str to dict
        A finite number, a text or None a column.
    """
    inside = [n for n in names if file_name(n).lower() == FILE]
    _say_overlooked(names, findings)
    source, name = (tree, inside[0]) if inside else _beside(place)
    if source is None:
        return {}
    try:
        content = source.read(name)
        if len(inside) > 1 and any(tree.read(other) != content for other in inside[1:]):
            _warn(findings, "several-participants", f"got {len(inside)}, {name} is used; keep one")
        rows = list(csv.reader(io.StringIO(_text(content), newline=None), "excel-tab", strict=True))
    except (OSError, UnicodeError, zipfile.BadZipFile, csv.Error) as error:
        _warn(findings, "unreadable-participants", f"{error}{_cure(error)}; {NOT_USED}")
        return {}
    rows = [row for row in rows if any(map(str.strip, row))]
    if not rows:
        return {}
    table = _table(rows, findings)
    if subjects and table and not set(subjects) & set(table):
        got = listed_briefly(sorted(table)[:3])
        _warn(
            findings,
            "participants-of-others",
            f"expected rows of {listed_briefly(sorted(subjects)[:3])}, …, got none of them but "
            f"{got or 'rows without an id'}, …; {NOT_USED}: check whose table it is and how it "
            "spells the ids",
        )
    return table


def unmatched_rows(covariates: Mapping[str, object], subjects: Iterable[str]) -> list[Finding]:
    """Rows without a subject and subjects without a row, where there is a table at all."""
    found = set(subjects)
    texts = {
        "participants-without-files": (sorted(set(covariates) - found), "rows", "marker files"),
        "subjects-without-covariates": (sorted(found - set(covariates)), "subjects", "a row"),
    }
    return [
        Finding(
            Severity.NOTE,
            rule,
            "",
            FILE,
            f"{len(ids)} {noun} without {lack}: "
            f"{listed_briefly([i or '(no id)' for i in ids])}; check the spelling if unexpected",
        )
        for rule, (ids, noun, lack) in texts.items()
        if covariates and ids
    ]


def number(text: str) -> float | None:
    """A finite number as tables write it; None for anything else."""
    try:
        # Python would read 1_000 and digits of every script.
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value: ``n/a``, ``NA``, ``NaN``, ``inf``, ``1e400``."""
    text = text.strip().lower()
    if text.lstrip("+-") in MISSING:
        return True
    return number(text) is None and re.fullmatch(r"[+-]?\d+(?:\.\d*)?e\+?\d+", text) is not None


def _say_overlooked(names: Iterable[str], findings: list[Finding]) -> None:
    for name in names:
        own = file_name(name)
        if own.lower() != FILE and LIKE_FILE.fullmatch(own):
            text = f"expected the name {FILE}; the file is not used: rename or remove it"
            findings.append(Finding(Severity.WARNING, "unrecognised-file", "", name, text))


def _beside(place: Path) -> tuple[FileTree | None, str]:
    """The folder beside a dataset, or beside where a link leads, that has a table; its name."""
    own = Path(os.path.abspath(place))  # noqa: PTH100 - resolve() would follow the link
    for at in dict.fromkeys((own, place.resolve())):
        for folder in (at.parent, at.parent.parent):
            for name in (FILE, f"rawdata/{FILE}"):
                try:
                    if (folder / name).is_file():
                        return FolderTree(folder), name
                except OSError:  # A locked folder: whether it has one, nobody can say.
                    continue
    return None, ""


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig")


def _cure(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return ": save the table as text in UTF-8"
    return ": check the quotes and tabs" if isinstance(error, csv.Error) else ""


def _warn(findings: list[Finding], rule: str, message: str) -> None:
    findings.append(Finding(Severity.WARNING, rule, "", FILE, message))


def _table(rows: list[list[str]], findings: list[Finding]) -> dict[str, dict[str, Cell]]:
    heading = [title.strip() for title in rows[0]]
    keys = [i for i, title in enumerate(heading) if title.lower() == KEY]
    if len(keys) != 1:
        got = f"expected a column {KEY}, got {_heads(rows[0])}"
        commas = any(sign in rows[0][0] for sign in ",;") and len(rows[0]) == 1
        cure = ": the columns are to be separated by tabs" if commas else ""
        _warn(findings, "unreadable-participants", f"{got}; {NOT_USED}{cure}")
        return {}
    columns = _columns(heading, keys[0], rows[1:], findings)
    given: dict[str, list[dict[str, str]]] = defaultdict(list)
    longer = []
    for row in rows[1:]:
        identity = subject_id(row[keys[0]].strip()) if keys[0] < len(row) else ""
        given[identity].append({t: row[i].strip() for t, i in columns.items() if i < len(row)})
        if any(map(str.strip, row[len(heading) :])):
            longer.append(identity or "(no id)")
    if longer:
        got = f"expected {len(heading)} cells a row, got more for {listed_briefly(longer)}"
        _warn(
            findings, "ragged-participants", f"{got}; what lies beyond is not used: check the tabs"
        )
    return _typed(_one_each(given, findings), list(columns), findings)


def _heads(row: list[str]) -> list[str]:
    return row if sum(map(len, row)) < 500 else [cell[:40] for cell in row[:10]]


def _columns(
    heading: list[str], key: int, rows: list[list[str]], findings: list[Finding]
) -> dict[str, int]:
    """Place of each column of covariates by its title; two of one title are not used."""
    count = Counter(heading)
    doubled = sorted(title for title, times in count.items() if times > 1 and title)
    if doubled:
        got = f"expected columns of different names, got two or more of {listed_briefly(doubled)}"
        _warn(findings, "doubled-column", f"{got}; they are not used: keep one")
    bare = [i for i, title in enumerate(heading) if not title]
    if any(i < len(row) and row[i].strip() for row in rows for i in bare):
        _warn(findings, "unnamed-column", "got a column without a name; it is not used: name it")
    return {t: i for i, t in enumerate(heading) if t and i != key and count[t] == 1}


def _one_each(
    given: Mapping[str, list[dict[str, str]]], findings: list[Finding]
) -> dict[str, dict[str, str]]:
    """One row a participant; of those that contradict each other none."""
    several = {i: rows for i, rows in given.items() if len(rows) > 1 and i}
    unlike = {i for i, rows in several.items() if any(row != rows[0] for row in rows)}
    if several:
        got = f"expected one row a participant, got more for {listed_briefly(sorted(several))}"
        used = f"; not used, as they differ: {listed_briefly(sorted(unlike))}" if unlike else ""
        _warn(findings, "doubled-participant", f"{got}{used}; keep one")
    return {i: {} if i in unlike else rows[0] for i, rows in given.items()}


def _typed(
    rows: Mapping[str, Mapping[str, str]], titles: Iterable[str], findings: list[Finding]
) -> dict[str, dict[str, Cell]]:
    """Cells as numbers, texts or None; a column of both is said."""
    table: dict[str, dict[str, Cell]] = {i: {} for i in rows}
    for title in titles:
        cells = {i: row.get(title, "") for i, row in rows.items()}
        filled = {i: text for i, text in cells.items() if not is_missing(text)}
        numbers = {i: value for i, text in filled.items() if (value := number(text)) is not None}
        words = {i: text for i, text in filled.items() if i not in numbers}
        few = bool(numbers) and len(words) <= FEW_WORDS * len(filled)
        if numbers and words:
            _say_mixed(title, words, len(filled), findings, few=few)
        elif words and all(re.fullmatch(r"[+-]?\d+,\d+", text) for text in words.values()):
            got = f"expected numbers with a point in {title}, got commas; taken for words"
            _warn(findings, "mixed-column", f"{got}: write points")
        for i in cells:
            table[i][title] = numbers.get(i, None if few else words.get(i))
    return table


def _say_mixed(
    title: str, words: Mapping[str, str], of: int, findings: list[Finding], *, few: bool
) -> None:
    listed = listed_briefly([f"{text[:40]!r} of {i or '(no id)'}" for i, text in words.items()])
    taken = "taken as missing: write n/a" if few else "the column is taken for words: correct them"
    got = f"expected numbers in {title}, got {len(words)} of {of} cells that are none ({listed})"
    _warn(findings, "mixed-column", f"{got}; {taken}")
