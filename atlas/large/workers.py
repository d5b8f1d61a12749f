"""Who does the work of a pass: this process alone, or others that stand behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import current_process
from typing import Any, Protocol, TypeVar

from atlas.components.blocks import Block, Group
from atlas.errors import AtlasError
from atlas.large.landmark_file import DiskGroup, LandmarkFile
from atlas.large.memory import Budget
from atlas.surroundings import main_is_guarded

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class WorkersError(AtlasError):
    """Workers that cannot be had; the text says expected, got and what to do."""


UNGUARDED = (
    "workers: expected a script that workers can load, got one that begins its work as it is "
    'loaded, and so in every worker; put the work under `if __name__ == "__main__":`, or take '
    "workers=1"
)


def check_main_guard() -> None:
    """Refuse to start workers that would run the whole script they were started from.

    Raises
    ------
    WorkersError
        The script has no ``if __name__ == "__main__":``, or this is a worker that just loads it.
    """
    if getattr(current_process(), "_inheriting", False) or not main_is_guarded():
        raise WorkersError(UNGUARDED)


class Workers(Protocol):
    """Who does the work."""

    def map(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Outcomes of a function of a module, in the order of the items."""

    def group(self, file: LandmarkFile) -> Group:
        """Landmarks on disk as a group over which these workers pass."""

    @property
    def link(self) -> str:
        """Where to watch them; empty where nothing is to be seen."""


@dataclass(frozen=True, slots=True)
class Alone:
    """The process of the build alone.

    Parameters
    ----------
    budget : Budget
    """

    budget: Budget

    @property
    def link(self) -> str:
        """Nothing to watch."""
        return ""

    def map(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """One after the other."""
        return map(task, items)

    def group(self, file: LandmarkFile) -> Group:
        """A block at a time in memory."""
        return DiskGroup(file, self.budget)


def read_and_work(common: tuple[Any, ...], where: slice, mine: tuple[Any, ...]) -> Any:
    """The outcome of a block, read by the worker from the file."""
    file, work, shared = common
    return work(Block(file.read(where), where), *mine, *shared)
