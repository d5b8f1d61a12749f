"""Archives, tables of participants and tables of quality damaged at random, and what is read.

``python tests/damaged_inputs.py KIND COUNT [SEED]`` prints the outcomes; a kind is a key of
``KINDS``.  Whatever is not read, and not said by name, is an AssertionError.
"""

from __future__ import annotations

import io
import math
import re
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import specimens
from damage import damaged

from atlas.data.dataset import DatasetError, survey_dataset
from atlas.data.file_trees import FolderTree
from atlas.data.image_quality import read_image_quality
from atlas.data.participants import read_participants, unmatched_rows
from atlas.data.subject import Finding, Severity

Table = dict[str, dict[str, float | str | None]]

# Of the processor, whatever else the machine does.
LONGEST_S = 5.0
SUBJECTS = [
    specimens.make_small_subject(f"sub-0{i}", bend_mm=float(i), spacing_mm=6.0) for i in (1, 2)
]
IDS = [s.id for s in SUBJECTS]
FILES = {f"{s.id}/{n}": c for s in SUBJECTS for n, c in specimens.subject_files(s).items()}
TABLE = "participant_id\tage\tsex\theight\nsub-01\t23\tF\t170.5\nsub-02\t24.5\tM\tn/a\n"
QUALITY = "slice,CSF,cord\n1,30.5,12\n2,31.5,14\n3,29,13.25\n"
CELLS = (
    *(b"", b"n/a", b"NA", b"nan", b"inf", b"-Infinity", b"1e400", b"1_0", b"F", b"12,5", b"=1+1"),
    *(b"\t", b"\n", b"\r", b"\r\n", b'"', b'""', b";", b",", b"\x00", b"\xff", b"\xef\xbb\xbf"),
    *(b"sub-01", b"sub_02", b"participant_id", b"age", b"CSF", b"\xd9\xa1", b"9" * 200_000),
)
TOKENS = re.compile(rb"[^\t,;\n\r]+|[\t,;\n\r]")


def cells_damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A table damaged one to three times: cells, rows, columns, bytes or encoding."""
    for _ in range(rng.integers(1, 4)):
        content = _cells_damaged_once(content, rng)
    return content


def _cells_damaged_once(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    line = int(rng.integers(len(lines)))
    tokens = list(TOKENS.finditer(content)) or [re.match(b"", content)]
    place = tokens[rng.integers(len(tokens))]
    match rng.integers(9):
        case 0 | 1:
            cell = CELLS[rng.integers(len(CELLS))]
            return content[: place.start()] + cell + content[place.end() :]
        case 2:
            return b"\n".join([*lines[:line], *lines[line + 1 :]])
        case 3:
            return b"\n".join([*lines[:line], lines[line], *lines[line:]])
        case 4:
            return b"\n".join(lines[i] for i in rng.permutation(len(lines)))
        case 5:
            other = tokens[rng.integers(len(tokens))][0]
            return content[: place.start()] + other + content[place.end() :]
        case 6:
            codec = ("utf-16", "utf-8-sig", "utf-32", "utf-16-le")[rng.integers(4)]
            return content.decode("utf-8", "replace").encode(codec)
        case 7:
            return content[: rng.integers(len(content) + 1)]
        case _:
            at = int(rng.integers(len(content) + 1))
            return content[:at] + rng.bytes(2) + content[at + int(rng.integers(3)) :]


def archive_damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """An archive with bytes changed, most of them in what describes its entries."""
    data = bytearray(content)
    heads = [m.start() for m in re.finditer(rb"PK[\x01\x03\x05][\x02\x04\x06]", content)]
    for _ in range(rng.integers(1, 4)):
        at = int(heads[rng.integers(len(heads))] + rng.integers(60))
        if rng.integers(4) == 0:
            at = int(rng.integers(len(data)))
        match rng.integers(6):
            case 0:
                data[at : at + 1] = rng.bytes(1)
            case 1 if at < len(data):
                data[at] ^= 1 << int(rng.integers(8))
            case 2:
                data[at : at + 4] = (b"\xff\xff\xff\xff", b"\0\0\0\0")[rng.integers(2)]
            case 3:
                del data[at : at + int(rng.integers(1, 40))]
            case 4:
                data[at:at] = rng.bytes(int(rng.integers(1, 40)))
            case _ if rng.integers(4) == 0:
                del data[at:]
            case _:
                data[at : at + 2] = int(rng.integers(1 << 16)).to_bytes(2, "little")
    return bytes(data)


def _archives() -> list[bytes]:
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, content in FILES.items():
                archive.writestr(f"markers/{name}", content)
        made.append(out.getvalue())
    return made


class _Study:
    """A dataset on disk, one part of which is damaged at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for subject in SUBJECTS:
            specimens.write_subject(root / "markers", subject)
        (root / "anatqc").mkdir()
        self.tree = FolderTree(root / "markers")
        self.names = self.tree.names()

    def read(self, reader: Callable[..., Table], findings: list[Finding], **given: object) -> Table:
        """What a reader of tables beside the markers gives; within bounds of time and numbers."""
        begin = time.process_time()
        table = reader(self.tree, self.names, self.root / "markers", findings=findings, **given)
        assert time.process_time() - begin < LONGEST_S
        cells = [c for row in table.values() for c in row.values()]
        assert all(c is None or isinstance(c, str) or math.isfinite(c) for c in cells)
        "\n".join(map(str, findings)).encode()
        return table

    def survey(self, place: Path) -> tuple[str, dict[str, dict[str, object]], str]:
        """An outcome, covariates by subject, and all that is said."""
        begin = time.process_time()
        try:
            dataset = survey_dataset(place)
        except DatasetError as error:
            said = str(error)
            said.encode()
            return "error", {}, said
        finally:
            assert time.process_time() - begin < LONGEST_S
        said = "\n".join(str(f) for f in dataset.findings)
        said.encode()
        covariates = {s.id: dict(s.covariates) for s in dataset.subjects}
        cells = [c for row in covariates.values() for c in row.values()]
        assert all(c is None or isinstance(c, str) or math.isfinite(c) for c in cells)
        return outcome_of(dataset.findings), covariates, said


