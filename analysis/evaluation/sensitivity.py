"""How far a model rests on choices: where subjects are anchored, and what was imaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.variability.normal_intervals import CONFIDENCE, sd_interval, total_variance_interval
from analysis.variability.spread import landmark_spread
from atlas.data.dataset import Dataset
from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.landmarks.scheme import ORIGINS, block_name
from atlas.model.field_of_view import (
    PREDICTORS,
    field_of_view_dependence,
    field_of_view_findings,
)
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import Alignment, AlignmentError, align

APEX = "dura-apex"
ANCHORS = (APEX, "conus", "centroid", "root/L1")
EXPLAINED = 0.95
ALL_PREDICTORS = "all"
# What the columns of each table say.
COLUMNS = {
    "anchor_roots": {
        "origin, anchor": "where depth along dura and cord is counted from; point held fixed",
        "landmark": "begin of the root, or ganglion",
        "level, side": "root",
        "n": "subjects",
        "sd_z_mm, sd_z_low_mm, sd_z_high_mm": "SD (n - 1) of the aligned position along the mean "
        f"sac and its {CONFIDENCE:.0%} chi-square interval, mm",
        "sd_mm, sd_low_mm, sd_high_mm": "SD of the aligned position in all three directions "
        f"together and its {CONFIDENCE:.0%} interval (Satterthwaite), mm",
    },
    "anchor_summary": {
        "origin, anchor": "where depth along dura and cord is counted from; point held fixed",
        "n": "subjects",
        "n_landmarks": "that every subject has; the numbers are over them",
        "total_variance_mm2, total_variance_low_mm2, total_variance_high_mm2": "of the whole shape "
        f"(n - 1) and its {CONFIDENCE:.0%} interval (Satterthwaite), mm²; compare within an origin",
        "sd_per_landmark_mm": "square root of the total variance per landmark, mm",
        "share_mode1": "of the total variance",
        "modes_for_95": "number of modes that hold 95 % of it",
        "remark": "why there are no numbers",
    },
    "field_of_view": {
        "mode": "from 1",
        "share": "of the total variance",
        "predictor": "extent of the dura; conus-to-bottom; apex-to-conus (place of the conus, "
        "which is anatomy, and of the image's top, which is not); slice-spacing; all together",
        "r2": "share of the mode's scores that follows it; empty: the same in all subjects",
        "r2_adjusted": "for the number of predictors: 0 where r2 is what chance gives",
        "p": "permutation p of r2, of this row alone",
        "p_family": "permutation p over the modes that hold 99 % of the variance together",
        "n": "subjects",
        "finding": "where they explain most of the mode; warning: and can have moved the "
        "landmarks; note: but cannot have",
    },
}


def anchor_sensitivity(
    dataset: Dataset, alignment: Alignment, *, anchors: Sequence[str] = ANCHORS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the group's spread would be about other anchors.

    Parameters
    ----------
    dataset : Dataset
        With the subjects of the alignment.
    alignment : Alignment
        Its landmarks serve for its own origin; for the other they are placed once.  Rotation,
        scaling and weights are kept.
    anchors : sequence of str
        As :func:`atlas.procrustes.alignment.align` takes them; that of the alignment comes last
        where it is another.  Each with landmarks counted from either origin; from the conus there
        is no dura apex.

    Returns
    -------
    summary : DataFrame
        One row an origin and anchor: ``n`` subjects, ``n_landmarks`` that every subject has,
        ``total_variance_mm2`` over them and its 95 % interval, ``sd_per_landmark_mm``,
        ``share_mode1``, ``modes_for_95``, ``remark`` (why there are no numbers).
    roots : DataFrame
        One row an origin, anchor, landmark (``begin``, ``ganglion``), level and side: ``n``,
        ``sd_z_mm`` along the mean sac and ``sd_mm`` in all three directions, of aligned positions
        (n - 1), with 95 % intervals.

    Notes
    -----
    Intervals take subjects as independent normal draws; those of sums of variances are as
    :func:`~analysis.variability.normal_intervals.total_variance_interval` gives them.  Total
    variances from different origins are of different landmarks along dura and cord.
    """
    summaries: list[dict[str, Any]] = []
    roots: list[pd.DataFrame] = []
    for origin, landmarks in _both_origins(dataset, alignment).items():
        for anchor in dict.fromkeys((*anchors, alignment.anchor)):
            if anchor == APEX and origin != APEX:
                continue
            label = {"origin": origin, "anchor": anchor}
            try:
                moved = _aligned(landmarks, anchor, alignment)
            except AlignmentError as error:
                # An anchor that one subject lacks is no reason to withhold the others.
                summaries.append({**label, "n": len(landmarks.subject_ids), "remark": str(error)})
                continue
            summaries.append(label | summarise_alignment(moved))
            roots.append(pd.DataFrame(label, index=[0]).merge(root_spread(moved), how="cross"))
    return pd.DataFrame(summaries), pd.concat(roots, ignore_index=True)


def summarise_alignment(alignment: Alignment) -> dict[str, Any]:
    """Total variance of an alignment and how it gathers in modes.

    Parameters
    ----------
    alignment : Alignment
        Landmarks that a subject lacks are left out for all.

    Returns
    -------
    dict
        A row of the summary of :func:`anchor_sensitivity`.  With nothing missing variance, share
        and number of modes are those of :func:`atlas.model.shape_model.fit_shape_model`.
    """
    whole = ~np.isnan(alignment.points).any(axis=(0, 2))
    points = alignment.points[:, whole]
    n = len(points)
    root = np.sqrt(alignment.weights[whole])[:, None]
    deviations = (root * (points - points.mean(axis=0))).reshape(n, -1)
    # The Gram matrix of the subjects has the variances of the modes; the modes are not needed.
    variance = np.linalg.eigvalsh(deviations @ deviations.T)[:0:-1].clip(min=0) / (n - 1)
    total = float(variance.sum())
    low, high = total_variance_interval(variance.sum(), (variance**2).sum(), np.array(n))
    return {
        "n": n,
        "n_landmarks": int(whole.sum()),
        "total_variance_mm2": total,
        "total_variance_low_mm2": float(low),
        "total_variance_high_mm2": float(high),
        "sd_per_landmark_mm": float(np.sqrt(total / whole.sum())),
        "share_mode1": float(variance[0] / total),
        "modes_for_95": modes_for_share(variance, EXPLAINED),
        "remark": "",
    }


