"""Tables of an atlas itself: its landmarks, mean, modes, scores and asymmetry."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.inference.multiplicity import adjusted
from atlas.shape.asymmetry import structure_asymmetry
from atlas.shape.pose import AlignmentError
from atlas.shape.scheme import Status
from atlas.shape.symmetry import decompose
from atlas.store import Atlas

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
    landmarks = atlas.alignment.landmarks
    ids, names = landmarks.subject_ids, landmarks.scheme.names
    words = np.array([status.name.lower() for status in Status])
    return pd.DataFrame(
        {
            "subject": np.repeat(ids, len(names)),
            "landmark": np.tile(names, len(ids)),
            **_coordinates(atlas.alignment.points.reshape(-1, 3)),
            "status": words[landmarks.status.ravel()],
        }
    )


def mean_table(atlas: Atlas) -> pd.DataFrame:
    """Mean shape with the standard deviation of every landmark's place."""
    model = atlas.model
    spread = np.linalg.norm(model.landmark_sd, axis=1)
    names = list(model.scheme.names)
    return pd.DataFrame({"landmark": names, **_coordinates(model.mean), "sd_mm": spread})


def mode_table(atlas: Atlas) -> pd.DataFrame:
    """Variance that each mode holds."""
    model = atlas.model
    share = model.variance / model.total_variance
    return pd.DataFrame(
        {
            "mode": np.arange(1, len(share) + 1),
            "variance_mm2": model.variance,
            "share": share,
            "cumulative": np.cumsum(share),
        }
    )


def score_table(atlas: Atlas) -> pd.DataFrame:
    """Coefficients of every subject, expected ones where landmarks are missing, in SD."""
    scores = atlas.model.scores(atlas.alignment.points)
    ids = atlas.alignment.landmarks.subject_ids
    return pd.DataFrame(
        {
            "subject": np.repeat(ids, scores.shape[1]),
            "mode": np.tile(np.arange(1, scores.shape[1] + 1), len(ids)),
            "score_sd": scores.ravel(),
        }
    )


def _coordinates(points: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{axis}_mm": points[:, i] for i, axis in enumerate("xyz")}


def asymmetry_table(atlas: Atlas) -> pd.DataFrame:
    """Directional and fluctuating asymmetry of each structure.

    As :func:`atlas.shape.asymmetry.structure_asymmetry`, with p by Holm over the structures;
    without rows where the anchor is not its own mirror image.
    """
    try:
        symmetry = decompose(atlas.alignment)
    except AlignmentError:
        return pd.DataFrame(columns=ASYMMETRY_COLUMNS)
    table = pd.DataFrame(structure_asymmetry(symmetry))
    return table.assign(p_holm=adjusted(table["p"].to_numpy(), "holm"))
