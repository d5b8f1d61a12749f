"""One annotated person, and what was found out about the annotation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from atlas.arrays import read_only
from atlas.curves.contour_stack import ContourStack

# Half characters, by which Python keeps bytes of names that are not UTF-8, and control characters.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LEVELS = ("L1", "L2", "L3", "L4", "L5", "S1", "S2")
SIDES = ("left", "right")


class RootKey(NamedTuple):
    """A spinal level and a side: ``("L5", "left")``."""

    level: str
    side: str


ROOT_KEYS = tuple(RootKey(level, side) for level in LEVELS for side in SIDES)


def printable(text: str) -> str:
    r"""A text of a file system or a file as it can be printed and written: the rest is escaped.

    Examples
    --------
    >>> printable("sub-01\udcff\t")
    'sub-01\\xff\\x09'
    """
    return UNPRINTABLE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    byte = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{byte:02x}" if byte < 0x100 else f"\\u{byte:04x}"


class Severity(IntEnum):
    """How much a finding matters: a note changes nothing, an error makes a subject unusable."""

    NOTE = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A structure of a subject, or one contour or point of it; the whole subject without a name.

    Parameters
    ----------
    structure : str
        ``dura``, ``cord``, ``root``, ``ganglion``; of several, ``roots``, ``ganglia`` and so on.
    level, side : str
        Of roots and ganglia; a side is empty where both are meant.
    index : int, optional
        Contour in the stack, or point in the trace.
    z_mm : float, optional
        Its native height: it tells a reader where that is, and tells no two places apart.
    other_level : str
        The second of two levels.
    until_mm : float, optional
        Height at which a gap ends that begins at ``z_mm``.

    Examples
    --------
    >>> str(Place("root", "L3", "left", 12, -421.63)), str(Place("cord", index=4, z_mm=-3))
    ('root L3 left at z -421.6 mm', 'cord contour at z -3.0 mm')
    >>> Place("root", "L3", "left", 12).trace == Place("root", "L3", "left")
    True
    """

    structure: str = ""
    level: str = ""
    side: str = ""
    index: int | None = None
    z_mm: float | None = field(default=None, compare=False)
    other_level: str = ""
    until_mm: float | None = None

    @property
    def trace(self) -> Place:
        """The root that a point is of; other places are their own."""
        return Place("root", self.level, self.side) if self.structure == "root" else self

    def __str__(self) -> str:
        if self.until_mm is not None:
            return f"{self.structure} between z {self.z_mm:.1f} and {self.until_mm:.1f} mm"
        levels = " and ".join(level for level in (self.level, self.other_level) if level)
        side = self.side or ("both sides" if self.other_level else "")
        contour = "contour" if self.index is not None and not levels else ""
        height = f"at z {self.z_mm:.1f} mm" if self.z_mm is not None else ""
        return " ".join(word for word in (self.structure, levels, side, contour, height) if word)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a dataset: what, where, and what to do about it.

    Parameters
    ----------
    severity : Severity
    rule : str
        Its name, kebab-case, the same for every finding of the kind.
    subject : str
        Subject id; empty where the finding is about the whole dataset.
    at : Place or str
        Of a subject's anatomy; a text is a file, or another name.
    message : str
        Expected, got, and what to do.
    """

    severity: Severity
    rule: str
    subject: str
    at: Place | str
    message: str

    def __post_init__(self) -> None:
        for name in ("subject", "message"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return printable(str(self.at))

    def document(self) -> dict[str, str]:
        """The finding as JSON values."""
        return {
            "severity": self.severity.name.lower(),
            "rule": self.rule,
            "subject": self.subject,
            "place": self.place,
            "message": self.message,
        }

    def __str__(self) -> str:
        where = "/".join(part for part in (self.subject, self.place) if part)
        return f"{where}: {self.message}" if where else self.message


@dataclass(frozen=True, slots=True)
class Source:
    """Where a subject comes from.

    Parameters
    ----------
    place : str
        Folder or archive member that held the files.
    files : mapping of str to str
        File name to SHA-256 of its bytes.
    notice : str
        Empty for an annotated person; what generated files say of themselves otherwise.
    """

    place: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", printable(self.place))
        files = {printable(name): value for name, value in self.files.items()}
        object.__setattr__(self, "files", files)

    @property
    def sha256(self) -> str:
        """One hash of all files: of their names, without folders, and their hashes."""
        listing = "\n".join(f"{h}  {name.rsplit('/', 1)[-1]}" for name, h in self.files.items())
        return hashlib.sha256(listing.encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One person as annotated, in the native frame (LPS mm).

    Parameters
    ----------
    id : str
        As in ``sub-03``.
    dura, cord : sequence of (n_i, 3) float
        Closed contours, one a slice, rostral to caudal; the first point is not repeated.
    roots : mapping of (level, side) to (n, 3) float
        Traced points, rostral to caudal.
    ganglia : mapping of (level, side) to (3,) float
    covariates : mapping of str to object
        The subject's row of ``participants.tsv``.
    source : Source
    findings : tuple of Finding
    """

    id: str
    dura: tuple[np.ndarray, ...]
    cord: tuple[np.ndarray, ...]
    roots: Mapping[RootKey, np.ndarray]
    ganglia: Mapping[RootKey, np.ndarray]
    covariates: Mapping[str, float | str | None] = field(default_factory=dict)
    source: Source = field(default_factory=Source)
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        for kind in ("dura", "cord"):
            contours = tuple(
                read_only(c, (None, 3), f"{self.id} {kind} contour {i}")
                for i, c in enumerate(getattr(self, kind))
            )
            object.__setattr__(self, kind, contours)
        for kind, shape in (("roots", (None, 3)), ("ganglia", (3,))):
            given = getattr(self, kind)
            unknown = [key for key in given if tuple(key) not in ROOT_KEYS]
            if unknown:
                raise ValueError(f"{self.id} {kind}: expected levels {LEVELS}, got {unknown}")
            arrays = {
                RootKey(*key): read_only(given[key], shape, f"{self.id} {kind} {key}")
                for key in ROOT_KEYS
                if key in given
            }
            object.__setattr__(self, kind, MappingProxyType(arrays))

    @property
    def n_points(self) -> int:
        """Annotated points in use: contours, roots and ganglia."""
        rows = (*self.dura, *self.cord, *self.roots.values())
        return sum(len(r) for r in rows) + len(self.ganglia)

    @property
    def spacing_mm(self) -> float:
        """Distance of neighbouring dura contours, mm: the median over the stack."""
        return float(np.median(np.diff(contour_heights(self.dura)))) if len(self.dura) > 1 else 0.0

    @property
    def dura_extent_mm(self) -> float:
        """Distance of the first from the last dura contour along the stack, mm."""
        return float(np.ptp(contour_heights(self.dura)))

    @property
    def cord_extent_mm(self) -> float:
        """Distance of the first from the last cord contour along the stack, mm."""
        return float(np.ptp(contour_heights(self.cord)))


def stack_axis(contours: tuple[np.ndarray, ...]) -> np.ndarray:
    """Unit normal (3,) of a stack of parallel contours, pointing rostral.

    The least-squares plane normal, pooled over contours, so that it turns with the subject.
    """
    stack = ContourStack.of(contours)
    means = stack.means
    centred = stack.points - stack.spread(means)
    normal = np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, 0])
    return normal if normal @ (means[0] - means[-1]) >= 0 else -normal


def contour_heights(contours: tuple[np.ndarray, ...]) -> np.ndarray:
    """Distance of each contour below the first along the stack's normal, (n,) mm."""
    if not contours:
        return np.zeros(1)
    means = ContourStack.of(contours).means
    return (means[0] - means) @ stack_axis(contours)
