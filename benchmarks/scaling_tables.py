"""Scaling as Markdown: a table a task, what is equal to what, and on which machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scaling_inputs import LARGEST_TURN_DEGREES, MISSING_SHARE, NOISE_MM
from scaling_records import EQUAL, MODES, STAGES
from scaling_watch import EVERY_S

BEGIN, END = "<!-- scaling: begin -->", "<!-- scaling: end -->"
TASKS = {
    "landmarks": "From landmarks on disk",
    "missing": "The same with whole roots missing",
    "files": "From marker files",
}


def write_markdown(path: Path, report: dict[str, Any]) -> None:
    """Between the markers of a page that has them; as a page of its own otherwise."""
    text = f"{BEGIN}\n{markdown(report)}\n{END}\n"
    page = path.read_text("utf-8") if path.exists() else ""
    if page.count(BEGIN) == page.count(END) == 1:
        before, rest = page.split(BEGIN)
        text = before + text.rstrip("\n") + rest.split(END)[1]
    path.write_text(text, "utf-8")


def markdown(report: dict[str, Any]) -> str:
    """Tables and what must be known to read them."""
    parts = []
    for task, title in TASKS.items():
        rows = [r for r in report["rows"] if r["task"] == task]
        if rows:
            parts += [f"**{title}**", _table(rows, report.get("exponents", []))]
    parts += [_equality(report["rows"])]
    if "killed" in report:
        parts.append(_killed(report["killed"]))
    return "\n\n".join([*parts, _legend(report), _machine(report)])


def _table(rows: Sequence[dict[str, Any]], exponents: Sequence[dict[str, Any]]) -> str:
    """Stages of each mode below one another, sizes side by side."""
    sizes = list(dict.fromkeys(r["subjects"] for r in rows))
    lines = [
        "| | stage | " + " | ".join(f"{size:,} subjects" for size in sizes) + " | exponent |",
        "|---|---|" + "---|" * (len(sizes) + 1),
    ]
    for mode in dict.fromkeys(r["mode"] for r in rows):
        some = {r["subjects"]: r for r in rows if r["mode"] == mode}
        grown = next(
            (e["exponents"] for e in exponents if (e["task"], e["mode"]) == _key(rows, mode)), {}
        )
        stages = [s for s in STAGES if any(s in r.get("stages", {}) for r in some.values())]
        for stage in [*stages, "all"]:
            cells = [_cell(some.get(size), stage) for size in sizes]
            power = f"{grown[stage]:.2f}" if stage in grown else "–"
            named = STAGES.get(stage, "**all**")
            lines.append(f"| {MODES[mode]} | {named} | {' | '.join(cells)} | {power} |")
    return "\n".join(lines)


def _key(rows: Sequence[dict[str, Any]], mode: str) -> tuple[str, str]:
    return rows[0]["task"], mode


def _cell(row: dict[str, Any] | None, stage: str) -> str:
    if row is None:
        return "–"
    if row["failure"]:
        return row["failure"] if stage == "all" else "–"
    if stage == "all":
        took, memory = row["seconds"], dict(row["memory_mib"] or {})
        if memory:
            # Between two looks of the watcher it may have been more: the system keeps the most.
            memory["main"] = max(memory["main"], row["peak_mib"]["main"])
            memory["tree"] = max(memory["tree"], memory["main"])
    else:
        took, memory = row["stages"][stage], row["stages"][stage]["memory_mib"]
    return f"{_seconds(took['median'])} s{_memory(memory, row['mode'])}"


def _memory(memory: dict[str, float] | None, mode: str) -> str:
    if not memory:
        return ""
    if mode in {"memory", "alone"}:
        return f", {memory['main']:,.0f} MiB"
    return f", {memory['main']:,.0f} / {memory['tree']:,.0f} MiB"


def _seconds(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _equality(rows: Sequence[dict[str, Any]]) -> str:
    """Who gives the same as whom, with the largest difference."""
    lines = ["| | against | " + "largest relative difference |", "|---|---|---|"]
    for row in rows:
        if "apart" not in row:
            continue
        said = ", ".join(
            f"{name} {'of another shape' if d is None else f'{d:.0g}'}"
            for name, d in row["apart"].items()
        )
        verdict = "" if row["equal"] else " **differs**"
        what = f"{MODES[row['mode']]}, {row['subjects']:,} subjects"
        what += " from files" if row["task"] == "files" else ""
        lines.append(f"| {what} | {MODES[row['against']]} | {said}{verdict} |")
    return "\n".join(lines)


def _killed(found: dict[str, Any]) -> str:
    before, after = found["unharmed"], found["killed"]
    apart = max((d for d in found["apart"].values() if d is not None), default=float("nan"))
    same = "the same" if found["equal"] else "**not the same**"
    align = [each["stages"]["align"] for each in (before, after)]
    return (
        f"**A worker killed.** {found['subjects']:,} subjects on Dask, blocks held by two workers "
        f"(`--max-memory {found['max_memory']}`), one of them ended by SIGKILL during alignment: "
        f"mean and variances are {same} (largest relative difference {apart:.0g}); alignment took "
        f"{_between(align[1])} instead of {_between(align[0])}, everything after the start of the "
        f"workers {_between(after['seconds'])} instead of {_between(before['seconds'])} "
        f"(median, least–most, n = {before['runs']} each, by turns)."
    )


def _between(took: dict[str, float]) -> str:
    return f"{_seconds(took['median'])} s ({_seconds(took['min'])}–{_seconds(took['max'])})"


def _legend(report: dict[str, Any]) -> str:
    several = [f"{r['runs']}" for r in report["rows"] if r.get("runs")]
    runs = "1" if set(several) <= {"1"} else f"{max(several)}, 1 where a run takes over a minute"
    held = [r["memory_mib"]["tree_own"] for r in report["rows"] if r.get("memory_mib") is not None]
    own = f"At most {max(held):,.0f} MiB of it were the processes' own. " if held else ""
    return (
        f"Seconds on the clock (median; number of runs: {runs}) and peak of resident memory, of "
        "the main process / of it and its workers together, looked at every "
        f"{EVERY_S * 1000:.0f} ms; *all* leaves the start of the workers out of the seconds and "
        "takes the system's own record of the peak (getrusage) where that is higher. Resident "
        "memory counts libraries once a process, and pages of result files that are mapped and "
        f"that the system takes back at will. {own}Marker files are in the memory of the "
        "system before the clock starts. Every run is a fresh process, told "
        f"`--max-memory {report['max_memory']}`; numpy has one thread in each process. Exponent: "
        "slope of log seconds on log subjects by least squares; what is fixed (imports, opening "
        "files) weighs at the smallest size and makes it too small, and two sizes give no error. "
        "Landmarks: draws of the shape model of the built-in cohort, "
        f"{NOISE_MM:g} mm noise (SD a coordinate), turned by up to {LARGEST_TURN_DEGREES:g}°; "
        f"missing ones: whole roots, {MISSING_SHARE:.0%} of all landmarks. "
        f"Equal means to {EQUAL:g} or better."
    )


def _machine(report: dict[str, Any]) -> str:
    machine = report["machine"]
    loads = [load for r in report["rows"] for load in r.get("load_average_1_min", [])]
    busy = (
        f"{min(b for b, _ in loads):.1f} to {max(b for b, _ in loads):.1f}" if loads else "unknown"
    )
    return (
        f"Machine: {machine['processor']}, {machine['cores_usable']} cores, "
        f"{machine['memory_gib']:g} GiB, {machine['system']}, Python {machine['python']}, numpy "
        f"{machine['numpy']}, {machine['blas']}; load average (1 min) when runs began "
        f"{busy}. {report['date']}."
    )
