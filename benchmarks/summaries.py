"""Measured values summed up alike in all benchmarks, and given out alike."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, least and most of one value or more."""
    known = list(values)
    return {"median": statistics.median(known), "min": min(known), "max": max(known)}


def write_json(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON; every number in it is finite."""
    path.write_text(_text(report) + "\n", "utf-8")


def tell(report: dict[str, Any], path: Path | None = None) -> None:
    """Print a report as JSON, and write it where a path is given."""
    print(_text(report))
    if path:
        write_json(report, path)


def _text(report: dict[str, Any]) -> str:
    return json.dumps(report, indent=2, allow_nan=False)
