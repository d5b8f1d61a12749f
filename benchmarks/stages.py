"""Time each stage of the main job: python benchmarks/stages.py [--repeat 3] [--json FILE].

On the built-in cohort.  Prints JSON: seconds per stage (median and range over repeats) and peak
memory of the process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import machine, peak_memory_mib
from summaries import spread, tell

from atlas.build import check_dataset, write_meshes
from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import read_dataset
from atlas.landmarks.placing import place_landmarks
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align
from atlas.store import Atlas, Settings, save_atlas


def run(times: dict[str, list[float]]) -> None:
    """Run the chain once, adding the seconds of each stage to ``times``."""

    def timed(stage: str, call: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = call()
        times[stage].append(time.perf_counter() - begin)
        return result

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed("generate cohort", lambda: write_surrogate_cohort(folder / "cohort"))
        dataset = timed("read", lambda: read_dataset(folder / "cohort"))
        timed("check", lambda: check_dataset(dataset))
        landmarks = timed("place landmarks", lambda: place_landmarks(dataset))
        alignment = timed("align", lambda: align(landmarks))
        model = timed("fit", lambda: fit_shape_model(alignment))
        atlas = Atlas(model, alignment, Settings())
        timed("save", lambda: save_atlas(atlas, folder / "model.h5"))
        timed("meshes", lambda: write_meshes(atlas, folder / "meshes"))


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="each stage once")
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    repeat = 1 if wanted.quick else wanted.repeat
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeat):
        run(times)
    report = {
        "machine": machine(),
        "repeats": repeat,
        "peak_mib": peak_memory_mib(),
        "seconds": {stage: spread(seconds) for stage, seconds in times.items()},
    }
    tell(report, wanted.json)


if __name__ == "__main__":
    main()
