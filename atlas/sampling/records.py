"""What is known of each sample: a JSON record, which proves that it is there, whole and ours."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from atlas.output.results import move_into
from atlas.sampling.designs import SamplingError
from atlas.text.json_values import JsonError, value_as

RECORDS = "records"
# Folders that hold one of each sample's own.
PARTS = ("markers", "meshes")


@dataclass(frozen=True, slots=True)
class Record:
    """One sample.

    Parameters
    ----------
    index : int
    accepted : bool
        Whether it keeps every rule.
    attempts : int
        Draws it took.
    broken : mapping of str to int
        Rule to the number of its draws that broke it.
    broken_now : tuple of str
        Rules the sample itself breaks; empty where accepted.
    repaired_mm : float
        How far a point was moved at the most to make it possible; 0: as it was drawn.
    scores : tuple of float
        SD of the atlas' modes, as it was drawn.
    turn_deg, shift_mm : tuple of float
        Where it was placed.
    measures : mapping of str to float
        ``L1/left/angle_sac_deg`` to its value; of the anatomy before it was placed.
    """

    index: int
    accepted: bool
    attempts: int
    broken: Mapping[str, int]
    broken_now: tuple[str, ...]
    repaired_mm: float
    scores: tuple[float, ...]
    turn_deg: tuple[float, ...]
    shift_mm: tuple[float, ...]
    measures: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """The record as JSON values; a measure that is missing is null."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"measures": {k: _null(v) for k, v in self.measures.items()}}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Record:
        """The record of its JSON values.

        Raises
        ------
        SamplingError
            Fields that are not there, of another type, or of values that cannot be.
        """
        try:
            found = _Written.of(document)
        except JsonError as error:
            raise SamplingError(str(error)) from None
        measures = {name: np.nan if v is None else v for name, v in found.measures.items()}
        return cls(**{f.name: getattr(found, f.name) for f in fields(cls)} | {"measures": measures})


@dataclass(frozen=True, slots=True)
class _Written:
    """A record as it stands in a file."""

    index: int
    accepted: bool
    attempts: int
    broken: Mapping[str, int]
    broken_now: tuple[str, ...]
    repaired_mm: float
    scores: tuple[float, ...]
    turn_deg: tuple[float, float, float]
    shift_mm: tuple[float, float, float]
    measures: Mapping[str, float | None]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> _Written:
        given = document
        if isinstance(document, dict) and isinstance(document.get("measures"), dict):
            # Earlier versions wrote NaN, which is no JSON.
            given = document | {"measures": {k: _null(v) for k, v in document["measures"].items()}}
        found: _Written = value_as(cls, given, "record")
        counts = (found.index, found.attempts - 1, *(n - 1 for n in found.broken.values()))
        holds = (
            min(counts) >= 0
            and max(found.broken.values(), default=0) <= found.attempts
            and found.accepted == (not found.broken_now)
            and found.repaired_mm >= 0
            and len(found.scores) > 0
        )
        if not holds:
            raise JsonError("record: expected counts and states that go together, got others")
        return found


def _null(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def sample_id(index: int, n: int) -> str:
    """Id of a sample, from 1, with as many digits as the last of n needs; at least four."""
    return f"sub-{index + 1:0{max(4, len(str(n)))}d}"


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
        files = {name: fingerprint(work / name) for name in _files(work)}
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


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_as_written(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and fingerprint(path) == digest
    except OSError:
        return False
