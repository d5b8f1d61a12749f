"""Runs scikit-learn's principal components."""

from __future__ import annotations

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
from sklearn.decomposition import PCA

NOTES = {
    "components": "`PCA` by its own choice of solver",
    "draws": "`inverse_transform` of scores of ours",
}


def rows(group: Group) -> np.ndarray:
    return group.aligned.reshape(len(group.aligned), -1)


def draw(model: PCA) -> tuple[np.ndarray, np.ndarray]:
    k = min(model.n_components_, model.n_samples_ - 1)
    scores = np.zeros((N_DRAWS, model.n_components_))
    scores[:, :k] = generator().standard_normal((N_DRAWS, k))
    return model.mean_, model.inverse_transform(scores * np.sqrt(model.explained_variance_))


def fitted(model: PCA) -> dict[str, Any]:
    # The last component of S shapes about their mean is rounding.
    positive = model.explained_variance_ > 1e-10 * model.explained_variance_[0]
    return {"mean": model.mean_.reshape(-1, 3), "variance": model.explained_variance_[positive]}


TASKS = {
    "components": Task(rows, lambda x: PCA().fit(x), fitted),
    "leading": Task(rows, lambda x: PCA(VARIANCE_HELD).fit(x), fitted),
    "draws": Task(
        lambda group: PCA().fit(rows(group)),
        draw,
        lambda out: {
            "distances": squared_distances(out[1].reshape(N_DRAWS, -1, 3), out[0].reshape(-1, 3))
        },
    ),
}

if __name__ == "__main__":
    serve(TASKS, ("scikit-learn",), NOTES)
