"""A runner as a process that stays alive, and whether what it got equals the reference."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from machine import forget_peak_memory, peak_memory_mib
from peers_environments import Peer

THREADS = 2
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Means and eigenvalues that agree to this are equal; ratios of times are made of no others.
EQUAL = 1e-6


class RunnerError(Exception):
    """A runner that failed, died or took too long; the text stands in its row."""


class Process:
    """One peer at work on one group.

    Parameters
    ----------
    peer : Peer
    command : list of str
    folder : Path
        Of the group; replies are written there.
    patience_s : float
        For any one answer.
    """

    def __init__(self, peer: Peer, command: list[str], folder: Path, patience_s: float) -> None:
        self.peer, self.folder, self.patience_s = peer, folder, patience_s
        settings = dict.fromkeys(THREAD_VARIABLES, str(THREADS))
        with (folder / f"{peer.name}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, str(folder), *([peer.r_package] if peer.r_package else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **settings},
            )
        try:
            self.hello = self._reply()
        except RunnerError:
            self.close()
            raise

    def is_alive(self) -> bool:
        """Whether it still answers."""
        return self.process.poll() is None

    def prepare(self, task: str) -> None:
        """Let it build what it needs for a task; its peak memory counts from here."""
        forget_peak_memory(self.process.pid)
        self._ask({"do": "prepare", "task": task})

    def run(self) -> tuple[float, float]:
        """Seconds on the clock and of the processor that the task took once."""
        took = self._ask({"do": "run"})
        return took["seconds"], took["cpu_seconds"]

    def peak_mib(self) -> float:
        """Most memory it held since it began to prepare the task, input included, MiB."""
        return peak_memory_mib(self.process.pid)

    def result(self) -> dict[str, np.ndarray]:
        """What the last run gave, as arrays by name."""
        prefix = str(self.folder / f"{self.peer.name}-")
        shapes = self._ask({"do": "save", "prefix": prefix})["arrays"]
        return {
            name: np.fromfile(f"{prefix}{name}.f64").reshape(shape)
            for name, shape in shapes.items()
        }

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    def _ask(self, request: dict[str, str]) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RunnerError(self._last_words()) from None
        reply = self._reply()
        if "error" in reply:
            raise RunnerError(str(reply["error"]).strip().splitlines()[0])
        return reply

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], self.patience_s)
        if not ready:
            self.close()
            raise RunnerError(f"more than {self.patience_s:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise RunnerError(self._last_words())
        return dict(json.loads(line))

    def _last_words(self) -> str:
        said = (self.folder / f"{self.peer.name}.log").read_text("utf-8", "replace").split("\n")
        words = [line.strip() for line in said if line.strip()]
        return f"died: {words[-1] if words else 'without a word'}"


def deviation(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> dict[str, Any]:
    """How far a result is from the reference's, by name; relative, 0 where it is the same.

    Means are compared after the rigid motion that fits them best, since a frame is a choice.
    A different number of modes is no number at all: it is said in words.
    """
    found: dict[str, Any] = {}
    if "mean" in got and "mean" in wanted:
        found["mean"] = after_rigid_motion(got["mean"], wanted["mean"])
    for name in ("variance", "distances"):
        if name in got and name in wanted:
            a, b = got[name], wanted[name]
            same = a.shape == b.shape
            found[name] = (
                float(np.abs(a / b - 1).max()) if same else f"{len(a)} instead of {len(b)}"
            )
    return found


def is_equal(found: dict[str, Any]) -> bool:
    """Whether a result is the reference's to within ``EQUAL``, in everything it was compared in."""
    return bool(found) and all(
        not isinstance(value, str) and value <= EQUAL for value in found.values()
    )


def after_rigid_motion(moving: np.ndarray, fixed: np.ndarray) -> float:
    """What is left between shapes (L, 3) after the best proper rigid motion, over the size."""
    a, b = moving - moving.mean(axis=0), fixed - fixed.mean(axis=0)
    u, _, vt = np.linalg.svd(a.T @ b)
    u[:, 2] *= np.linalg.det(u @ vt)
    return float(np.linalg.norm(a @ (u @ vt) - b) / np.linalg.norm(b))
