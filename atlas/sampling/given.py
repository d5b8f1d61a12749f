"""A measure given in words, and anatomies that have it.

``dorsal CSF at L1 = 2.5 mm ± 0.3`` says how the measure is to be distributed among the draws: as a
normal variable of that mean and SD (Jeffrey's rule), not as an observation with that error, which
the population would then pull back to its own mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from atlas.arrays import read_only
from atlas.data.subject import LEVELS, SIDES
from atlas.model.shape_model import ShapeModel
from atlas.sampling.designs import SamplingError

# Names a measure: (level, side, name), as the tables have it.
MeasureKey = tuple[str, str, str]
# Shapes (m, L, 3) mm to the measures asked for, (m, q).
Measures = Callable[[np.ndarray], np.ndarray]

STEP_SD = 0.05
MAX_ROUNDS = 40
# A condition is met when the measure is this close, in SD of the measure in the population.
MET_SD = 1e-3
# A value farther out in the population than this has no anatomy one could speak of.
LEAST_PROBABILITY = 1e-4

_EQUATION = re.compile(
    r"^(?P<words>[^=]+)=\s*(?P<value>[-−+]?[\d.]+(?:e[-+]?\d+)?)\s*(?P<unit>[^\d±+\s]*)\s*"
    r"(?:(?:±|\+/?-)\s*(?P<sd>[\d.]+(?:e[-+]?\d+)?)\s*(?P<again>[^\d\s]*))?\s*$"
)
_UNITS = {"mm": "mm", "mm2": "mm2", "mm²": "mm2", "mm3": "mm3", "mm³": "mm3", "deg": "deg"}
_UNITS |= {"°": "deg", "degrees": "deg"}
_FILLERS = frozenset({"at", "of", "the", "in", "on"})


@dataclass(frozen=True, slots=True)
class Given:
    """A measure that is to be so much.

    Parameters
    ----------
    key : (level, side, measure)
    value, sd : float
        Mean and SD of the measure among the draws, in the unit that ends its name; 0 for all alike.
    """

    key: MeasureKey
    value: float
    sd: float = 0.0

    @property
    def text(self) -> str:
        """What is given, in one line."""
        level, side, name = self.key
        where = "/".join(v for v in (level, side, name) if v not in ("all", "both"))
        return f"{where} = {self.value:g} ± {self.sd:g}"


def parse_given(text: str, known: Collection[MeasureKey]) -> Given:
    """Read a condition such as ``dorsal CSF at L1 = 2.5 mm ± 0.3``.

    Parameters
    ----------
    text : str
        Words of the measure's name in any order, a level and a side where it has one, ``=``, a
        number, a unit, and an SD after ``±`` or ``+-``.
    known : collection of (level, side, measure)
        What can be measured.

    Returns
    -------
    Given

    Raises
    ------
    SamplingError
        Not of this form, no such measure, more than one that fits, or another unit than its own.

    Examples
    --------
    >>> parse_given("dorsal CSF at L1 = 2.5 mm ± 0.3", [("L1", "both", "csf_dorsal_mm")])
    Given(key=('L1', 'both', 'csf_dorsal_mm'), value=2.5, sd=0.3)
    """
    match = _EQUATION.match(text.strip())
    if match is None:
        raise SamplingError(
            f"given {text!r}: expected a measure, a level and a number, as in "
            "'dorsal CSF at L1 = 2.5 mm ± 0.3'"
        )
    words = [w for w in re.split(r"[\s_/,]+", match["words"].lower()) if w and w not in _FILLERS]
    level = next((v for v in LEVELS if v.lower() in words), "all")
    side = next((v for v in SIDES if v in words), "both")
    wanted = {w for w in words if w not in (level.lower(), side)} - set(_UNITS)
    key = _only(text, [k for k in known if _fits(k, level, side, wanted)], wanted)
    sd = float(match["sd"] or 0)
    for unit in (match["unit"], match["again"]):
        own = key[2].rsplit("_", 1)[1]
        if unit and _UNITS.get(unit, unit) != own:
            raise SamplingError(f"given {text!r}: expected {key[2]} in {own}, got {unit}")
    return Given(key, float(match["value"].replace("−", "-")), sd)


def _fits(key: MeasureKey, level: str, side: str, words: set[str]) -> bool:
    return key[:2] == (level, side) and set(key[2].split("_")[:-1]) == words


def _only(text: str, found: list[MeasureKey], words: set[str]) -> MeasureKey:
    if len(found) == 1:
        return found[0]
    raise SamplingError(
        f"given {text!r}: expected a measure of docs/measures.md at a level and side it is taken "
        f"at, got {len(found)} that fit {sorted(words)}; write its name, as in "
        "'csf_dorsal_mm L1 = 2.5'"
    )


@dataclass(frozen=True, slots=True, eq=False)
class MeasureCondition:
    """Scores moved to where measures have their given values.

    Parameters
    ----------
    model : ShapeModel
    n_modes : int
        Scores that may move.
    given : tuple of Given, q of them
    measures : callable
        Shapes (m, L, 3) to (m, q).
    slope : (q, K) float
        Derivative of the measures by the scores, where the condition holds most probably.
    nearest : (K,) float
        The most probable scores with the given values, SD.
    population_mean, population_sd : (q,) float
        Of the measures in the population, to first order about the mean.
    """

    model: ShapeModel
    n_modes: int
    given: tuple[Given, ...]
    measures: Measures
    slope: np.ndarray
    nearest: np.ndarray
    population_mean: np.ndarray
    population_sd: np.ndarray

    def __post_init__(self) -> None:
        q, k = len(self.given), self.n_modes
        for name, shape in (
            ("slope", (q, k)),
            ("nearest", (k,)),
            ("population_mean", (q,)),
            ("population_sd", (q,)),
        ):
            object.__setattr__(self, name, read_only(getattr(self, name), shape, name))

    def __call__(
        self, scores: np.ndarray, streams: Sequence[np.random.Generator]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (m, K) moved the least to where the condition holds, and whether it does (m,).

        Notes
        -----
        For measures linear in the scores this is exact conditional simulation: with c standard
        normal, ``c + J'(J J')^-1 (y - J c)`` is distributed as c given ``J c = y``.  Where measures
        bend, the step is repeated with the same J until the measure itself has its value.
        """
        value = np.array([g.value for g in self.given])
        sd = np.array([g.sd for g in self.given])
        goal = value + sd * np.stack([s.standard_normal(len(sd)) for s in streams])
        inverse = np.linalg.pinv(self.slope)
        moved, met = scores.copy(), np.zeros(len(scores), dtype=bool)
        for _ in range(MAX_ROUNDS):
            off = np.flatnonzero(~met)
            if not len(off):
                break
            wrong = goal[off] - self.measures(self.model.shape(moved[off]))
            met[off] = (np.abs(wrong) <= MET_SD * self.population_sd).all(axis=1)
            still = ~met[off] & np.isfinite(wrong).all(axis=1)
            moved[off[still]] += wrong[still] @ inverse.T
        return moved, met


