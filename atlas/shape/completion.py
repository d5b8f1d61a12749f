"""What is missing is put where the group expects it, and the group is aligned again, by turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.shape.components import Factors, signal_modes
from atlas.shape.landmarks import LandmarkSet
from atlas.shape.pose import Motion, Pose
from atlas.shape.ppca import fit_factors
from atlas.shape.scheme import Status

# With the expectation of missing landmarks in the loop it converges more slowly: what is told by
# the shapes about the pose and by the pose about the shapes has to settle.
MAXIMUM_ROUNDS = 300
ROUNDS_BETWEEN = 5
GROUP_REST = 1e-7
REST = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """A mean that rests, the motions onto it, and how it came to rest."""

    mean: np.ndarray
    motion: Motion
    rounds: int
    converged: bool


def complete(
    landmarks: LandmarkSet, pose: Pose, rest: Rest, choices: tuple[str, str, str]
) -> tuple[Pose, Rest, Factors]:
    """Expectation of what is missing and alignment by turns, until the shapes rest."""
    anchor, rotation, scale = choices
    present = pose.present > 0
    motion, mean, change, rounds = rest.motion, rest.mean, np.inf, rest.rounds
    shapes = np.where(present[..., None], pose.moved(motion), mean)
    weighted = weighted_shapes(shapes, pose.emphasis)
    factors = Factors.of(weighted, signal_modes(weighted, present))
    while change > GROUP_REST and rounds < MAXIMUM_ROUNDS:
        before, weighted = shapes, weighted_shapes(shapes, pose.emphasis)
        factors = fit_factors(weighted, present, start=factors, rounds=ROUNDS_BETWEEN).factors
        pose = _filled(landmarks, pose, motion, factors, anchor)
        motion = pose.onto(mean, rotation, scale)
        shapes = pose.moved(motion)
        mean = shapes.mean(axis=0)
        change = float(np.linalg.norm(shapes - before) / np.linalg.norm(shapes))
        rounds += 1
    # Mean and factors now stand; each subject comes to rest on them as a new one would.
    pose, motion, settled = settle(
        landmarks, pose, motion, mean=mean, factors=factors, choices=choices
    )
    return pose, Rest(mean, motion, rounds, settled and change <= GROUP_REST), factors


def settle(
    landmarks: LandmarkSet,
    pose: Pose,
    motion: Motion,
    *,
    mean: np.ndarray,
    factors: Factors,
    choices: tuple[str, str, str],
    size: float | None = None,
) -> tuple[Pose, Motion, bool]:
    """Expectation and pose by turns with the group held fixed, until the shapes rest."""
    anchor, rotation, scale = choices
    shapes, change, rounds = pose.moved(motion), np.inf, 0
    while change > REST and rounds < MAXIMUM_ROUNDS:
        before = shapes
        pose = _filled(landmarks, pose, motion, factors, anchor)
        motion = pose.onto(mean, rotation, scale, size=size)
        shapes = pose.moved(motion)
        change = float(np.linalg.norm(shapes - before) / np.linalg.norm(shapes))
        rounds += 1
    return pose, motion, change <= REST


def factors_of_whole_shapes(shapes: np.ndarray, weights: np.ndarray) -> Factors:
    """What whole shapes (S, L, 3) say about one another: the components that hold 99 %."""
    weighted = weighted_shapes(shapes, weights)
    everything = np.ones(weighted.shape[:2], dtype=bool)
    return Factors.of(weighted, signal_modes(weighted, everything))


def _filled(
    landmarks: LandmarkSet, pose: Pose, motion: Motion, factors: Factors, anchor: str
) -> Pose:
    """The pose of subjects whose missing landmarks stand where they are expected."""
    present = landmarks.status != Status.MISSING
    weighted = weighted_shapes(pose.moved(motion), pose.emphasis)
    expected = weighted_shapes(factors.expected(weighted, present), 1 / pose.emphasis)
    raw = np.where(present[..., None], landmarks.points, pose.back(motion, expected))
    return Pose.of(raw, landmarks, anchor, pose.emphasis)


def weighted_shapes(shapes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Shapes (S, L, 3) by the roots of the weights (L,): plain inner products are weighted ones."""
    return shapes * np.sqrt(weights)[:, None]
