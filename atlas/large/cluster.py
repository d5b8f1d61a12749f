"""Workers of a Dask cluster, on this machine or on many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from atlas.components.blocks import Block, Group, parts
from atlas.landmarks.scheme import LandmarkScheme
from atlas.large.in_turn import in_turn
from atlas.large.landmark_file import DiskGroup, LandmarkFile, blocks
from atlas.large.memory import BLOCK_SHARE, LEAST_BYTES, PROGRAM_BYTES, Budget, subject_bytes
from atlas.large.workers import Workers, WorkersError, check_main_guard, read_and_work

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# A task that fails is tried again as often; one whose worker is lost is begun anew elsewhere.
RETRIES = 2
# How long a scheduler may take to answer.
PATIENCE = "10s"
INSTALL = "pip install 'lumbosacral-atlas[distributed]'"


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
        """Blocks that stay in the memory of the workers; read in every pass where they cannot."""
        places = tuple(blocks(len(file.subject_ids), self._block(file.scheme)))
        if not self._held(file):
            return ClusterGroup(file, self.budget, self.client, places, ())
        common = self.client.submit(tuple, (file,), pure=False, retries=RETRIES)
        held = self.client.map(_block, [common] * len(places), places, retries=RETRIES, pure=False)
        return ClusterGroup(file, self.budget, self.client, places, tuple(held))

    def _held(self, file: LandmarkFile) -> bool:
        """Whether the workers together have room for the group beside their work."""
        limits = self.client.run(_memory_limit).values()
        room = sum(BLOCK_SHARE * max(limit - PROGRAM_BYTES, 0) for limit in limits)
        return HELD_COPIES * len(file.subject_ids) * subject_bytes(file.scheme) <= room

    def _block(self, scheme: LandmarkScheme) -> int:
        """Subjects a block: several blocks a thread, so that the last to finish is soon there."""
        return min(self.budget.block(scheme), CLUSTER_BLOCK)


# Subjects a block of a cluster holds: small enough to share out evenly, and to make again.
CLUSTER_BLOCK = 128
# Copies of its landmarks that a block keeps: as read, and centred.
HELD_COPIES = 3


def _memory_limit(dask_worker: Any) -> float:
    """Bytes a worker may take; one that is not limited holds whatever comes."""
    return float(dask_worker.memory_manager.memory_limit or math.inf)


def _block(common: tuple[LandmarkFile], where: slice) -> Block:
    return Block(common[0].read(where), where)


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
        The blocks; none where they are read anew in every pass.
    """

    client: Client
    places: tuple[slice, ...]
    held: tuple[Future, ...]

    def each(
        self, work: Callable[..., Outcome], *shared: Any, own: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Outcomes of a pass, in the order of the blocks, whichever worker is done first."""
        if not self.held:
            return self._reading(work, shared, own)
        common = self._common(shared)
        futures = [
            self.client.submit(
                _work, held, work, parts(own, where), common, pure=False, retries=RETRIES
            )
            for held, where in zip(self.held, self.places, strict=True)
        ]
        return _in_order(futures)

    def _reading(
        self, work: Callable[..., Outcome], shared: tuple[Any, ...], own: Sequence[Any]
    ) -> Iterator[Outcome]:
        common = self._common((self.file, work, shared))

        def submit(where: slice) -> Future:
            mine = parts(own, where)
            return self.client.submit(
                read_and_work, common, where, mine, pure=False, retries=RETRIES
            )

        # Outcomes that are not fetched yet lie with workers that have little memory.
        return in_turn(submit, self.places, sum(self.client.nthreads().values()) or 1)

    def _common(self, shared: tuple[Any, ...]) -> Future:
        """What the blocks of a pass share, with the workers."""
        # Made by a task, not scattered: what was scattered is gone with the worker that held it.
        return self.client.submit(tuple, shared, pure=False, retries=RETRIES)


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
        check_main_guard()
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
