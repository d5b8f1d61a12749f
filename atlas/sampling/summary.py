"""The tables of a synthetic cohort, and a page that explains them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from scipy import stats

from atlas.output.files import write_file
from atlas.sampling.drawing import LIMITS, Plan
from atlas.sampling.records import Record, sample_id
from atlas.store import Atlas
from atlas.text.plain_text import csv_text, escape_markdown

CONFIDENCE = 0.95
COLUMNS = {
    "samples.csv": {
        "id, seed": "sample, and the seed of the cohort",
        "accepted": "1: it keeps every rule; 0: it does not",
        "attempts": "draws it took",
        "broken_rules": "rules the sample breaks, where it was kept nevertheless",
        "repaired_mm": "how far a point was moved at the most to make it possible, mm; 0: as drawn",
        "score_<k>_sd": "coefficient of the atlas' mode k, SD, as drawn",
        "turn_<axis>_deg, shift_<axis>_mm": "rotation vector and translation it was placed by",
        "<level>/<side>/<measure>": "measure before placement, unit at the end of its name; "
        "all or both where it belongs to no level or side",
    },
    "acceptance.csv": {
        "rule": "any: draws that broke one, and were rejected, repaired or marked",
        "n_draws": "draws that were made",
        "n_broken": "of them broke the rule; one may break several",
        "share, share_low, share_high": "of the draws, and its 95 % interval (Wilson)",
    },
    "shift.csv": {
        "mode": "of the atlas, from 1",
        "n": "accepted samples",
        "mean_sd, mean_low_sd, mean_high_sd": "mean score, SD, and its 95 % t interval; 0 in the "
        "population",
        "variance, variance_low, variance_high": "of the scores (n - 1) and its 95 % chi-square "
        "interval; 1 in the population",
    },
}


def write_summary(
    out: Path, atlas: Atlas, plan: Plan, records: Sequence[Record], *, seed: int, notice: str
) -> list[str]:
    """Write ``samples.csv``, ``acceptance.csv``, ``shift.csv`` and ``README.md``; their names."""
    acceptance = acceptance_rows(records, plan)
    content = {
        "samples.csv": samples_csv(records, n=len(records), seed=seed, notice=notice),
        "acceptance.csv": _table(acceptance, notice),
        "shift.csv": _table(shift_rows(records), notice),
        "README.md": _readme(atlas, plan, records, acceptance, notice),
    }
    for name, text in content.items():
        write_file(out / name, text)
    return list(content)


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


def _table(rows: Iterable[Mapping[str, Any]], notice: str) -> str:
    rows = list(rows)
    if not rows:
        return ""
    cells = [[f"{v:.6g}" if isinstance(v, float) else v for v in row.values()] for row in rows]
    return csv_text([[*rows[0], "notice"], *([*row, notice] for row in cells)])


def _readme(
    atlas: Atlas,
    plan: Plan,
    records: Sequence[Record],
    acceptance: Sequence[Mapping[str, Any]],
    notice: str,
) -> str:
    rejected, source = acceptance[0], atlas.provenance
    text = _README.substitute(
        notice=escape_markdown(notice),
        accepted=sum(r.accepted for r in records),
        n=len(records),
        repaired=_repaired(records),
        draws=rejected["n_draws"],
        share=f"{100 * (1 - rejected['share']):.1f}",
        low=f"{100 * (1 - rejected['share_high']):.1f}",
        high=f"{100 * (1 - rejected['share_low']):.1f}",
        again="" if plan.redraws else "Samples that break a rule were not drawn again.\n",
        subjects=atlas.model.n_subjects,
    )
    lines = []
    for name, columns in COLUMNS.items():
        lines += ["", f"## {name}", "", "| column | says |", "|---|---|"]
        lines += [f"| {column} | {said} |" for column, said in columns.items()]
    lines += ["", "## Source"]
    for name in ("attribution", "disclaimer"):
        lines += ["", escape_markdown(str(source.get(name, "")))]
    return text + "\n".join(lines) + "\n"


def _repaired(records: Sequence[Record]) -> str:
    moved = [r.repaired_mm for r in records if r.repaired_mm]
    if not moved:
        return ""
    return f", {len(moved)} of them after points were moved by up to {max(moved):.2f} mm"


_README = Template("""\
# Synthetic anatomies

$notice.

$accepted of $n samples keep every rule of anatomy$repaired; $draws draws were made, $share % of
them kept every rule as drawn (95 % interval $low–$high %).
${again}Rejection changes the distribution: `shift.csv` says by how much. The model behind the
samples has n = $subjects subjects: however many are drawn, they know no more.

`markers/` has the layout of the published archive: `atlas check` and `atlas build` read it. The way
from the last traced point to the ganglion is left out there, as in the annotations. Radii of roots
in `meshes/` are assumed, not measured.
A cohort that was stopped goes on where it stopped when the same command is run again.
""")
