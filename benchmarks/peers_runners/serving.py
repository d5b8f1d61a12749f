"""What every runner in Python does alike: answer requests, one JSON a line, and keep the clock.

``prepare`` builds the objects a library wants, outside of the clock; ``run`` does the task once
and is timed; ``save`` writes what came out, for the check that it equals what others got.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

N_DRAWS = 1000
SEED = 7
VARIANCE_HELD = 0.99
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Group:
    """The arrays every runner gets.

    Parameters
    ----------
    points : (S, L, 3) float
        In poses of their own, mm.
    aligned : (S, L, 3) float
        The same after the reference's alignment: where components alone are timed.
    scheme : dict
        Block sizes of the landmarks, for a library that wants to know.
    """

    points: np.ndarray
    aligned: np.ndarray
    scheme: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Group:
        """From the files of a folder."""
        scheme = json.loads((folder / "scheme.json").read_text("utf-8"))
        aligned = folder / "aligned.npy"
        points = np.load(folder / "points.npy")
        return cls(points, np.load(aligned) if aligned.exists() else points, scheme)


@dataclass(frozen=True)
class Task:
    """One task as a library does it.

    Parameters
    ----------
    prepare : callable
        From the group to what ``run`` takes; outside of the clock.
    run : callable
        The task.
    result : callable
        From what ``run`` returned to arrays by name: ``mean`` (L, 3), ``variance`` (K,),
        ``distances`` (n,): squared, of draws from the mean.
    """

    prepare: Callable[[Group], Any]
    run: Callable[[Any], Any]
    result: Callable[[Any], dict[str, np.ndarray]]


def squared_distances(draws: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Of shapes (n, L, 3) from the mean (L, 3): the same whatever the signs of the modes."""
    return ((draws - mean) ** 2).sum(axis=(1, 2))


def generator() -> np.random.Generator:
    """The one every library's scores are drawn with, so that its draws can be compared."""
    return np.random.default_rng(SEED)


class Runner:
    """A library at work on one group, a task at a time."""

    def __init__(self, tasks: Mapping[str, Task], group: Group) -> None:
        self.tasks, self.group = tasks, group
        self.task: Task | None = None
        self.prepared: Any = None
        self.output: Any = None

    def answer(self, request: dict[str, str]) -> dict[str, Any]:
        """The reply to one request."""
        try:
            return {"prepare": self.prepare, "run": self.run, "save": self.save}[request["do"]](
                request
            )
        except Exception as error:  # a peer may fail in any way; its row says how
            return {"error": f"{type(error).__name__}: {error}"}

    def prepare(self, request: dict[str, str]) -> dict[str, Any]:
        self.prepared = self.output = None
        gc.collect()
        self.task = self.tasks[request["task"]]
        self.prepared = self.task.prepare(self.group)
        return {}

    def run(self, _: dict[str, str]) -> dict[str, Any]:
        assert self.task is not None
        self.output = None
        gc.collect()
        begun, begun_cpu = time.perf_counter(), time.process_time()
        self.output = self.task.run(self.prepared)
        return {
            "seconds": time.perf_counter() - begun,
            "cpu_seconds": time.process_time() - begun_cpu,
        }

    def save(self, request: dict[str, str]) -> dict[str, Any]:
        assert self.task is not None
        shapes = {}
        for name, array in self.task.result(self.output).items():
            np.ascontiguousarray(array, dtype=float).tofile(f"{request['prefix']}{name}.f64")
            shapes[name] = list(np.shape(array))
        return {"arrays": shapes}


def serve(tasks: Mapping[str, Task], packages: tuple[str, ...], notes: Mapping[str, str]) -> None:
    """Answer requests on standard input until it ends; the group's folder is the first argument."""
    # What a library prints must not stand among the replies.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    runner = Runner(tasks, Group.read(Path(sys.argv[1])))
    used = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    hello = {
        "tasks": list(tasks),
        "versions": {name: version(name) for name in ("numpy", *packages)},
        "python": sys.version.split()[0],
        "blas": f"{used['name']} {used['version']}",
        "notes": dict(notes),
    }
    print(json.dumps(hello), file=replies)
    for line in sys.stdin:
        print(json.dumps(runner.answer(json.loads(line))), file=replies)
