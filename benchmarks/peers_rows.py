"""What a peer did in one task: its runs, whether its result is the reference's, and the ratios."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from peers_data import Size
from summaries import spread

# Whose single run takes longer gets fewer of them, the first counted.
SLOW_S, SLOW_REPEATS = 20.0, 3
VERY_SLOW_S = 100.0


@dataclass
class Row:
    """What a peer did in one task."""

    peer: str
    task: str
    size: Size
    failure: str = ""
    equal: bool = False
    deviation: dict[str, Any] = field(default_factory=dict)
    n_modes: int | None = None
    rounds: int | None = None
    peak_mib: float | None = None
    # By number of the round; 0 is the first run, which warms up.
    seconds: dict[int, float] = field(default_factory=dict)
    cpu_seconds: dict[int, float] = field(default_factory=dict)
    ratio: dict[int, float] = field(default_factory=dict)

    def add(self, turn: int, took: tuple[float, float]) -> None:
        """Note a run."""
        self.seconds[turn], self.cpu_seconds[turn] = took

    def wants(self, turn: int, repeats: int) -> bool:
        """Whether it is to run in this round: those that take long run less often."""
        if self.failure:
            return False
        if self.seconds[0] > VERY_SLOW_S:
            return False
        return turn < SLOW_REPEATS if self.seconds[0] > SLOW_S else turn <= repeats

    def counted(self) -> dict[int, float]:
        """Seconds of the runs that count: the first only of a slow one, whose runs are dear."""
        slow = bool(self.seconds) and self.seconds[0] > SLOW_S
        return {turn: s for turn, s in self.seconds.items() if slow or turn > 0}

    def compare(self, other: Row) -> None:
        """How many times as long as the other it took, in the same round; only of equal results."""
        if self.equal and other.equal:
            self.ratio = {
                turn: seconds / other.seconds[turn]
                for turn, seconds in self.counted().items()
                if turn in other.seconds
            }

    def record(self) -> dict[str, Any]:
        """As plain values."""
        counted = self.counted()
        return {
            "peer": self.peer,
            "task": self.task,
            "shapes": self.size.shapes,
            "landmarks": self.size.landmarks,
            "failure": self.failure,
            "equal": self.equal,
            "deviation": self.deviation,
            "n_modes": self.n_modes,
            "rounds": self.rounds,
            "peak_mib": self.peak_mib,
            "runs": len(counted),
            "seconds": _spread(counted.values()),
            "cpu_seconds": _spread(self.cpu_seconds[turn] for turn in counted),
            "times_this_package": _spread(self.ratio.values()),
        }


def _spread(values: Iterable[float]) -> dict[str, float] | None:
    """None of nothing."""
    known = list(values)
    return spread(known) if known else None
