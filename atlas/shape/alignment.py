"""Anchored generalised Procrustes: rotations about a stated anatomical point.

Every subject is moved so that its anchor lies at the origin, then turned about it onto the
mean, until the mean rests.  Nothing is scaled unless asked for.  The mean's frame is canonical.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.arrays import read_only
from atlas.display import summary_html
from atlas.shape.completion import Rest, complete, factors_of_whole_shapes, settle
from atlas.shape.components import Factors
from atlas.shape.handedness import dorsal_offset, refuse_wrong_handed
from atlas.shape.landmarks import LandmarkSet
from atlas.shape.pose import AlignmentError, Motion, Pose, anchor_weights, centroid_size
from atlas.shape.scheme import LandmarkScheme, Status
from atlas.shape.transforms import frame, is_mirrored, line_direction
from atlas.shape.weights import landmark_weights

__all__ = [
    "Alignment",
    "AlignmentError",
    "align",
    "align_alike",
    "align_onto",
    "anchor_weights",
    "canonical_axes",
    "centroid_size",
]

ROTATIONS = ("full", "axial", "none")
SCALINGS = ("none", "unit")
# Generalised Procrustes converges linearly, by a factor of the order of the shape variance over
# the size: some ten rounds; the limit only stops what does not converge at all.
MAXIMUM_ITERATIONS = 200
# Change of the mean from round to round over its size.
TOLERANCE = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """A group in one frame.

    Parameters
    ----------
    landmarks : LandmarkSet
        What was aligned.
    points : (S, L, 3) float
        ``scale * raw @ rotation.T + translation``, mm; NaN where missing.
    completed : (S, L, 3) float
        The same with missing landmarks at their expected places; see :func:`align`.
    factors : Factors or None
        What the expectation rests on, weighted, in this frame; None where nothing is missing.
    mean : (L, 3) float
        Mean of ``completed``.
    rotation : (S, 3, 3) float
        Proper, det +1.
    scale : (S,) float
    translation : (S, 3) float
        mm.
    weights : (L,) float
        Of the landmarks in every inner product, of mean 1.
    anchor, rotations, scaling, weighting : str
        What was asked for.
    n_iterations : int
    converged : bool
        Whether the mean came to rest.
    """

    landmarks: LandmarkSet
    points: np.ndarray
    completed: np.ndarray
    factors: Factors | None
    mean: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray
    weights: np.ndarray
    anchor: str
    rotations: str
    scaling: str
    weighting: str
    n_iterations: int
    converged: bool

    def __post_init__(self) -> None:
        s, n = len(self.landmarks.subject_ids), self.landmarks.scheme.size
        shapes = {
            "points": (s, n, 3),
            "completed": (s, n, 3),
            "mean": (n, 3),
            "rotation": (s, 3, 3),
            "scale": (s,),
            "translation": (s, 3),
            "weights": (n,),
        }
        for name, shape in shapes.items():
            object.__setattr__(self, name, read_only(getattr(self, name), shape, name))

    def _repr_html_(self) -> str:
        spread = np.linalg.norm(self.points - self.mean, axis=2)
        missing = (self.landmarks.status == Status.MISSING).sum(axis=1)
        facts = {
            "subjects": f"n = {len(self.points)}",
            "anchor": self.anchor,
            "rotation": self.rotations,
            "scale": self.scaling,
            "weights": f"by {self.weighting}",
            "rounds": f"{self.n_iterations}, {'' if self.converged else 'NOT '}converged",
        }
        rms = np.sqrt(np.nanmean(spread**2, axis=1))
        rows = [
            (subject, f"{distance:.2f}", gap)
            for subject, distance, gap in zip(self.landmarks.subject_ids, rms, missing, strict=True)
        ]
        columns = ("subject", "RMS to the mean, mm", "landmarks missing")
        return summary_html("Alignment", facts, columns=columns, rows=rows)


def align(
    landmarks: LandmarkSet,
    *,
    anchor: str | None = None,
    rotation: str = "full",
    scale: str = "none",
    weights: str = "landmark",
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
    scale : {"none", "unit"}
        Keep sizes, or bring every subject to the mean centroid size of the group (still mm).
    weights : {"landmark", "structure", "area"}
        What counts alike: each landmark, each structure, or each mm² of surface a landmark
        stands for; see :func:`atlas.shape.weights.landmark_weights`.

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
    Minimises ``sum_i sum_l w_l p_il |s_i R_i (x_il - a_i) + g_i - m_l|^2`` over rotations and the
    mean by turns (Gower 1975, doi:10.1007/BF02291478); p is 1 where a landmark is present.  The
    translation is fixed by the anchor: ``a_i`` is the subject's, ``g_i`` the place of the same
    landmarks in the mean, which is the origin where none of them is missing.

    A subject of which a part is missing would be turned by what it has alone, and its shape would
    leak into its pose.  So missing landmarks are then put where the leading components of the
    group (probabilistic ones, see :mod:`atlas.shape.ppca`) expect them, given what is there, and
    the group is aligned again, until both rest.
    """
    _refuse_unknown(rotation=(rotation, ROTATIONS), scale=(scale, SCALINGS))
    anchor = anchor or landmarks.scheme.origin
    emphasis = landmark_weights(landmarks.scheme, weights, landmarks.points)
    pose = Pose.of(landmarks.points, landmarks, anchor, emphasis)
    _refuse_landmarks_nobody_has(landmarks, pose.present)
    rest = _rest(pose, _first_rotations(landmarks, rotation), rotation, scale)
    _refuse_mirrored(landmarks, pose, rest.mean, rest.motion.places)
    refuse_wrong_handed(landmarks)
    factors = None
    if not pose.present.all():
        pose, rest, factors = complete(landmarks, pose, rest, (anchor, rotation, scale))
    canonical = _canonical_rotation(rest.mean, landmarks.scheme, rotation)
    return _aligned(
        landmarks,
        pose,
        rest.motion.turned(canonical),
        mean=rest.mean @ canonical.T,
        factors=factors and factors.turned(canonical),
        choices=(anchor, rotation, scale, weights),
        rounds=rest.rounds,
        converged=rest.converged,
    )


