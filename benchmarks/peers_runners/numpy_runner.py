"""Runs the numpy limit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy_limit import align, components, draws
from serving import (
    N_DRAWS,
    VARIANCE_HELD,
    Group,
    Task,
    generator,
    serve,
    squared_distances,
)

NOTES = {
    "alignment": "rotations about centroids by one batched SVD a round; proper ones; stops where "
    "the mean changes by less than 1e-10 of its size",
    "components": "smaller Gram matrix",
}


def model(group: Group) -> tuple[np.ndarray, np.ndarray]:
    mean, modes, variance = components(group.aligned)
    loadings = modes.reshape(len(modes), -1) * np.sqrt(variance)[:, None]
    return mean, loadings


def draw(inputs: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    mean, loadings = inputs
    return mean, draws(mean, loadings, N_DRAWS, generator())


def fitted(output: tuple[np.ndarray, ...]) -> dict[str, Any]:
    return {"mean": output[0], "variance": output[2]}


def both(points: np.ndarray, variance_held: float | None) -> tuple[np.ndarray, ...]:
    return components(align(points)[0], variance_held=variance_held)


TASKS = {
    "align": Task(
        lambda group: group.points,
        align,
        lambda out: {"mean": out[1], "rounds": np.array([out[2]]), "aligned": out[0]},
    ),
    "components": Task(lambda group: group.aligned, components, fitted),
    "leading": Task(
        lambda group: group.aligned,
        lambda aligned: components(aligned, variance_held=VARIANCE_HELD),
        fitted,
    ),
    "align+components": Task(lambda group: group.points, lambda x: both(x, None), fitted),
    "align+leading": Task(lambda group: group.points, lambda x: both(x, VARIANCE_HELD), fitted),
    "draws": Task(model, draw, lambda out: {"distances": squared_distances(out[1], out[0])}),
}

if __name__ == "__main__":
    serve(TASKS, (), NOTES)
