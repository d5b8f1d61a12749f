"""The files of one subject to a :class:`Subject`, with a finding for everything odd on the way."""

from __future__ import annotations

import hashlib
import re
import zipfile
from bisect import bisect_left, insort
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

import numpy as np

from atlas.curves.contour_stack import ContourStack
from atlas.data.contour_checks import ContourCheck, check_contours, repeats
from atlas.data.file_trees import FileTree
from atlas.data.layout import MarkerFile, file_name, subject_id
from atlas.data.markups import Markup, MarkupsError, parse_markups
from atlas.data.ordering import order_along_root
from atlas.data.subject import ROOT_KEYS, Finding, RootKey, Severity, Source, Subject

MINIMUM_POINTS = {"dura": 4, "cord": 4, "roots": 4, "ganglia": 1}
MINIMUM_CONTOURS = 4
SAME_SLICE_MM = 0.01
# Of the contour's width: in files of another unit, a slice is not 0.01 of anything.
SAME_SLICE_SHARE = 0.01
# What this package writes into descriptions of points that nobody marked on an image.
NOT_ANNOTATED = ("generated", "not imaged")


class SubjectReader:
    """Collects one subject's structures and findings, file by file.

    Parameters
    ----------
    tree : FileTree
    identity : str
        Subject id.
    optional : collection of str
        Kinds of contours a subject may lack altogether.
    """

    def __init__(self, tree: FileTree, identity: str, *, optional: Collection[str] = ()) -> None:
        self.tree = tree
        self.optional = optional
        self.identity = identity
        self.findings: list[Finding] = []
        self.contours: dict[str, list[np.ndarray]] = {"dura": [], "cord": []}
        # Height and file of each contour, and heights from the bottom.
        self.slices: dict[str, list[tuple[float, MarkerFile]]] = {"dura": [], "cord": []}
        self.heights: dict[str, list[tuple[float, int]]] = {"dura": [], "cord": []}
        self.points: dict[str, dict[RootKey, np.ndarray]] = {"roots": {}, "ganglia": {}}
        self.hashes: dict[str, str] = {}
        self.notices: dict[str, None] = {}

    def _find(self, severity: Severity, rule: str, place: str, message: str) -> None:
        self.findings.append(Finding(severity, rule, self.identity, place, message))

    def read(
        self, files: list[MarkerFile], covariates: Mapping[str, float | str | None]
    ) -> Subject | None:
        """The subject of these files; None if a finding makes it unusable."""
        self._check_names(files)
        contents = [(file, self._parsed(file)) for file in files]
        checks = iter(
            check_contours(
                [
                    markup.defined
                    for file, markups in contents
                    if file.kind in self.contours and not isinstance(markups, str)
                    for markup in markups
                ]
            )
        )
        for file, markups in contents:
            if isinstance(markups, str):
                self._find(Severity.ERROR, "unreadable-file", _short(file), markups)
            elif file.kind in self.contours:
                for markup in markups:
                    self._add_contour(file, markup, next(checks))
            else:
                self._add_points(file, markups)
        self._check_complete()
        if any(f.severity is Severity.ERROR for f in self.findings):
            return None
        ordered = {kind: self._from_the_top(kind) for kind in self.contours}
        source = Source(
            place=str(PurePosixPath(files[0].name).parent),
            files=self.hashes,
            notice="; ".join(self.notices),
        )
        return Subject(
            id=self.identity,
            dura=ordered["dura"],
            cord=ordered["cord"],
            roots=self.points["roots"],
            ganglia=self.points["ganglia"],
            covariates=dict(covariates),
            source=source,
            findings=tuple(self.findings),
        )

    def _check_names(self, files: list[MarkerFile]) -> None:
        misnamed = {f.named_subject for f in files if f.named_subject != self.identity}
        for name in sorted(misnamed):
            same = subject_id(name) == self.identity
            self._find(
                Severity.NOTE if same else Severity.ERROR,
                "subject-spelling" if same else "file-of-another-subject",
                "",
                f"expected files named {self.identity}, got {name}"
                + ("; read as the same subject" if same else "; move them to their subject"),
            )

    def _from_the_top(self, kind: str) -> tuple[np.ndarray, ...]:
        heights = [height for height, _ in self.slices[kind]]
        order = sorted(range(len(heights)), key=lambda i: -heights[i])
        return tuple(self.contours[kind][i] for i in order)

    def _parsed(self, file: MarkerFile) -> tuple[Markup, ...] | str:
        """The markups of a file, noted with its hash and notices; or why it cannot be read."""
        try:
            content = self.tree.read(file.name)
            markups = parse_markups(content)
        except MarkupsError as error:
            return str(error)
        except (OSError, zipfile.BadZipFile) as error:
            return f"cannot be read: {error}"
        self.hashes[file.name] = hashlib.sha256(content).hexdigest()
        for markup in markups:
            if any(word in markup.description for word in NOT_ANNOTATED):
                self.notices[markup.description] = None
        return markups

    def _usable(self, file: MarkerFile, markup: Markup) -> np.ndarray:
        """Defined points of a markup; what is missing or doubled becomes a finding."""
        points = markup.defined
        absent = len(markup.points) - len(points)
        if absent:
            self._find(
                Severity.WARNING,
                "missing-points",
                _short(file),
                f"{absent} of {len(markup.points)} points have no defined position; not used",
            )
        return points

    def _add_contour(self, file: MarkerFile, markup: Markup, check: ContourCheck | None) -> None:
        points = self._usable(file, markup)
        if self._says_missing((markup,)):
            return
        if check is not None and check.doubled:
            self._say_doubled(file, check.doubled)
            points = points[~repeats(ContourStack.of([points]))]
            (check,) = check_contours([points])
        if check is None or len(points) < MINIMUM_POINTS[file.kind]:
            self._say_too_few(file, len(points))
            return
        if check.encloses_nothing:
            self._find(
                Severity.ERROR,
                "flat-contour",
                _short(file),
                f"expected a contour around an area, got {len(points)} points on a line; trace it "
                "again or remove the file",
            )
            return
        if markup.type != "ClosedCurve":
            self._find(
                Severity.WARNING,
                "unexpected-type",
                _short(file),
                f"expected a ClosedCurve, got {markup.type!r}; read as a closed curve",
            )
        if self._is_first_at(file, check):
            self.contours[file.kind].append(points)

    def _is_first_at(self, file: MarkerFile, check: ContourCheck) -> bool:
        """Whether no other contour of its kind stands in this slice; another is an error."""
        slices, heights, height = self.slices[file.kind], self.heights[file.kind], check.height
        near = min(SAME_SLICE_MM, SAME_SLICE_SHARE * check.width)
        above = bisect_left(heights, (height, -1))
        around = [(abs(h - height), i) for h, i in heights[max(above - 1, 0) : above + 1]]
        apart, nearest = min(around, default=(np.inf, 0))
        if apart < near:
            self._find(
                Severity.ERROR,
                "doubled-contour",
                _short(file),
                f"expected one {file.kind} contour a slice, got another at z {height:.1f} mm, "
                f"where {_short(slices[nearest][1])} is; keep one",
            )
            return False
        insort(heights, (height, len(slices)))
        slices.append((height, file))
        return True

    def _add_points(self, file: MarkerFile, markups: tuple[Markup, ...]) -> None:
        if file.outside is not None:
            level, side = file.outside
            self._find(
                Severity.WARNING,
                "level-outside",
                _short(file),
                f"expected a level L1–S2, got {level} {side}, which is not one of the atlas; the "
                "file is not used: move it out of the folder, or exclude "
                f"{self.identity}/{file.kind}/{level}/{side}",
            )
            return
        if file.key is None:
            self._find(
                Severity.ERROR,
                "unknown-structure",
                _short(file),
                "expected a level L1–S2 and a side at the end of the name (L3_R, L3right), got "
                f"{_what_is_named(file)}; rename the file",
            )
            return
        if file.key in self.points[file.kind]:
            self._find(
                Severity.ERROR,
                "doubled-structure",
                _short(file),
                f"expected one file for {file.kind} {file.key.level} {file.key.side}, got another; "
                "keep one",
            )
            return
        if self._says_missing(markups):
            # Named with those that have no file, as there is nothing in this one.
            return
        points = np.concatenate([self._usable(file, markup) for markup in markups])
        if len(points) < MINIMUM_POINTS[file.kind]:
            self._say_too_few(file, len(points))
        elif file.kind == "ganglia":
            self._add_ganglion(file, points)
        else:
            self._add_root(file, points)

    @staticmethod
    def _says_missing(markups: tuple[Markup, ...]) -> bool:
        """Whether a file has points, and says of all of them that they have no place."""
        return any(len(m.points) for m in markups) and not any(len(m.defined) for m in markups)

    def _add_ganglion(self, file: MarkerFile, points: np.ndarray) -> None:
        if len(points) > 1:
            self._find(
                Severity.NOTE,
                "superseded-ganglion",
                _short(file),
                f"expected 1 point, got {len(points)}; the last is the ganglion",
            )
        assert file.key is not None
        self.points["ganglia"][file.key] = points[-1]

    def _add_root(self, file: MarkerFile, points: np.ndarray) -> None:
        # Points of one slice each are not compared further.
        if len(set(points[:, 2].tolist())) < len(points):
            unique, first = np.unique(points, axis=0, return_index=True)
            if len(unique) < len(points):
                self._say_doubled(file, len(points) - len(unique))
                points = points[np.sort(first)]
                if len(points) < MINIMUM_POINTS["roots"]:
                    self._say_too_few(file, len(points))
                    return
        order = order_along_root(points)
        along = np.arange(len(order))
        moved = int(min((order != along).sum(), (order[::-1] != along).sum()))
        if moved:
            self._find(
                Severity.NOTE,
                "root-points-out-of-order",
                _short(file),
                f"{moved} of {len(points)} points stood out of order; ordered along the root",
            )
        assert file.key is not None
        self.points["roots"][file.key] = points[order]

    def _say_too_few(self, file: MarkerFile, got: int) -> None:
        noun = {"roots": "root", "ganglia": "ganglion file"}.get(file.kind, f"{file.kind} contour")
        self._find(
            Severity.ERROR,
            "too-few-points",
            _short(file),
            f"{got} point{'s' * (got != 1)}, a {noun} needs at least {MINIMUM_POINTS[file.kind]}; "
            "complete or remove the file",
        )

    def _say_doubled(self, file: MarkerFile, count: int) -> None:
        self._find(
            Severity.WARNING,
            "doubled-points",
            _short(file),
            f"{count} point{'s' * (count != 1)} repeated at the same place; used once",
        )

    def _check_complete(self) -> None:
        failed = {f.place for f in self.findings if f.severity is Severity.ERROR}
        for kind, contours in self.contours.items():
            if not contours and kind in self.optional:
                self._find(
                    Severity.WARNING,
                    f"missing-{kind}",
                    kind,
                    f"expected {kind} contours, got none; their landmarks are missing",
                )
            elif len(contours) < MINIMUM_CONTOURS and not any(kind in place for place in failed):
                self._find(
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
                k for k in absent if not any(names[kind] in p and k.level in p for p in failed)
            ]
            if absent:
                listed = ", ".join(f"{k.level} {k.side}" for k in absent)
                self._find(
                    Severity.WARNING,
                    f"missing-{kind}",
                    kind,
                    f"expected 14 {kind}, got {len(found)}; their landmarks are missing: {listed}",
                )


def _what_is_named(file: MarkerFile) -> str:
    """What a name without a level and a side has in their place."""
    text = file_name(file.name).lower().rpartition(".json")[0].removesuffix(".mrk")
    if re.search(r"[a-z]\d{1,2}$", text):
        return "a level without a side"
    if re.search(r"(^|_)(left|right|l|r)$", text):
        return "a side without a level"
    return "neither"


def _short(file: MarkerFile) -> str:
    return file_name(file.name)
