"""A folder or archive of marker files to a group of subjects, with everything found on the way."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np
import orjson

from atlas.data.layout import (
    ArchiveTree,
    FileTree,
    FolderTree,
    MarkerFile,
    marker_files,
    subject_id,
)
from atlas.data.markups import Markup, MarkupsError, parse_markups
from atlas.data.ordering import order_along_root
from atlas.data.subject import ROOT_KEYS, Finding, RootKey, Severity, Source, Subject

MINIMUM_POINTS = {"dura": 4, "cord": 4, "roots": 4, "ganglia": 1}
MINIMUM_CONTOURS = 4
LAYOUTS = "an archive, markers/, derivatives/markers/, a folder of sub-XX/ or one sub-XX/"


class DatasetError(ValueError):
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
    """

    root: str
    subjects: tuple[Subject, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def covariates(self) -> Mapping[str, tuple[float | str | None, ...]]:
        """Columns of ``participants.tsv``, one value a subject; None where it has no row."""
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


def read_dataset(path: str | Path) -> Dataset:
    """Read a group of subjects; refuse it if any file or subject cannot be used.

    Parameters
    ----------
    path : str or Path
        An archive, ``markers/``, ``derivatives/markers/``, a folder of ``sub-XX/`` or a single
        ``sub-XX/``.

    Returns
    -------
    Dataset
        Subjects in the native frame (LPS mm), with warnings and notes as findings.

    Raises
    ------
    DatasetError
        Any error among the findings; all of them are shown together.
    """
    dataset = survey_dataset(path)
    if any(f.severity is Severity.ERROR for f in dataset.findings):
        raise DatasetError(dataset.findings)
    return dataset


def survey_dataset(path: str | Path) -> Dataset:
    """Read what can be read: like :func:`read_dataset`, with errors as findings.

    A subject with an error is absent from ``subjects`` and named in ``findings``.

    Raises
    ------
    DatasetError
        Nothing there at all: no such path, not an archive, or no marker file in it.
    """
    place = Path(path)
    if place.is_file():
        try:
            with zipfile.ZipFile(place) as archive:
                return _survey(ArchiveTree(archive), place, root_name="")
        except (zipfile.BadZipFile, OSError) as error:
            raise _unusable(place, f"expected a zip archive or a folder, got {error}") from None
    if not place.is_dir():
        raise _unusable(place, "expected a folder or a zip archive, got nothing there")
    return _survey(FolderTree(place), place, root_name=place.resolve().name)


def _unusable(place: Path, message: str) -> DatasetError:
    return DatasetError(
        [Finding(Severity.ERROR, "unreadable-dataset", "", str(place), f"{message}; check the path")]
    )


def _survey(tree: FileTree, place: Path, *, root_name: str) -> Dataset:
    try:
        names = [n for n in tree.names() if not PurePosixPath(n).name.startswith("._")]
    except OSError as error:
        raise _unusable(place, f"expected a readable folder, got {error}") from None
    files = list(marker_files(names, root_name=root_name))
    if not files:
        raise DatasetError(
            [
                Finding(
                    Severity.ERROR,
                    "no-marker-files",
                    "",
                    str(place),
                    f"expected marker files (sub-01_dura_1.json, …) in {LAYOUTS}; got "
                    f"{len(names)} files, none of them named so",
                )
            ]
        )
    findings = _unrecognised(names, files)
    covariates = _covariates(tree, names, place, findings)
    by_subject: dict[str, list[MarkerFile]] = defaultdict(list)
    for file in files:
        by_subject[file.subject].append(file)
    subjects = []
    for identity, members in sorted(by_subject.items()):
        reader = _SubjectReader(tree, identity)
        subject = reader.read(members, covariates.get(identity, {}))
        findings.extend(reader.findings)
        if subject is not None:
            subjects.append(subject)
    return Dataset(str(place), tuple(subjects), tuple(findings))


def _unrecognised(names: list[str], files: list[MarkerFile]) -> list[Finding]:
    """JSON files beside marker files that no rule understands: said, never dropped in silence."""
    known = {f.name for f in files}
    folders = {PurePosixPath(f.name).parent for f in files}
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
        and name.endswith(".json")
        and PurePosixPath(name).parent in folders
        and PurePosixPath(name).name != "dataset_description.json"
    ]


