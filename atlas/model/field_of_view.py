"""Whether modes follow anatomy, or where the image began and ended.

The top of the image is not anatomy, nor is its bottom.  How far the scores of each mode follow
them is measured by R² with a permutation test, and said aloud where it is most of a mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from atlas.data.dataset import Dataset
from atlas.data.subject import Finding, Severity, Subject, contour_heights, stack_axis
from atlas.landmarks.scheme import Status
from atlas.model.dependence import ModeDependence, mode_dependence
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import Alignment

# Modes that warnings are about: those that together hold this share of the variance.  What is
# beyond moves landmarks by a few tenths of a millimetre.
LEADING_SHARE = 0.99
# "Mostly": more than half of a mode's variance over the subjects, corrected for chance.
MOSTLY = 0.5
SIGNIFICANCE = 0.05
PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """What of one subject was imaged, mm; all along the normal of the slices.

    Parameters
    ----------
    extent : float
        First to last dura contour.
    conus_to_bottom : float
        Last cord contour to last dura contour.
    apex_to_conus : float
        First dura contour to last cord contour: where the conus lies, which is anatomy, and where
        the image begins, which is not.  The sum of the last two is the extent.
    slice_spacing : float
        Median distance of dura contours.
    """

    extent: float
    conus_to_bottom: float
    apex_to_conus: float
    slice_spacing: float


PREDICTORS = tuple(f.name.replace("_", "-") for f in fields(FieldOfView))


def field_of_view(subject: Subject) -> FieldOfView:
    """The field of view of one subject.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    FieldOfView
        mm; independent of the frame and of any landmark.
    """
    extent = float(contour_heights(subject.dura)[-1])
    top, conus = subject.dura[0].mean(axis=0), subject.cord[-1].mean(axis=0)
    above = float((top - conus) @ stack_axis(subject.dura))
    return FieldOfView(extent, extent - above, above, subject.spacing_mm)


def field_of_view_matrix(dataset: Dataset, subject_ids: tuple[str, ...]) -> np.ndarray:
    """Fields of view of named subjects, (S, 4) mm, in the order of :data:`PREDICTORS`.

    Raises
    ------
    ValueError
        A subject the dataset does not hold.
    """
    subjects = {s.id: s for s in dataset.subjects}
    lost = [i for i in subject_ids if i not in subjects]
    if lost:
        raise ValueError(f"{dataset.root}: expected subjects {', '.join(lost)}, got none of them")
    return field_of_view_array([field_of_view(subjects[i]) for i in subject_ids])


def field_of_view_array(views: Sequence[FieldOfView]) -> np.ndarray:
    """Fields of view as rows (S, 4) mm, in the order of :data:`PREDICTORS`."""
    names = [f.name for f in fields(FieldOfView)]
    return np.array([[getattr(view, name) for name in names] for view in views])


def leading_modes(model: ShapeModel, share: float = LEADING_SHARE) -> int:
    """Number of first modes that together hold a share of the variance; all if they do not."""
    reached = np.cumsum(model.explained) >= share
    return int(reached.argmax()) + 1 if reached.any() else model.n_modes


# A build asks for the same three times: for its findings, and for the table, twice.
@lru_cache(maxsize=4)
def field_of_view_dependence(
    dataset: Dataset,
    alignment: Alignment,
    model: ShapeModel,
    *,
    predictors: tuple[str, ...] = PREDICTORS,
    seed: int = 0,
) -> ModeDependence:
    """How far each mode of a model follows the field of view of the subjects it is made from.

    Parameters
    ----------
    dataset : Dataset
    alignment : Alignment
    model : ShapeModel
    predictors : tuple of str
        Of :data:`PREDICTORS`.
    seed : int
        Of the permutations.

    Returns
    -------
    ModeDependence
        Columns in the order of ``predictors``; the family is that of :func:`leading_modes`.
    """
    values = field_of_view_matrix(dataset, alignment.landmarks.subject_ids)
    columns = [PREDICTORS.index(name) for name in predictors]
    scores = model.scores(alignment.points)
    return mode_dependence(scores, values[:, columns], family=leading_modes(model), seed=seed)


def entering_predictors(alignment: Alignment) -> tuple[str, ...]:
    """What of the field of view can move a landmark, by how landmarks are placed.

    Depths counted from the dura apex hang on the top of the image, and rings beyond an image are
    missing: then everything can.  Counted from the conus over the depths that all subjects share,
    only the bottom can: it decides where a root's trace ends and its bridge begins.

    Parameters
    ----------
    alignment : Alignment

    Returns
    -------
    tuple of str
        Of :data:`PREDICTORS`.
    """
    origin = alignment.landmarks.scheme.origin
    return _entering(origin, rings_missing=_rings_missing(alignment))


def _entering(origin: str, *, rings_missing: bool) -> tuple[str, ...]:
    return PREDICTORS if origin == "dura-apex" or rings_missing else ("conus-to-bottom",)


def follows_field_of_view(dependence: ModeDependence) -> np.ndarray:
    """Which modes mostly follow the predictors, (K,) bool.

    Adjusted R² of all predictors together of at least 0.5, with a permutation p below 0.05 for
    the largest R² of all modes of the family.  Adjusted, because four predictors explain 31 % of
    anything at n = 14; of the family, because among many modes one follows anything by chance.
    """
    mostly = dependence.joint_r2_adjusted >= MOSTLY
    return mostly & (dependence.joint_p_family < SIGNIFICANCE)


def field_of_view_findings(
    dataset: Dataset, alignment: Alignment, model: ShapeModel, *, seed: int = 0
) -> tuple[Finding, ...]:
    """Modes that mostly follow the field of view.

    Parameters
    ----------
    dataset : Dataset
        With the subjects of the alignment, as annotated.
    alignment : Alignment
    model : ShapeModel
        Of that alignment.
    seed : int
        Of the permutations.

    Returns
    -------
    tuple of Finding
        ``mode-follows-field-of-view`` (warning) where what can move landmarks explains most of a
        mode; ``mode-goes-with-field-of-view`` (note) where the field of view explains most of it
        but cannot have moved the landmarks, so that size or protocol stands behind both.
    """
    gaps = _rings_missing(alignment)
    everything = field_of_view_dependence(dataset, alignment, model, seed=seed)
    entering, made = _entering(model.scheme.origin, rings_missing=gaps), everything
    if entering != PREDICTORS:
        made = field_of_view_dependence(dataset, alignment, model, predictors=entering, seed=seed)
    return _told(model, everything, made, entering, rings_missing=gaps)


def view_findings(
    values: np.ndarray,
    scores: np.ndarray,
    model: ShapeModel,
    *,
    rings_missing: bool,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> tuple[Finding, ...]:
    """As :func:`field_of_view_findings`, from numbers alone.

    Parameters
    ----------
    values : (S, 4) float
        Fields of view, mm, in the order of :data:`PREDICTORS`.
    scores : (S, K) float
        Of the same subjects.
    model : ShapeModel
    rings_missing : bool
        Whether any subject lacks a ring of dura or cord.
    permutations : int
        How many orders are drawn where there are more.
    seed : int

    Returns
    -------
    tuple of Finding
    """
    options: dict[str, int] = {
        "family": leading_modes(model),
        "permutations": permutations,
        "seed": seed,
    }
    everything = mode_dependence(scores, values, **options)
    entering, made = _entering(model.scheme.origin, rings_missing=rings_missing), everything
    if entering != PREDICTORS:
        columns = [PREDICTORS.index(name) for name in entering]
        made = mode_dependence(scores, values[:, columns], **options)
    return _told(model, everything, made, entering, rings_missing=rings_missing)


def _told(
    model: ShapeModel,
    everything: ModeDependence,
    made: ModeDependence,
    entering: tuple[str, ...],
    *,
    rings_missing: bool,
) -> tuple[Finding, ...]:
    """A finding for each mode that goes with the field of view, or is made by it."""
    follows, goes_with = follows_field_of_view(made), follows_field_of_view(everything)
    findings = []
    for k in np.flatnonzero(follows | goes_with).tolist():
        severity = Severity.WARNING if follows[k] else Severity.NOTE
        seen, names = (made, entering) if follows[k] else (everything, PREDICTORS)
        rule = "mode-follows-field-of-view" if follows[k] else "mode-goes-with-field-of-view"
        advice = _advice(model.scheme.origin, severity, rings_missing=rings_missing)
        message = f"{_amount(model, seen, names, k)}; {advice}"
        findings.append(Finding(severity, rule, "", f"mode {k + 1}", message))
    return tuple(findings)


def _amount(model: ShapeModel, seen: ModeDependence, names: tuple[str, ...], k: int) -> str:
    best = int(np.nanargmax(seen.r2[k]))
    together = f"{', '.join(names)} together; " if len(names) > 1 else ""
    return (
        f"expected less than half of its scores ({model.explained[k]:.1%} of the variance) to "
        f"follow the field of view, got adjusted R² {seen.joint_r2_adjusted[k]:.2f} ({together}"
        f"{names[best]} alone: R² {seen.r2[k, best]:.2f}; n = {seen.n_subjects}, permutation "
        f"p = {seen.joint_p_family[k]:.4f} over the first {seen.family} modes)"
    )


def _advice(origin: str, severity: Severity, *, rings_missing: bool) -> str:
    if severity is Severity.NOTE:
        return (
            "landmarks counted from the conus do not hang on where the image begins, so body size, "
            "posture or protocol may drive both; hold the field of view as a covariate before "
            "reading the mode as anatomy"
        )
    if origin == "dura-apex":
        return (
            "depth is counted from the dura apex, the top of the image: where the image begins and "
            "how far the conus lies below it cannot be told apart; build with --origin conus and "
            "compare"
        )
    if rings_missing:
        return (
            "rings beyond a subject's image are filled in from the others; build with the extent "
            "that all subjects share and compare"
        )
    return (
        "where the image ends decides how much of a root is traced and how much is bridged; treat "
        "bridged landmarks as missing and compare, or hold body size against it if scans were "
        "fitted to the body"
    )


def _rings_missing(alignment: Alignment) -> bool:
    scheme, status = alignment.landmarks.scheme, alignment.landmarks.status
    return any(
        bool((status[:, scheme.span(b.name)] == Status.MISSING).any())
        for b in scheme.blocks
        if b.kind == "tube"
    )
