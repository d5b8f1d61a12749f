"""Tables of an atlas itself: its landmarks, mean, modes, scores and asymmetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.columns import Columns, as_frame, texts
from analysis.inference.multiplicity import adjusted
from atlas.landmarks.scheme import Status
from atlas.model.symmetry import decompose, structure_asymmetry
from atlas.procrustes.similarity import AlignmentError
from atlas.store import Atlas

if TYPE_CHECKING:
    import pandas as pd

ASYMMETRY_COLUMNS = (
    "structure",
    "n_subjects",
    "directional_mm",
    "lateral_mm",
    "dorsal_mm",
    "rostral_mm",
    "fluctuating_mm",
    "chance_mm",
    "p",
    "p_holm",
)


def landmark_table(atlas: Atlas) -> pd.DataFrame:
    """Aligned landmarks of every subject and what each rests on."""
    return as_frame(landmark_columns(atlas))


def landmark_columns(atlas: Atlas) -> Columns:
    """The columns of :func:`landmark_table`."""
    landmarks = atlas.alignment.landmarks
    ids, names = landmarks.subject_ids, landmarks.scheme.names
    words = texts(status.name.lower() for status in Status)
    return {
        "subject": np.repeat(texts(ids), len(names)),
        "landmark": np.tile(texts(names), len(ids)),
        **_coordinates(atlas.alignment.points.reshape(-1, 3)),
        "status": words[landmarks.status.ravel()],
    }


def mean_table(atlas: Atlas) -> pd.DataFrame:
    """Mean shape with the standard deviation of every landmark's place."""
    return as_frame(mean_columns(atlas))


def mean_columns(atlas: Atlas) -> Columns:
    """The columns of :func:`mean_table`."""
    model = atlas.model
    spread = np.linalg.norm(model.landmark_sd, axis=1)
    names = texts(model.scheme.names)
    return {"landmark": names, **_coordinates(model.mean), "sd_mm": spread}


def mode_table(atlas: Atlas) -> pd.DataFrame:
    """Variance that each mode holds."""
    return as_frame(mode_columns(atlas))


def mode_columns(atlas: Atlas) -> Columns:
    """The columns of :func:`mode_table`."""
    model = atlas.model
    share = model.variance / model.total_variance
    return {
        "mode": np.arange(1, len(share) + 1),
        "variance_mm2": model.variance,
        "share": share,
        "cumulative": np.cumsum(share),
    }


def score_table(atlas: Atlas) -> pd.DataFrame:
    """Coefficients of every subject, expected ones where landmarks are missing, in SD."""
    return as_frame(score_columns(atlas))


def score_columns(atlas: Atlas) -> Columns:
    """The columns of :func:`score_table`."""
    scores = atlas.model.scores(atlas.alignment.points)
    ids = atlas.alignment.landmarks.subject_ids
    return {
        "subject": np.repeat(texts(ids), scores.shape[1]),
        "mode": np.tile(np.arange(1, scores.shape[1] + 1), len(ids)),
        "score_sd": scores.ravel(),
    }


def _coordinates(points: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{axis}_mm": points[:, i] for i, axis in enumerate("xyz")}


def asymmetry_table(atlas: Atlas) -> pd.DataFrame:
    """Directional and fluctuating asymmetry of each structure.

    As :func:`atlas.model.symmetry.structure_asymmetry`, with p by Holm over the structures;
    without rows where the anchor is not its own mirror image.
    """
    return as_frame(asymmetry_columns(atlas))


def asymmetry_columns(atlas: Atlas) -> Columns:
    """The columns of :func:`asymmetry_table`."""
    try:
        symmetry = decompose(atlas.alignment)
    except AlignmentError:
        return {name: np.empty(0, dtype=object) for name in ASYMMETRY_COLUMNS}
    rows = structure_asymmetry(symmetry)
    assert rows.dtype.names is not None
    columns = {name: rows[name] for name in rows.dtype.names}
    return columns | {
        "structure": texts(rows["structure"].tolist()),
        "p_holm": adjusted(rows["p"], "holm"),
    }
