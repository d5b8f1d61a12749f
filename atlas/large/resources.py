"""What a build may use: memory, processes of this machine, a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atlas.landmarks.scheme import LandmarkScheme
from atlas.large.cluster import cluster
from atlas.large.memory import LEAST_BYTES, Budget, TooLittleMemoryError, least_for
from atlas.large.processes import processes
from atlas.large.workers import Alone, Workers, WorkersError


@dataclass(frozen=True, slots=True)
class Resources:
    """What a build may use.

    Parameters
    ----------
    max_memory : str or None
        ``2GiB``, ``500MB``; half of what is free by default.
    workers : int
        Processes; with a local scheduler those of Dask.
    scheduler : str or None
        ``tcp://host:8786`` of a Dask cluster, or ``local`` to start one on this machine.
    """

    max_memory: str | None = None
    workers: int = 1
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise WorkersError(f"workers: expected 1 or more, got {self.workers}")

    @property
    def budget(self) -> Budget:
        """The memory as bytes."""
        return Budget.of(self.max_memory)

    def expect_room(self, subjects: int) -> None:
        """Refuse a limit that a build by passes of so many subjects cannot keep to.

        Raises
        ------
        TooLittleMemoryError
            The text says the least that works.
        """
        if self.max_memory is None:
            return
        own = self.workers if self.scheduler is None and self.workers > 1 else 0
        least = least_for(subjects) + own * LEAST_BYTES
        if self.budget.total < least:
            raise TooLittleMemoryError(
                f"max-memory: expected at least {-(-least >> 20)} MiB for {subjects:,} subjects"
                f"{f' and {own} workers' if own else ''}, got {self.budget.total >> 20} MiB"
            )

    def by_passes(self, subjects: int, scheme: LandmarkScheme) -> bool:
        """Whether a group is built block by block: others work on it, or it does not fit."""
        asked = self.scheduler is not None or self.workers > 1
        return asked or not self.budget.holds(subjects, scheme)

    @contextmanager
    def at_work(self, inside: Path | None = None) -> Iterator[Workers]:
        """Those who do the work, for as long as it takes.

        Parameters
        ----------
        inside : Path, optional
            Where they may put what is gone with the work.
        """
        if self.scheduler is not None:
            count = self.workers if self.workers > 1 else 2
            with cluster(self.scheduler, self.budget, count=count) as workers:
                yield workers
        elif self.workers > 1:
            with processes(self.workers, self.budget, inside=inside) as workers:
                yield workers
        else:
            yield Alone(self.budget)