class _SubjectReader:
    """Collects one subject's structures and findings, file by file."""

    def __init__(self, tree: FileTree, identity: str) -> None:
        self.tree = tree
        self.identity = identity
        self.findings: list[Finding] = []
        self.contours: dict[str, list[np.ndarray]] = {"dura": [], "cord": []}
        self.points: dict[str, dict[RootKey, np.ndarray]] = {"roots": {}, "ganglia": {}}
        self.hashes: dict[str, str] = {}
        self.notices: dict[str, None] = {}

    def find(self, severity: Severity, rule: str, place: str, message: str) -> None:
        self.findings.append(Finding(severity, rule, self.identity, place, message))

    def read(
        self, files: list[MarkerFile], covariates: Mapping[str, float | str | None]
    ) -> Subject | None:
        misnamed = {f.named_subject for f in files if f.named_subject != self.identity}
        for name in sorted(misnamed):
            same = subject_id(name) == self.identity
            self.find(
                Severity.NOTE if same else Severity.ERROR,
                "subject-spelling" if same else "file-of-another-subject",
                "",
                f"expected files named {self.identity}, got {name}"
                + ("; read as the same subject" if same else "; move them to their subject"),
            )
        for file in files:
            self._read_file(file)
        self._check_complete()
        if any(f.severity is Severity.ERROR for f in self.findings):
            return None
        ordered = {k: sorted(v, key=lambda c: -c[:, 2].mean()) for k, v in self.contours.items()}
        return Subject(
            id=self.identity,
            dura=tuple(ordered["dura"]),
            cord=tuple(ordered["cord"]),
            roots=self.points["roots"],
            ganglia=self.points["ganglia"],
            covariates=dict(covariates),
            source=Source(
                place=str(PurePosixPath(files[0].name).parent),
                files=self.hashes,
                notice="; ".join(self.notices),
            ),
            findings=tuple(self.findings),
        )

    def _read_file(self, file: MarkerFile) -> None:
        try:
            content = self.tree.read(file.name)
            markups = parse_markups(content)
        except MarkupsError as error:
            self.find(Severity.ERROR, "unreadable-file", _short(file), str(error))
            return
        except (OSError, zipfile.BadZipFile) as error:
            self.find(Severity.ERROR, "unreadable-file", _short(file), f"cannot be read: {error}")
            return
        self.hashes[file.name] = hashlib.sha256(content).hexdigest()
        for markup in markups:
            if "generated" in markup.description:
                self.notices[markup.description] = None
        if file.kind in self.contours:
            for markup in markups:
                self._add_contour(file, markup)
        else:
            self._add_points(file, markups)

    def _usable(self, file: MarkerFile, markup: Markup) -> np.ndarray:
        """Defined points of a markup; what is missing or doubled becomes a finding."""
        points = markup.defined
        absent = len(markup.points) - len(points)
        if absent:
            self.find(
                Severity.WARNING,
                "missing-points",
                _short(file),
                f"{absent} of {len(markup.points)} points have no defined position; not used",
            )
        return points

    def _add_contour(self, file: MarkerFile, markup: Markup) -> None:
        points = self._usable(file, markup)
        step = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)
        if len(points) > 1 and (step == 0).any():
            self._say_doubled(file, int((step == 0).sum()))
            points = points[step > 0]
        if len(points) < MINIMUM_POINTS[file.kind]:
            self._say_too_few(file, len(points))
            return
        if markup.type != "ClosedCurve":
            self.find(
                Severity.WARNING,
                "unexpected-type",
                _short(file),
                f"expected a ClosedCurve, got {markup.type!r}; read as a closed curve",
            )
        self.contours[file.kind].append(points)

    def _add_points(self, file: MarkerFile, markups: tuple[Markup, ...]) -> None:
        if file.key is None:
            self.find(
                Severity.ERROR,
                "unknown-structure",
                _short(file),
                "expected a level L1–S2 and a side at the end of the name (L3_R, L3right), got "
                "neither; rename the file",
            )
            return
        if file.key in self.points[file.kind]:
            self.find(
                Severity.ERROR,
                "doubled-structure",
                _short(file),
                f"expected one file for {file.kind} {file.key.level} {file.key.side}, got another; "
                "keep one",
            )
            return
        points = np.concatenate([self._usable(file, markup) for markup in markups])
        if len(points) < MINIMUM_POINTS[file.kind]:
            self._say_too_few(file, len(points))
        elif file.kind == "ganglia":
            self._add_ganglion(file, points)
        else:
            self._add_root(file, points)

    def _add_ganglion(self, file: MarkerFile, points: np.ndarray) -> None:
        if len(points) > 1:
            self.find(
                Severity.NOTE,
                "superseded-ganglion",
                _short(file),
                f"expected 1 point, got {len(points)}; the last is the ganglion",
            )
        assert file.key is not None
        self.points["ganglia"][file.key] = points[-1]

    def _add_root(self, file: MarkerFile, points: np.ndarray) -> None:
        unique, first = np.unique(points, axis=0, return_index=True)
        if len(unique) < len(points):
            self._say_doubled(file, len(points) - len(unique))
            points = points[np.sort(first)]
        order = order_along_root(points)
        moved = int(min((order != np.arange(len(order))).sum(), (order[::-1] != np.arange(len(order))).sum()))
        if moved:
            self.find(
                Severity.NOTE,
                "root-points-out-of-order",
                _short(file),
                f"{moved} of {len(points)} points stood out of order; ordered along the root",
            )
        assert file.key is not None
        self.points["roots"][file.key] = points[order]

    def _say_too_few(self, file: MarkerFile, got: int) -> None:
        noun = {"roots": "root", "ganglia": "ganglion file"}.get(file.kind, f"{file.kind} contour")
        self.find(
            Severity.ERROR,
            "too-few-points",
            _short(file),
            f"{got} point{'s' * (got != 1)}, a {noun} needs at least {MINIMUM_POINTS[file.kind]}; "
            "complete or remove the file",
        )

    def _say_doubled(self, file: MarkerFile, count: int) -> None:
        self.find(
            Severity.WARNING,
            "doubled-points",
            _short(file),
            f"{count} point{'s' * (count != 1)} repeated at the same place; used once",
        )

    def _check_complete(self) -> None:
        failed = {f.place for f in self.findings if f.severity is Severity.ERROR}
        for kind, contours in self.contours.items():
            if len(contours) < MINIMUM_CONTOURS and not any(kind in place for place in failed):
                self.find(
                    Severity.ERROR,
                    "too-few-contours",
                    kind,
                    f"expected at least {MINIMUM_CONTOURS} {kind} contours, got {len(contours)}; "
                    "add them or leave the subject out",
                )
        names = {"roots": "nerveroots", "ganglia": "ganglions"}
        for kind, found in self.points.items():
            absent = [k for k in ROOT_KEYS if k not in found]
            absent = [
                k for k in absent
                if not any(names[kind] in p and k.level in p for p in failed)
            ]
            if absent:
                listed = ", ".join(f"{k.level} {k.side}" for k in absent)
                self.find(
                    Severity.WARNING,
                    f"missing-{kind}",
                    kind,
                    f"expected 14 {kind}, got {len(found)}; their landmarks are missing: {listed}",
                )


def _short(file: MarkerFile) -> str:
    return PurePosixPath(file.name).name


def _covariates(
    tree: FileTree, names: list[str], place: Path, findings: list[Finding]
) -> dict[str, dict[str, float | str | None]]:
    """Rows of ``participants.tsv`` by subject id, from in or beside the tree."""
    inside = [n for n in names if PurePosixPath(n).name == "participants.tsv"]
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
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        findings.append(
            Finding(Severity.WARNING, "unreadable-participants", "", "participants.tsv", str(error))
        )
        return {}
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
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
        subject_id(row["participant_id"]): {
            k: _value(v) for k, v in row.items() if k and k != "participant_id"
        }
        for row in rows
    }


def _value(text: str | None) -> float | str | None:
    """A cell of a BIDS table: ``n/a`` is None, a number is a float."""
    if text is None or text.strip() in ("", "n/a"):
        return None
    try:
        return float(text)
    except ValueError:
        return text
