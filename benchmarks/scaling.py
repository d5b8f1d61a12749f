"""How a build grows with its group: python benchmarks/scaling.py.

    python benchmarks/scaling.py [--sizes 100,1000,10000] [--files-up-to 1000] [--scratch FOLDER]
                                 [--kill] [--quick] [--json FILE] [--markdown FILE]

Generated subjects, from their files and from landmarks on disk, with one process, two processes
and Dask: seconds and memory of each stage, every run in a fresh process, and whether all give the
same.  ``--kill`` ends one Dask worker in mid-run.  ``--markdown docs/performance.md`` writes the
tables between that page's markers.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import machine
from scaling_inputs import cohort, landmark_file, read_through
from scaling_records import differences, exponents, is_equal, summed_up
from scaling_tables import markdown, write_markdown
from scaling_watch import Request, RunError, watched
from summaries import write_json

SIZES = "100,1000,10000"
QUICK_SIZES, QUICK_FILES = "20,40", 3
# What is run in memory, with landmarks missing, and from files by one process alone: larger groups
# would take long and show no more.
IN_MEMORY_UP_TO = ALONE_FROM_FILES_UP_TO = 1000
# A run that took longer is not repeated.
REPEATED_WITHIN_S = 60.0
# A cluster whose workers hold all blocks, so that the one that is killed has some to lose.
KILL_SUBJECTS, KILL_MEMORY, KILL_EQUAL = 1000, "4GiB", 1e-10
# What each mode is to give the same as.
AGAINST = {"alone": "memory", "processes": "alone", "dask": "alone"}


@dataclass(frozen=True)
class Place:
    """Where inputs and results lie, and how runs are made."""

    scratch: Path
    max_memory: str
    repeats: int

    def result(self, task: str, mode: str, subjects: int) -> Path:
        """Numbers that a run is compared by."""
        return self.scratch / "results" / f"{task}-{mode}-{subjects}.npz"

    def source(self, task: str, subjects: int) -> Path:
        """The input of a task, made where it is not there."""
        if task == "files":
            return cohort(self.scratch, subjects)
        return landmark_file(self.scratch, subjects, missing=task == "missing")

    def row(self, task: str, mode: str, subjects: int) -> dict[str, Any]:
        """One mode at one size, repeated where it is quick, and compared."""
        wanted = {"task": task, "mode": mode, "subjects": subjects}
        source = self.source(task, subjects)
        runs: list[dict[str, Any]] = []
        if task == "files":
            read_through(source)
        try:
            while len(runs) < self.repeats:
                runs.append(self.run(task, mode, subjects, source, self.max_memory))
                if sum(s["seconds"] for s in runs[0]["stages"]) > REPEATED_WITHIN_S:
                    break
        except RunError as error:
            return wanted | {"failure": str(error)}
        row = summed_up(runs, wanted)
        reference = self.result(task, AGAINST.get(mode, ""), subjects)
        if reference.exists():
            found = differences(self.result(task, mode, subjects), reference)
            row |= {"against": AGAINST[mode], "apart": found, "equal": is_equal(found)}
        return row

    def run(
        self,
        task: str,
        mode: str,
        subjects: int,
        source: Path,
        max_memory: str,
        *,
        kill: bool = False,
    ) -> dict[str, Any]:
        """One run; what it wrote is thrown away but for the numbers it is compared by."""
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="run-") as out:
            request = Request(task, mode, subjects, str(source), out, max_memory, kill=kill)
            found = watched(request)
            kept = self.result(task, f"{mode}{'-killed' if kill else ''}", subjects)
            kept.parent.mkdir(exist_ok=True)
            shutil.move(Path(out) / "result.npz", kept)
        return found


def killed(place: Place, subjects: int) -> dict[str, Any]:
    """The same group on Dask with and without a worker killed during alignment."""
    source = place.source("landmarks", subjects)
    took: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for _ in range(place.repeats):
        for kill, runs in took.items():
            runs.append(place.run("landmarks", "dask", subjects, source, KILL_MEMORY, kill=kill))
    found = differences(
        place.result("landmarks", "dask-killed", subjects),
        place.result("landmarks", "dask", subjects),
    )
    return {
        "subjects": subjects,
        "max_memory": KILL_MEMORY,
        "unharmed": summed_up(took[False], {}),
        "killed": summed_up(took[True], {}),
        "apart": found,
        "equal": is_equal(found, KILL_EQUAL),
    }


def plan(options: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """Task, mode and size of every row; what others are compared with comes first."""
    modes = ["alone", "processes"]
    if importlib.util.find_spec("distributed"):
        modes.append("dask")
    for size in options.sizes:
        if size <= IN_MEMORY_UP_TO:
            yield "landmarks", "memory", size
        yield from (("landmarks", mode, size) for mode in modes)
        if size <= IN_MEMORY_UP_TO:
            yield "missing", "alone", size
    if options.quick:
        yield "files", "alone", QUICK_FILES
        return
    for size in options.sizes:
        if size <= options.files_up_to:
            some = modes if size <= ALONE_FROM_FILES_UP_TO else modes[1:]
            yield from (("files", mode, size) for mode in some)


def measured(options: argparse.Namespace, place: Place) -> Iterator[dict[str, Any]]:
    """Everything so far, as plain values, after each row: a long run may be cut short."""
    begun = time.perf_counter()
    report: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "max_memory": place.max_memory,
        "rows": [],
    }
    for task, mode, size in plan(options):
        report["rows"].append(place.row(task, mode, size))
        report["exponents"] = exponents(report["rows"])
        report["total_seconds"] = time.perf_counter() - begun
        yield report
    if options.kill:
        report["killed"] = killed(place, min(KILL_SUBJECTS, max(options.sizes)))
        report["total_seconds"] = time.perf_counter() - begun
        yield report


def sizes(text: str) -> list[int]:
    """From ``100,1000``."""
    parts = text.split(",")
    if not all(part.isdigit() and int(part) > 2 for part in parts):
        raise argparse.ArgumentTypeError(
            f"sizes: expected numbers of subjects above 2 with commas between, got {text!r}"
        )
    return sorted(int(part) for part in parts)


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--sizes", type=sizes, help=f"{SIZES}; {QUICK_SIZES} when quick")
    made.add_argument("--files-up-to", type=int, default=1000, metavar="N")
    made.add_argument("--max-memory", default="1GiB")
    made.add_argument("--repeats", type=int, default=3, help="of runs of less than a minute")
    made.add_argument("--scratch", type=Path, help="kept for the next time; none by default")
    made.add_argument("--kill", action="store_true")
    made.add_argument("--quick", action="store_true")
    made.add_argument("--json", type=Path)
    made.add_argument("--markdown", type=Path)
    return made


@contextmanager
def scratch(kept: Path | None) -> Iterator[Path]:
    """A folder for inputs: the one that was given, or one for the time being."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(kept / "results", ignore_errors=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        yield Path(folder)


def main() -> None:
    """Parse the arguments, run, write."""
    options = parser().parse_args()
    options.sizes = options.sizes or sizes(QUICK_SIZES if options.quick else SIZES)
    if options.quick:
        options.repeats = 1
    with scratch(options.scratch) as folder:
        place = Place(folder, options.max_memory, options.repeats)
        for report in measured(options, place):
            if options.json:
                write_json(report, options.json)
    if options.markdown:
        write_markdown(options.markdown, report)
    if not (options.json or options.markdown):
        print(markdown(report))


if __name__ == "__main__":
    main()
