"""Writes the tables of ``measures.md`` from the definitions; what stands above them is kept."""

from __future__ import annotations

from pathlib import Path

from analysis.morphometry import MEASURES, Measure

PAGE = Path(__file__).parent / "measures.md"
TITLES = {"root": "Of a root", "level": "Of a level", "subject": "Of the subject"}
HEAD = ("name", "unit", "says", "how", "needs", "bridge", "view", "signed", "source")


def tables() -> str:
    """The three tables, as they end the page."""
    parts = []
    for per, title in TITLES.items():
        lines = [_line(HEAD), _line(["---"] * len(HEAD))]
        lines += [_line(_cells(m)) for m in MEASURES.values() if m.per == per]
        parts.append(f"## {title}\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def page(old: str) -> str:
    """The page with its tables as defined now."""
    return old[: old.index(f"## {TITLES['root']}")] + tables()


def _cells(measure: Measure) -> list[str]:
    flags = (measure.uses_bridge, measure.follows_view, measure.signed)
    return [
        f"`{measure.name}`",
        measure.unit,
        measure.text,
        measure.how.replace("|", "\\|"),
        ", ".join(measure.needs),
        *("yes" if flag else "" for flag in flags),
        measure.source,
    ]


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
