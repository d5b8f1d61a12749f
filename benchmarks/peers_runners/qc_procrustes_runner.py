"""Runs qc-procrustes: generalised Procrustes."""

from __future__ import annotations

import numpy as np
from procrustes import generalized
from serving import TOLERANCE, Group, Task, serve

NOTES = {
    "alignment": "`generalized`; lets reflections pass; caller centres; does not scale; stops "
    "where the squared step of the mean changes by less than (1e-10)² of its squared size",
}


def shapes(group: Group) -> tuple[list[np.ndarray], float]:
    points = group.points
    size = float(((points - points.mean(axis=1, keepdims=True)) ** 2).sum() / len(points))
    return list(points), TOLERANCE**2 * size


def align(inputs: tuple[list[np.ndarray], float]) -> list[np.ndarray]:
    given, tolerance = inputs
    centred = [points - points.mean(axis=0) for points in given]
    return generalized(centred, tol=tolerance)[0]


TASKS = {"align": Task(shapes, align, lambda out: {"mean": np.mean(out, axis=0)})}

if __name__ == "__main__":
    serve(TASKS, ("qc-procrustes",), NOTES)
