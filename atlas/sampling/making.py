"""Samples of an atlas made one by one: drawn, repaired, measured, placed, written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.exchange.marker_files import write_markers
from atlas.landmarks.scheme import Anatomy, Status, block_name
from atlas.mesh.formats import write_meshes
from atlas.mesh.surfaces.layout import EDGE_MM, MeshLayout, mesh_layout
from atlas.mesh.surfaces.named_surfaces import surfaces
from atlas.mesh.validity.repair import repair
from atlas.sampling.designs import SamplingError
from atlas.sampling.drawing import LIMITS, Plan
from atlas.sampling.recipe import MeasureFunction, Recipe
from atlas.sampling.records import Record, RecordFiles, sample_id
from atlas.store import Atlas, load_atlas

NOTICE = "synthetic: drawn from a statistical atlas, not imaged"
# A root that hardly anybody traced still needs as many points as a reader takes for a root.
LEAST_TRACE = 6


@dataclass(frozen=True, slots=True)
class CohortOptions:
    """How the samples are written.

    Parameters
    ----------
    formats : tuple of str
        Of meshes, as :data:`atlas.mesh.formats.FORMATS`; none for no meshes.
    edge_mm : float
        Length of edges aimed at.
    markers : bool
        Whether marker files are written, in the layout of the published archive.
    measure : callable, optional
        Anatomy to its measures by (level, side, name), as
        :func:`analysis.morphometry.named_values`: what is measured of each sample, and what a
        condition of the recipe can be on.  Worker processes import it by its name.
    workers : int
        Processes.  The bytes do not depend on it.
    """

    formats: tuple[str, ...] = ("stl",)
    edge_mm: float = EDGE_MM
    markers: bool = True
    measure: MeasureFunction | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise SamplingError(f"workers: expected 1 or more, got {self.workers}")


@dataclass(frozen=True, slots=True, eq=False)
class Maker:
    """Draws samples and writes their files."""

    path: Path
    recipe: Recipe
    options: CohortOptions
    files: RecordFiles
    work: Path
    atlas: Atlas
    plan: Plan
    traced: dict[RootKey, int]
    layout: MeshLayout

    @classmethod
    def of(
        cls, path: Path, recipe: Recipe, options: CohortOptions, files: RecordFiles, work: Path
    ) -> Maker:
        """All that is needed to make samples of an atlas, read and worked out once.

        Parameters
        ----------
        path : Path
            Of the atlas.
        recipe : Recipe
        options : CohortOptions
        files : RecordFiles
            Where finished samples go.
        work : Path
            On the same disk: where they are made.
        """
        atlas = load_atlas(path)
        plan = recipe.plan(atlas, measure=options.measure)
        mean = atlas.model.scheme.anatomy(atlas.model.mean)
        return cls(
            path,
            recipe,
            options,
            files,
            work,
            atlas,
            plan,
            _traced(atlas),
            mesh_layout(mean, edge_mm=options.edge_mm),
        )

    def make(self, first: int, last: int) -> None:
        """Draw samples first to last - 1 and write their files, each record last."""
        draws = self.plan.draw(first, last)
        rules = (*self.plan.rules, *LIMITS)
        for i in range(last - first):
            broken_now = tuple(r for r, kept in zip(rules, draws.kept[i], strict=True) if not kept)
            anatomy = self.plan.model.scheme.anatomy(draws.points[i])
            repaired_mm = 0.0
            if broken_now and self.recipe.invalid == "repair":
                anatomy, broken_now, repaired_mm = _repaired(anatomy, broken_now)
            record = Record(
                index=first + i,
                accepted=not broken_now,
                attempts=int(draws.attempts[i]),
                broken={r: int(b) for r, b in zip(rules, draws.broken[i], strict=True) if b},
                broken_now=broken_now,
                repaired_mm=repaired_mm,
                scores=tuple(self._scores(draws.scores[i], draws.points[i]).tolist()),
                turn_deg=tuple(draws.turn_deg[i].tolist()),
                shift_mm=tuple(draws.shift_mm[i].tolist()),
                measures=self._measures(anatomy),
            )
            if self.plan.pose is not None:
                turn = Rotation.from_rotvec(draws.turn_deg[i], degrees=True).as_matrix()
                anatomy = anatomy.moved(turn, draws.shift_mm[i])
            self._write(record, anatomy)

    def _scores(self, scores: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Scores of the atlas' own modes, whatever model was drawn from."""
        model = self.atlas.model
        if self.plan.model is model and len(scores) == model.n_modes:
            return scores
        return model.scores(points)

    def _measures(self, anatomy: Anatomy) -> dict[str, float]:
        if self.options.measure is None:
            return {}
        values = self.options.measure(anatomy)
        return {"/".join(key): float(value) for key, value in values.items()}

    def _write(self, record: Record, anatomy: Anatomy) -> None:
        name = sample_id(record.index, self.recipe.n)
        work = self.work / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        if record.accepted or self.recipe.invalid == "keep":
            self._write_anatomy(name, work, anatomy)
        self.files.put(work, record)
        shutil.rmtree(work, ignore_errors=True)

    def _write_anatomy(self, name: str, work: Path, anatomy: Anatomy) -> None:
        notice = notice_of(self.atlas)
        if self.options.markers:
            write_markers(anatomy, work / "markers" / name, name, notice=notice, traced=self.traced)
        if self.options.formats:
            write_meshes(
                surfaces(anatomy, layout=self.layout),
                work / "meshes" / name,
                formats=self.options.formats,
                notice=notice,
                anatomy=anatomy,
            )


def _repaired(anatomy: Anatomy, broken: tuple[str, ...]) -> tuple[Anatomy, tuple[str, ...], float]:
    """The anatomy after repair, what it still breaks, and how far it was moved at the most, mm.

    What is still broken is not moved: a half-repaired anatomy is neither drawn nor possible.
    """
    outcome = repair(anatomy)
    limits = tuple(rule for rule in broken if rule in LIMITS)
    if limits or not outcome.after.passed:
        return anatomy, broken, 0.0
    return outcome.anatomy, (), max(m.max_mm for m in outcome.moved.values())


def _traced(atlas: Atlas) -> dict[RootKey, int]:
    """Points of each root that at least half of the subjects have traced."""
    landmarks = atlas.alignment.landmarks
    counts = {}
    for key in ROOT_KEYS:
        status = landmarks.status[:, landmarks.scheme.span(block_name(key))]
        share = (status[:, :-1] == Status.MEASURED).mean(axis=0)
        counts[key] = max(int((share >= 0.5).sum()), LEAST_TRACE)
    return counts


def notice_of(atlas: Atlas) -> str:
    """What every file of a sample says of itself."""
    source = atlas.provenance.get("notice")
    return f"{NOTICE}; atlas {source}" if source else NOTICE
