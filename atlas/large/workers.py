"""Who does the work of a pass: this process, others on this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from atlas.errors import AtlasError
from atlas.large.landmark_file import DiskGroup, LandmarkFile, blocks
from atlas.large.memory import LEAST_BYTES, Budget
from atlas.shape.group import Block, Group, parts
from atlas.shape.scheme import LandmarkScheme

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from distributed import Client, Future

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# A task that fails is tried again as often; one whose worker is lost is begun anew elsewhere.
RETRIES = 2
# How long a scheduler may take to answer.
PATIENCE = "10s"
INSTALL = "pip install 'lumbosacral-atlas[distributed]'"


class WorkersError(AtlasError):
    """Workers that cannot be had; the text says expected, got and what to do."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Processes:
    """Processes of this machine.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    budget : Budget
        Of each of them.
    """

    executor: Executor
    budget: Budget

    @property
    def link(self) -> str:
        """Nothing to watch."""
        return ""

    def map(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Several at once."""
        return self.executor.map(task, items)

    def group(self, file: LandmarkFile) -> Group:
        """Each process reads the blocks it works on."""
        return _ProcessGroup(file, self.budget, self.executor)


@dataclass(frozen=True, slots=True, eq=False)
class _ProcessGroup(DiskGroup):
    executor: Executor

    def each(
        self, work: Callable[..., Outcome], *shared: Any, own: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Outcomes of a pass, in the order of the blocks."""
        places = blocks(len(self.subject_ids), self.budget.block(self.scheme))
        futures = [
            self.executor.submit(_read_and_work, self.file, where, work, parts(own, where), shared)
            for where in places
        ]
        return (future.result() for future in futures)


def _read_and_work(
    file: LandmarkFile,
    where: slice,
    work: Callable[..., Outcome],
    mine: tuple[Any, ...],
    shared: tuple[Any, ...],
) -> Outcome:
    return work(Block(file.read(where), where), *mine, *shared)


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """Workers of a Dask cluster.

    A worker that is lost takes nothing with it that cannot be made again: blocks are read from
    the file, and what is shared has its recipe with the scheduler.

    Parameters
    ----------
    client : distributed.Client
    budget : Budget
        Of this process; blocks lie with the workers.
    """

    client: Client
    budget: Budget

    @property
    def link(self) -> str:
        """The dashboard of the scheduler."""
        return str(self.client.dashboard_link or "")

    def map(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Tasks of the scheduler, tried again where they fail or their worker is lost."""
        futures = self.client.map(task, list(items), retries=RETRIES, pure=False)
        return _in_order(futures)

    def group(self, file: LandmarkFile) -> Group:
        """Blocks that stay in the memory of the workers."""
        places = blocks(len(file.subject_ids), self._block(file.scheme))
        held = self.client.map(_block, [file] * len(places), places, retries=RETRIES, pure=False)
        return ClusterGroup(file, self.budget, self.client, tuple(places), tuple(held))

    def _block(self, scheme: LandmarkScheme) -> int:
        """Subjects a block: several blocks a thread, so that the last to finish is soon there."""
        return min(self.budget.block(scheme), CLUSTER_BLOCK)


# Subjects a block of a cluster holds: small enough to share out evenly, and to make again.
CLUSTER_BLOCK = 128


def _block(file: LandmarkFile, where: slice) -> Block:
    return Block(file.read(where), where)


@dataclass(frozen=True, slots=True, eq=False)
class ClusterGroup(DiskGroup):
    """A group whose blocks lie with the workers of a cluster.

    Parameters
    ----------
    file : LandmarkFile
        In a folder that every worker sees.
    budget : Budget
    client : distributed.Client
    places : tuple of slice
    held : tuple of distributed.Future
        The blocks.
    """

    client: Client
    places: tuple[slice, ...]
    held: tuple[Future, ...]

    def each(
        self, work: Callable[..., Outcome], *shared: Any, own: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Outcomes of a pass, in the order of the blocks, whichever worker is done first."""
        # Made by a task, not scattered: what was scattered is gone with the worker that held it.
        common = self.client.submit(tuple, shared, pure=False, retries=RETRIES)
        futures = [
            self.client.submit(
                _work, held, work, parts(own, where), common, pure=False, retries=RETRIES
            )
            for held, where in zip(self.held, self.places, strict=True)
        ]
        return _in_order(futures)


def _work(
    block: Block, work: Callable[..., Outcome], mine: tuple[Any, ...], shared: tuple[Any, ...]
) -> Outcome:
    return work(block, *mine, *shared)


def _in_order(futures: list[Future]) -> Iterator[Any]:
    """Results in order, each let go as soon as it is here."""
    futures.reverse()
    while futures:
        yield futures.pop().result()


@contextmanager
def processes(count: int, budget: Budget) -> Iterator[Workers]:
    """Processes of this machine, each with its share of the memory."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    each = Budget(max(budget.total // (count + 1), LEAST_BYTES))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as executor:
        yield Processes(executor, each)


@contextmanager
def cluster(scheduler: str, budget: Budget, *, count: int = 2) -> Iterator[Workers]:
    """Workers of a Dask cluster.

    Parameters
    ----------
    scheduler : str
        ``tcp://host:8786`` of one that runs, or ``local`` to start workers on this machine.
    budget : Budget
        Of this process and, of a local cluster, of all its workers together.
    count : int
        How many workers to start locally.

    Yields
    ------
    Workers

    Raises
    ------
    WorkersError
        Dask is not installed, or nobody answers at the address.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise WorkersError(
            f"scheduler {scheduler}: expected Dask, which is not installed; {INSTALL}"
        ) from None
    if scheduler == "local":
        share = Budget(max(budget.total // (count + 1), LEAST_BYTES))
        with (
            LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                memory_limit=share.total,
                dashboard_address=":0",
            ) as started,
            Client(started) as client,
        ):
            yield Cluster(client, share)
        return
    try:
        client = Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise WorkersError(
            f"scheduler {scheduler}: expected a Dask scheduler, got {error or 'no answer'}; start "
            "one with `dask scheduler` and give its address, or give local"
        ) from None
    with client:
        yield Cluster(client, budget)
