"""The stages of one run, timed: python benchmarks/scaling_stages.py REQUEST REPLY, both JSON."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scaling_watch import Request

from atlas.build import SURVEY_MEASURES
from atlas.components.blocks import Block, Group, joined
from atlas.large.building import VARIANCE_HELD
from atlas.large.cluster import Cluster, cluster
from atlas.large.kept_fits import kept_fits
from atlas.large.landmark_file import LandmarkFile
from atlas.large.landmarking import place_on_disk, survey
from atlas.large.memory import Budget
from atlas.large.processes import processes
from atlas.large.saving import save_group_atlas
from atlas.large.subject_folders import list_subjects
from atlas.large.workers import Alone, Workers
from atlas.model.fitting import fit_group_model, fit_shape_model
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import align
from atlas.procrustes.generalised import Registration, register
from atlas.registered import registered
from atlas.store import Atlas, Settings, save_atlas

READY_S = 0.05
# Alignment has begun by its third pass: sums of the first mean are in, blocks lie with workers.
KILLED_IN_PASS = 3


class Watch:
    """When each stage began and ended, by the clock all processes of the machine share."""

    def __init__(self) -> None:
        self.stages: list[dict[str, Any]] = []

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self.stages.append({"stage": stage, "begin": begin, "end": time.monotonic()})


def main() -> None:
    """Do what the request says, write the reply."""
    order, reply = map(Path, sys.argv[1:])
    request = Request(**json.loads(order.read_text("utf-8")))
    watch = Watch()
    load = os.getloadavg()[0]
    if request.mode == "memory":
        found = in_memory(request, watch)
    else:
        with hired(request, watch) as workers:
            work = from_files if request.task == "files" else from_landmarks
            found = work(request, workers, watch)
    peaks = [resource.getrusage(who).ru_maxrss for who in PEAKS.values()]
    found |= {"stages": watch.stages, "load_average_1_min": [load, os.getloadavg()[0]]}
    found["peak_mib"] = {name: kib / 1024 for name, kib in zip(PEAKS, peaks, strict=True)}
    reply.write_text(json.dumps(found), "utf-8")


# The most any one process held, as the system kept it; workers once they have ended.
PEAKS = {"main": resource.RUSAGE_SELF, "largest_worker": resource.RUSAGE_CHILDREN}


@contextmanager
def hired(request: Request, watch: Watch) -> Iterator[Workers]:
    """The workers of a mode, each of them ready."""
    budget = Budget.of(request.max_memory)
    if request.mode == "alone":
        yield Alone(budget)
        return
    begin = time.monotonic()
    hiring = (
        cluster("local", budget, count=request.workers)
        if request.mode == "dask"
        else processes(request.workers, budget)
    )
    with hiring as workers:
        seen: set[int] = set()
        while len(seen) < request.workers:
            seen |= set(workers.map(ready, range(4 * request.workers)))
        watch.stages.append({"stage": "start", "begin": begin, "end": time.monotonic()})
        yield workers


def ready(_: int) -> int:
    """This worker, with the program imported; slow enough that each of them gets a turn."""
    time.sleep(READY_S)
    return os.getpid()


def from_files(request: Request, workers: Workers, watch: Watch) -> dict[str, Any]:
    """Survey and landmarks of a folder of subjects."""
    listing = list_subjects(request.source)
    assert listing is not None
    scheme = Settings().scheme
    measures = next(entry.load() for entry in registered(SURVEY_MEASURES))
    with kept_fits(Path(request.out), scheme) as fits:
        with watch("survey"):
            surveyed = survey(listing, fits, workers, measures=measures)
        with watch("place"):
            file = place_on_disk(surveyed, fits, workers, Path(request.out) / "landmarks.h5")
    some = file.read(slice(0, len(file.subject_ids), max(1, len(file.subject_ids) // 100)))
    values = np.concatenate([s.measures for s in surveyed.subjects])
    np.savez(Path(request.out) / "result.npz", points=some.points, measures=values)
    return {}


def from_landmarks(request: Request, workers: Workers, watch: Watch) -> dict[str, Any]:
    """Alignment, model and file of a group on disk."""
    group = workers.group(LandmarkFile.open(request.source))
    lost = 0
    if request.kill:
        assert isinstance(workers, Cluster)
        lost = victim(workers)
        group = Killing(group, lost, [])
    with watch("align"):
        placed = register(group)
    with watch("model"):
        model = fit_group_model(group, placed, variance_held=VARIANCE_HELD)
    with watch("write"):
        scores = joined(group.each(scores_of, placed, model))
        save_group_atlas(
            Path(request.out) / "model.h5",
            group,
            placed,
            model,
            settings=Settings(variance_held=VARIANCE_HELD),
            provenance={},
            scores=scores,
        )
    if isinstance(workers, Cluster):
        assert lost not in workers.client.run(os.getpid).values()
    return kept(request, model) | {"rounds": placed.n_iterations, "converged": placed.converged}


def scores_of(block: Block, placed: Registration, model: ShapeModel) -> np.ndarray:
    """Scores (S, K) of a block of subjects."""
    return model.scores(placed.aligned(block)[0])


def in_memory(request: Request, watch: Watch) -> dict[str, Any]:
    """The same with the group in memory, as small groups are built."""
    landmarks = LandmarkFile.open(request.source).read(slice(None))
    with watch("align"):
        alignment = align(landmarks)
    with watch("model"):
        model = fit_shape_model(alignment, variance_held=VARIANCE_HELD)
    with watch("write"):
        atlas = Atlas(model, alignment, Settings(variance_held=VARIANCE_HELD))
        save_atlas(atlas, Path(request.out) / "model.h5")
    return kept(request, model) | {
        "rounds": alignment.n_iterations,
        "converged": alignment.converged,
    }


def kept(request: Request, model: ShapeModel) -> dict[str, Any]:
    """Keep the numbers of a model that runs are compared by."""
    np.savez(Path(request.out) / "result.npz", mean=model.mean, variance=model.variance)
    return {"modes": model.n_modes}


def victim(workers: Cluster) -> int:
    """The process of one worker."""
    return min(workers.client.run(os.getpid).values())


@dataclass(frozen=True)
class Killing:
    """A group of which a worker is killed right after the tasks of one pass were handed out."""

    group: Group
    worker: int
    passes: list[str]

    @property
    def scheme(self) -> Any:
        """The landmarks every subject has."""
        return self.group.scheme

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """Names of the subjects."""
        return self.group.subject_ids

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.group.whole

    def fits(self, n_bytes: int) -> bool:
        """Whether so many bytes may lie here."""
        return self.group.fits(n_bytes)

    def each(self, work: Callable[..., Any], *shared: Any, own: Sequence[Any] = ()) -> Any:
        """Outcomes of a pass, with a worker less than when it began in one of them."""
        outcomes = self.group.each(work, *shared, own=own)
        self.passes.append(work.__name__)
        if len(self.passes) == KILLED_IN_PASS:
            os.kill(self.worker, signal.SIGKILL)
        return outcomes


if __name__ == "__main__":
    main()
