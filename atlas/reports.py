"""What is written about an atlas or a dataset by packages that register themselves for it.

Evaluations, reports and the page of a check live in packages that stand on this one, and so cannot
be imported by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from atlas.build import PROVENANCE
from atlas.data.dataset import Dataset, read_dataset
from atlas.data.exclusions import exclude
from atlas.data.subject import Finding
from atlas.output.files import OutputError, write_file
from atlas.output.results import Claim, claim_file, claim_folder, new_folder
from atlas.progress import Stage, quiet
from atlas.registered import registered
from atlas.store import Atlas, load_atlas
from atlas.text.json_text import json_text

EVALUATIONS = "atlas.evaluations"
REPORTS = "atlas.reports"
CHECK_REPORTS = "atlas.check_reports"


def write_check_report(
    dataset: Dataset, findings: tuple[Finding, ...], out: str | Path | Claim
) -> None:
    """Write what was found as one page: everything registered under ``atlas.check_reports``.

    Parameters
    ----------
    dataset : Dataset
    findings : tuple of Finding
        Of :func:`atlas.build.check_dataset`.
    out : str or Path
        An HTML file; an earlier one of the same command is replaced.

    Raises
    ------
    OutputError
        Nothing is registered, or the place is no file that can be written.
    """
    writers = registered(CHECK_REPORTS)
    if not writers:
        raise OutputError(
            f"{out}: expected a package that writes reports of a check (entry points "
            f"{CHECK_REPORTS!r}), got none; install lumbosacral-atlas again"
        )
    claim = claim_file(out, command="check", suffix=".html", inputs=(dataset.root,))
    for entry in writers:
        entry.load()(dataset, findings, claim)


def evaluate(
    model: str | Path,
    dataset: str | Path | None,
    out: str | Path | Claim,
    *,
    force: bool = False,
    stage: Stage = quiet,
) -> None:
    """Write how good an atlas is: everything registered under ``atlas.evaluations``.

    Parameters
    ----------
    model : str or Path
        As :func:`atlas.load_atlas` takes it.
    dataset : str or Path, optional
        Of the same subjects, for what needs the annotations: the floor of their noise.
    out : str or Path
        A new folder, or that of an earlier evaluation, which is replaced.
    force : bool
        As :func:`atlas.output.results.claim_folder` takes it.
    stage : callable
        Called with the name of each stage as it begins.
    """
    claim = claim_folder(out, command="evaluate", inputs=(model, dataset), force=force)
    atlas = load_atlas(model)
    annotations = None
    if dataset is not None:
        annotations = exclude(read_dataset(dataset), atlas.provenance.get("exclusions", ()))
    with new_folder(claim) as folder:
        for entry in registered(EVALUATIONS):
            stage(f"evaluating: {entry.name}")
            entry.load()(atlas, annotations, folder)
        write_file(folder / PROVENANCE, json_text(_evaluated(atlas, annotations)))


def _evaluated(atlas: Atlas, annotations: Dataset | None) -> dict[str, Any]:
    """Provenance of an evaluation: that of the atlas, and which annotations were at hand."""
    dataset = None
    if annotations is not None:
        dataset = {
            "name": Path(annotations.root).resolve().name,
            "inputs": {s.id: s.source.sha256 for s in annotations.subjects},
        }
    return dict(atlas.provenance) | {"evaluation": {"dataset": dataset}}


def report(
    model: str | Path,
    out: str | Path | Claim,
    *,
    only: Iterable[str] = (),
    force: bool = False,
    stage: Stage = quiet,
) -> None:
    """Write the reports of an atlas: everything registered under ``atlas.reports``.

    Parameters
    ----------
    model : str or Path
        As :func:`atlas.load_atlas` takes it.
    out : str or Path
        A new folder, or that of earlier reports, which is replaced.
    only : iterable of str
        Names of reports; all by default.
    force : bool
        As :func:`atlas.output.results.claim_folder` takes it.
    stage : callable
        Called with the name of each stage as it begins.
    """
    claim = claim_folder(out, command="report", inputs=(model,), force=force)
    for entry in registered(REPORTS):
        entry.load()(model, claim, only=only, stage=stage)
