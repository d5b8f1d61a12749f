"""Predict the anatomy one cannot see from what one can, with intervals that hold what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from atlas.arrays import read_only
from atlas.data.dataset import Dataset
from atlas.data.subject import Subject
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import Anatomy, Status
from atlas.model.leave_one_out import given_mask, visible
from atlas.model.shape_model import ShapeModel
from atlas.prediction.calibration import PredictionError, Predictor, posterior_of
from atlas.procrustes.alignment import Alignment, align_onto


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A whole anatomy of which a part was seen.

    Parameters
    ----------
    subject_id : str
    points : (L, 3) float
        Expected places in the subject's own frame, mm; where seen, as seen.
    seen : (L,) bool
    radius_mm : mapping of float to (L,) float
        Nominal level to the radius of the ball that holds the landmark; 0 where seen.
    anatomy : Anatomy
        The points as named structures.
    posterior : ShapeModel
        In the frame of the model.
    """

    subject_id: str
    points: np.ndarray
    seen: np.ndarray
    radius_mm: Mapping[float, np.ndarray]
    anatomy: Anatomy
    posterior: ShapeModel

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", read_only(self.points, (None, 3), "points"))
        object.__setattr__(self, "seen", read_only(self.seen, (None,), "seen", dtype=bool))
        radii = {k: read_only(v, (None,), f"radius {k}") for k, v in self.radius_mm.items()}
        object.__setattr__(self, "radius_mm", MappingProxyType(radii))


def predict(
    reference: Alignment, model: ShapeModel, predictor: Predictor, subject: Subject
) -> Prediction:
    """Predict a subject's whole anatomy from the structures the predictor was made for.

    Parameters
    ----------
    reference : Alignment
        Of the group.
    model : ShapeModel
        Of the group, all its modes.
    predictor : Predictor
    subject : Subject
        With any part of the annotation; only what is given and measured is used.

    Returns
    -------
    Prediction
        In the subject's own frame (LPS mm).
    """
    scheme = reference.landmarks.scheme
    placed = place_landmarks(Dataset(subject.id, (subject,)), scheme)
    part = visible(placed, given_mask(scheme, predictor.given))
    aligned = align_onto(part, reference)
    after = posterior_of(model, aligned.points[0], (predictor.n_modes, predictor.noise_mm))
    seen = part.status[0] != Status.MISSING
    back = (after.mean - aligned.translation[0]) @ aligned.rotation[0] / aligned.scale[0]
    points = np.where(seen[:, None], part.points[0], back)
    spread = np.where(seen, 0.0, predictor.spread_mm / aligned.scale[0])
    return Prediction(
        subject_id=subject.id,
        points=points,
        seen=seen,
        radius_mm={level: factor * spread for level, factor in predictor.inflation.items()},
        anatomy=scheme.anatomy(points),
        posterior=after,
    )


def only_subject(dataset: Dataset) -> Subject:
    """The one subject of a dataset; PredictionError where there are more."""
    if len(dataset.subjects) != 1:
        raise PredictionError(
            f"{dataset.root}: expected the markers of one subject, got {len(dataset.subjects)}; "
            "name its own folder"
        )
    return dataset.subjects[0]


def walls_of(subject: Subject) -> tuple[str, ...]:
    """What is there of dura and cord."""
    return tuple(name for name in ("dura", "cord") if getattr(subject, name))
