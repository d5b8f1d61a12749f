"""Runs ktch: generalised Procrustes; its principal components are scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
from ktch.landmark import GeneralizedProcrustesAnalysis
from serving import VARIANCE_HELD, Group, Task, serve
from sklearn.decomposition import PCA

# It stops by the change of the summed squared distances, which cannot be told from rounding below
# this share of it; the mean is then at rest to its square root, some 1e-8 of its size.
TOLERANCE = 1e-14

NOTES = {
    "alignment": "`GeneralizedProcrustesAnalysis(n_dim=3, scaling=False)`; lets reflections pass; "
    "centres; stops where the summed squared distances change by less than 1e-14 of the sum of "
    "squares",
    "components": "has none of its own: scikit-learn's `PCA`, as its documentation shows",
}


def rows(group: Group) -> tuple[np.ndarray, float]:
    flat = group.points.reshape(len(group.points), -1)
    centred = group.points - group.points.mean(axis=1, keepdims=True)
    return flat, TOLERANCE * float((centred**2).sum())


def align(inputs: tuple[np.ndarray, float]) -> tuple[GeneralizedProcrustesAnalysis, np.ndarray]:
    flat, tolerance = inputs
    fit = GeneralizedProcrustesAnalysis(n_dim=3, scaling=False, tol=tolerance)
    return fit, fit.fit_transform(flat)


def fitted(model: PCA) -> dict[str, Any]:
    # The last component of S shapes about their mean is rounding.
    positive = model.explained_variance_ > 1e-10 * model.explained_variance_[0]
    return {"mean": model.mean_.reshape(-1, 3), "variance": model.explained_variance_[positive]}


TASKS = {
    "align": Task(rows, align, lambda out: {"mean": out[0].mu_}),
    "align+components": Task(rows, lambda x: PCA().fit(align(x)[1]), fitted),
    "align+leading": Task(
        rows, lambda x: PCA(VARIANCE_HELD, svd_solver="full").fit(align(x)[1]), fitted
    ),
}

if __name__ == "__main__":
    serve(TASKS, ("ktch", "scikit-learn"), NOTES)
