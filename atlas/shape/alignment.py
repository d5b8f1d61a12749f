"""Anchored generalised Procrustes: rotations about a stated anatomical point.

Every subject is moved so that its anchor lies at the origin, then turned about it onto the
mean, until the mean rests.  Nothing is scaled.  The frame of the mean is canonical.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.arrays import read_only
from atlas.errors import AtlasError
from atlas.shape.landmarks import LandmarkSet
from atlas.shape.scheme import LandmarkScheme, Status
from atlas.shape.transforms import (
    best_axial_rotation,
    best_rotation,
    cross_covariance,
    frame,
    is_mirrored,
    line_direction,
)

ROTATIONS = ("full", "axial", "none")
# Generalised Procrustes converges linearly, by a factor of the order of the shape variance over
# the size: some ten rounds; the limit only stops what does not converge at all.
MAXIMUM_ITERATIONS = 200
# Change of the mean from round to round over its size.
TOLERANCE = 1e-13


class AlignmentError(AtlasError):
    """Subjects that cannot be aligned; the text names them."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """A group in one frame.

    Parameters
    ----------
    landmarks : LandmarkSet
        What was aligned.
    points : (S, L, 3) float
        ``scale * raw @ rotation.T + translation``, mm; NaN where missing.
    mean : (L, 3) float
        Mean over the subjects that have each landmark.
    rotation : (S, 3, 3) float
        Proper, det +1.
    scale : (S,) float
    translation : (S, 3) float
        mm.
    anchor, rotations : str
        What was asked for.
    n_iterations : int
    converged : bool
        Whether the mean came to rest.
    """

    landmarks: LandmarkSet
    points: np.ndarray
    mean: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray
    anchor: str
    rotations: str
    n_iterations: int
    converged: bool

    def __post_init__(self) -> None:
        s, n = len(self.landmarks.subject_ids), self.landmarks.scheme.size
        shapes = {
            "points": (s, n, 3),
            "mean": (n, 3),
            "rotation": (s, 3, 3),
            "scale": (s,),
            "translation": (s, 3),
        }
        for name, shape in shapes.items():
            object.__setattr__(self, name, read_only(getattr(self, name), shape, name))


def align(
    landmarks: LandmarkSet, *, anchor: str | None = None, rotation: str = "full"
) -> Alignment:
    """Align a group about an anchor.

    Parameters
    ----------
    landmarks : LandmarkSet
        Missing landmarks carry no weight.
    anchor : str, optional
        ``dura-apex`` (centroid of the highest dura ring), ``conus`` (of the last cord ring),
        ``centroid`` (of all landmarks), or the name of a landmark, ring, block or level
        (``root/L1``).  The origin of the scheme by default.
    rotation : {"full", "axial", "none"}
        Free, about z only, or none.

    Returns
    -------
    Alignment
        The anchor of the mean is at the origin.  With ``full`` rotation z runs along the mean sac
        and x from right to left roots; ``axial`` keeps z; ``none`` keeps the frame.

    Raises
    ------
    AlignmentError
        An anchor the scheme does not hold or a subject does not have; a landmark nobody has; a
        mirrored subject.

    Notes
    -----
    Minimises ``sum_i sum_l w_il |R_i (x_il - a_i) - m_l|^2`` over rotations and the mean by turns
    (Gower 1975, doi:10.1007/BF02291478), with the translation fixed by the anchor ``a_i``.
    """
    scheme = landmarks.scheme
    anchor = anchor or scheme.origin
    if rotation not in ROTATIONS:
        raise AlignmentError(f"rotation: expected one of {ROTATIONS}, got {rotation!r}")
    present = (landmarks.status != Status.MISSING).astype(float)
    _refuse_landmarks_nobody_has(landmarks, present)
    weights = present * anchor_weights(scheme, anchor)
    _refuse_lost_anchor(landmarks, weights, anchor)
    weights /= weights.sum(axis=1, keepdims=True)
    raw = np.where(present[..., None] > 0, landmarks.points, 0.0)
    origins = np.einsum("sl,slk->sk", weights, raw)
    centred = (raw - origins[:, None]) * present[..., None]

    turns = _first_rotations(landmarks, rotation)
    mean, goals, turns, rounds, change = _iterate(centred, present, weights, turns, rotation)
    _refuse_mirrored(landmarks, centred, mean[None] - goals[:, None], present)

    canonical = _canonical_rotation(mean, scheme, rotation)
    turns = canonical @ turns
    translation = goals @ canonical.T - np.einsum("sjk,sk->sj", turns, origins)
    points = landmarks.points @ np.swapaxes(turns, 1, 2) + translation[:, None]
    return Alignment(
        landmarks=landmarks,
        points=points,
        mean=mean @ canonical.T,
        rotation=turns,
        scale=np.ones(len(points)),
        translation=translation,
        anchor=anchor,
        rotations=rotation,
        n_iterations=rounds,
        converged=change <= TOLERANCE,
    )


def _iterate(
    centred: np.ndarray,
    present: np.ndarray,
    weights: np.ndarray,
    turns: np.ndarray,
    rotation: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, float]:
    """Mean and rotations by turns: mean (L, 3), goals (S, 3), turns (S, 3, 3), rounds, change."""
    goals = np.zeros((len(centred), 3))
    mean = _mean(centred, present, turns, goals)
    change, rounds = np.inf, 0
    while change > TOLERANCE and rounds < MAXIMUM_ITERATIONS:
        # Where a subject has its whole anchor this is the origin; where it has a part, the place
        # of that part in the mean.
        goals = weights @ mean
        goals -= goals.mean(axis=0)
        fixed = mean[None] - goals[:, None]
        turns = _rotations(cross_covariance(centred, fixed, present), rotation)
        updated = _mean(centred, present, turns, goals)
        change = float(np.linalg.norm(updated - mean) / np.linalg.norm(updated))
        mean, rounds = updated, rounds + 1
    return mean, goals, turns, rounds, change


def _mean(
    centred: np.ndarray, present: np.ndarray, turns: np.ndarray, goals: np.ndarray
) -> np.ndarray:
    turned = centred @ np.swapaxes(turns, 1, 2) + goals[:, None]
    return np.einsum("sl,slk->lk", present, turned) / present.sum(axis=0)[:, None]


def _rotations(covariance: np.ndarray, rotation: str) -> np.ndarray:
    if rotation == "none":
        return np.tile(np.eye(3), (len(covariance), 1, 1))
    return best_rotation(covariance) if rotation == "full" else best_axial_rotation(covariance)


def anchor_weights(scheme: LandmarkScheme, anchor: str) -> np.ndarray:
    """The anchor as a weighted mean of landmarks.

    Parameters
    ----------
    scheme : LandmarkScheme
    anchor : str
        As in :func:`align`.

    Returns
    -------
    (L,) float
        Non-negative, of sum 1.

    Raises
    ------
    AlignmentError
        The scheme has no such anchor.
    """
    if anchor == "dura-apex" and scheme.origin != "dura-apex":
        raise AlignmentError(
            f"anchor dura-apex: expected landmarks counted from the dura apex, got origin "
            f"{scheme.origin!r}, whose first ring is not the apex; place landmarks with "
            "origin='dura-apex'"
        )
    names = np.array(scheme.names)
    stem = {"dura-apex": "dura/0", "conus": f"cord/{scheme.block('cord').levels - 1}"}
    if anchor == "centroid":
        chosen = np.ones(len(names), dtype=bool)
    else:
        wanted = stem.get(anchor, anchor)
        chosen = (names == wanted) | np.char.startswith(names, wanted.rstrip("/") + "/")
    if not chosen.any():
        raise AlignmentError(
            "anchor: expected dura-apex, conus, centroid or the name of a landmark, ring, block or "
            f"level (root/L1), got {anchor!r}"
        )
    return chosen / chosen.sum()


def canonical_axes(points: np.ndarray, scheme: LandmarkScheme) -> np.ndarray:
    """Axes of one shape: z along its sac, x from right roots to left.

    Parameters
    ----------
    points : (L, 3) float
        NaN where missing.
    scheme : LandmarkScheme

    Returns
    -------
    (3, 3) float
        Columns left, dorsal, rostral; the LPS x axis stands for left where no pair of roots is
        there.
    """
    dura = scheme.block("dura")
    rings = points[scheme.span("dura")].reshape(dura.levels, dura.around, 3).mean(axis=1)
    rings = rings[~np.isnan(rings).any(axis=1)]
    left = np.array(["/left/" in name for name in scheme.names])
    across = points[left] - points[scheme.mirror[left]]
    across = across[~np.isnan(across).any(axis=1)]
    sideways = across.mean(axis=0) if len(across) else np.array([1.0, 0.0, 0.0])
    return frame(sideways, line_direction(rings))


def _first_rotations(landmarks: LandmarkSet, rotation: str) -> np.ndarray:
    """Each subject into its own canonical axes, so that the pose it came in does not matter."""
    turns = np.tile(np.eye(3), (len(landmarks.subject_ids), 1, 1))
    if rotation != "none":
        for i, points in enumerate(landmarks.points):
            turns[i] = _canonical_rotation(points, landmarks.scheme, rotation)
    return turns


def _canonical_rotation(points: np.ndarray, scheme: LandmarkScheme, rotation: str) -> np.ndarray:
    """Rotation of a shape into canonical axes, as far as the freedom asked for allows."""
    if rotation == "none":
        return np.eye(3)
    axes = canonical_axes(points, scheme)
    if rotation == "axial":
        axes = frame(axes[:, 0], np.array([0.0, 0.0, 1.0]))
    return axes.T


def _refuse_landmarks_nobody_has(landmarks: LandmarkSet, present: np.ndarray) -> None:
    lost = np.flatnonzero(present.sum(axis=0) == 0)
    if len(lost):
        names = landmarks.scheme.names
        raise AlignmentError(
            f"expected every landmark in at least one subject, got none for {len(lost)} "
            f"({names[lost[0]]} to {names[lost[-1]]}); leave the structure out of the scheme"
        )


def _refuse_lost_anchor(landmarks: LandmarkSet, weights: np.ndarray, anchor: str) -> None:
    lost = [i for i, w in zip(landmarks.subject_ids, weights, strict=True) if w.sum() == 0]
    if lost:
        raise AlignmentError(
            f"anchor {anchor}: expected in every subject, missing in {', '.join(lost)}; choose "
            "another anchor or leave them out"
        )


def _refuse_mirrored(
    landmarks: LandmarkSet, centred: np.ndarray, fixed: np.ndarray, present: np.ndarray
) -> None:
    mirrored = is_mirrored(cross_covariance(centred, fixed, present))
    if mirrored.any():
        named = ", ".join(np.array(landmarks.subject_ids)[mirrored])
        raise AlignmentError(
            f"{named}: expected a specimen of the same handedness as the others, got a mirror "
            "image; check its left and right and the coordinate system of its files"
        )
