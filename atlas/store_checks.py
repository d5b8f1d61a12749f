"""What the numbers of an atlas must be, whoever wrote them: refused by the name of the field.

Tolerances are far above rounding and far below anything that would show: what an atlas of ours
holds passes, and what was taken from another atlas does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from atlas.components.principal import Factors
from atlas.hdf5.fields import FieldError
from atlas.landmarks.placing import CHECKED_AT_ONCE, LandmarkSet
from atlas.landmarks.scheme import Status
from atlas.model.fitting import BRIDGED
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import Alignment
from atlas.procrustes.generalised import ROTATIONS, SCALINGS
from atlas.procrustes.similarity import anchor_weights
from atlas.procrustes.weights import WEIGHTS
from atlas.provenance import refuse_false_provenance

if TYPE_CHECKING:
    from atlas.store import Atlas, Settings

# Of a person, in the frame of an image.
FARTHEST_MM = 1e7
SAME_MM = 1e-6
SETTLED_MM = 1.0
PROPER = 1e-8
ORTHONORMAL = 1e-6
# Modes whose inner products and variances are all worked out; beyond, the first ones.
MODES_CHECKED = 32
# Of arrays that lie on disk as many subjects, spread evenly, are compared with one another.
SUBJECTS_COMPARED = 64
SLIDING = (None, "bending", "procrustes")


def refuse_impossible(atlas: Atlas, *, sealed: bool) -> None:
    """Refuse an atlas whose parts cannot be, or cannot be of one another.

    Parameters
    ----------
    atlas : Atlas
        As it was read.
    sealed : bool
        Whether a digest says that it is what was written.  Otherwise settings, alignment, model
        and provenance are also held to be of one build.

    Raises
    ------
    ValueError
        Names the field, what was expected and what is there.
    """
    alignment, model = atlas.alignment, atlas.model
    _check_choices(atlas.settings, alignment)
    check_landmarks(alignment.landmarks, where="atlas/landmarks/")
    _check_motions(alignment)
    _check_places(alignment)
    if alignment.factors is not None:
        _check_factors(alignment.factors, alignment)
    _check_model(model, alignment)
    if not sealed:
        _check_settings(atlas.settings, alignment)
        _check_spread(model, alignment, atlas.settings)
        refuse_false_provenance(
            atlas.provenance,
            alignment.landmarks.subject_ids,
            anchor=alignment.anchor,
            where="atlas/provenance",
        )


def _check_choices(settings: Settings, alignment: Alignment) -> None:
    anchor_weights(alignment.landmarks.scheme, alignment.anchor)
    chosen: tuple[tuple[str, str | None, tuple[str | None, ...]], ...] = (
        ("atlas/alignment@rotations", alignment.rotations, ROTATIONS),
        ("atlas/alignment@scaling", alignment.scaling, SCALINGS),
        ("atlas/alignment@weighting", alignment.weighting, WEIGHTS),
        ("atlas/settings/rotation", settings.rotation, ROTATIONS),
        ("atlas/settings/scale", settings.scale, SCALINGS),
        ("atlas/settings/weights", settings.weights, WEIGHTS),
        ("atlas/settings/bridged", settings.bridged, BRIDGED),
        ("atlas/settings/slide", settings.slide, SLIDING),
    )
    for name, value, known in chosen:
        _refuse_unless(value in known, name, f"one of {known}", repr(value))
    rounds, held = alignment.n_iterations, settings.variance_held
    _refuse_unless(rounds >= 0, "atlas/alignment@n_iterations", "0 or more", rounds)
    is_share = held is None or 0 < held <= 1
    _refuse_unless(is_share, "atlas/settings/variance_held", "a share in (0, 1]", held)


def _check_settings(settings: Settings, alignment: Alignment) -> None:
    """What was asked for is what was done."""
    anchor = settings.anchor or settings.origin
    asked = (settings.rotation, settings.scale, settings.weights, anchor)
    done = (alignment.rotations, alignment.scaling, alignment.weighting, alignment.anchor)
    _refuse_unless(asked == done, "atlas/settings", f"what the alignment says, {done}", asked)
    told, found = settings.scheme, alignment.landmarks.scheme
    told = told.with_extents({b.name: b.extent_mm for b in found.blocks if b.extent_mm})
    _refuse_unless(told == found, "atlas/settings", "those of the scheme", "others")


def check_landmarks(landmarks: LandmarkSet, *, where: str) -> None:
    """Refuse landmarks whose places, states or uncertainties cannot be.

    Parameters
    ----------
    landmarks : LandmarkSet
    where : str
        How an error names the group that holds them, with its slash.

    Raises
    ------
    FieldError
    """
    ids = landmarks.subject_ids
    once = len(set(ids)) == len(ids) and all(ids)
    _refuse_unless(once, f"{where}subject_ids", "every subject once", "one twice, or no name")
    assert landmarks.bridge_sd is not None  # filled in at construction
    for part in _parts(len(ids), _few(landmarks.points)):
        status, sd = landmarks.status[part], landmarks.bridge_sd[part]
        highest = int(status.max(initial=0))
        _refuse_unless(highest <= max(Status), f"{where}status", f"{list(Status)}", highest)
        _check_finite(f"{where}points", landmarks.points[part], missing=True)
        _check_finite(f"{where}bridge_sd", sd)
        certain = (sd >= 0).all() and not sd[status != Status.BRIDGED].any()
        _refuse_unless(
            certain, f"{where}bridge_sd", "0 or more, and 0 but for bridged ones", "others"
        )


def _check_motions(alignment: Alignment) -> None:
    turns = alignment.rotation
    for name in ("mean", "rotation", "scale", "translation", "weights"):
        _check_finite(f"atlas/alignment/{name}", getattr(alignment, name))
    off = np.abs(turns @ np.swapaxes(turns, 1, 2) - np.eye(3)).max(initial=0.0)
    proper = off <= PROPER and (np.linalg.det(turns) > 0).all()
    _refuse_unless(proper, "atlas/alignment/rotation", "proper rotations", f"ones off by {off:.3g}")
    _refuse_unless(
        (alignment.scale > 0).all(), "atlas/alignment/scale", "positive", alignment.scale.min()
    )
    _check_weights("atlas/alignment/weights", alignment.weights)


def _check_weights(name: str, weights: np.ndarray) -> None:
    least, mean = weights.min(), weights.mean()
    _refuse_unless(least > 0, name, "positive weights", least)
    _refuse_unless(abs(mean - 1) <= SAME_MM, name, "weights of mean 1", f"mean {mean}")


def _check_places(alignment: Alignment) -> None:
    """Aligned points are the landmarks after their motions; completed ones hold them."""
    landmarks = alignment.landmarks
    count = len(landmarks.subject_ids)
    _refuse_unless(count > 0, "atlas/landmarks/subject_ids", "subjects", "none")
    _check_factors_there(alignment)
    few = _few(alignment.points)
    total = np.zeros(alignment.mean.shape)
    for part in _parts(count, few):
        raw, points = landmarks.points[part], alignment.points[part]
        turns = alignment.scale[part, None, None] * alignment.rotation[part]
        moved = raw @ np.swapaxes(turns, 1, 2) + alignment.translation[part, None]
        _check_same("atlas/alignment/points", points, moved, "its landmarks after their motions")
        completed = alignment.completed[part]
        _check_finite("atlas/alignment/completed", completed)
        there = ~np.isnan(points)
        _check_same(
            "atlas/alignment/completed",
            completed[there],
            points[there],
            "the points that are there",
        )
        total += completed.sum(axis=0)
    if few is None:
        # What is expected where something is missing comes to rest only by and by.
        close = SAME_MM if alignment.factors is None else SETTLED_MM
        what = "the mean of completed shapes"
        _check_same("atlas/alignment/mean", alignment.mean, total / count, what, within_mm=close)


def _check_factors_there(alignment: Alignment) -> None:
    landmarks = alignment.landmarks
    whole = (
        alignment.completed is alignment.points or not (landmarks.status == Status.MISSING).any()
    )
    _refuse_unless(
        whole == (alignment.factors is None),
        "atlas/alignment/factors",
        "them where landmarks are missing",
        "none" if alignment.factors is None else "them where none is",
    )


def _check_factors(factors: Factors, alignment: Alignment) -> None:
    n, count = alignment.landmarks.scheme.size, len(alignment.landmarks.subject_ids)
    _check_finite("atlas/alignment/factors/mean", factors.mean)
    _check_finite("atlas/alignment/factors/loadings", factors.loadings)
    k = factors.loadings.shape[2]
    _refuse_unless(
        k <= min(3 * n, count), "atlas/alignment/factors/loadings", f"at most {count}", k
    )
    _refuse_unless(
        0 < factors.noise < np.inf,
        "atlas/alignment/factors@noise",
        "a positive variance",
        factors.noise,
    )


def _check_model(model: ShapeModel, alignment: Alignment) -> None:
    assert model.weights is not None  # filled in at construction, as shares are
    assert model.noise_share is not None
    count = len(alignment.landmarks.subject_ids)
    for name in ("mean", "modes", "variance", "noise_share"):
        _check_finite(f"atlas/model/{name}", getattr(model, name))
    _refuse_unless(
        model.n_subjects == count, "atlas/model@n_subjects", str(count), model.n_subjects
    )
    most = count - 1
    _refuse_unless(
        1 <= model.n_modes <= most, "atlas/model/variance", f"1 to {most} modes", model.n_modes
    )
    same = np.array_equal(model.weights, alignment.weights)
    _refuse_unless(same, "atlas/model/weights", "those of the alignment", "others")
    _refuse_unless(0 <= model.noise < np.inf, "atlas/model@noise", "0 or more mm²", model.noise)
    least, most_share = model.noise_share.min(), model.noise_share.max()
    share = least >= 0 and most_share <= 1 + SAME_MM
    _refuse_unless(share, "atlas/model/noise_share", "0 to 1", f"{least} to {most_share}")
    off = _off_orthonormal(model)
    _refuse_unless(
        off <= ORTHONORMAL, "atlas/model/modes", "orthonormal modes", f"ones off by {off:.3g}"
    )


def _off_orthonormal(model: ShapeModel) -> float:
    """How far inner products of modes are from 1 and 0."""
    assert model.weights is not None
    modes = model.modes.reshape(model.n_modes, -1)
    weights = np.repeat(model.weights, 3)
    first = (modes[:MODES_CHECKED] * weights) @ modes.T
    off = np.abs(first - np.eye(len(first), len(modes))).max()
    norms = np.einsum("kp,p,kp->k", modes, weights, modes, optimize=True)
    return float(max(off, np.abs(norms - 1).max()))


def _check_spread(model: ShapeModel, alignment: Alignment, settings: Settings) -> None:
    """Where everything counts as measured, variances are those of the shapes along the modes."""
    landmarks = alignment.landmarks
    if alignment.factors is not None or isinstance(alignment.completed, np.memmap):
        return
    assert landmarks.bridge_sd is not None
    if settings.bridged != "as-measured" and (landmarks.status == Status.BRIDGED).any():
        return
    _check_same("atlas/model/mean", model.mean, alignment.mean, "the mean of the alignment")
    assert model.weights is not None
    leading = model.modes[:MODES_CHECKED]
    rows = (model.weights[:, None] * leading).reshape(len(leading), -1)
    along = (alignment.completed - model.mean).reshape(len(alignment.completed), -1) @ rows.T
    expected = along.var(axis=0, ddof=1)
    told = model.variance[: len(leading)] + model.noise
    off = np.abs(told - expected).max() / expected[0]
    _refuse_unless(
        off <= ORTHONORMAL, "atlas/model/variance", "that of the shapes along the modes", told[0]
    )


def _check_same(
    name: str, got: np.ndarray, expected: np.ndarray, what: str, *, within_mm: float = SAME_MM
) -> None:
    gaps = np.isnan(got) == np.isnan(expected)
    off = np.abs(got - expected)
    worst = float(off[~np.isnan(off)].max(initial=0.0))
    # Rounding grows with how far off the origin of its image a person lies.
    size = float(np.abs(expected[~np.isnan(expected)]).max(initial=1e3)) / 1e3
    fits = gaps.all() and worst <= within_mm * size
    _refuse_unless(fits, name, what, f"some off by {worst:.3g} mm")


def _check_finite(name: str, values: np.ndarray, *, missing: bool = False) -> None:
    size = np.abs(values)
    worst = (np.nanmax if missing else np.max)(size, initial=0.0)
    _refuse_unless(worst <= FARTHEST_MM, f"{name}", "numbers of the size of a person", worst)


def _few(points: np.ndarray) -> int | None:
    """How many subjects are compared: all of those in memory, some of those on disk."""
    return SUBJECTS_COMPARED if isinstance(points, np.memmap) else None


def _parts(count: int, few: int | None = None) -> Iterator[slice]:
    """All subjects a block at a time, or so many of them, spread evenly."""
    if few is None or count <= few:
        for i in range(0, count, CHECKED_AT_ONCE):
            yield slice(i, i + CHECKED_AT_ONCE)
        return
    for i in np.unique(np.linspace(0, count - 1, few).astype(int)):
        yield slice(i, i + 1)


def _refuse_unless(holds: bool | np.bool_, name: str, expected: str, got: object) -> None:
    if not holds:
        raise FieldError(f"{name}: expected {expected}, got {got}")
