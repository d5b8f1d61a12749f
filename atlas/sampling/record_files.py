"""Records of samples as files, which prove that a sample is there: whole, and of this cohort."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas.output.results import move_into
from atlas.sampling.records import Record, sample_id

RECORDS = "records"
# Folders that hold one of each sample's own.
PARTS = ("markers", "meshes")


@dataclass(frozen=True, slots=True)
class RecordFiles:
    """The records of one cohort.

    Parameters
    ----------
    out : Path
        Its folder.
    n : int
        How many samples it has.
    plan : str
        SHA-256 of what it is made by: a record of another cohort is none of this one.
    """

    out: Path
    n: int
    plan: str

    def name(self, index: int) -> str:
        """The file of a record, within the folder of the cohort."""
        return f"{RECORDS}/{sample_id(index, self.n)}.json"

    def put(self, work: Path, record: Record) -> None:
        """Move what was written of a sample to its place, file by file, and its record last.

        Parameters
        ----------
        work : Path
            With the sample's files in ``markers`` and ``meshes``, and nothing else.
        record : Record
        """
        files = {name: _sha256(work / name) for name in _files(work)}
        move_into(work, self.out, files)
        document = {**record.document(), "plan": self.plan, "files": files}
        place = work / self.name(record.index)
        place.parent.mkdir()
        place.write_text(json.dumps(document | {"sha256": _digest(document)}) + "\n", "utf-8")
        move_into(work, self.out, [self.name(record.index)])

    def read(self, index: int) -> tuple[Record, Mapping[str, str]] | None:
        """A record, and the digest of each file of its sample.

        Returns
        -------
        record : Record
        files : mapping of str to str
            Name within the folder of the cohort to SHA-256.
            None where there is no record that says all this of this sample of this cohort.
        """
        try:
            document = json.loads((self.out / self.name(index)).read_bytes())
            said = document.pop("sha256")
            ours = said == _digest(document) and document["index"] == index
            plan, files = document.pop("plan"), document.pop("files")
            mine = re.compile(rf"(?:{'|'.join(PARTS)})/{sample_id(index, self.n)}/[^/\\]+")
            if not ours or plan != self.plan or not all(map(mine.fullmatch, files)):
                return None
            return Record.of(document), files
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def is_there(self, index: int) -> bool:
        """Whether a sample has its record, and all its files are as they were written."""
        found = self.read(index)
        return found is not None and all(
            _is_as_written(self.out / name, digest) for name, digest in found[1].items()
        )


def _files(work: Path) -> Iterable[str]:
    return (p.relative_to(work).as_posix() for p in sorted(work.rglob("*")) if p.is_file())


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_as_written(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and _sha256(path) == digest
    except OSError:
        return False
