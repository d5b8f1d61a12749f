"""The comparison as Markdown: one table, who did what, and on which machine."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers_environments import REFERENCE, THIS_PACKAGE
from peers_rounds import TASKS

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"


def write_markdown(path: Path, report: dict[str, Any]) -> None:
    """Between the markers of a page that has them; as a page of its own otherwise."""
    text = f"{BEGIN}\n{markdown(report)}\n{END}"
    if path.exists():
        page = path.read_text("utf-8")
        if page.count(BEGIN) != 1 or page.count(END) != 1:
            raise SystemExit(
                f"{path}: expected one {BEGIN} and one {END} to write between, got "
                f"{page.count(BEGIN)} and {page.count(END)}; put them where the table belongs"
            )
        before, rest = page.split(BEGIN)
        text = before + text + rest.split(END)[1]
    else:
        text += "\n"
    path.write_text(text, "utf-8")


def markdown(report: dict[str, Any]) -> str:
    """Table and what must be known to read it."""
    rows = {(r["task"], r["shapes"], r["landmarks"], r["peer"]): r for r in report["rows"]}
    sizes = list(dict.fromkeys((r["shapes"], r["landmarks"]) for r in report["rows"]))
    peers = list(dict.fromkeys(r["peer"] for r in report["rows"]))
    lines = [
        _line("task", "shapes × landmarks", [f"{n:,} × {landmarks:,}" for n, landmarks in sizes]),
        "|---|---|" + "---|" * len(sizes),
    ]
    for task, title in TASKS.items():
        offered = [p for p in peers if any((task, *size, p) in rows for size in sizes)]
        for peer in offered:
            cells = [_cell(rows.get((task, *size, peer))) for size in sizes]
            lines.append(_line(f"**{title}**" if peer == offered[0] else "", peer, cells))
    for peer in peers:
        cells = [_memory([r for r in report["rows"] if _of(r, peer, size)]) for size in sizes]
        lines.append(_line("**peak memory**" if peer == peers[0] else "", peer, cells))
    return "\n\n".join(["\n".join(lines), _legend(report), *_who(report)])


def _line(title: str, peer: str, cells: Sequence[str]) -> str:
    return f"| {title} | {peer} | " + " | ".join(cells) + " |"


def _of(row: dict[str, Any], peer: str, size: tuple[int, int]) -> bool:
    return row["peer"] == peer and (row["shapes"], row["landmarks"]) == size


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    if row["failure"]:
        return textwrap.shorten(row["failure"], 80)
    few = "" if row["runs"] >= 5 else f", n = {row['runs']}"
    text = _spread({name: 1000 * took for name, took in row["seconds"].items()}, few)
    if not row["equal"]:
        return f"{text}; differs{_by(row['deviation'])}"
    ratio = row["times_this_package"]
    if row["peer"] == THIS_PACKAGE or ratio is None:
        return text
    return f"{text}; **×{_short(ratio['median'])}** ({_short(ratio['min'])}–{_short(ratio['max'])})"


def _spread(milliseconds: dict[str, float], few: str) -> str:
    median, least, most = (_three(milliseconds[name]) for name in ("median", "min", "max"))
    return f"{median} ({least}–{most}{few})"


def _by(found: dict[str, Any]) -> str:
    said = [
        f"{name} {value}" if isinstance(value, str) else f"{name} by {value:.1g}"
        for name, value in found.items()
    ]
    return f": {', '.join(said)}" if said else ""


def _memory(rows: Sequence[dict[str, Any]]) -> str:
    known = [row["peak_mib"] for row in rows if row["peak_mib"] is not None]
    return f"{max(known):,.0f} MiB" if known else "–"


def _three(value: float) -> str:
    """Three significant digits, no exponent."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _legend(report: dict[str, Any]) -> str:
    machine = report["machine"]
    return (
        "Milliseconds: median (least–most) of "
        f"{report['repeats']} runs where no n is given, all peers by turns in each round. "
        f"**×** is their time over that of {THIS_PACKAGE} in the same round, median (least–most) "
        "over rounds: above 1 it is they who take longer. It is given only where the mean, up to "
        f"one rigid motion, and the eigenvalues equal those of the {REFERENCE} to "
        f"{report['equal_to']:g}. "
        "–: not run. Every task begins with arrays in memory; the objects a library wants are "
        "built outside of the clock, centring is inside. Shapes are generated: twelve smooth "
        "modes, 8 mm RMS a landmark, 0.3 mm noise, turned by up to 30°. Peak memory is that of "
        "the process, interpreter and input included, in the task that needs most.\n\n"
        f"Machine: {machine['processor']}, {machine['cores_usable']} cores, "
        f"{machine['memory_gib']:g} GiB, {machine['system']}; {report['threads']} threads for all; "
        f"load average {machine['load_average_1_min']} at the start. {report['date']}."
    )


def _who(report: dict[str, Any]) -> list[str]:
    here, away = [], []
    for peer, about in report["peers"].items():
        if "absent" in about:
            away.append(f"- {peer}: {about['absent']}")
            continue
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        notes = "; ".join(f"{what}: {said}" for what, said in about["notes"].items())
        here.append(f"- **{peer}** ({versions}, {about['blas']}). {notes}.")
    listed = ["\n".join(here)]
    if away:
        listed.append("Not compared:\n\n" + "\n".join(away))
    return listed
