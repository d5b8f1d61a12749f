"""Whether modes follow anatomy, or where the image began and ended.

The top of the image is not anatomy, nor is its bottom.  How far the scores of each mode follow
them is measured by R² with a permutation test, and said aloud where it is most of a mode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import permutations as all_orders

import numpy as np

from atlas.arrays import read_only
from atlas.data.dataset import Dataset
from atlas.data.subject import Finding, Severity, Subject, contour_heights, stack_axis
from atlas.landmarks.scheme import Status
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import Alignment

# Predictors in mm that spread less than this are constant: what is left is rounding.
CONSTANT_SD = 0.01
# Statistics this close count as equal, whatever the order of summation.
TIE = 1e-12
# Orders held in memory at a time.
CHUNK = 1000
# Modes that warnings are about: those that together hold this share of the variance.  What is
# beyond moves landmarks by a few tenths of a millimetre.
LEADING_SHARE = 0.99
# "Mostly": more than half of a mode's variance over the subjects, corrected for chance.
MOSTLY = 0.5
SIGNIFICANCE = 0.05
PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True, eq=False)
class ModeDependence:
    """R² of each mode's scores on predictors, one by one and together.

    Parameters
    ----------
    r2, p : (K, P) float
        Of one predictor; NaN where it is constant over the subjects.
    joint_r2, joint_r2_adjusted, joint_p : (K,) float
        Of all predictors together.  Adjusted for their number: ``1 - (1 - R²)(n - 1)/(n - 1 - r)``
        with their rank r; NaN where that leaves no degree of freedom.
    joint_p_family : (K,) float
        p of ``joint_r2`` against the largest of the first ``family`` modes; NaN for later ones.
    rank, n_subjects, n_permutations, family : int
        ``n_permutations`` counts the observed order; it is n! where all orders were taken.
    """

    r2: np.ndarray
    p: np.ndarray
    joint_r2: np.ndarray
    joint_r2_adjusted: np.ndarray
    joint_p: np.ndarray
    joint_p_family: np.ndarray
    rank: int
    n_subjects: int
    n_permutations: int
    family: int

    def __post_init__(self) -> None:
        k, p = np.shape(self.r2)
        for name in ("r2", "p"):
            object.__setattr__(self, name, read_only(getattr(self, name), (k, p), name))
        for name in ("joint_r2", "joint_r2_adjusted", "joint_p", "joint_p_family"):
            object.__setattr__(self, name, read_only(getattr(self, name), (k,), name))


def mode_dependence(
    scores: np.ndarray,
    predictors: np.ndarray,
    *,
    family: int | None = None,
    permutations: int = 9999,
    seed: int = 0,
) -> ModeDependence:
    """How far each mode's scores follow predictors, by least squares.

    Parameters
    ----------
    scores : (S, K) float
    predictors : (S, P) float
        mm.  Linearly dependent ones are welcome: their span counts.
    family : int, optional
        How many of the first modes a reader looks at; all by default.
    permutations : int
        Random orders of the subjects; where S! is no larger, every order is taken instead.
    seed : int

    Returns
    -------
    ModeDependence

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite.

    Notes
    -----
    The subjects' predictors are permuted against their scores, all columns alike, which is exact
    under independence whatever the distributions; ``p = (1 + count) / (1 + N)`` with the observed
    order counted (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585).  The p of the family compares
    with the largest R² of its modes in each order (single-step maxT, Westfall & Young 1993), which
    holds the chance of any false alarm among them.  Over all n - 1 modes of a model without noise
    R² of one predictor sums to 1 by construction: what tells is whether it gathers in one mode.

    Examples
    --------
    >>> depth = np.array([0.0, 1, 2, 3])
    >>> found = mode_dependence(depth[:, None], depth[:, None])
    >>> round(found.r2.item(), 9), round(found.p.item() * 24)
    (1.0, 2)
    """
    scores, predictors = _checked(scores, predictors)
    n, k = scores.shape
    family = k if family is None else min(family, k)
    target = _unit(scores)
    orders = _orders(n, permutations, seed)
    single = [_tested(_basis(x[:, None]), target, orders, family)[:2] for x in predictors.T]
    basis = _basis(predictors)
    joint, joint_p, joint_family = _tested(basis, target, orders, family)
    rank = basis.shape[1]
    freedom = n - 1 - rank
    adjusted = 1 - (1 - joint) * (n - 1) / freedom if freedom > 0 else np.full(k, np.nan)
    return ModeDependence(
        r2=np.stack([r2 for r2, _ in single], axis=1),
        p=np.stack([p for _, p in single], axis=1),
        joint_r2=joint,
        joint_r2_adjusted=adjusted,
        joint_p=joint_p,
        joint_p_family=joint_family,
        rank=rank,
        n_subjects=n,
        n_permutations=len(orders),
        family=family,
    )


def _checked(scores: np.ndarray, predictors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, predictors = np.asarray(scores, dtype=float), np.asarray(predictors, dtype=float)
    if scores.ndim != 2 or predictors.ndim != 2 or len(scores) != len(predictors):
        raise ValueError(
            "scores and predictors: expected (S, K) and (S, P) of the same subjects, got "
            f"{scores.shape} and {predictors.shape}"
        )
    if not predictors.shape[1] or not (np.isfinite(scores).all() and np.isfinite(predictors).all()):
        raise ValueError("scores and predictors: expected finite values, got NaN, inf or none")
    return scores, predictors


def _unit(values: np.ndarray) -> np.ndarray:
    """Columns centred and of length 1; constant ones 0."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    return centred / np.where(length > 0, length, np.inf)


