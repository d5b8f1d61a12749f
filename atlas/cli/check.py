"""``atlas check``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas.cli.app import Exit, Force, app, plain_errors
from atlas.cli.terminal import as_markup, open_console, print_table, say

if TYPE_CHECKING:
    from atlas.data.dataset import Dataset
    from atlas.data.subject import Finding


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="Archive, folder of subjects, or one subject.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a page with a picture of each finding: FILE.html."),
    ] = None,
    force: Force = False,
) -> None:
    """Look through a dataset: what is there, and what is wrong with it.

    Exit code 0: nothing found but notes; 1: warnings; 2: something cannot be used, or, with
    --strict, anything but notes.
    """
    with plain_errors():
        from analysis.pages.findings import write_check_report
        from atlas.build import check_dataset
        from atlas.data.dataset import survey_dataset
        from atlas.data.subject import Severity
        from atlas.output.results import claim_file

        claim = None
        if report is not None:
            claim = claim_file(report, command="check", suffix=".html", inputs=(path,), force=force)
        dataset = survey_dataset(path)
        findings = check_dataset(dataset)
        if strict:
            findings = tuple(_strict(f) for f in findings)
        if claim is not None:
            write_check_report(dataset, findings, claim)
        if as_json:
            say(json.dumps(_check_document(dataset, findings), indent=2))
        else:
            _print_check(dataset, findings)
        worst = max((f.severity for f in findings), default=Severity.NOTE)
    raise typer.Exit([Exit.DONE, Exit.FINDINGS, Exit.BAD_INPUT][worst])


def _strict(finding: Finding) -> Finding:
    from dataclasses import replace

    from atlas.data.subject import Severity

    if finding.severity is not Severity.WARNING:
        return finding
    return replace(finding, severity=Severity.ERROR)


def _check_document(dataset: Dataset, findings: tuple[Finding, ...]) -> dict[str, Any]:
    return {
        "root": dataset.root,
        "notice": dataset.notice,
        "subjects": [
            {
                "id": s.id,
                "n_dura": len(s.dura),
                "n_cord": len(s.cord),
                "n_roots": len(s.roots),
                "n_ganglia": len(s.ganglia),
                "n_points": s.n_points,
                "spacing_mm": round(s.spacing_mm, 4),
                "dura_extent_mm": round(s.dura_extent_mm, 3),
                "cord_extent_mm": round(s.cord_extent_mm, 3),
                "covariates": dict(s.covariates),
                "n_findings": sum(f.subject == s.id for f in findings),
            }
            for s in dataset.subjects
        ],
        "findings": [f.document() for f in findings],
    }


def _print_check(dataset: Dataset, findings: tuple[Finding, ...]) -> None:
    from atlas.data.subject import Severity

    console = open_console()
    counted = Counter(f.subject for f in findings if f.severity > Severity.NOTE)
    headings = ("subject", "dura", "cord", "roots", "ganglia", "points")
    rows = [
        (
            s.id,
            *(len(s.dura), len(s.cord), len(s.roots), len(s.ganglia), s.n_points),
            *(f"{mm:.1f}" for mm in (s.spacing_mm, s.dura_extent_mm, s.cord_extent_mm)),
            counted[s.id] or "–",
        )
        for s in dataset.subjects
    ]
    print_table(
        console, dataset.root, (*headings, "spacing mm", "dura mm", "cord mm", "warnings"), rows
    )
    if dataset.notice:
        console.print(as_markup(dataset.notice), style="italic")
    styles = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
    for finding in sorted(findings, key=lambda f: (-f.severity, f.subject)):
        word = finding.severity.name.lower()
        console.print(
            f"[{styles[finding.severity]}]{word:8}[/] {finding.rule}  {as_markup(str(finding))}"
        )
    totals = [sum(f.severity is s for f in findings) for s in reversed(Severity)]
    console.print("{} errors, {} warnings, {} notes".format(*totals))
