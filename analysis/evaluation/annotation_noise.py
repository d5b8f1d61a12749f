"""The floor below which modes are the annotator's hand: annotation noise carried to the modes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from atlas.components.principal import principal_components
from atlas.curves.transforms import frame
from atlas.data.dataset import Dataset
from atlas.data.subject import Subject, stack_axis
from atlas.landmarks.fitting_curves import FittedSubject, fit_subject
from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import Alignment, align_onto

# Points of a contour that jitter along it leave it where it is: what contours show is half of the
# variance of their points.
OF_POINTS = 2**0.5
# What the columns of each table say.
COLUMNS = {
    "noise_structures.csv": {
        "structure": "dura, cord or roots",
        "noise_mm, noise_min_mm, noise_max_mm": "jitter of contours and traces from slice to "
        "slice, SD per in-plane axis: over subjects, least and most, mm",
        "landmark_mm": "what remains in a landmark, all directions, mm",
        "noise_variance_mm2": "of all its landmarks, mm²",
        "n": "subjects",
    },
    "noise_modes.csv": {
        "mode, variance_mm2": "from 1; n - 1, mm²",
        "noise_variance_mm2": "of its scores, were everybody annotated again, mm²",
        "reliability": "1 - noise / variance",
        "floor_mm2, above_floor": "variance of the first mode, were there nothing but jitter, mm²; "
        "exceeded",
        "n, seed": "subjects; seed",
    },
}


def noise_floor(
    dataset: Dataset, alignment: Alignment, model: ShapeModel, *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the jitter of annotations does to landmarks and modes.

    Parameters
    ----------
    dataset : Dataset
        With the subjects of the alignment.
    alignment : Alignment
    model : ShapeModel
        Of that alignment.
    seed : int
        Of the jitter that is added.

    Returns
    -------
    structures : DataFrame
        One row a structure: ``noise_mm`` (jitter of contours and traces from slice to slice, SD
        per in-plane axis, root mean square over subjects), ``noise_min_mm``, ``noise_max_mm`` over
        subjects, ``landmark_mm`` (what remains of it in a landmark after smoothing and alignment,
        root mean square in all directions), ``noise_variance_mm2`` of all its landmarks, ``n``.
    modes : DataFrame
        One row a ``mode``: ``variance_mm2``, ``noise_variance_mm2`` (of its scores, were everybody
        annotated again), ``reliability = 1 - noise / variance`` (not under 0), ``floor_mm2`` (of
        the first mode, were there nothing but jitter in as many subjects), ``above_floor``, ``n``,
        ``seed``.

    Notes
    -----
    Every annotated point of dura, cord and traces is moved in its slice by normal noise of the size
    that its structure shows (Gasser, Sroka & Jennen-Steinmetz 1986, doi:10.1093/biomet/73.3.625),
    and the subject goes through fitting, placement and alignment once more; the difference to the
    unmoved subject is the noise.  It is jitter from slice to slice alone: a bias that neighbouring
    slices share, the choice of the first and last slice and the marking of ganglia are not in it,
    so the floor is a lower bound.  With far more coordinates than subjects every mode holds its
    part of the jitter of the very subjects it was fitted to, some total / (n - 1): the floor is
    higher than the noise of scores on a finished mode.
    """
    ids = alignment.landmarks.subject_ids
    group = replace(dataset, subjects=tuple(s for s in dataset.subjects if s.id in set(ids)))
    scheme = alignment.landmarks.scheme
    around = {b.name: b.around for b in scheme.blocks if b.kind == "tube"}
    fitted = [
        fit_subject(s, dura_around=around["dura"], cord_around=around["cord"])
        for s in group.subjects
    ]
    rng = np.random.default_rng(seed)
    moved = replace(group, subjects=tuple(jittered(f, rng) for f in fitted))
    before = place_landmarks(group, scheme)
    after = _where_both(place_landmarks(moved, scheme), before)
    apart = align_onto(after, alignment).points - align_onto(before, alignment).points
    apart = np.where(np.isnan(apart), 0.0, apart)
    return _structure_table(fitted, apart, alignment), _mode_table(apart, model, seed)


def jittered(fitted: FittedSubject, rng: np.random.Generator) -> Subject:
    """The subject with its annotated points moved in their slices by its own noise."""
    subject = fitted.subject
    axis = stack_axis(subject.dura)
    # By LPS left: a basis that rounding of the axis cannot turn, so that draws stay the same.
    plane = frame(np.array([1.0, 0.0, 0.0]), axis)[:, :2].T

    def move(points: np.ndarray, sd: float) -> np.ndarray:
        return points + sd * rng.standard_normal((len(points), 2)) @ plane

    return replace(
        subject,
        dura=tuple(move(c, OF_POINTS * fitted.dura.noise_mm) for c in subject.dura),
        cord=tuple(move(c, OF_POINTS * fitted.cord.noise_mm) for c in subject.cord),
        roots={
            key: move(points, fitted.roots[key].noise_mm) if key in fitted.roots else points
            for key, points in subject.roots.items()
        },
    )


def _where_both(after: LandmarkSet, before: LandmarkSet) -> LandmarkSet:
    """The moved landmarks; where jitter lost or won one at the edge of the image, the unmoved."""
    lost = np.isnan(after.points) | np.isnan(before.points)
    points = np.where(lost, before.points, after.points)
    return replace(after, points=points, status=before.status, bridge_sd=before.bridge_sd)


def _structure_table(
    fitted: list[FittedSubject], apart: np.ndarray, alignment: Alignment
) -> pd.DataFrame:
    names = np.array(alignment.landmarks.scheme.names)
    squared = (apart**2).sum(axis=2)
    noise = {
        "dura": [f.dura.noise_mm for f in fitted],
        "cord": [f.cord.noise_mm for f in fitted],
        "roots": [_together([r.noise_mm for r in f.roots.values()]) for f in fitted if f.roots],
    }
    rows = []
    for structure, sizes in noise.items():
        mine = np.char.startswith(names, structure.rstrip("s") + "/")
        weighted = squared[:, mine] * alignment.weights[mine]
        rows.append(
            {
                "structure": structure,
                "noise_mm": _together(sizes),
                "noise_min_mm": min(sizes, default=np.nan),
                "noise_max_mm": max(sizes, default=np.nan),
                "landmark_mm": np.sqrt(squared[:, mine].mean()),
                "noise_variance_mm2": weighted.sum(axis=1).mean(),
                "n": len(sizes),
            }
        )
    return pd.DataFrame(rows)


def _together(sizes: list[float]) -> float:
    return float(np.sqrt(np.square(sizes).mean())) if sizes else np.nan


def _mode_table(apart: np.ndarray, model: ShapeModel, seed: int) -> pd.DataFrame:
    assert model.weights is not None  # filled in at construction
    moved = (model.weights[:, None] * apart).reshape(len(apart), -1)
    noise = ((moved @ model.modes.reshape(model.n_modes, -1).T) ** 2).mean(axis=0)
    root = np.sqrt(model.weights)[:, None]
    jitter = (root * (apart - apart.mean(axis=0))).reshape(len(apart), -1)
    floor = float(principal_components(jitter)[1][0]) if jitter.any() else 0.0
    return pd.DataFrame(
        {
            "mode": np.arange(1, model.n_modes + 1),
            "variance_mm2": model.variance,
            "noise_variance_mm2": noise,
            "reliability": np.maximum(1 - noise / model.variance, 0.0),
            "floor_mm2": floor,
            "above_floor": model.variance > floor,
            "n": len(apart),
            "seed": seed,
        }
    )
