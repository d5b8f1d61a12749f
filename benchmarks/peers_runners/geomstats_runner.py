"""Runs geomstats: its batched alignment of matrices in a loop.

Its own means of shapes live on the sphere of pre-shapes, where every shape has size 1.
"""

from __future__ import annotations

import os

os.environ.setdefault("GEOMSTATS_BACKEND", "numpy")

import numpy as np
from geomstats.geometry.matrices import Matrices
from serving import TOLERANCE, Task, serve

NOTES = {
    "alignment": "`Matrices.align_matrices` of all shapes at once in a loop of ours, since its own "
    "means of shapes scale; proper rotations; caller centres; stops where the mean changes by less "
    "than 1e-10 of its size",
}


def align(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = points - points.mean(axis=1, keepdims=True)
    mean, change = centred[0], np.inf
    while change > TOLERANCE:
        aligned = Matrices.align_matrices(centred, mean)
        updated = aligned.mean(axis=0)
        change = np.linalg.norm(updated - mean) / np.linalg.norm(updated)
        mean = updated
    return aligned, mean


TASKS = {"align": Task(lambda group: group.points, align, lambda out: {"mean": out[1]})}

if __name__ == "__main__":
    serve(TASKS, ("geomstats",), NOTES)
