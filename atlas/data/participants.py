"""Covariates of a dataset: the rows of its ``participants.tsv``."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from atlas.data.layout import FileTree, file_name, subject_id
from atlas.data.subject import Finding, Severity


def read_participants(
    tree: FileTree, names: list[str], place: Path, findings: list[Finding]
) -> dict[str, dict[str, float | str | None]]:
    """Covariates by subject id, from the tree's ``participants.tsv`` or one that stands beside it.

    What cannot be read is added to ``findings``.
    """
    inside = [n for n in names if file_name(n) == "participants.tsv"]
    place = place.resolve()
    beside = [
        folder / sub / "participants.tsv"
        for folder in (place.parent, place.parent.parent)
        for sub in ("", "rawdata")
    ]
    try:
        if inside:
            text = tree.read(inside[0]).decode("utf-8-sig")
        else:
            found = next((p for p in beside if p.is_file()), None)
            if found is None:
                return {}
            text = found.read_text("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile, csv.Error) as error:
        findings.append(
            Finding(Severity.WARNING, "unreadable-participants", "", "participants.tsv", str(error))
        )
        return {}
    if rows and "participant_id" not in rows[0]:
        findings.append(
            Finding(
                Severity.WARNING,
                "unreadable-participants",
                "",
                "participants.tsv",
                f"expected a column participant_id, got {list(rows[0])}; covariates are not used",
            )
        )
        return {}
    return {
        subject_id(row["participant_id"] or ""): {
            k: _value(v) for k, v in row.items() if k and k != "participant_id"
        }
        for row in rows
    }


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
            "participants.tsv",
            f"{len(ids)} {noun} without {lack}: {', '.join(ids)}; check the spelling if unexpected",
        )
        for rule, (ids, noun, lack) in texts.items()
        if covariates and ids
    ]


def _value(text: str | None) -> float | str | None:
    """A cell of a BIDS table: ``n/a`` is None, a number is a float."""
    if text is None or text.strip() in ("", "n/a"):
        return None
    try:
        return float(text)
    except ValueError:
        return text
