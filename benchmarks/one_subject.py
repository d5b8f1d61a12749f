"""Time one subject from markers to solids: python benchmarks/one_subject.py [MARKERS] [--repeat 5].

MARKERS is a folder with one subject's annotation; without it, the first of the built-in cohort.
Prints JSON: seconds per stage in a warm process (median and range), what Python allocated at most
in each stage (tracemalloc, in a run of its own, as it slows what it watches), and the peak memory
of the process.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from summaries import spread, tell

from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import read_dataset
from atlas.landmarks.fitting_curves import fit_subject, subject_anatomy
from atlas.mesh.solids.solids import solids
from atlas.mesh.surfaces.named_surfaces import surfaces

Watch = Callable[[str, Callable[[], Any]], Any]


def run(markers: Path, watched: Watch) -> dict[str, int]:
    """The chain once; how many triangles it made."""
    dataset = watched("read", lambda: read_dataset(markers))
    subject = dataset.subjects[0]
    watched("fit", lambda: fit_subject(subject))
    anatomy = watched("anatomy", lambda: subject_anatomy(subject))
    plain = watched("surfaces", lambda: surfaces(anatomy))
    whole = watched("solids", lambda: solids(anatomy))
    return {
        "surfaces": sum(len(mesh.faces) for mesh in plain.values()),
        "solids": len(whole.walls.triangles),
    }


def timed(markers: Path, repeat: int) -> dict[str, list[float]]:
    """Seconds of each stage, the first run (imports, caches) left out."""
    times: dict[str, list[float]] = defaultdict(list)

    def watched(stage: str, call: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = call()
        times[stage].append(time.perf_counter() - begin)
        return result

    for _ in range(repeat + 1):
        run(markers, watched)
    return {stage: values[1:] for stage, values in times.items()}


def allocated(markers: Path) -> tuple[dict[str, float], dict[str, int]]:
    """Most that Python held at once in each stage above what it held before, MiB; triangles."""
    peaks: dict[str, float] = {}

    def watched(stage: str, call: Callable[[], Any]) -> Any:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = call()
        peaks[stage] = (tracemalloc.get_traced_memory()[1] - before) / 2**20
        return result

    tracemalloc.start()
    triangles = run(markers, watched)
    tracemalloc.stop()
    return peaks, triangles


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("markers", type=Path, nargs="?")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        markers = options.markers
        if markers is None:
            markers = Path(name) / "cohort"
            write_surrogate_cohort(markers)
        times = timed(markers, options.repeat)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        peaks, triangles = allocated(markers)
    report = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "cores": os.cpu_count(),
        "source": "given markers" if options.markers else "built-in cohort, first subject",
        "repeats": options.repeat,
        "load_average_1_min": os.getloadavg()[0],
        "triangles": triangles,
        "peak_process_mib": peak,
        "allocated_mib": peaks,
        "seconds": {stage: spread(seconds) for stage, seconds in times.items()},
    }
    tell(report)


if __name__ == "__main__":
    main()
