"""The one way through: from a dataset to an atlas, and an atlas to a folder.

Nothing else composes the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from atlas.checks import find_implausible
from atlas.data.dataset import Dataset, DatasetError, refuse_errors, survey_dataset
from atlas.data.exclusions import exclude
from atlas.data.subject import Finding, Severity
from atlas.landmarks.placing import place_landmarks
from atlas.large.resources import Resources
from atlas.large.subject_folders import FolderListing, count_subjects, leave_out, list_subjects
from atlas.mesh.formats import write_surfaces
from atlas.mesh.surfaces.layout import mesh_layout
from atlas.mesh.surfaces.named_surfaces import surfaces
from atlas.model.field_of_view import field_of_view_findings
from atlas.model.fitting import fit_shape_model
from atlas.model.shape_model import ShapeModel
from atlas.output.files import write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.procrustes.alignment import Alignment, align
from atlas.progress import Stage, quiet
from atlas.provenance import Inputs, made_with, provenance
from atlas.registered import registered
from atlas.store import Atlas, Settings, SettingsError, load_atlas, save_atlas
from atlas.text.json_text import json_text
from atlas.threads import MANY, one_thread

# Packages that a product of the build comes from: tables and figures live in `analysis`, which
# stands on this package and so cannot be imported by it.  They register themselves.
PRODUCTS = "atlas.products"
LARGE_PRODUCTS = "atlas.large_products"
SURVEY_MEASURES = "atlas.survey_measures"
PRODUCTS_BESIDE = "atlas.products_beside"
PROVENANCE = "provenance.json"
# What the modes of a group in memory hold of its variance, unless told otherwise.
ALL = 1.0
MESH_MODES = 3
MESH_SD = 2.0

Product = Callable[[Atlas, Dataset, Path], Iterable[Path]]


def check_dataset(dataset: Dataset) -> tuple[Finding, ...]:
    """Everything found about a dataset: while reading, and against anatomy."""
    return (*dataset.findings, *find_implausible(dataset))


def build_atlas(
    dataset: Dataset, settings: Settings | None = None, *, seed: int | None = None
) -> Atlas:
    """Build the atlas of a group.

    Parameters
    ----------
    dataset : Dataset
    settings : Settings, optional
    seed : int, optional
        Of a generated dataset, for the provenance.

    Returns
    -------
    Atlas

    Raises
    ------
    DatasetError
        A subject whose sides are swapped or whose files cannot be used.
    ValueError
        Too few subjects, or landmarks missing where they must not be.
    """
    settings = settings or Settings()
    return _checked(dataset, *_fitted(dataset, settings), settings, seed=seed)


def _fitted(dataset: Dataset, settings: Settings) -> tuple[Alignment, ShapeModel]:
    """Alignment and model of a group that is yet to be checked against anatomy."""
    if any(f.severity is Severity.ERROR for f in dataset.findings):
        raise DatasetError(check_dataset(dataset))
    pose: dict[str, Any] = {
        "anchor": settings.anchor,
        "rotation": settings.rotation,
        "scale": settings.scale,
        "weights": settings.weights,
    }
    try:
        landmarks = place_landmarks(dataset, settings.scheme)
        if settings.slide is not None:
            from atlas.procrustes.sliding import slide_landmarks

            slid = slide_landmarks(dataset, landmarks, criterion=settings.slide, **pose)
            landmarks = slid.landmarks
        alignment = align(landmarks, **pose)
        held = settings.variance_held or ALL
        return alignment, fit_shape_model(alignment, bridged=settings.bridged, variance_held=held)
    except Exception:
        # What is wrong with the annotations says more than what fails because of it.
        refuse_errors(check_dataset(dataset))
        raise


def _checked(
    dataset: Dataset,
    alignment: Alignment,
    model: ShapeModel,
    settings: Settings,
    *,
    seed: int | None,
) -> Atlas:
    """The atlas of a group, unless it breaks the rules of anatomy."""
    findings = refuse_errors(check_dataset(dataset))
    findings += field_of_view_findings(dataset, alignment, model)
    history = provenance(Inputs.of(dataset), findings, anchor=alignment.anchor, seed=seed)
    history |= made_with(settings, model, variance_held=settings.variance_held or ALL)
    return Atlas(model, alignment, settings, history)


def build(
    path: str | Path,
    out: str | Path | Claim,
    settings: Settings | None = None,
    *,
    seed: int | None = None,
    exclusions: Iterable[str] = (),
    resources: Resources | None = None,
    force: bool = False,
    stage: Stage = quiet,
) -> Atlas:
    """From marker files to a folder with the atlas and everything made from it.

    A group that does not fit in memory, or that others are to work on, is built by passes over
    blocks of its subjects, to the same result.

    Parameters
    ----------
    path : str or Path
        Of a dataset, as :func:`atlas.read_dataset` takes it.
    out : str or Path
        A new folder, or an earlier result, which is replaced when all is done; what else lies in
        it stays.
    settings : Settings, optional
    seed : int, optional
        Of a generated dataset, for the provenance.
    exclusions : iterable of str
        Subjects and structures to leave out, as :func:`atlas.data.exclusions.exclude` takes them.
    resources : Resources, optional
        Memory and workers; this process and half of the free memory by default.
    force : bool
        As :func:`atlas.output.results.claim_folder` takes it.
    stage : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    Atlas
    """
    claim = claim_folder(out, command="build", inputs=(path,), force=force)
    resources, settings = resources or Resources(), settings or Settings()
    count = count_subjects(path)
    if resources.by_passes(count, settings.scheme):
        resources.expect_room(count)
        listing = leave_out(list_subjects(path), exclusions)
        return _build_by_passes(listing, claim, settings, resources, seed=seed, stage=stage)
    with ExitStack() as stack:
        if count < MANY:
            stack.enter_context(one_thread())
        beside = {e.name: stack.enter_context(e.load()()) for e in registered(PRODUCTS_BESIDE)}
        stage("reading annotations")
        dataset = exclude(survey_dataset(path), exclusions)
        stage("aligning and fitting")
        fitted = _fitted(dataset, settings)
        # What is made beside may begin now; the checks take a while.
        begun = {name: begin(*fitted, dataset) for name, begin in beside.items()}
        stage("checking")
        atlas = _checked(dataset, *fitted, settings, seed=seed)
        folder = stack.enter_context(new_folder(claim))
        stage("writing the model")
        save_atlas(atlas, folder / "model.h5")
        stage("writing meshes")
        write_meshes(atlas, folder / "meshes")
        for entry in registered(PRODUCTS):
            stage(f"writing {entry.name}")
            product: Product = entry.load()
            product(atlas, dataset, folder)
        for name, finish in begun.items():
            stage(f"writing {name}")
            finish(folder)
        _write_provenance(atlas, folder)
    return atlas


def _build_by_passes(
    listing: FolderListing,
    claim: Claim,
    settings: Settings,
    resources: Resources,
    *,
    seed: int | None,
    stage: Stage,
) -> Atlas:
    from atlas.large.building import build_large_atlas

    measures = next((entry.load() for entry in registered(SURVEY_MEASURES)), None)
    with new_folder(claim) as folder, resources.at_work(folder.parent) as workers:
        if workers.link:
            stage(f"workers at {workers.link}")
        found = build_large_atlas(
            listing,
            folder / "model.h5",
            settings,
            workers,
            seed=seed,
            measures=measures,
            stage=stage,
        )
        stage("writing meshes")
        write_meshes(found.atlas, folder / "meshes")
        for entry in registered(LARGE_PRODUCTS):
            stage(f"writing {entry.name}")
            entry.load()(found, folder)
        _write_provenance(found.atlas, folder)
        # Let go before the same is loaded again.
        del found
    return load_atlas(claim.path)


def _write_provenance(atlas: Atlas, folder: Path) -> None:
    write_file(folder / PROVENANCE, json_text(atlas.provenance))


def build_demo(
    out: str | Path | Claim, *, seed: int = 1, force: bool = False, stage: Stage = quiet
) -> Atlas:
    """Write the built-in cohort to ``out/cohort``, and its atlas to ``out/atlas``.

    Parameters
    ----------
    out : str or Path
        A new folder, or that of an earlier demo, which is replaced.
    seed : int
        Draw of the cohort.
    force : bool
    stage : callable
        As in :func:`build`.

    Returns
    -------
    Atlas
    """
    from atlas.data.builtin.builtin_cohort import write_surrogate_cohort

    claim = claim_folder(out, command="demo", force=force)
    if seed < 0:
        raise SettingsError(f"seed: expected 0 or more, got {seed}")
    with new_folder(claim) as folder:
        stage("making the built-in cohort")
        write_surrogate_cohort(folder / "cohort", seed=seed)
        return build(folder / "cohort", folder / "atlas", seed=seed, stage=stage)


def write_meshes(atlas: Atlas, folder: Path) -> None:
    """Write the mean and the first modes at ±2 SD as STL, LPS mm, one folder a shape."""
    model = atlas.model
    shapes = {"mean": model.mean}
    for k in range(min(MESH_MODES, model.n_modes)):
        for sign, word in ((-1, "minus"), (1, "plus")):
            scores = np.zeros(k + 1)
            scores[k] = sign * MESH_SD
            shapes[f"mode{k + 1}_{word}{MESH_SD:.0f}sd"] = model.shape(scores)
    # The header of an STL is 80 bytes: the notice itself stands in the provenance.
    notice = "cohort generated in whole or part: provenance.json" if _generated(atlas) else ""
    layout = mesh_layout(model.scheme.anatomy(model.mean))
    for name, points in shapes.items():
        place = folder / name
        place.mkdir(parents=True)
        meshes = surfaces(model.scheme.anatomy(points), layout=layout)
        write_surfaces(meshes, place, header=notice)


def _generated(atlas: Atlas) -> bool:
    return bool(atlas.provenance.get("notice"))
