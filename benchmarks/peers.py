"""The same landmarks through this package, its peers, and plain numpy: python benchmarks/peers.py.

    python benchmarks/peers.py [--quick] [--sizes 14x2500,200x2500] [--json FILE] [--markdown FILE]

Makes an environment with pinned versions for each peer, once; a peer that is not to be had is a
row that says why.  ``--quick`` makes none and runs what is importable here, on a small group.
``--markdown docs/performance.md`` writes the table between that page's markers.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import machine
from peers_data import Size
from peers_environments import PEERS
from peers_processes import EQUAL, THREADS
from peers_rounds import ESSENTIAL, TASKS, Comparison, Conditions
from peers_tables import markdown, write_markdown
from summaries import write_json

SIZES = "14x2500,200x2500,1000x1000,2000x1000"
QUICK_SIZES = "14x250"
ENVIRONMENTS = Path(__file__).parent / ".environments"


def measured(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Everything so far, as plain values, after each size: a long run may be cut short."""
    begun = time.perf_counter()
    report: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "threads": THREADS,
        "repeats": options.repeats,
        "equal_to": EQUAL,
        "tasks": TASKS,
        "peers": {},
        "rows": [],
    }
    kept = None if options.quick else options.environments
    conditions = Conditions(kept, options.repeats, options.patience)
    chosen = [p for p in PEERS if not options.only or p.name in {*options.only, *ESSENTIAL}]
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            comparison = Comparison(size, Path(folder), conditions)
            comparison.run(chosen)
        report["rows"] += [row.record() for row in comparison.rows]
        report["peers"] = comparison.about
        report["total_seconds"] = time.perf_counter() - begun
        yield report


def sizes(text: str) -> list[Size]:
    """From ``14x2500,200x2500``."""
    try:
        return [Size.of(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def peer_names(text: str) -> set[str]:
    """From names with commas between; refuses unknown ones."""
    names, known = set(text.split(",")), {peer.name for peer in PEERS}
    if unknown := sorted(names - known):
        raise argparse.ArgumentTypeError(
            f"peers: expected some of {sorted(known)} with commas between, got {unknown}"
        )
    return names


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--sizes", type=sizes, help=f"{SIZES}; {QUICK_SIZES} when quick")
    made.add_argument("--only", type=peer_names, help="names with commas between; all by default")
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--patience", type=float, default=600.0, help="seconds for one run")
    made.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    made.add_argument("--quick", action="store_true")
    made.add_argument("--json", type=Path)
    made.add_argument("--markdown", type=Path)
    return made


def main() -> None:
    """Parse the arguments, run, write."""
    options = parser().parse_args()
    options.sizes = options.sizes or sizes(QUICK_SIZES if options.quick else SIZES)
    for report in measured(options):
        if options.json:
            write_json(report, options.json)
    if options.markdown:
        write_markdown(options.markdown, report)
    if not (options.json or options.markdown):
        print(markdown(report))


if __name__ == "__main__":
    main()