def outcome_of(findings: Iterable[Finding]) -> str:
    """What became of an input about which this was found."""
    said = any(f.severity > Severity.NOTE for f in findings)
    return "finding" if said else "read"


def archives(study: _Study, rng: np.random.Generator) -> str:
    """Read, or refused by the name of the archive or of a file in it."""
    made = _archives_once()
    place = study.root / "markers.zip"
    place.write_bytes(archive_damaged(made[rng.integers(len(made))], rng))
    outcome, covariates, said = study.survey(place)
    if outcome == "read":
        assert set(covariates) == {s.id for s in SUBJECTS}, "a subject is lost in silence"
    else:
        assert "markers.zip" in said or "sub-0" in said or ".json" in said, said
    return outcome


_MADE: list[bytes] = []


def _archives_once() -> list[bytes]:
    if not _MADE:
        _MADE.extend(_archives())
    return _MADE


def participants(study: _Study, rng: np.random.Generator) -> str:
    """Read to what plain splitting gives, or said by the name of the table."""
    content = cells_damaged(TABLE.encode(), rng)
    (study.root / "participants.tsv").write_bytes(content)
    findings: list[Finding] = []
    table = study.read(read_participants, findings, subjects=IDS)
    findings += unmatched_rows(table, IDS)
    covariates = {i: table.get(i, {}) for i in IDS}
    if not findings:
        assert covariates == _split(content), (content, covariates)
    return outcome_of(findings)


def _split(content: bytes) -> dict[str, dict[str, object]]:
    """What a table says to who splits it at tabs; of a table with nothing odd in it."""
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    rows = [r for line in text.split("\n") if any(map(str.strip, r := line.split("\t")))]
    empty: dict[str, dict[str, object]] = {s.id: {} for s in SUBJECTS}
    if not rows:
        return empty
    heading = [_unquoted(title) for title in rows[0]]
    for row in rows[1:]:
        cells = [_unquoted(cell) for cell in row]
        cells += [""] * (len(heading) - len(cells))
        pairs = dict(zip(heading, cells, strict=False))
        identity = pairs.pop(next(t for t in heading if t.lower() == "participant_id"))
        identity = re.sub(r"^sub[-_]?", "sub-", identity, flags=re.IGNORECASE)
        if identity in empty:
            empty[identity] = {t: _cell(c) for t, c in pairs.items() if t}
    return empty


def _unquoted(cell: str) -> str:
    """A cell without the quotes around it; one within it is text."""
    return re.sub(r'^"(.*)"$', r"\1", cell.strip())


def _cell(text: str) -> object:
    if text.lower().lstrip("+-") in ("", "n/a", "na", "nan", "inf", "infinity", "1e400"):
        return None
    try:
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


def quality(study: _Study, rng: np.random.Generator) -> str:
    """Read to means of what is there, or said by the name of the table."""
    name = "sub-01_CISS_SNR.csv"
    (study.root / "anatqc" / name).write_bytes(cells_damaged(QUALITY.encode(), rng))
    findings: list[Finding] = []
    values = study.read(read_image_quality, findings, subjects=IDS)
    said = "\n".join(str(f) for f in findings)
    assert values.get("sub-01") or name in said
    assert "sub-02" not in values
    return outcome_of(findings)


def markups(study: _Study, rng: np.random.Generator) -> str:
    """The subject is read, or an error names the file."""
    names = sorted(name for name in FILES if name.startswith("sub-01"))
    name = names[rng.integers(len(names))]
    place = study.root / "markers" / name
    place.write_bytes(damaged(FILES[name], rng))
    outcome, covariates, said = study.survey(place.parent)
    place.write_bytes(FILES[name])
    if not covariates:
        assert Path(name).name in said, (name, said)
    return outcome


KINDS: dict[str, Callable[[_Study, np.random.Generator], str]] = {
    "archives": archives,
    "participants": participants,
    "quality": quality,
    "markups": markups,
}


def count_outcomes(kind: str, count: int, *, seed: int, folder: Path) -> Counter[str]:
    """Outcomes of damaging one kind of input: read, finding, error."""
    study = _Study(folder)
    found: Counter[str] = Counter()
    for number in range(count):
        try:
            found[KINDS[kind](study, np.random.default_rng([seed, number]))] += 1
        except Exception as error:
            error.add_note(f"{kind}, seed {seed}, number {number}")
            raise
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        kind, count, *seed = sys.argv[1:]
        counted = count_outcomes(
            kind, int(count), seed=int(seed[0]) if seed else 1, folder=Path(place)
        )
    print(kind, dict(counted))
