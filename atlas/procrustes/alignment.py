"""Anchored generalised Procrustes: rotations about a stated anatomical point.

Every subject is moved so that its anchor lies at the origin, then turned about it onto the
mean, until the mean rests.  Nothing is scaled unless asked for.  The mean's frame is canonical.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.arrays import freeze, read_only
from atlas.components.blocks import Block, MemoryGroup
from atlas.components.krylov import VARIANCE_HELD, array_components, most_signal_modes
from atlas.components.principal import Factors
from atlas.components.rank_selection import effective_coordinates
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import Status
from atlas.procrustes.generalised import Registration, onto, refuse_lost_anchor, register
from atlas.procrustes.handedness import dorsal_offset, refuse_wrong_handed
from atlas.procrustes.missing_landmarks import Target, settle, weighted_shapes
from atlas.procrustes.similarity import AlignmentError, Choices, anchor_weights, centroid_size
from atlas.text.display import summary_html
from atlas.threads import threads_for

__all__ = [
    "Alignment",
    "AlignmentError",
    "align",
    "align_alike",
    "align_onto",
    "anchor_weights",
    "centroid_size",
]


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

    def aligned(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Points and completed shapes of a block of the subjects, each (S, L, 3)."""
        return self.points[block.where], self.completed[block.where]

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
        stands for; see :func:`atlas.procrustes.weights.landmark_weights`.

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
    group (probabilistic ones, see :mod:`atlas.components.ppca`) expect them, given what is there,
    and the group is aligned again, until both rest.
    """
    group = MemoryGroup(landmarks)
    # Products of whole groups are three columns wide: threads only wait for each other there.
    with threads_for(0 if group.whole else len(landmarks.subject_ids)):
        found = register(group, anchor=anchor, rotation=rotation, scale=scale, weights=weights)
        return _aligned(group, found)


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
    group = MemoryGroup(landmarks)
    held = anchor_weights(landmarks.scheme, reference.anchor)
    refuse_lost_anchor(group, held, reference.anchor, among_others=True)
    choices = Choices(held, reference.weights, reference.rotations, reference.scaling)
    size = _reference_size(reference)
    motion = onto(group, reference.mean, choices, size)
    refuse_wrong_handed(group, group_mm=dorsal_offset(reference.mean, reference.landmarks.scheme))
    factors, settled = None, True
    if not group.whole:
        factors = reference.factors or _factors_of_whole_shapes(reference)
        target = Target(reference.mean, factors, choices, size)
        motion, settled = settle(group, motion, target)
    return _aligned(
        group,
        Registration(
            mean=reference.mean,
            motion=motion,
            factors=factors,
            weights=reference.weights,
            anchor=reference.anchor,
            rotations=reference.rotations,
            scaling=reference.scaling,
            weighting=reference.weighting,
            size=size,
            n_iterations=1,
            converged=settled,
        ),
    )


def _aligned(group: MemoryGroup, found: Registration) -> Alignment:
    points, completed = found.aligned(group.block)
    freeze(points)
    return Alignment(
        landmarks=group.landmarks,
        points=points,
        completed=freeze(completed),
        factors=found.factors,
        mean=found.mean,
        rotation=found.motion.turns,
        scale=found.motion.scales,
        translation=found.motion.shifts,
        weights=found.weights,
        anchor=found.anchor,
        rotations=found.rotations,
        scaling=found.scaling,
        weighting=found.weighting,
        n_iterations=found.n_iterations,
        converged=found.converged,
    )


def _reference_size(reference: Alignment) -> float:
    """The size every subject of an alignment was brought to; 1 where sizes were kept."""
    if reference.scaling == "none":
        return 1.0
    weights = np.broadcast_to(reference.weights, reference.completed.shape[:2])
    return float(centroid_size(reference.completed, weights).mean())


def _factors_of_whole_shapes(reference: Alignment) -> Factors:
    """What whole shapes say about one another: components that hold 99 %, none of noise."""
    weighted = weighted_shapes(reference.completed, reference.weights)
    mean = weighted.mean(axis=0)
    found = array_components(
        (weighted - mean).reshape(len(weighted), -1),
        held=VARIANCE_HELD,
        noisy=effective_coordinates(reference.weights),
    )
    k = min(len(found.variance), most_signal_modes(len(weighted)))
    rest = found.total - float(found.variance[:k].sum())
    return Factors.leading(mean, found.modes[:k], found.variance[:k], rest=rest)
