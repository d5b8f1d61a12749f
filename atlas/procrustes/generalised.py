"""Where the subjects of a group lie in its common frame: generalised Procrustes by passes.

The points themselves are not kept: they follow from the landmarks and the motions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from atlas.components.blocks import Block, Group, total
from atlas.components.principal import Factors
from atlas.curves.transforms import is_mirrored
from atlas.procrustes.canonical_frame import canonical_rotation, first_rotations
from atlas.procrustes.handedness import refuse_wrong_handed
from atlas.procrustes.missing_landmarks import complete
from atlas.procrustes.similarity import (
    AlignmentError,
    Choices,
    Motion,
    Pose,
    RoundSums,
    anchor_weights,
)
from atlas.procrustes.weights import landmark_weights

ROTATIONS = ("full", "axial", "none")
SCALINGS = ("none", "unit")
# Generalised Procrustes converges linearly, by a factor of the order of the shape variance over
# the size, and faster with mixing: some six rounds; the limit only stops what does not converge.
MAXIMUM_ITERATIONS = 200
# Earlier rounds from which the next mean is foreseen.
DEPTH = 3
# What the mean may still be off its place of rest, over its size.
TOLERANCE = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """The motions that put a group into one frame, and the mean they give.

    Parameters
    ----------
    mean : (L, 3) float
        mm, in the canonical frame.
    motion : Motion
        Of each subject.
    factors : Factors or None
        What missing landmarks are expected from, weighted, in this frame; None where nothing is
        missing.
    weights : (L,) float
        Of the landmarks in every inner product, of mean 1.
    anchor, rotations, scaling, weighting : str
        What was asked for.
    size : float
        Centroid size the subjects were brought to, mm; 1 where sizes are kept.
    n_iterations : int
    converged : bool
        Whether the mean came to rest.
    """

    mean: np.ndarray
    motion: Motion
    factors: Factors | None
    weights: np.ndarray
    anchor: str
    rotations: str
    scaling: str
    weighting: str
    size: float
    n_iterations: int
    converged: bool

    def aligned(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Points (S, L, 3) of a block, NaN where missing, and with what is expected there."""
        points = self.motion[block.where].moved(block.landmarks.points)
        if self.factors is None:
            return points, points
        return points, self.factors.completed(points, block.present, self.weights)


def register(
    group: Group,
    *,
    anchor: str | None = None,
    rotation: str = "full",
    scale: str = "none",
    weights: str = "landmark",
) -> Registration:
    """Put a group into one frame; parameters, errors and method of :func:`atlas.align`.

    Parameters
    ----------
    group : Group
    anchor, rotation, scale, weights
        As in :func:`atlas.procrustes.alignment.align`.

    Returns
    -------
    Registration
    """
    for name, value, known in (("rotation", rotation, ROTATIONS), ("scale", scale, SCALINGS)):
        if value not in known:
            raise AlignmentError(f"{name}: expected one of {known}, got {value!r}")
    anchor = anchor or group.scheme.origin
    held = anchor_weights(group.scheme, anchor)
    refuse_lost_anchor(group, held, anchor)
    choices = Choices(held, landmark_weights(group, weights), rotation, scale)
    mean, size, rounds, converged = _rest(group, choices)
    motion = onto(group, mean, choices, size)
    refuse_wrong_handed(group)
    factors = None
    if not group.whole:
        rest = complete(group, mean, motion, size, choices)
        mean, motion, size, factors = rest.mean, rest.motion, rest.size, rest.factors
        rounds, converged = rounds + rest.rounds, rest.converged
    canonical = canonical_rotation(mean, group.scheme, rotation)
    return Registration(
        mean=mean @ canonical.T,
        motion=motion.turned(canonical),
        factors=factors and factors.turned(canonical),
        weights=choices.weights,
        anchor=anchor,
        rotations=rotation,
        scaling=scale,
        weighting=weights,
        size=size,
        n_iterations=rounds,
        converged=converged,
    )


def refuse_lost_anchor(
    group: Group, held: np.ndarray, anchor: str, *, among_others: bool = False
) -> None:
    """Refuse subjects that have nothing of an anchor (L,).

    Where a mean is to come from the group alone, and not from others, also landmarks that nobody
    has.
    """
    if group.whole:
        return
    shares, counts = [], np.zeros(group.scheme.size)
    for share, count in group.each(_has, held):
        shares.append(share)
        counts += count
    lost = [i for i, w in zip(group.subject_ids, np.concatenate(shares), strict=True) if w == 0]
    if lost:
        raise AlignmentError(
            f"anchor {anchor}: expected in every subject, missing in {', '.join(lost)}; choose "
            "another anchor or leave them out"
        )
    nobody = np.flatnonzero(counts == 0)
    if len(nobody) and not among_others:
        names = group.scheme.names
        raise AlignmentError(
            f"expected every landmark in at least one subject, got none for {len(nobody)} "
            f"({names[nobody[0]]} to {names[nobody[-1]]}); leave the structure out of the scheme"
        )


