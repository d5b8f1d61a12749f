"""Time commands from a cold process: python benchmarks/cold_start.py [--repeat 5] [--json FILE].

`atlas --help`, and `atlas build` of the built-in cohort with model, meshes, tables and figures:
wall time, processor time, and the most memory of the process and what it starts together.  Prints
JSON.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine
from scaling_watch import EVERY_S, resident, tree
from summaries import spread, tell

from atlas.data.builtin.builtin_cohort import write_surrogate_cohort

ATLAS = [sys.executable, "-m", "atlas"]


def run(command: list[str]) -> dict[str, float]:
    """Run a command; seconds of wall and processor, and the most memory seen, MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin, most = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while process.poll() is None:
        most = max(most, sum(resident(pid)[0] for pid in tree(process.pid)))
        time.sleep(EVERY_S / 5)
    wall = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(process.stderr.read().decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "processor_s": used, "memory_mib": most}


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Median, least and most of each quantity."""
    return {name: spread(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="each command once")
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    repeat = 1 if wanted.quick else wanted.repeat
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_surrogate_cohort(folder / "cohort")
        build = [*ATLAS, "build", str(folder / "cohort"), "-o", str(folder / "atlas")]
        found = {
            "help": summary([run([*ATLAS, "--help"]) for _ in range(repeat)]),
            "build": summary([run(build) for _ in range(repeat)]),
        }
        files = sum(len(names) for _, _, names in os.walk(folder / "cohort"))
    report = {"machine": machine(), "repeats": repeat, "files": files, **found}
    tell(report, wanted.json)


if __name__ == "__main__":
    main()
