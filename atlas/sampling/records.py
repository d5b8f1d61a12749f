"""What is known of each sample: one JSON record, written when all its files are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy import stats

from atlas.sampling.designs import SamplingError
from atlas.sampling.drawing import LIMITS, Plan
from atlas.text.json_values import JsonError, value_as
from atlas.text.plain_text import csv_text

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Record:
    """One sample.

    Parameters
    ----------
    index : int
    accepted : bool
        Whether it keeps every rule.
    attempts : int
        Draws it took.
    broken : mapping of str to int
        Rule to the number of its draws that broke it.
    broken_now : tuple of str
        Rules the sample itself breaks; empty where accepted.
    repaired_mm : float
        How far a point was moved at the most to make it possible; 0: as it was drawn.
    scores : tuple of float
        SD of the atlas' modes, as it was drawn.
    turn_deg, shift_mm : tuple of float
        Where it was placed.
    measures : mapping of str to float
        ``L1/left/angle_sac_deg`` to its value; of the anatomy before it was placed.
    """

    index: int
    accepted: bool
    attempts: int
    broken: Mapping[str, int]
    broken_now: tuple[str, ...]
    repaired_mm: float
    scores: tuple[float, ...]
    turn_deg: tuple[float, ...]
    shift_mm: tuple[float, ...]
    measures: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """The record as JSON values; a measure that is missing is null."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"measures": {k: _null(v) for k, v in self.measures.items()}}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Record:
        """The record of its JSON values.

        Raises
        ------
        SamplingError
            Fields that are not there, of another type, or of values that cannot be.
        """
        try:
            found = _Written.of(document)
        except JsonError as error:
            raise SamplingError(str(error)) from None
        measures = {name: np.nan if v is None else v for name, v in found.measures.items()}
        return cls(**{f.name: getattr(found, f.name) for f in fields(cls)} | {"measures": measures})


@dataclass(frozen=True, slots=True)
class _Written:
    """A record as it stands in a file."""

    index: int
    accepted: bool
    attempts: int
    broken: Mapping[str, int]
    broken_now: tuple[str, ...]
    repaired_mm: float
    scores: tuple[float, ...]
    turn_deg: tuple[float, float, float]
    shift_mm: tuple[float, float, float]
    measures: Mapping[str, float | None]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> _Written:
        given = document
        if isinstance(document, dict) and isinstance(document.get("measures"), dict):
            # Earlier versions wrote NaN, which is no JSON.
            given = document | {"measures": {k: _null(v) for k, v in document["measures"].items()}}
        found: _Written = value_as(cls, given, "record")
        counts = (found.index, found.attempts - 1, *(n - 1 for n in found.broken.values()))
        holds = (
            min(counts) >= 0
            and max(found.broken.values(), default=0) <= found.attempts
            and found.accepted == (not found.broken_now)
            and found.repaired_mm >= 0
            and len(found.scores) > 0
        )
        if not holds:
            raise JsonError("record: expected counts and states that go together, got others")
        return found


def _null(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def sample_id(index: int, n: int) -> str:
    """Id of a sample, from 1, with as many digits as the last of n needs; at least four."""
    return f"sub-{index + 1:0{max(4, len(str(n)))}d}"


def samples_csv(records: Iterable[Record], *, n: int, seed: int, notice: str) -> str:
    """All samples as one table, a row each.

    ``id, seed, accepted, attempts, broken_rules, repaired_mm, score_<k>_sd, turn_<axis>_deg,
    shift_<axis>_mm``, every measure, and ``notice``.
    """
    rows = list(records)
    first = rows[0]
    names = list(dict.fromkeys(name for row in rows for name in row.measures))
    table: list[list[object]] = [
        [
            *("id", "seed", "accepted", "attempts", "broken_rules", "repaired_mm"),
            *(f"score_{k + 1}_sd" for k in range(len(first.scores))),
            *(f"turn_{axis}_deg" for axis in "xyz"),
            *(f"shift_{axis}_mm" for axis in "xyz"),
            *names,
            "notice",
        ]
    ]
    for row in rows:
        numbers = [*row.scores, *row.turn_deg, *row.shift_mm]
        numbers += [row.measures.get(name, np.nan) for name in names]
        table.append(
            [
                sample_id(row.index, n),
                seed,
                int(row.accepted),
                row.attempts,
                " ".join(row.broken_now),
                f"{row.repaired_mm:.6g}",
                *("" if np.isnan(v) else f"{v:.6g}" for v in numbers),
                notice,
            ]
        )
    return csv_text(table)


def acceptance_rows(records: Iterable[Record], plan: Plan) -> list[dict[str, Any]]:
    """How many draws were accepted, and what the others broke.

    Returns
    -------
    list of dict
        A row for all draws together (``any``) and one a rule: ``rule, n_draws, n_broken, share,
        share_low, share_high`` (Wilson's 95 % interval).  One draw may break several rules.
    """
    rows = list(records)
    draws = sum(row.attempts for row in rows)
    mended = sum(row.repaired_mm > 0 for row in rows)
    names = (*plan.rules, *LIMITS)
    broken = {name: sum(row.broken.get(name, 0) for row in rows) for name in names}
    rejected = draws - sum(row.accepted for row in rows) + mended
    return [
        {"rule": name, "n_draws": draws, "n_broken": count, **_wilson(count, draws)}
        for name, count in {"any": rejected, **broken}.items()
    ]


def _wilson(count: int, n: int) -> dict[str, float]:
    interval = stats.binomtest(count, n).proportion_ci(CONFIDENCE, method="wilson")
    return {
        "share": count / n,
        "share_low": float(interval.low),
        "share_high": float(interval.high),
    }


def shift_rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """What restriction and rejection made of the distribution, mode by mode.

    Returns
    -------
    list of dict
        ``mode, n, mean_sd, mean_low_sd, mean_high_sd`` (0 in the population; 95 % t interval),
        ``variance, variance_low, variance_high`` (1 in the population, n - 1; 95 % chi-square
        interval).  Over accepted samples.
    """
    scores = np.array([row.scores for row in records if row.accepted])
    n = len(scores)
    if n < 2:
        return []
    mean, variance = scores.mean(axis=0), scores.var(axis=0, ddof=1)
    tail = (1 - CONFIDENCE) / 2
    half = stats.t.ppf(1 - tail, n - 1) * np.sqrt(variance / n)
    low, high = ((n - 1) / stats.chi2.ppf(q, n - 1) for q in (1 - tail, tail))
    return [
        {
            "mode": k + 1,
            "n": n,
            "mean_sd": float(m),
            "mean_low_sd": float(m - h),
            "mean_high_sd": float(m + h),
            "variance": float(v),
            "variance_low": float(low * v),
            "variance_high": float(high * v),
        }
        for k, (m, h, v) in enumerate(zip(mean, half, variance, strict=True))
    ]