def align_alike(landmarks: LandmarkSet, reference: Alignment) -> Alignment:
    """Align a group anew by the choices of another alignment, and nothing else of it."""
    return align(
        landmarks,
        anchor=reference.anchor,
        rotation=reference.rotations,
        scale=reference.scaling,
        weights=reference.weighting,
    )


def align_onto(landmarks: LandmarkSet, reference: Alignment) -> Alignment:
    """Put subjects onto a finished alignment by the very rule that made it.

    Parameters
    ----------
    landmarks : LandmarkSet
        Of the scheme of ``reference``, depths included.
    reference : Alignment
        Its mean, anchor, weights, rotation and scaling are kept.

    Returns
    -------
    Alignment
        Of the new subjects, about the old mean.  A subject of ``reference`` comes back as it was.

    Raises
    ------
    AlignmentError
        Another scheme, a lost anchor, a mirrored subject.
    """
    if landmarks.scheme != reference.landmarks.scheme:
        raise AlignmentError(
            "landmarks: expected the scheme of the finished model, depths included, got another; "
            "place them with scheme=alignment.landmarks.scheme"
        )
    rotation, scale = reference.rotations, reference.scaling
    pose = Pose.of(landmarks.points, landmarks, reference.anchor, reference.weights)
    size = _reference_size(reference) if scale == "unit" else None
    motion = pose.onto(reference.mean, rotation, scale, size=size)
    _refuse_mirrored(landmarks, pose, reference.mean, motion.places)
    refuse_wrong_handed(
        landmarks, group_mm=dorsal_offset(reference.mean, reference.landmarks.scheme)
    )
    factors, settled = None, True
    if not pose.present.all():
        factors = reference.factors or factors_of_whole_shapes(
            reference.completed, reference.weights
        )
        choices = (reference.anchor, rotation, scale)
        pose, motion, settled = settle(
            landmarks,
            pose,
            motion,
            mean=reference.mean,
            factors=factors,
            choices=choices,
            size=size,
        )
    return _aligned(
        landmarks,
        pose,
        motion,
        mean=reference.mean,
        factors=factors,
        choices=(reference.anchor, rotation, scale, reference.weighting),
        rounds=1,
        converged=settled,
    )


def _rest(pose: Pose, turns: np.ndarray, rotation: str, scale: str) -> Rest:
    """Mean and motions by turns until the mean rests."""
    mean = pose.mean(Motion(np.ones(len(turns)), turns, np.zeros((len(turns), 3))))
    change, rounds = np.inf, 0
    while change > TOLERANCE and rounds < MAXIMUM_ITERATIONS:
        motion = pose.onto(mean, rotation, scale)
        # The anchor of the mean stays where it is: at the origin.
        updated = pose.mean(motion.centred())
        change = float(np.linalg.norm(updated - mean) / np.linalg.norm(updated))
        mean, rounds = updated, rounds + 1
    return Rest(mean, pose.onto(mean, rotation, scale), rounds, change <= TOLERANCE)


def _aligned(
    landmarks: LandmarkSet,
    pose: Pose,
    motion: Motion,
    *,
    mean: np.ndarray,
    factors: Factors | None,
    choices: tuple[str, str, str, str],
    rounds: int,
    converged: bool,
) -> Alignment:
    anchor, rotation, scale, weights = choices
    completed = pose.moved(motion)
    missing = landmarks.status == Status.MISSING
    return Alignment(
        landmarks=landmarks,
        points=np.where(missing[..., None], np.nan, completed),
        completed=completed,
        factors=factors,
        mean=mean,
        rotation=motion.turns,
        scale=motion.scales,
        translation=pose.translation(motion),
        weights=pose.emphasis,
        anchor=anchor,
        rotations=rotation,
        scaling=scale,
        weighting=weights,
        n_iterations=rounds,
        converged=converged,
    )


def _reference_size(reference: Alignment) -> float:
    """The size every subject of an alignment was brought to."""
    weights = np.broadcast_to(reference.weights, reference.completed.shape[:2])
    return float(centroid_size(reference.completed, weights).mean())


def _refuse_unknown(**choices: tuple[str, tuple[str, ...]]) -> None:
    for name, (value, known) in choices.items():
        if value not in known:
            raise AlignmentError(f"{name}: expected one of {known}, got {value!r}")


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


def _refuse_mirrored(
    landmarks: LandmarkSet, pose: Pose, mean: np.ndarray, places: np.ndarray
) -> None:
    mirrored = is_mirrored(pose.covariance(mean, places))
    if mirrored.any():
        named = ", ".join(np.array(landmarks.subject_ids)[mirrored])
        raise AlignmentError(
            f"{named}: expected a specimen of the same handedness as the others, got a mirror "
            "image; check its left and right and the coordinate system of its files"
        )