def _basis(predictors: np.ndarray) -> np.ndarray:
    """Orthonormal basis (S, r) of what centred predictors span above rounding."""
    centred = predictors - predictors.mean(axis=0)
    u, size, _ = np.linalg.svd(centred, full_matrices=False)
    return u[:, size > CONSTANT_SD * math.sqrt(len(centred) - 1)]


def _orders(n: int, permutations: int, seed: int) -> np.ndarray:
    """Orders (m, n) of n subjects, the observed one first; all of them where that is few."""
    if math.factorial(n) <= permutations + 1:
        return np.array(list(all_orders(range(n))))
    start = np.tile(np.arange(n), (permutations, 1))
    drawn = np.random.default_rng(seed).permuted(start, axis=1)
    return np.concatenate([np.arange(n)[None], drawn])


def _tested(
    basis: np.ndarray, target: np.ndarray, orders: np.ndarray, family: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R² (K,) of unit columns on a basis, its permutation p (K,), and p over the family (K,)."""
    k = target.shape[1]
    if not basis.shape[1]:
        return (np.full(k, np.nan),) * 3
    observed = ((basis.T @ target) ** 2).sum(axis=0)
    alone, among = np.zeros(k), np.zeros(k)
    for start in range(0, len(orders), CHUNK):
        moved = basis[orders[start : start + CHUNK]]
        r2 = ((np.swapaxes(moved, 1, 2) @ target) ** 2).sum(axis=1)
        alone += (r2 >= observed - TIE).sum(axis=0)
        among += (r2[:, :family].max(axis=1)[:, None] >= observed - TIE).sum(axis=0)
    among[family:] = np.nan
    return observed, alone / len(orders), among / len(orders)


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


def entering_predictors(origin: str, *, rings_missing: bool) -> tuple[str, ...]:
    """What of the field of view can move a landmark, of :data:`PREDICTORS`, by how they are placed.

    Depths counted from the dura apex hang on the top of the image, and rings beyond an image are
    missing: then everything can.  Counted from the conus over the depths that all subjects share,
    only the bottom can: it decides where a root's trace ends and its bridge begins.
    """
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
    entering, made = entering_predictors(model.scheme.origin, rings_missing=gaps), everything
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
    entering, made = (
        entering_predictors(model.scheme.origin, rings_missing=rings_missing),
        everything,
    )
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
