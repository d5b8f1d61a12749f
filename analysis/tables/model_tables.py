"""Tables of an atlas itself: its landmarks, mean, modes, scores and asymmetry."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.inference.multiplicity import adjusted
from atlas.landmarks.scheme import Status
from atlas.model.symmetry import decompose, structure_asymmetry
from atlas.procrustes.similarity import AlignmentError
from atlas.store import Atlas

# What the columns of each table say.
COLUMNS = {
    "landmarks": {
        "subject": "subject id",
        "landmark": "name, the same in every subject",
        "x_mm, y_mm, z_mm": "aligned position, LPS mm; empty where missing",
        "status": "measured, bridged (between trace and ganglion, not seen) or missing",
    },
    "mean": {
        "landmark": "name",
        "x_mm, y_mm, z_mm": "mean shape, LPS mm",
        "sd_mm": "standard deviation of its place over the model, all directions together, mm",
    },
    "modes": {
        "mode": "from 1",
        "variance_mm2": "of the whole shape, n - 1, mm²",
        "share": "of the total variance",
        "cumulative": "share of this mode and those before it",
    },
    "scores": {
        "subject": "subject id",
        "mode": "from 1",
        "score_sd": "coefficient, expected where landmarks are missing, in SD of the mode",
    },
    "asymmetry": {
        "structure": "dura, cord, both roots of a level, or all; left minus mirrored right",
        "n_subjects": "subjects with a whole pair; no row where the anchor is not on the midline",
        "directional_mm": "size of the mean asymmetry, root mean square over landmarks",
        "lateral_mm, dorsal_mm, rostral_mm": "its mean over the left half, by direction",
        "fluctuating_mm": "SD (n - 1) over subjects about the mean asymmetry, root mean square",
        "chance_mm": "what directional_mm would be about, were there none",
        "p, p_holm": "of no directional asymmetry, by sign flips; Holm over the structures",
    },
}
ASYMMETRY_COLUMNS = [
    *("structure", "n_subjects", "directional_mm", "lateral_mm", "dorsal_mm", "rostral_mm"),
    *("fluctuating_mm", "chance_mm", "p", "p_holm"),
]
POSITION = ["x_mm", "y_mm", "z_mm"]


def landmark_table(atlas: Atlas) -> pd.DataFrame:
    """Aligned landmarks of every subject and what each rests on."""
    landmarks = atlas.alignment.landmarks
    ids, names = landmarks.subject_ids, landmarks.scheme.names
    table = pd.DataFrame(atlas.alignment.points.reshape(-1, 3), columns=POSITION)
    table.insert(0, "subject", np.repeat(ids, len(names)))
    table.insert(1, "landmark", np.tile(names, len(ids)))
    words = np.array([status.name.lower() for status in Status])
    return table.assign(status=words[landmarks.status.ravel()])


def mean_table(atlas: Atlas) -> pd.DataFrame:
    """Mean shape with the standard deviation of every landmark's place."""
    model = atlas.model
    table = pd.DataFrame(model.mean, columns=POSITION)
    table.insert(0, "landmark", model.scheme.names)
    return table.assign(sd_mm=np.linalg.norm(model.landmark_sd, axis=1))


def mode_table(atlas: Atlas) -> pd.DataFrame:
    """Variance that each mode holds."""
    model = atlas.model
    share = model.variance / model.total_variance
    columns = {"variance_mm2": model.variance, "share": share, "cumulative": np.cumsum(share)}
    return pd.DataFrame({"mode": np.arange(1, len(share) + 1), **columns})


def score_table(atlas: Atlas) -> pd.DataFrame:
    """Coefficients of every subject, expected ones where landmarks are missing, in SD."""
    scores = atlas.model.scores(atlas.alignment.points)
    ids = pd.Index(atlas.alignment.landmarks.subject_ids, name="subject")
    modes = pd.RangeIndex(1, scores.shape[1] + 1, name="mode")
    long = pd.Series(pd.DataFrame(scores, ids, modes).stack(), name="score_sd")
    return long.reset_index()


def asymmetry_table(atlas: Atlas) -> pd.DataFrame:
    """Directional and fluctuating asymmetry of each structure.

    As :func:`atlas.model.symmetry.structure_asymmetry`, with p by Holm over the structures;
    without rows where the anchor is not its own mirror image.
    """
    try:
        symmetry = decompose(atlas.alignment)
    except AlignmentError:
        return pd.DataFrame(columns=ASYMMETRY_COLUMNS)
    table = pd.DataFrame(structure_asymmetry(symmetry))
    return table.assign(p_holm=adjusted(table["p"].to_numpy(), "holm"))[ASYMMETRY_COLUMNS]
