"""How much memory there is, how much work needs, and how many subjects a block may hold."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from atlas.errors import AtlasError
from atlas.landmarks.scheme import LandmarkScheme

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
SIZE = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)i?b?\s*", re.IGNORECASE)
MOST_DIGITS = 30
# Share of the memory that is free, where nothing else is said.
SHARE = 0.5
# Python with numpy, scipy, HDF5 and pandas, before any subject is read.
PROGRAM_BYTES = 256 << 20
# Less than this leaves no room for any work beside the program.
LEAST_BYTES = PROGRAM_BYTES + (64 << 20)
# What a build by passes takes at its end, when it draws and writes tables, and what it keeps of
# each subject until then: measures, scores, findings, provenance.
END_BYTES = 308 << 20
KEPT_BYTES = 68 << 10
# Copies of a subject's landmarks that a build in memory holds at its widest: raw, aligned,
# completed, centred, deviations, and modes as many as subjects.
COPIES_IN_MEMORY = 8
# What a subject as annotated takes beside its landmarks: contours, traces, their fitted curves.
ANNOTATION_BYTES = 1 << 20
# Copies of a block's landmarks that a pass holds at its widest.
COPIES_IN_A_PASS = 8
# Results of passes (spaces of modes) share the rest with blocks.
BLOCK_SHARE = 0.5
MOST_SUBJECTS = 512


class TooLittleMemoryError(AtlasError):
    """A size that is none, or too little memory to work with; the text says expected and got."""


def parse_size(text: str) -> int:
    """Bytes of a size as people write it.

    Examples
    --------
    >>> parse_size("2GiB"), parse_size("500 MB"), parse_size("1.5g")
    (2147483648, 524288000, 1610612736)
    """
    match = SIZE.fullmatch(text)
    # More digits than these are no memory of any machine, and no number of a float either.
    if match is None or len(match["number"]) > MOST_DIGITS:
        raise TooLittleMemoryError(f"max-memory: expected a size like 2GiB or 500MB, got {text!r}")
    return int(float(match["number"]) * UNITS[match["unit"].lower()])


def free_memory() -> int:
    """Bytes of memory that are free on this machine, by the system's own estimate."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 4 << 30


def subject_bytes(scheme: LandmarkScheme) -> int:
    """Bytes of one subject's landmarks as float64."""
    return scheme.size * 3 * 8


def least_for(subjects: int) -> int:
    """Bytes without which a build by passes of so many subjects cannot be."""
    return max(LEAST_BYTES, END_BYTES + subjects * KEPT_BYTES)


@dataclass(frozen=True, slots=True)
class Budget:
    """What memory a build may take.

    Parameters
    ----------
    total : int
        Bytes for this process, the program itself included.
    """

    total: int

    def __post_init__(self) -> None:
        if self.total < LEAST_BYTES:
            raise TooLittleMemoryError(
                f"max-memory: expected at least {LEAST_BYTES >> 20} MiB, of which the program "
                f"itself takes {PROGRAM_BYTES >> 20}, got {self.total >> 20} MiB"
            )

    @classmethod
    def of(cls, text: str | None) -> Budget:
        """Of a size as people write it; half of what is free by default."""
        if text is not None:
            return cls(parse_size(text))
        return cls(max(LEAST_BYTES, int(SHARE * free_memory())))

    @property
    def work(self) -> int:
        """Bytes beside the program."""
        return self.total - PROGRAM_BYTES

    def holds(self, subjects: int, scheme: LandmarkScheme) -> bool:
        """Whether a group of so many subjects is built in memory."""
        each = COPIES_IN_MEMORY * subject_bytes(scheme) + ANNOTATION_BYTES
        return subjects * each <= self.work

    def block(self, scheme: LandmarkScheme) -> int:
        """How many subjects a block of a pass holds."""
        each = COPIES_IN_A_PASS * subject_bytes(scheme)
        return max(1, min(MOST_SUBJECTS, int(BLOCK_SHARE * self.work) // each))
