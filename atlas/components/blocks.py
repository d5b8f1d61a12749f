"""A group of subjects as blocks over which work passes: the whole in memory, or a part at a time.

Alignment and components are written as passes: pure functions of one block, whose outcomes are
added up or joined.  Where the blocks lie, in this process, on disk or with other workers, is a
matter of the group alone, so that one algorithm serves a dozen subjects and ten thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import LandmarkScheme, Status

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some subjects of a group, one after the other.

    Parameters
    ----------
    landmarks : LandmarkSet
        Of these subjects.
    where : slice
        Their places in the group.
    """

    landmarks: LandmarkSet
    where: slice

    @property
    def present(self) -> np.ndarray:
        """What is not missing, (S, L) bool."""
        present: np.ndarray = self.landmarks.status != Status.MISSING
        return present


class Group(Protocol):
    """Subjects in one scheme, over which work passes block by block."""

    @property
    def scheme(self) -> LandmarkScheme:
        """The landmarks every subject has, depths included."""

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """Names of the subjects, in the order of all results."""

    @property
    def whole(self) -> bool:
        """Whether no landmark of any subject is missing."""

    def fits(self, n_bytes: int) -> bool:
        """Whether so many bytes of results may lie in this process at once."""

    def each(
        self, work: Callable[..., Outcome], *shared: Any, own: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Outcomes of a pass, block after block in the order of the subjects.

        Parameters
        ----------
        work : callable
            A function of a module, ``work(block, *own parts, *shared)``, that changes nothing.
        shared : object
            The same for every block.
        own : sequence
            Things with a row a subject, of which each block gets its slice; None stays None.
        """


@dataclass(frozen=True, slots=True, eq=False)
class MemoryGroup:
    """A group that lies in memory, as one block.

    Parameters
    ----------
    landmarks : LandmarkSet
    """

    landmarks: LandmarkSet
    block: Block = field(init=False, repr=False)

    def __post_init__(self) -> None:
        everybody = slice(0, len(self.landmarks.subject_ids))
        object.__setattr__(self, "block", Block(self.landmarks, everybody))

    @property
    def scheme(self) -> LandmarkScheme:
        """The landmarks every subject has, depths included."""
        return self.landmarks.scheme

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """Names of the subjects."""
        return self.landmarks.subject_ids

    @property
    def whole(self) -> bool:
        """Whether no landmark of any subject is missing."""
        return not bool((self.landmarks.status == Status.MISSING).any())

    def fits(self, n_bytes: int) -> bool:  # noqa: ARG002
        """Always: the landmarks are here already."""
        return True

    def each(
        self, work: Callable[..., Outcome], *shared: Any, own: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """The outcome of a pass over the one block."""
        yield work(self.block, *own, *shared)


def parts(own: Sequence[Any], where: slice) -> tuple[Any, ...]:
    """The rows of one block of things with a row a subject; None stays None."""
    return tuple(None if one is None else one[where] for one in own)


def total(outcomes: Iterator[Any]) -> Any:
    """The sum of outcomes that add, in the order they come, so that rounding is the same."""
    result = next(outcomes)
    for outcome in outcomes:
        result = result + outcome
    return result


def joined(outcomes: Iterator[np.ndarray]) -> np.ndarray:
    """Outcomes with a row a subject as one array for the group."""
    found = list(outcomes)
    return found[0] if len(found) == 1 else np.concatenate(found)
