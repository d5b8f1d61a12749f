"""Where marker files stand and what their names mean.

Liberal in what is found: an archive, ``markers/``, ``derivatives/markers/``, a folder of
subjects or a single subject; ``_`` or nothing between the words; sides in any spelling.
Level and side come from the name, never from the labels inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from atlas.data.subject import LEVELS, RootKey

# Without a hyphen a digit follows: a folder named "subjects" or "subset" is no subject.
SUBJECT = re.compile(r"sub(?:[-_]|(?=\d))(?P<label>[A-Za-z0-9]+)\Z", re.IGNORECASE)
MARKER = re.compile(
    r"(?P<subject>sub[-_]?[A-Za-z0-9]+?)_?"
    r"(?P<kind>cord|dura|ganglions?|ganglia|nerveroots?)_?"
    r"(?P<rest>[A-Za-z0-9_-]*?)(?:\.mrk)?\.json\Z",
    re.IGNORECASE,
)
STRUCTURE = re.compile(
    r"(?P<level>(?:CO|TH|[CDTLS])\d{1,2})_?(?P<side>left|right|l|r)\Z", re.IGNORECASE
)
# No file system takes a longer name; an archive does, and it would take long to look through.
LONGEST_NAME = 255
# What a fetch that was cut off leaves in its folder.
IN_PROGRESS = ".fetching"
# Folders that systems and programs keep for themselves: bins, indices, snapshots, histories.
SYSTEM_FOLDERS = {
    *(IN_PROGRESS, "__macosx", ".git", ".datalad", ".ipynb_checkpoints", "lost+found"),
    *(".trashes", ".spotlight-v100", ".fseventsd", ".temporaryitems", "$recycle.bin"),
    *("system volume information", "@eadir", "#recycle", "#snapshot", ".snapshot", ".snapshots"),
}
SYSTEM_FILES = {".ds_store", "thumbs.db", "desktop.ini", "icon\r", ".directory"}
KINDS = {"cord": "cord", "dura": "dura", "gangl": "ganglia", "nerve": "roots"}


def file_name(name: str) -> str:
    """The last part of a name inside a tree."""
    return name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class MarkerFile:
    """One marker file and what its name says.

    Parameters
    ----------
    name : str
        Path inside the tree.
    subject : str
        Normalised id of the folder that holds it (``sub-14``), or of the file's own name.
    named_subject : str
        The subject its own name gives, as spelled.
    kind : str
        ``dura``, ``cord``, ``roots`` or ``ganglia``.
    key : RootKey or None
        Level and side of a root or ganglion; None if the name gives none of L1–S2.
    outside : RootKey or None
        Level and side where the level is none of L1–S2 (S3, T12, L6).
    """

    name: str
    subject: str
    named_subject: str
    kind: str
    key: RootKey | None
    outside: RootKey | None = None


def subject_id(text: str) -> str:
    """Normalise a subject's spelling: ``sub_14`` and ``sub14`` are ``sub-14``."""
    match = SUBJECT.match(text)
    return f"sub-{match['label']}" if match else text


def subject_in(name: str) -> str:
    """The subject whose folder, or the folder of whose file, a name is; empty if of none."""
    holders = [part for part in name.split("/") if SUBJECT.match(part)]
    return subject_id(holders[-1]) if holders else ""


def is_system_file(name: str) -> bool:
    """Whether a file is one that macOS, Windows or a desktop put there."""
    return name.startswith("._") or name.lower() in SYSTEM_FILES


def is_system_folder(name: str) -> bool:
    """Whether a folder is a bin, an index, a snapshot or a history of a system or program."""
    lower = name.lower()
    return lower in SYSTEM_FOLDERS or lower.startswith(".trash-")


def marker_files(names: list[str], *, root_name: str = "") -> Iterator[MarkerFile]:
    """Recognise marker files among names.

    Parameters
    ----------
    names : list of str
        Files of a tree.
    root_name : str
        Name of the folder the tree was opened at; a subject where it is spelled like one.

    Yields
    ------
    MarkerFile
        In the order of ``names``.
    """
    for name in names:
        *folders, own = name.split("/")
        match = MARKER.match(own) if len(own) <= LONGEST_NAME else None
        if match is None:
            continue
        holders = [part for part in (root_name, *folders) if SUBJECT.match(part)]
        kind = next(v for k, v in KINDS.items() if match["kind"].lower().startswith(k))
        named = level_and_side(match["rest"]) if kind in ("roots", "ganglia") else None
        known = named is None or named.level in LEVELS
        yield MarkerFile(
            name=name,
            subject=subject_id(holders[-1] if holders else match["subject"]),
            named_subject=match["subject"],
            kind=kind,
            key=named if known else None,
            outside=None if known else named,
        )


def level_and_side(text: str) -> RootKey | None:
    """Level and side of a name's last words, whatever the level; None if they do not say both.

    Examples
    --------
    >>> level_and_side("T12_left")
    RootKey(level='T12', side='left')
    """
    match = STRUCTURE.match(text)
    if match is None:
        return None
    return RootKey(match["level"].upper(), "left" if match["side"][0] in "lL" else "right")


def root_key(text: str) -> RootKey | None:
    """Level and side of a name's last words: ``L3_R``, ``L3right``; None if they say neither.

    Examples
    --------
    >>> root_key("L3_R")
    RootKey(level='L3', side='right')
    >>> root_key("T12_left") is None
    True
    """
    named = level_and_side(text)
    return named if named is not None and named.level in LEVELS else None
