"""What runs are summed up to: seconds and memory over repeats, exponents, and equality."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from summaries import spread

MODES = {
    "memory": "in memory",
    "alone": "one process",
    "processes": "two processes",
    "dask": "Dask, two workers",
}
STAGES = {
    "start": "start of the workers",
    "survey": "read, check and measure",
    "place": "place landmarks",
    "align": "align",
    "model": "model",
    "write": "scores and file",
}
# Less than this of the mean's size, or of a variance, is rounding.
EQUAL = 1e-8
# The start of workers costs the same for any group.
FIXED = ("start",)


def summed_up(runs: Sequence[dict[str, Any]], wanted: dict[str, Any]) -> dict[str, Any]:
    """One row of repeats: median seconds of each stage with least and most, most memory."""
    stages = {}
    for stage in [s["stage"] for s in runs[0]["stages"]]:
        found = [s for run in runs for s in run["stages"] if s["stage"] == stage]
        stages[stage] = spread(s["seconds"] for s in found) | {
            "memory_mib": largest(s["memory_mib"] for s in found)
        }
    work = [sum(s["seconds"] for s in run["stages"] if s["stage"] not in FIXED) for run in runs]
    kept = {name: runs[0][name] for name in ("modes", "rounds", "converged") if name in runs[0]}
    return wanted | {
        "runs": len(runs),
        "stages": stages,
        "seconds": spread(work),
        "memory_mib": largest(run["memory_mib"] for run in runs),
        "peak_mib": largest(run["peak_mib"] for run in runs),
        "load_average_1_min": [run["load_average_1_min"] for run in runs],
        "failure": "",
        **kept,
    }


def largest(memories: Iterable[dict[str, float] | None]) -> dict[str, float] | None:
    """The most of each kind over some runs; None where it was not seen."""
    seen = [m for m in memories if m is not None]
    if not seen:
        return None
    return {name: max(m[name] for m in seen) for name in seen[0]}


def exponents(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How the seconds of each stage grow, as a power of the number of subjects, mode by mode."""
    found = []
    done = [r for r in rows if not r["failure"]]
    for task, mode in dict.fromkeys((r["task"], r["mode"]) for r in done):
        some = [r for r in done if (r["task"], r["mode"]) == (task, mode)]
        if len({r["subjects"] for r in some}) < 2:
            continue
        sizes = [r["subjects"] for r in some]
        powers = {
            stage: power(sizes, [r["stages"][stage]["median"] for r in some])
            for stage in some[0]["stages"]
            if stage not in FIXED
        }
        powers["all"] = power(sizes, [r["seconds"]["median"] for r in some])
        found.append({"task": task, "mode": mode, "sizes": sizes, "exponents": powers})
    return found


def power(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log seconds on log size, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def differences(result: Path, reference: Path) -> dict[str, float | None]:
    """How far each array of a run is from that of another: of its size, or of each variance.

    None where there is nothing to compare: other shapes, or other values missing.
    """
    found: dict[str, float | None] = {}
    with np.load(result) as ours, np.load(reference) as theirs:
        for name in theirs.files:
            a, b = ours[name], theirs[name]
            if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
                found[name] = None
            elif name == "variance":
                found[name] = float((np.abs(a - b) / b).max())
            else:
                apart = np.linalg.norm(np.nan_to_num(a - b))
                found[name] = float(apart / np.linalg.norm(np.nan_to_num(b)))
    return found


def is_equal(found: dict[str, float | None], tolerance: float = EQUAL) -> bool:
    """Whether there was something to compare, and all of it is alike."""
    return bool(found) and all(d is not None and d <= tolerance for d in found.values())