def modes_for_share(variance: np.ndarray, share: float) -> int:
    """Number of first modes that together hold a share of their variance.

    Examples
    --------
    >>> modes_for_share(np.array([6.0, 3.0, 1.0]), 0.9)
    2
    """
    reached = np.cumsum(variance) >= share * variance.sum() * (1 - 1e-12)
    return int(reached.argmax()) + 1


def root_spread(alignment: Alignment) -> pd.DataFrame:
    """Spread over subjects of where each root begins and where its ganglion lies, as aligned.

    Parameters
    ----------
    alignment : Alignment

    Returns
    -------
    DataFrame
        The ``roots`` of :func:`anchor_sensitivity`, without origin and anchor.
    """
    scheme = alignment.landmarks.scheme
    present = {b.name for b in scheme.blocks}
    spans = {key: scheme.span(block_name(key)) for key in ROOT_KEYS if block_name(key) in present}
    places = [span.start for span in spans.values()] + [span.stop - 1 for span in spans.values()]
    spread = landmark_spread(alignment.points[:, places])
    along = spread.sd_axes[:, 2]
    z_low, z_high = sd_interval(spread.n, along)
    low, high = spread.sd_interval()
    keys = [(landmark, *key) for landmark in ("begin", "ganglion") for key in spans]
    return pd.DataFrame(keys, columns=["landmark", "level", "side"]).assign(
        n=spread.n,
        sd_z_mm=along,
        sd_z_low_mm=z_low,
        sd_z_high_mm=z_high,
        sd_mm=spread.sd,
        sd_low_mm=low,
        sd_high_mm=high,
    )


def field_of_view_table(
    dataset: Dataset, alignment: Alignment, model: ShapeModel, *, seed: int = 0
) -> pd.DataFrame:
    """How far each mode follows each part of the field of view.

    Parameters
    ----------
    dataset : Dataset
        With the subjects of the alignment.
    alignment : Alignment
    model : ShapeModel
        Of that alignment.
    seed : int
        Of the permutations.

    Returns
    -------
    DataFrame
        One row a mode and predictor, the last of them ``all`` together: ``share`` of the variance,
        ``r2``, ``r2_adjusted`` for the number of predictors, permutation ``p``, ``p_family`` (of
        all together, over the modes that hold 99 %), ``n``, and ``finding`` (``warning``, ``note``
        or empty) as :func:`atlas.model.field_of_view.field_of_view_findings` says it.  Empty
        numbers: the predictor is the same in all subjects, or there are too few of them.
    """
    seen = field_of_view_dependence(dataset, alignment, model, seed=seed)
    findings = field_of_view_findings(dataset, alignment, model, seed=seed)
    said = {f.place: f.severity.name.lower() for f in findings}
    n = seen.n_subjects
    alone = 1 - (1 - seen.r2) * (n - 1) / (n - 2) if n > 2 else np.full_like(seen.r2, np.nan)
    columns = {
        "r2": np.column_stack([seen.r2, seen.joint_r2]),
        "r2_adjusted": np.column_stack([alone, seen.joint_r2_adjusted]),
        "p": np.column_stack([seen.p, seen.joint_p]),
        "p_family": np.column_stack([np.full_like(seen.p, np.nan), seen.joint_p_family]),
    }
    names = [*PREDICTORS, ALL_PREDICTORS]
    modes = np.repeat(np.arange(1, model.n_modes + 1), len(names))
    table = pd.DataFrame(
        {
            "mode": modes,
            "share": model.explained[modes - 1],
            "predictor": names * model.n_modes,
            **{name: values.ravel() for name, values in columns.items()},
            "n": n,
        }
    )
    # A finding is about the mode, and stands in the row of all predictors together.
    verdict = pd.Series([said.get(f"mode {k}", "") for k in modes], dtype=object)
    return table.assign(finding=verdict.where(table["predictor"] == ALL_PREDICTORS, ""))


def _both_origins(dataset: Dataset, alignment: Alignment) -> dict[str, LandmarkSet]:
    """Landmarks counted from each origin; those of the alignment as they are."""
    own = alignment.landmarks
    ids = set(own.subject_ids)
    group = replace(dataset, subjects=tuple(s for s in dataset.subjects if s.id in ids))
    sets = {}
    for origin in ORIGINS:
        if origin == own.scheme.origin:
            sets[origin] = own
        else:
            blocks = tuple(replace(b, extent_mm=None) for b in own.scheme.blocks)
            scheme = replace(own.scheme, blocks=blocks, origin=origin)
            sets[origin] = place_landmarks(group, scheme)
    return sets


def _aligned(landmarks: LandmarkSet, anchor: str, alignment: Alignment) -> Alignment:
    """Landmarks about an anchor, as an alignment was made; it itself where it is of these."""
    if landmarks is alignment.landmarks and anchor == alignment.anchor:
        return alignment
    return align(
        landmarks,
        anchor=anchor,
        rotation=alignment.rotations,
        scale=alignment.scaling,
        weights=alignment.weighting,
    )
