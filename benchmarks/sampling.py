"""Anatomies a second: landmarks only, and with markers and meshes, for one and two processes.

    python benchmarks/sampling.py [--model MODEL] [--samples 100] [--repeats 3]

Prints JSON: median and range over the repeats, samples a second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machine import machine
from summaries import spread, tell

from analysis.morphometry import named_values
from atlas.build import build_atlas
from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import read_dataset
from atlas.sampling.cohort import write_cohort
from atlas.sampling.making import CohortOptions
from atlas.sampling.recipe import Recipe
from atlas.store import load_atlas, save_atlas


def rates(run: Callable[[int], object], *, samples: int, repeats: int) -> dict[str, float]:
    """Samples a second over some repeats; each has a seed of its own."""
    measured = []
    for seed in range(repeats):
        begun = time.perf_counter()
        run(seed)
        measured.append(samples / (time.perf_counter() - begun))
    return {name: round(value, 1) for name, value in spread(measured).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model = options.model or built_in_model(work)
        atlas = load_atlas(model)
        n, repeats = options.samples, options.repeats
        many = 20 * n

        def landmarks(seed: int, *, check: bool) -> None:
            Recipe(n=many, seed=seed, check=check).plan(atlas).draw()

        def cohort(seed: int, *, workers: int) -> None:
            made = CohortOptions(measure=named_values, workers=workers)
            write_cohort(model, Recipe(n=n, seed=seed), work / f"c{workers}-{seed}", made)

        result = {
            "machine": machine(),
            "n_landmarks": atlas.model.scheme.size,
            "n_modes": atlas.model.n_modes,
            "unit": "anatomies a second",
            "landmarks, unchecked": rates(
                lambda seed: landmarks(seed, check=False), samples=many, repeats=repeats
            ),
            "landmarks, impossible ones drawn again": rates(
                lambda seed: landmarks(seed, check=True), samples=many, repeats=1
            ),
        }
        for workers in (1, 2):
            result[f"markers, STL and measures, {workers} processes"] = rates(
                lambda seed, workers=workers: cohort(seed, workers=workers),
                samples=n,
                repeats=repeats,
            )
        tell(result)


def built_in_model(work: Path) -> Path:
    """The atlas of the built-in cohort."""
    write_surrogate_cohort(work / "built-in", seed=1)
    return save_atlas(build_atlas(read_dataset(work / "built-in"), seed=1), work / "model.h5")


if __name__ == "__main__":
    main()
