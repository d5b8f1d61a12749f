"""Runs this package, by the calls its users make."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from serving import (
    N_DRAWS,
    VARIANCE_HELD,
    Group,
    Task,
    generator,
    serve,
    squared_distances,
)

from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.fitting import fit_shape_model
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import Alignment, align

HOLDS = "variance_held" in inspect.signature(fit_shape_model).parameters
NOTES = {
    "alignment": "`align(landmarks, anchor='centroid')`, checks of handedness included; proper "
    "rotations; does not scale; stops by a rule of its own, no later than 200 rounds",
    "components": "`fit_shape_model(alignment)`"
    if HOLDS
    else "`fit_shape_model` has no `variance_held` yet: for the leading modes it fits all of them "
    "and truncates",
    "draws": "`model.sample(1000, rng)`",
}


def landmarks(group: Group) -> LandmarkSet:
    scheme = LandmarkScheme.standard(
        root=group.scheme["root"],
        dura=tuple(group.scheme["dura"]),
        cord=tuple(group.scheme["cord"]),
    )
    ids = tuple(f"sub-{i + 1:05d}" for i in range(len(group.points)))
    return LandmarkSet(ids, scheme, group.points, np.zeros(group.points.shape[:2], dtype=int))


def about_centroid(marks: LandmarkSet) -> Alignment:
    return align(marks, anchor="centroid")


def leading(alignment: Alignment) -> ShapeModel:
    if HOLDS:
        return fit_shape_model(alignment, variance_held=VARIANCE_HELD)
    model = fit_shape_model(alignment)
    k = int(np.searchsorted(np.cumsum(model.explained), VARIANCE_HELD)) + 1
    return model.truncate(k)


def fitted(model: ShapeModel) -> dict[str, Any]:
    # An eigenvalue of the covariance holds the noise of the modes left out, if there is any.
    return {"mean": model.mean, "variance": model.variance + model.noise}


TASKS = {
    "align": Task(
        landmarks,
        about_centroid,
        lambda out: {"mean": out.mean, "rounds": np.array([out.n_iterations])},
    ),
    "components": Task(lambda group: about_centroid(landmarks(group)), fit_shape_model, fitted),
    "leading": Task(lambda group: about_centroid(landmarks(group)), leading, fitted),
    "align+components": Task(landmarks, lambda x: fit_shape_model(about_centroid(x)), fitted),
    "align+leading": Task(landmarks, lambda x: leading(about_centroid(x)), fitted),
    "draws": Task(
        lambda group: fit_shape_model(about_centroid(landmarks(group))),
        lambda model: (model.mean, model.sample(N_DRAWS, generator())),
        lambda out: {"distances": squared_distances(out[1], out[0])},
    ),
}

if __name__ == "__main__":
    serve(TASKS, ("lumbosacral-atlas",), NOTES)
