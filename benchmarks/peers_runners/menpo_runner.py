"""Runs menpo: its rotations in a loop, its principal components.

Its own generalised Procrustes analysis always scales; ``menpo_scaling_runner`` runs that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from menpo.model import PCAVectorModel
from menpo.shape import PointCloud, mean_pointcloud
from menpo.transform import AlignmentRotation
from serving import (
    N_DRAWS,
    TOLERANCE,
    VARIANCE_HELD,
    Group,
    Task,
    generator,
    serve,
    squared_distances,
)

NOTES = {
    "alignment": "`AlignmentRotation` of each shape in a loop of ours, since its own generalised "
    "Procrustes analysis always scales; proper rotations; caller centres; stops where the mean "
    "changes by less than 1e-10 of its size",
    "components": "`PCAVectorModel`, smaller Gram matrix; for the leading modes `trim_components` "
    "of all",
}


def clouds(group: Group) -> list[PointCloud]:
    return [PointCloud(points) for points in group.points]


def align(sources: list[PointCloud]) -> tuple[PointCloud, list[PointCloud]]:
    centred = [PointCloud(s.points - s.centre(), copy=False) for s in sources]
    mean, change = centred[0], np.inf
    turns = [AlignmentRotation(shape, mean) for shape in centred]
    while change > TOLERANCE:
        aligned = [turn.aligned_source() for turn in turns]
        updated = mean_pointcloud(aligned)
        change = np.linalg.norm(updated.points - mean.points) / updated.norm()
        mean = updated
        for turn in turns:
            turn.set_target(mean)
    return mean, aligned


def rows(group: Group) -> np.ndarray:
    return group.aligned.reshape(len(group.aligned), -1)


def components(samples: np.ndarray) -> PCAVectorModel:
    return PCAVectorModel(samples, inplace=False)


def leading(samples: np.ndarray) -> PCAVectorModel:
    model = components(samples)
    model.trim_components(VARIANCE_HELD)
    return model


def aligned_rows(sources: list[PointCloud]) -> np.ndarray:
    return np.array([shape.points.ravel() for shape in align(sources)[1]])


def draw(model: PCAVectorModel) -> tuple[np.ndarray, np.ndarray]:
    scores = generator().standard_normal((N_DRAWS, model.n_components))
    shapes = model.instance_vectors(scores, normalized_weights=True)
    return model.mean(), shapes


def fitted(model: PCAVectorModel) -> dict[str, Any]:
    return {"mean": model.mean().reshape(-1, 3), "variance": model.eigenvalues}


TASKS = {
    "align": Task(clouds, align, lambda out: {"mean": out[0].points}),
    "components": Task(rows, components, fitted),
    "leading": Task(rows, leading, fitted),
    "align+components": Task(clouds, lambda x: components(aligned_rows(x)), fitted),
    "align+leading": Task(clouds, lambda x: leading(aligned_rows(x)), fitted),
    "draws": Task(
        lambda group: components(rows(group)),
        draw,
        lambda out: {
            "distances": squared_distances(out[1].reshape(N_DRAWS, -1, 3), out[0].reshape(-1, 3))
        },
    ),
}

if __name__ == "__main__":
    serve(TASKS, ("menpo",), NOTES)