def condition_on_measures(
    model: ShapeModel, given: Sequence[Given], measures: Measures, *, n_modes: int | None = None
) -> MeasureCondition:
    """Where in the population measures have given values.

    Parameters
    ----------
    model : ShapeModel
    given : sequence of Given
    measures : callable
        Shapes (m, L, 3) mm to the q measures in the order of ``given``, (m, q).
    n_modes : int, optional
        Modes that may move; all by default.

    Returns
    -------
    MeasureCondition

    Raises
    ------
    SamplingError
        A measure that does not vary, one that cannot be taken, or values no anatomy of the
        population has.
    """
    k = model.n_modes if n_modes is None else n_modes
    value = np.array([g.value for g in given])
    start = np.zeros(k)
    mean, slope = _linearised(model, measures, start)
    sd = np.linalg.norm(slope, axis=1)
    _refuse_what_cannot_vary(given, mean, sd)
    scores, at, wrong = start, mean, value - mean
    for _ in range(MAX_ROUNDS):
        # The most probable scores on the tangent of the condition: Gauss-Newton.
        scores = np.linalg.pinv(slope) @ (value - at + slope @ scores)
        _refuse_the_improbable(given, scores, mean, sd)
        at, slope = _linearised(model, measures, scores)
        wrong = value - at
        if np.isfinite(wrong).all() and (np.abs(wrong) <= MET_SD * sd).all():
            return MeasureCondition(model, k, tuple(given), measures, slope, scores, mean, sd)
    raise SamplingError(
        f"given {'; '.join(g.text for g in given)}: no anatomy of the population has it; "
        f"the nearest misses by {np.array2string(wrong, precision=3)}"
    )


def _linearised(
    model: ShapeModel, measures: Measures, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Measures (q,) at scores, and their derivative (q, K) by central differences."""
    steps = STEP_SD * np.eye(len(scores))
    values = measures(model.shape(np.concatenate([[scores], scores + steps, scores - steps])))
    ahead, behind = np.split(values[1:], 2)
    return values[0], ((ahead - behind) / (2 * STEP_SD)).T


def _refuse_what_cannot_vary(given: Sequence[Given], mean: np.ndarray, sd: np.ndarray) -> None:
    for g, centre, spread in zip(given, mean, sd, strict=True):
        if not np.isfinite([centre, spread]).all():
            raise SamplingError(f"given {g.text}: the mean anatomy does not have this measure")
        if spread <= 1e-9 * max(1.0, abs(centre)):
            raise SamplingError(
                f"given {g.text}: it is {centre:.4g} in every anatomy of this atlas"
            )


def _refuse_the_improbable(
    given: Sequence[Given], scores: np.ndarray, mean: np.ndarray, sd: np.ndarray
) -> None:
    distance = float(np.linalg.norm(scores))
    limit = float(np.sqrt(stats.chi2.isf(LEAST_PROBABILITY, len(given))))
    if not distance <= limit:
        known = ", ".join(
            f"{g.key[2]} {m:.3g} ± {s:.2g}" for g, m, s in zip(given, mean, sd, strict=True)
        )
        raise SamplingError(
            f"given {'; '.join(g.text for g in given)}: impossible in this population, "
            f"{distance:.1f} SD from its mean, at most {limit:.1f} can be asked for "
            f"(population: {known})"
        )
