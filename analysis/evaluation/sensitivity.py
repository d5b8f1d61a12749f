"""How far a model rests on choices: where subjects are anchored, and what was imaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.columns import Columns, as_frame, below, of_rows, repeated, texts
from analysis.variability.normal_intervals import CONFIDENCE, chi2_quantile, sd_interval
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

if TYPE_CHECKING:
    import pandas as pd

APEX = "dura-apex"
ANCHORS = (APEX, "conus", "centroid", "root/L1")
EXPLAINED = 0.95
ALL_PREDICTORS = "all"


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
    Intervals take subjects as independent normal draws.  A sum of variances has Satterthwaite's
    degrees of freedom, ``(n - 1) (Σλ)² / Σλ²`` with its principal variances λ (1946,
    doi:10.2307/3002019).  Total variances from different origins are of different landmarks along
    dura and cord.
    """
    summary, roots = anchor_columns(dataset, alignment, anchors=anchors)
    return as_frame(summary), as_frame(roots)


def anchor_columns(
    dataset: Dataset, alignment: Alignment, *, anchors: Sequence[str] = ANCHORS
) -> tuple[Columns, Columns]:
    """The columns of both tables of :func:`anchor_sensitivity`."""
    summaries: list[dict[str, Any]] = []
    roots: list[Columns] = []
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
            spread = _root_columns(moved)
            labels = {name: repeated(text, len(spread["n"])) for name, text in label.items()}
            roots.append(labels | spread)
    return of_rows(summaries), below(roots)


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
    low, high = variance_interval(variance, n)
    return {
        "n": n,
        "n_landmarks": int(whole.sum()),
        "total_variance_mm2": total,
        "total_variance_low_mm2": low,
        "total_variance_high_mm2": high,
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
    return as_frame(_root_columns(alignment))


def _root_columns(alignment: Alignment) -> Columns:
    scheme = alignment.landmarks.scheme
    present = {b.name for b in scheme.blocks}
    spans = {key: scheme.span(block_name(key)) for key in ROOT_KEYS if block_name(key) in present}
    places = [span.start for span in spans.values()] + [span.stop - 1 for span in spans.values()]
    spread = landmark_spread(alignment.points[:, places])
    along = spread.sd_axes[:, 2]
    z_low, z_high = sd_interval(spread.n, along)
    low, high = spread.sd_interval()
    levels, sides = zip(*spans, strict=True) if spans else ((), ())
    return {
        "landmark": np.repeat(texts(("begin", "ganglion")), len(spans)),
        "level": texts(levels * 2),
        "side": texts(sides * 2),
        "n": spread.n,
        "sd_z_mm": along,
        "sd_z_low_mm": z_low,
        "sd_z_high_mm": z_high,
        "sd_mm": spread.sd,
        "sd_low_mm": low,
        "sd_high_mm": high,
    }


def variance_interval(variance: np.ndarray, n: int) -> tuple[float, float]:
    """The 95 % interval of a sum of principal variances of n normal draws.

    Parameters
    ----------
    variance : (K,) float
        With n - 1.
    n : int

    Returns
    -------
    low, high : float
        ``ν Σλ / χ²(ν)`` at the upper and lower quantile, ``ν = (n - 1) (Σλ)² / Σλ²``.

    Examples
    --------
    >>> low, high = variance_interval(np.array([100.0]), 14)
    >>> round(low**0.5, 2), round(high**0.5, 2)
    (7.25, 16.11)
    """
    total = float(variance.sum())
    if total <= 0:
        return total, total
    freedom = (n - 1) * total**2 / float((variance**2).sum())
    tail = (1 - CONFIDENCE) / 2
    low, high = (freedom * total / chi2_quantile(q, freedom) for q in (1 - tail, tail))
    return float(low), float(high)


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
    return as_frame(field_of_view_columns(dataset, alignment, model, seed=seed))


def field_of_view_columns(
    dataset: Dataset, alignment: Alignment, model: ShapeModel, *, seed: int = 0
) -> Columns:
    """The columns of :func:`field_of_view_table`."""
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
    predictors = texts(names * model.n_modes)
    # A finding is about the mode, and stands in the row of all predictors together.
    verdict = texts(said.get(f"mode {k}", "") for k in modes)
    return {
        "mode": modes,
        "share": model.explained[modes - 1],
        "predictor": predictors,
        **{name: values.ravel() for name, values in columns.items()},
        "n": np.full(len(modes), n),
        "finding": np.where(predictors == ALL_PREDICTORS, verdict, ""),
    }


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
