"""All peers on one group: every task by turns, so that what disturbs the machine disturbs all."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from peers_data import SCHEMES, Size, group
from peers_environments import REFERENCE, THIS_PACKAGE, AbsentError, Peer, command
from peers_processes import Process, RunnerError, deviation, is_equal
from peers_rows import Row

TASKS = {
    "align": "alignment",
    "components": "components, all modes",
    "leading": "components, leading modes (99 %)",
    "align+components": "alignment and all modes",
    "align+leading": "alignment and leading modes (99 %)",
    "draws": "1,000 draws",
}
# Nothing can be compared without them.
ESSENTIAL = (REFERENCE, THIS_PACKAGE)


@dataclass(frozen=True)
class Conditions:
    """How everything is measured.

    Parameters
    ----------
    environments : Path or None
        Where those of the peers are kept; None: only what can be imported here.
    repeats : int
        Rounds after the first run.
    patience_s : float
        For one run.
    """

    environments: Path | None
    repeats: int = 5
    patience_s: float = 600.0


@dataclass
class Comparison:
    """Peers on a group of one size, whose files lie in a folder."""

    size: Size
    folder: Path
    conditions: Conditions
    running: dict[str, Process] = field(default_factory=dict)
    # By peer: what its runner says of itself, or why there is none.
    about: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def run(self, peers: Sequence[Peer]) -> None:
        """Every task by every peer that offers it: rows, one a task and peer."""
        np.save(self.folder / "points.npy", group(self.size))
        scheme = json.dumps(SCHEMES[self.size.landmarks])
        (self.folder / "scheme.json").write_text(scheme, "utf-8")
        self._align_once(next(peer for peer in peers if peer.name == REFERENCE))
        try:
            for peer in peers:
                self._admit(peer)
            for task in TASKS:
                self.rows += self._one_task(task)
        finally:
            for process in self.running.values():
                process.close()

    def _start(self, peer: Peer) -> Process:
        arguments = command(peer, self.conditions.environments)
        return Process(peer, arguments, self.folder, self.conditions.patience_s)

    def _align_once(self, reference: Peer) -> None:
        """The group aligned by the reference, for the tasks that begin there."""
        process = self._start(reference)
        process.prepare("align")
        process.run()
        np.save(self.folder / "aligned.npy", process.result()["aligned"])
        process.close()

    def _admit(self, peer: Peer) -> None:
        try:
            self.running[peer.name] = self._start(peer)
            self.about[peer.name] = self.running[peer.name].hello
        except (AbsentError, RunnerError) as reason:
            if peer.name in ESSENTIAL:
                raise SystemExit(f"{peer.name}: expected it to run, got {reason}") from None
            self.about[peer.name] = {"absent": str(reason)}

    def _one_task(self, task: str) -> list[Row]:
        names = [name for name in self.running if task in self.about[name]["tasks"]]
        rows = {name: Row(name, task, self.size) for name in names}
        wanted: dict[str, np.ndarray] = {}
        for name, row in rows.items():
            got = self._first_run(row)
            if name == REFERENCE:
                wanted = got
            row.deviation = deviation(got, wanted)
            row.equal = is_equal(row.deviation)
            said = row.failure or f"{row.seconds[0]:8.3f} s, equal: {row.equal}"
            print(f"{self.size}  {task:17} {name:16} {said}", file=sys.stderr, flush=True)
        for turn in range(1, self.conditions.repeats + 1):
            # Everyone comes first once: what the one before leaves in the caches is shared out.
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                self._run_again(rows[name], turn)
        for row in rows.values():
            row.compare(rows[THIS_PACKAGE])
        return list(rows.values())

    def _first_run(self, row: Row) -> dict[str, np.ndarray]:
        """Prepare a task and run it once; what it gave, nothing where it fails, which is noted."""
        row.failure = self._foreseen(row)
        if row.failure:
            return {}
        try:
            if not self.running[row.peer].is_alive():
                self.running[row.peer] = self._start(self.running[row.peer].peer)
            process = self.running[row.peer]
            process.prepare(row.task)
            row.add(0, process.run())
            row.peak_mib = process.peak_mib()
            got = process.result()
        except RunnerError as reason:
            row.failure = str(reason)
            return {}
        row.n_modes = len(got["variance"]) if "variance" in got else None
        row.rounds = int(got["rounds"][0]) if "rounds" in got else None
        return got

    def _run_again(self, row: Row, turn: int) -> None:
        if row.wants(turn, self.conditions.repeats):
            try:
                row.add(turn, self.running[row.peer].run())
            except RunnerError as reason:
                row.failure = str(reason)

    def _foreseen(self, row: Row) -> str:
        """Why a task that begins with alignment need not be tried: alignment alone was too slow."""
        for earlier in self.rows:
            same = earlier.peer == row.peer and earlier.task == "align"
            if same and row.task.startswith("align") and earlier.failure.startswith("more than"):
                return f"alignment alone took {earlier.failure}"
        return ""
