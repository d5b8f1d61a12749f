"""A folder that says how good an atlas is, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from analysis.evaluation.prediction import write_prediction_tables
from analysis.evaluation.tables import write_evaluation
from atlas.build import PROVENANCE
from atlas.data.dataset import read_dataset
from atlas.data.exclusions import exclude
from atlas.output.files import write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.progress import Stage, quiet
from atlas.store import load_atlas
from atlas.text.json_text import json_text


def write_evaluation_folder(
    model: str | Path,
    dataset: str | Path | None,
    out: str | Path | Claim,
    *,
    force: bool = False,
    stage: Stage = quiet,
) -> None:
    """Write how good an atlas is: its model, and what it predicts.

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
    annotations, facts = None, None
    if dataset is not None:
        annotations = exclude(read_dataset(dataset), atlas.provenance.get("exclusions", ()))
        facts = {
            "name": Path(annotations.root).resolve().name,
            "inputs": {s.id: s.source.sha256 for s in annotations.subjects},
        }
    with new_folder(claim) as folder:
        stage("evaluating: model")
        write_evaluation(atlas, annotations, folder)
        stage("evaluating: prediction")
        write_prediction_tables(atlas, folder)
        provenance = dict(atlas.provenance) | {"evaluation": {"dataset": facts}}
        write_file(folder / PROVENANCE, json_text(provenance))
