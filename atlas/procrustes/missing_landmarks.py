"""Missing landmarks at their expected places, with the model in the loop of alignment.

A subject of which a part is missing would be turned by what it has alone, and its shape would
leak into its pose.  Expectation and pose therefore take turns until both rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.components.blocks import Block, Group, total
from atlas.components.krylov import VARIANCE_HELD, group_components, signal_modes
from atlas.components.ppca import Moments, Patterns, Presence, climb, expectation
from atlas.components.principal import Factors
from atlas.components.rank_selection import effective_coordinates, worth_keeping
from atlas.procrustes.similarity import Choices, Motion, Pose

# With the expectation of missing landmarks in the loop it converges more slowly: what is told by
# the shapes about the pose and by the pose about the shapes has to settle.
MAXIMUM_ROUNDS = 300
ROUNDS_BETWEEN = 5
GROUP_REST = 1e-7
REST = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """A mean (L, 3) that rests, the motions onto it, and how it came to rest."""

    mean: np.ndarray
    motion: Motion
    size: float
    factors: Factors
    rounds: int
    converged: bool


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What subjects are brought to: a mean (L, 3), factors for their gaps, choices, a size."""

    mean: np.ndarray
    factors: Factors
    choices: Choices
    size: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a round leaves of each subject.

    Parameters
    ----------
    motion : Motion
    filled_by : Motion or None
        Gaps stand where ``factors`` expect them given what these motions make of the rest; with
        None they lie on the mean.
    factors : Factors or None
    """

    motion: Motion
    filled_by: Motion | None
    factors: Factors | None

    def __getitem__(self, where: slice) -> State:
        filled_by = None if self.filled_by is None else self.filled_by[where]
        return State(self.motion[where], filled_by, self.factors)


def complete(group: Group, mean: np.ndarray, motion: Motion, size: float, choices: Choices) -> Rest:
    """Expectation of what is missing and alignment by turns, until the shapes rest.

    Parameters
    ----------
    group : Group
        With gaps.
    mean : (L, 3) float
        Of the alignment by what each subject has.
    motion : Motion
        Of that alignment.
    size : float
        To which sizes are brought, where they are made alike.
    choices : Choices

    Returns
    -------
    Rest
    """
    presence: Presence = total(group.each(_presence))
    n, patterns = len(group.subject_ids), Patterns.of(presence.apart)
    factors, bounded = _begun(group, mean, motion, choices.weights, presence.common)
    state, change, rounds = State(motion, None, None), np.inf, 0
    while change > GROUP_REST and rounds < MAXIMUM_ROUNDS:
        factors = _climbed(group, state.motion, factors, choices, patterns)
        factors = _kept(factors, choices.weights, n) if bounded else factors
        target = Target(mean, factors, choices)
        after, size = _posed(group, state.motion, target)
        sums: _ShapeSums = total(group.each(_change, target, own=(state, after)))
        state = State(after, state.motion, factors)
        mean, change = sums.shapes / n, float(np.sqrt(sums.moved / sums.squares))
        rounds += 1
    # Mean and factors now stand; each subject comes to rest on them as a new one would.
    motion, settled = settle(group, state.motion, Target(mean, factors, choices, size))
    return Rest(mean, motion, size, factors, rounds, settled and change <= GROUP_REST)


def settle(group: Group, motion: Motion, target: Target) -> tuple[Motion, bool]:
    """Expectation and pose by turns with the group held fixed, until the shapes rest."""
    found = list(group.each(_settled, target, own=(motion,)))
    return Motion.joined([part for part, _ in found]), all(rests for _, rests in found)


def _settled(block: Block, motion: Motion, target: Target) -> tuple[Motion, bool]:
    shapes, change, rounds = np.zeros((1, 1, 3)), np.inf, 0
    # What is there does not change from round to round, nor what it tells.
    information = target.factors.information(block.present)
    while change > REST and rounds < MAXIMUM_ROUNDS:
        before = shapes
        raw = _filled(block, motion, target.factors, target.choices, information=information)
        motion = _onto(raw, target)
        shapes = motion.moved(raw)
        change = float(np.linalg.norm(shapes - before) / np.linalg.norm(shapes))
        rounds += 1
    return motion, change <= REST


def _presence(block: Block) -> Presence:
    return Presence.of(block.present)


def _begun(
    group: Group, mean: np.ndarray, motion: Motion, weights: np.ndarray, common: np.ndarray
) -> tuple[Factors, bool]:
    """Leading components with gaps on the mean, and whether noise says how many they are."""
    # Counted where everybody has something; where that is nothing, noise alone bounds the number.
    held, counted = (VARIANCE_HELD, weights * common) if common.any() else (1.0, weights)
    k, bounded = signal_modes(
        group,
        _deviations,
        mean,
        counted,
        own=(motion,),
        held=held,
        noisy=effective_coordinates(counted),
    )
    found = group_components(group, _deviations, mean, weights, own=(motion,), k=k)
    root = np.sqrt(weights)[:, None]
    return Factors.leading(root * mean, found.modes, found.variance, rest=found.rest), bounded


def _deviations(block: Block, motion: Motion, mean: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted deviations (S, 3 L) from a mean, on which missing landmarks lie."""
    apart_from = motion.moved(block.landmarks.points) - mean
    apart_from = np.where(block.present[..., None], apart_from, 0.0)
    weighted: np.ndarray = (np.sqrt(weights)[:, None] * apart_from).reshape(len(apart_from), -1)
    return weighted


