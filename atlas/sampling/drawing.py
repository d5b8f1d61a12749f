"""Draw anatomies from a shape model: scores, check, draw again, place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from atlas.arrays import read_only
from atlas.model.shape_model import ShapeModel
from atlas.sampling.designs import NOISE, POSE, Design, SamplingError
from atlas.sampling.poses import PoseLimits, placed
from atlas.sampling.restrictions import Restriction

INVALID = ("redraw", "repair", "keep")
METHODS = ("parametric", "bootstrap", "kde")
MAX_ATTEMPTS = 1000

# Scores (m, K) and shapes (m, L, 3) to which of the rules (m, R) each shape keeps.
Check = Callable[[np.ndarray], np.ndarray]
# Scores (m, K) moved to where a condition holds, and whether it does (m,); a stream a sample.
Correction = Callable[[np.ndarray, Sequence[np.random.Generator]], tuple[np.ndarray, np.ndarray]]
# What every draw is held to beside the rules of anatomy.
LIMITS = ("coverage", "condition")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything that decides what sample i is.

    Parameters
    ----------
    model : ShapeModel
    design : Design
    restriction : Restriction
    method : str
        ``parametric``, ``bootstrap`` or ``kde``.
    subject_scores : (S, K) float, optional
        For the methods that draw subjects.
    noise : bool
        Whether the noise term is added: jitter of single landmarks, which roughens surfaces.
    rules : tuple of str
        Names of what ``check`` tests.
    check : callable, optional
        Shapes (m, L, 3) mm to a mask (m, R) of the rules kept.
    invalid : {"redraw", "repair", "keep"}
        What happens to a shape that breaks a rule: only ``redraw`` is done here, whoever writes
        shapes repairs them.  Designs that fill the space keep them, marked, because another
        draw would no longer be their point.
    correction : callable, optional
        Moves scores to where a condition holds.
    pose : PoseLimits, optional

    Raises
    ------
    SamplingError
        More modes in the design than in the model, or a choice that does not exist.
    """

    model: ShapeModel
    design: Design
    restriction: Restriction = field(default_factory=Restriction)
    method: str = "parametric"
    subject_scores: np.ndarray | None = None
    noise: bool = False
    rules: tuple[str, ...] = ()
    check: Check | None = None
    invalid: str = "redraw"
    correction: Correction | None = None
    pose: PoseLimits | None = None

    def __post_init__(self) -> None:
        if self.design.n_modes > self.model.n_modes:
            raise SamplingError(
                f"modes: expected at most {self.model.n_modes}, the model has no more, "
                f"got {self.design.n_modes}"
            )
        if self.invalid not in INVALID:
            raise SamplingError(f"invalid: expected one of {INVALID}, got {self.invalid!r}")
        if self.method not in METHODS:
            raise SamplingError(f"method: expected one of {METHODS}, got {self.method!r}")
        if self.method != "parametric" and self.subject_scores is None:
            raise SamplingError(
                f"method {self.method}: expected the scores of the subjects, got none; give the "
                "atlas"
            )
        if self.method != "parametric" and self.design.name != "independent":
            raise SamplingError(
                f"method {self.method}: expected design 'independent', since subjects are drawn by "
                f"chance, got {self.design.name!r}"
            )

    @property
    def redraws(self) -> bool:
        """Whether a shape that breaks a rule is replaced by another draw."""
        return self.invalid == "redraw" and self.design.may_redraw

    def draw(self, first: int = 0, last: int | None = None) -> Draws:
        """Samples first to last - 1 of the plan.

        Returns
        -------
        Draws

        Raises
        ------
        SamplingError
            No draw of a sample was possible in :data:`MAX_ATTEMPTS` attempts.
        """
        indices = np.arange(first, self.design.n if last is None else last)
        if self.design.may_redraw:
            return _draw_by_chance(self, indices)
        placed = self.restriction.apply(self.design.placed(first, first + len(indices)))
        streams = [self.design.stream(int(i)) for i in indices]
        scores, kept = self.judged(placed, indices, streams)
        attempts = np.ones(len(indices), dtype=int)
        return self._placed(indices, scores, kept, attempts, ~kept)

    def shapes(self, scores: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Shapes (m, L, 3) mm of scores (m, k) of some samples, in the frame of the model."""
        # One by one: a product of matrices rounds by how many rows it has, and a sample is to be
        # the same to the bit whatever is drawn with it.
        points = np.stack([self.model.shape(row) for row in scores])
        if self.noise:
            streams = [self.design.stream(int(i), NOISE) for i in indices]
            jitter = np.stack([stream.standard_normal(points.shape[1:]) for stream in streams])
            points += self.model.noise_sd[:, None] * jitter
        return points

    def judged(
        self, scores: np.ndarray, indices: np.ndarray, streams: Sequence[np.random.Generator]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores moved to where the condition holds, and the mask (m, R + 2) of what they keep."""
        met = np.ones(len(scores), dtype=bool)
        if self.correction is not None:
            scores, met = self.correction(scores, streams)
        limits = np.stack([self.restriction.holds(scores), met], axis=1)
        if self.check is None:
            return scores, limits
        return scores, np.concatenate([self.check(self.shapes(scores, indices)), limits], axis=1)

    def _placed(
        self,
        indices: np.ndarray,
        scores: np.ndarray,
        kept: np.ndarray,
        attempts: np.ndarray,
        broken: np.ndarray,
    ) -> Draws:
        points = self.shapes(scores, indices)
        turn = shift = np.zeros((len(indices), 3))
        if self.pose is not None:
            drawn = [self.pose.draw(self.design.stream(int(i), POSE)) for i in indices]
            turn, shift = (np.array(v).reshape(-1, 3) for v in zip(*drawn, strict=True))
        return Draws(indices, scores, points, kept, attempts, broken, self.rules, turn, shift)


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Samples of a plan.

    Parameters
    ----------
    indices : (m,) int
    scores : (m, K) float
        SD of the plan's model.
    points : (m, L, 3) float
        mm, in the frame of the atlas, before they are placed.
    kept : (m, R + 2) bool
        Which rules each sample keeps, and then which of :data:`LIMITS`.
    attempts : (m,) int
        Draws each sample took.
    broken : (m, R + 2) int
        How many of each sample's draws broke each rule; one may break several.
    rules : (R,) tuple of str
    turn_deg, shift_mm : (m, 3) float
        Where each was placed.
    """

    indices: np.ndarray
    scores: np.ndarray
    points: np.ndarray
    kept: np.ndarray
    attempts: np.ndarray
    broken: np.ndarray
    rules: tuple[str, ...]
    turn_deg: np.ndarray
    shift_mm: np.ndarray

    def __post_init__(self) -> None:
        m, r = len(self.indices), len(self.rules) + len(LIMITS)
        for name, shape, kind in (
            ("indices", (m,), np.intp),
            ("scores", (m, None), float),
            ("points", (m, None, 3), float),
            ("kept", (m, r), bool),
            ("attempts", (m,), np.intp),
            ("broken", (m, r), np.intp),
            ("turn_deg", (m, 3), float),
            ("shift_mm", (m, 3), float),
        ):
            array = read_only(getattr(self, name), shape, f"Draws.{name}", dtype=kind)
            object.__setattr__(self, name, array)

    @property
    def valid(self) -> np.ndarray:
        """Mask (m,) of the samples that keep every rule."""
        return np.all(self.kept, axis=1)

    @property
    def placed(self) -> np.ndarray:
        """The points (m, L, 3) where they were placed, mm."""
        return placed(self.points, self.turn_deg, self.shift_mm)

    @property
    def n_attempts(self) -> int:
        """Draws that were made."""
        return int(self.attempts.sum())


def _draw_by_chance(plan: Plan, indices: np.ndarray) -> Draws:
    """Draw until each sample keeps every rule; both of an antithetic pair or neither."""
    design = plan.design
    # A pair shares its draws, so both are judged, whichever of them was asked for.
    wanted = np.unique([(i, _partner(design, int(i))) for i in indices])
    streams = {int(i): design.stream(int(i)) for i in wanted}
    scores = np.zeros((len(wanted), design.n_modes))
    kept = np.zeros((len(wanted), len(plan.rules) + len(LIMITS)), dtype=bool)
    attempts = np.zeros(len(wanted), dtype=int)
    broken = np.zeros(kept.shape, dtype=int)
    own = np.isin(wanted, indices)
    waiting = np.arange(len(wanted))
    while len(waiting):
        now = wanted[waiting]
        own_streams = [streams[int(i)] for i in now]
        scores[waiting], kept[waiting] = plan.judged(
            _next_scores(plan, now, own_streams), now, own_streams
        )
        attempts[waiting] += 1
        broken[waiting] += ~kept[waiting]
        if not plan.redraws:
            break
        waiting = waiting[~_pair_valid(design, np.all(kept[waiting], axis=1))]
        if len(waiting) and attempts[waiting].max() >= MAX_ATTEMPTS:
            raise SamplingError(_why_nothing(plan, wanted[waiting[0]], kept[waiting]))
    return plan._placed(indices, scores[own], kept[own], attempts[own], broken[own])


def _partner(design: Design, index: int) -> int:
    return index + 1 - 2 * (index % 2) if design.name == "antithetic" else index


def _pair_valid(design: Design, valid: np.ndarray) -> np.ndarray:
    if design.name != "antithetic":
        return valid
    return np.repeat(valid.reshape(-1, 2).all(axis=1), 2)


def _next_scores(plan: Plan, indices: np.ndarray, streams: list[np.random.Generator]) -> np.ndarray:
    """The next scores (m, K) of some samples, from the streams that are theirs."""
    normal = np.stack([stream.standard_normal(plan.design.n_modes) for stream in streams])
    normal *= np.array([plan.design.sign_of(int(i)) for i in indices])[:, None]
    if plan.subject_scores is None or plan.method == "parametric":
        return plan.restriction.apply(normal)
    n, k = plan.subject_scores.shape
    chosen: np.ndarray = plan.subject_scores[[int(stream.integers(n)) for stream in streams]]
    if plan.method == "bootstrap":
        return chosen
    # A smoothed bootstrap of standardised scores: a normal kernel of Silverman's width about the
    # subject, shrunk so that the variance is the model's (Silverman 1986, Density Estimation, eq.
    # 4.14 and section 6.4.1).  Drawn with equal weight, the subjects vary by (n - 1) / n of it.
    width = (4 / (n * (k + 2))) ** (1 / (k + 4))
    return (chosen + width * normal) / np.sqrt((n - 1) / n + width**2)


def _why_nothing(plan: Plan, index: int, kept: np.ndarray) -> str:
    names = (*plan.rules, *LIMITS)
    worst = names[int((~kept).sum(axis=0).argmax())]
    return (
        f"sample {index}: expected a possible anatomy within {MAX_ATTEMPTS} draws, got none; most "
        f"break the rule {worst!r}: loosen the condition or the coverage, or keep invalid ones"
    )
