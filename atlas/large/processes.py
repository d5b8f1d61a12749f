"""Workers that are processes of this machine."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from atlas.components.blocks import Group, parts
from atlas.large.in_turn import in_turn
from atlas.large.landmark_file import DiskGroup, LandmarkFile, blocks
from atlas.large.memory import LEAST_BYTES, Budget
from atlas.large.workers import UNGUARDED, Workers, WorkersError, check_main_guard, read_and_work
from atlas.pools import worker_pool

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
ADVICE = "take fewer, or --scheduler local, which begins anew what a lost worker did"


@dataclass(frozen=True, slots=True, eq=False)
class Processes:
    """Processes of this machine.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    budget : Budget
        Of each of them.
    count : int
        How many they are.
    place : Path
        A folder of this build alone: what all blocks of a pass share is handed over there.
    """

    executor: Executor
    budget: Budget
    count: int
    place: Path

    @property
    def link(self) -> str:
        """Nothing to watch."""
        return ""

    def map(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Several at once."""
        return in_turn(lambda item: self.executor.submit(task, item), items, self.count)

    def group(self, file: LandmarkFile) -> Group:
        """Each process reads the blocks it works on."""
        return _ProcessGroup(file, self.budget, self)


@dataclass(frozen=True, slots=True, eq=False)
class _ProcessGroup(DiskGroup):
    workers: Processes

    def each(
        self, work: Callable[..., Outcome], *shared: Any, own: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Outcomes of a pass, in the order of the blocks."""
        places = blocks(len(self.subject_ids), self.budget.block(self.scheme))
        # Once a pass, not with every block: it grows with the group, as the blocks do in number.
        handle, common = tempfile.mkstemp(dir=self.workers.place)
        with os.fdopen(handle, "wb") as file:
            pickle.dump((self.file, work, shared), file, pickle.HIGHEST_PROTOCOL)

        def submit(where: slice) -> Future[Outcome]:
            return self.workers.executor.submit(_handed_over, common, where, parts(own, where))

        return _then_removed(in_turn(submit, places, self.workers.count), Path(common))


def _then_removed(outcomes: Iterator[Outcome], common: Path) -> Iterator[Outcome]:
    try:
        yield from outcomes
    finally:
        common.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _common(path: str) -> tuple[Any, ...]:
    """What the blocks of a pass share, read by a worker once."""
    with open(path, "rb") as file:  # noqa: PTH123
        found: tuple[Any, ...] = pickle.load(file)  # noqa: S301  # written by this very build
    return found


def _handed_over(common: str, where: slice, mine: tuple[Any, ...]) -> Any:
    return read_and_work(_common(common), where, mine)


@contextmanager
def processes(count: int, budget: Budget, *, inside: Path | None = None) -> Iterator[Workers]:
    """Processes of this machine, each with its share of the memory.

    Parameters
    ----------
    count : int
    budget : Budget
        Of all together, and this process.
    inside : Path, optional
        Where the folder lies through which they get what all share; that of the system by default.
    """
    check_main_guard()
    each = Budget(max(budget.total // (count + 1), LEAST_BYTES))
    with (
        tempfile.TemporaryDirectory(prefix="atlas-", dir=inside) as place,
        worker_pool(count, advice=ADVICE) as executor,
    ):
        try:
            executor.submit(int).result()
        except BrokenProcessPool:
            # Before there was any work: it was the script that the worker could not load.
            raise WorkersError(UNGUARDED) from None
        yield Processes(executor, each, count, Path(place))
