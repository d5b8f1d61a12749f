"""The chain of a build for a group that does not fit in memory, or that others work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from atlas.components.blocks import Block, Group, joined
from atlas.data.subject import Finding
from atlas.errors import AtlasError
from atlas.landmarks.scheme import Status
from atlas.large.kept_fits import kept_fits
from atlas.large.landmarking import Measures, Survey, place_on_disk, survey
from atlas.large.saving import save_group_atlas
from atlas.large.subject_folders import FolderListing
from atlas.large.workers import Workers
from atlas.model.field_of_view import field_of_view_array, view_findings
from atlas.model.fitting import fit_group_model
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.generalised import Registration, register
from atlas.progress import Stage, quiet
from atlas.provenance import Inputs, made_with, provenance
from atlas.store import Atlas, Settings

# All modes of thousands of subjects would be larger than the subjects; these hold what matters.
VARIANCE_HELD = 0.99
# With thousands of subjects a thousand orders tell p to 0.001.
PERMUTATIONS = 999


class LargeGroupError(AtlasError):
    """What cannot be done for a group of this size; the text says what can."""


@dataclass(frozen=True, slots=True, eq=False)
class LargeBuild:
    """An atlas of a large group, and what its tables are made from.

    Parameters
    ----------
    atlas : Atlas
        Its large arrays are the file they stand in.
    survey : Survey
        Measures and findings of every subject.
    scores : (S, K) float
        In SD.
    """

    atlas: Atlas
    survey: Survey
    scores: np.ndarray


def build_large_atlas(
    listing: FolderListing,
    path: Path,
    settings: Settings,
    workers: Workers,
    *,
    seed: int | None = None,
    measures: Measures | None = None,
    stage: Stage = quiet,
) -> LargeBuild:
    """From folders of subjects to the file of an atlas, by passes over blocks of subjects.

    Parameters
    ----------
    listing : FolderListing
    path : Path
        Of ``model.h5``; fits of subjects, then landmarks, lie beside it while the build runs.
    settings : Settings
    workers : Workers
    seed : int, optional
        Of a generated dataset, for the provenance.
    measures : callable, optional
        As :func:`atlas.large.landmarking.survey` takes them.
    stage : callable
        Told what is being done, and how far it is.

    Returns
    -------
    LargeBuild

    Raises
    ------
    DatasetError
        Any subject that cannot be used.
    LargeGroupError
        Semilandmarks that are to slide: each slides against all others in memory.
    OutputError
        The disk has no room for what lies beside the result.
    """
    if settings.slide is not None:
        raise LargeGroupError(
            f"slide: expected none for a group that is built from disk, got {settings.slide!r}; "
            "give more memory with --max-memory, or leave it out"
        )
    held = settings.variance_held or VARIANCE_HELD
    settings = replace(settings, variance_held=held)
    # Workers may stand in another folder, and one that was given up may still write.
    with TemporaryDirectory(
        dir=path.parent.resolve(), prefix=".landmarks-", ignore_cleanup_errors=True
    ) as place:
        landmarks = Path(place) / "landmarks.h5"
        with kept_fits(Path(place), settings.scheme) as fits:
            surveyed = survey(listing, fits, workers, measures=measures, stage=stage)
            file = place_on_disk(surveyed, fits, workers, landmarks, stage=stage)
        group = workers.group(file)
        stage("aligning")
        placed = register(
            group,
            anchor=settings.anchor,
            rotation=settings.rotation,
            scale=settings.scale,
            weights=settings.weights,
        )
        stage("fitting the model")
        model = fit_group_model(group, placed, variance_held=held, bridged=settings.bridged)
        scores = joined(group.each(_scores, placed, model))
        findings = surveyed.findings + _view_findings(surveyed, group, model, scores)
        history = provenance(_inputs(surveyed), findings, anchor=placed.anchor, seed=seed)
        history |= made_with(settings, model, variance_held=held)
        stage("writing the model")
        atlas = save_group_atlas(
            path, group, placed, model, settings=settings, provenance=history, scores=scores
        )
    return LargeBuild(atlas, surveyed, scores)


def _scores(block: Block, placed: Registration, model: ShapeModel) -> np.ndarray:
    return model.scores(placed.aligned(block)[0])


def _view_findings(
    surveyed: Survey, group: Group, model: ShapeModel, scores: np.ndarray
) -> tuple[Finding, ...]:
    views = [s.view for s in surveyed.subjects]
    known = [v for v in views if v is not None]
    if len(known) < len(views):
        return ()
    return view_findings(
        field_of_view_array(known),
        scores,
        model,
        rings_missing=any(group.each(_rings_missing)),
        permutations=PERMUTATIONS,
    )


def _rings_missing(block: Block) -> bool:
    scheme, status = block.landmarks.scheme, block.landmarks.status
    tubes = [scheme.span(b.name) for b in scheme.blocks if b.kind == "tube"]
    return any(bool((status[:, span] == Status.MISSING).any()) for span in tubes)


def _inputs(surveyed: Survey) -> Inputs:
    names = dict.fromkeys(name for s in surveyed.subjects for name in s.covariates)
    covariates: dict[str, list[Any]] = {
        name: [s.covariates.get(name) for s in surveyed.subjects] for name in names
    }
    return Inputs(
        root=surveyed.listing.root,
        subjects=[(s.id, s.sha256, s.notice) for s in surveyed.subjects],
        covariates=covariates,
        exclusions=surveyed.listing.exclusions,
        notice=surveyed.notice,
    )