def _has(block: Block, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    present = block.present
    return present.astype(float) @ held, present.sum(axis=0)


def _rest(group: Group, choices: Choices) -> tuple[np.ndarray, float, int, bool]:
    """Mean and motions by turns until the mean rests: mean, size, rounds, whether it rests."""
    mean = _first_mean(group, choices)
    change, left, rounds, size = np.nan, np.inf, 0, 1.0
    mixing = Mixing(DEPTH)
    while left > TOLERANCE and rounds < MAXIMUM_ITERATIONS:
        sums: RoundSums = total(group.each(_round, mean, choices))
        updated, size = sums.mean(), sums.factor
        before, change = change, float(np.linalg.norm(updated - mean) / np.linalg.norm(updated))
        # What is still to come is at most a geometric series.
        rate = change / before if before > 0 else np.nan
        left = min(change, change * rate / (1 - rate)) if rate < 1 else change
        mean, rounds = mixing.next(mean, updated), rounds + 1
    return mean, size, rounds, left <= TOLERANCE


def pose_of(block: Block, choices: Choices) -> Pose:
    """The subjects of a block about their anchors."""
    whole = bool(block.present.all())
    return Pose.of(block.landmarks.points, choices.anchor, choices.weights, whole=whole)


def _round(block: Block, mean: np.ndarray, choices: Choices) -> RoundSums:
    pose = pose_of(block, choices)
    return pose.round(mean, choices.rotation, choices.scale)


def _first_mean(group: Group, choices: Choices) -> np.ndarray:
    """The mean of subjects in their own axes, so that the pose they came in does not matter."""
    sums: RoundSums = total(group.each(_begun, choices))
    return sums.mean()


def _begun(block: Block, choices: Choices) -> RoundSums:
    marks = block.landmarks
    turns = first_rotations(marks.points, marks.scheme, choices.rotation)
    pose = pose_of(block, choices)
    return pose.added(turns, np.zeros((len(turns), 3)), float(len(turns)))


def onto(group: Group, mean: np.ndarray, choices: Choices, size: float) -> Motion:
    """The motions onto a mean (L, 3); refuses mirror images by name."""
    found = list(group.each(placed, mean, choices, size))
    refuse_mirrored(group.subject_ids, np.concatenate([covariance for _, covariance in found]))
    return Motion.joined([motion for motion, _ in found])


def placed(
    block: Block, mean: np.ndarray, choices: Choices, size: float
) -> tuple[Motion, np.ndarray]:
    """The motions of a block onto a mean, and its covariances with it."""
    pose = pose_of(block, choices)
    return pose.onto(mean, choices.rotation, choices.scale, size=size)


def refuse_mirrored(subject_ids: tuple[str, ...], covariance: np.ndarray) -> None:
    """Refuse subjects (S, 3, 3) that a reflection would fit better than any rotation."""
    mirrored = is_mirrored(covariance)
    if mirrored.any():
        named = ", ".join(np.array(subject_ids)[mirrored])
        raise AlignmentError(
            f"{named}: expected a specimen of the same handedness as the others, got a mirror "
            "image; check its left and right and the coordinate system of its files"
        )


class Mixing:
    """Anderson mixing of a fixed-point iteration ``x = F(x)``.

    Each round is asked for what it found; its answer is where the next begins.

    Parameters
    ----------
    depth : int
        How many earlier rounds are remembered.

    Notes
    -----
    With residuals ``r_k = F(x_k) - x_k`` the next x is ``F(x_k) - dF g``, where g makes
    ``r_k - dR g`` least and dF and dR hold the differences of the last rounds (Anderson 1965,
    doi:10.1145/321296.321305; Walker & Ni 2011, doi:10.1137/10078356X).  Where a residual has
    grown, what is remembered no longer helps and is forgotten: the round is a plain one.

    Examples
    --------
    >>> mixing, x = Mixing(2), np.array([2.0, 1.0])
    >>> for _ in range(4):
    ...     x = mixing.next(x, np.array([0.5, 0.25]) * x + 1)
    >>> x.round(9)
    array([2.        , 1.33333333])
    """

    def __init__(self, depth: int) -> None:
        self.steps: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=depth)
        self.last: tuple[np.ndarray, np.ndarray] | None = None

    def next(self, x: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Where to begin the next round, given where this one began and what it found."""
        residual = (found - x).ravel()
        if self.last is not None:
            earlier, image = self.last
            if residual @ residual > earlier @ earlier:
                self.steps.clear()
            else:
                self.steps.append((residual - earlier, found.ravel() - image))
        self.last = residual, found.ravel()
        if not self.steps:
            return found
        changes = np.stack([change for change, _ in self.steps])
        # By normal equations: what they lose in digits a foreseen place does not need.
        share = np.linalg.lstsq(changes @ changes.T, changes @ residual, rcond=1e-12)[0]
        foreseen = found.ravel() - share @ np.stack([image for _, image in self.steps])
        return foreseen.reshape(found.shape)
