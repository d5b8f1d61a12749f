"""A run in a process of its own, with the memory of the process and of all its workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

EVERY_S = 0.05
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
STAGES_SCRIPT = Path(__file__).with_name("scaling_stages.py")
# One thread a process, so that workers are compared by their number.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Request:
    """What a process is to do.

    Parameters
    ----------
    task : str
        ``files``, ``landmarks`` or ``missing``.
    mode : str
        ``memory``, ``alone``, ``processes`` or ``dask``.
    subjects : int
    source : str
        Dataset or landmark file.
    out : str
        Folder for what it writes.
    max_memory : str
        As ``atlas build --max-memory`` takes it.
    workers : int
    kill : bool
        Whether one worker is killed in mid-run.
    """

    task: str
    mode: str
    subjects: int
    source: str
    out: str
    max_memory: str
    workers: int = 2
    kill: bool = False


class Sample(NamedTuple):
    """Memory at one time, MiB: resident, and of it what is no file (``own``)."""

    at: float
    main: float
    main_own: float
    tree: float
    tree_own: float


class RunError(Exception):
    """A run that failed; the text is its last words."""


def watched(request: Request) -> dict[str, Any]:
    """Run a request; its stages with seconds and the most memory that was seen in each."""
    out = Path(request.out)
    order, reply = out / "request.json", out / "reply.json"
    order.write_text(json.dumps(asdict(request)), "utf-8")
    with (out / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(STAGES_SCRIPT), str(order), str(reply)],
            stdout=log,
            stderr=log,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
        )
        samples: list[Sample] = []
        watcher = threading.Thread(target=_watch, args=(process, samples))
        watcher.start()
        code = process.wait()
        watcher.join()
    if code or not reply.exists():
        lines = (out / "log.txt").read_text("utf-8", "replace").strip().splitlines()
        raise RunError(lines[-1] if lines else f"ended with code {code}")
    found = json.loads(reply.read_text("utf-8"))
    for stage in found["stages"]:
        begin, end = stage.pop("begin"), stage.pop("end")
        stage["seconds"] = end - begin
        stage["memory_mib"] = most(s for s in samples if begin <= s.at <= end + EVERY_S)
    found["memory_mib"] = most(samples)
    return found


def most(samples: Iterable[Sample]) -> dict[str, float] | None:
    """The most of each kind of memory; None where nothing was seen."""
    seen = [s[1:] for s in samples]
    if not seen:
        return None
    highest = [max(column) for column in zip(*seen, strict=True)]
    return dict(zip(Sample._fields[1:], highest, strict=True))


def _watch(process: subprocess.Popen[bytes], samples: list[Sample]) -> None:
    while process.poll() is None:
        at = time.monotonic()
        seen = [resident(pid) for pid in tree(process.pid)]
        if seen:
            sums = [sum(column) for column in zip(*seen, strict=True)]
            samples.append(Sample(at, *seen[0], *sums))
        time.sleep(max(0.0, EVERY_S - (time.monotonic() - at)))


def tree(pid: int) -> list[int]:
    """A process and all that descend from it; only itself where the system does not tell."""
    found = [pid]
    for parent in found:
        for task in _listed(Path(f"/proc/{parent}/task")):
            try:
                found += [int(child) for child in (task / "children").read_text("ascii").split()]
            except OSError:
                continue
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def resident(pid: int) -> tuple[float, float]:
    """Resident memory of a process and what of it is no mapped file, MiB; 0 once it is gone."""
    try:
        _, total, files, *_ = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    except (OSError, ValueError):
        return 0.0, 0.0
    return int(total) * PAGE_MIB, (int(total) - int(files)) * PAGE_MIB