def _climbed(
    group: Group, motion: Motion, factors: Factors, choices: Choices, patterns: Patterns
) -> Factors:
    """Some rounds of expectation-maximisation with the poses held fixed."""

    def expect(factors: Factors) -> Moments:
        shared = (factors, choices.weights, patterns)
        moments: Moments = total(group.each(_expected, *shared, own=(motion,)))
        return moments

    return climb(expect, factors, patterns=patterns, rounds=ROUNDS_BETWEEN).factors


def _kept(factors: Factors, weights: np.ndarray, n: int) -> Factors:
    """Without modes that hardly stand above the noise now.

    Poses by what each subject has alone make modes of their own, which are gone with the gaps.
    """
    k = factors.loadings.shape[2]
    flat = factors.loadings.reshape(-1, k)
    variance, axes = np.linalg.eigh(flat.T @ flat)
    left = n - 1.0 - k, effective_coordinates(weights) - k
    noise = factors.noise * (len(flat) - k) / (left[0] * left[1])
    keep = variance + factors.noise > noise * worth_keeping(*left)
    # The largest, if none is.
    keep[-1] = True
    if keep.all():
        return factors
    rest = factors.noise + variance[~keep].sum() / (len(flat) - keep.sum())
    return Factors(factors.mean, (flat @ axes[:, keep]).reshape(*factors.mean.shape, -1), rest)


def _expected(
    block: Block, motion: Motion, factors: Factors, weights: np.ndarray, patterns: Patterns
) -> Moments:
    y = weighted_shapes(motion.moved(block.landmarks.points), weights)
    return expectation(y, block.present, factors, patterns=patterns)


def _posed(group: Group, motion: Motion, target: Target) -> tuple[Motion, float]:
    """Motions of filled subjects onto a mean, and the size they are brought to."""
    after = Motion.joined(list(group.each(_pose, target, own=(motion,))))
    if target.choices.scale == "none":
        return after, 1.0
    size = float((1 / after.scales).mean())
    return after.resized(size, about=target.choices.anchor @ target.mean), size


def _pose(block: Block, motion: Motion, target: Target) -> Motion:
    return _onto(_filled(block, motion, target.factors, target.choices), target)


def _onto(raw: np.ndarray, target: Target) -> Motion:
    """Motions of whole subjects (S, L, 3) onto the mean."""
    choices = target.choices
    pose = Pose.of(raw, choices.anchor, choices.weights, whole=True)
    return pose.onto(target.mean, choices.rotation, choices.scale, size=target.size)[0]


def _filled(
    block: Block,
    motion: Motion,
    factors: Factors,
    choices: Choices,
    *,
    information: np.ndarray | None = None,
) -> np.ndarray:
    """Landmarks (S, L, 3) in each subject's own frame, missing ones where they are expected."""
    points, present = block.landmarks.points, block.present
    moved = motion.moved(points)
    expected = factors.completed(moved, present, choices.weights, information=information)
    return np.where(present[..., None], points, motion.back(expected))


@dataclass(frozen=True, slots=True, eq=False)
class _ShapeSums:
    """Sum of shapes (L, 3), of squares of what they moved, and of their own, mm²."""

    shapes: np.ndarray
    moved: float
    squares: float

    def __add__(self, other: _ShapeSums) -> _ShapeSums:
        return _ShapeSums(
            self.shapes + other.shapes, self.moved + other.moved, self.squares + other.squares
        )


def _change(block: Block, state: State, after: Motion, target: Target) -> _ShapeSums:
    """What shapes are after a round, and how far that is from what they were."""
    if state.filled_by is None or state.factors is None:
        start = state.motion.moved(block.landmarks.points)
        start = np.where(block.present[..., None], start, target.mean)
    else:
        start = state.motion.moved(_filled(block, state.filled_by, state.factors, target.choices))
    shapes = after.moved(_filled(block, state.motion, target.factors, target.choices))
    moved = float(((shapes - start) ** 2).sum())
    return _ShapeSums(shapes.sum(axis=0), moved, float((shapes**2).sum()))


def weighted_shapes(shapes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Shapes (S, L, 3) by the roots of the weights (L,): plain inner products are weighted ones."""
    return shapes * np.sqrt(weights)[:, None]
