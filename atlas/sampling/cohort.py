"""A synthetic cohort as a folder: markers, meshes and a record of each sample.

A sample is there when its record is: the record is written last.  What was begun and not finished
is made again, so that a cohort that was stopped at any moment goes on to the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.exchange.marker_files import write_markers
from atlas.files import OutputError, write_file
from atlas.mesh.formats import write_meshes
from atlas.mesh.formats.writing import known_formats
from atlas.mesh.mesh_layout import EDGE_MM, MeshLayout, mesh_layout
from atlas.mesh.repair import repair
from atlas.mesh.surfaces import surfaces
from atlas.sampling.drawing import LIMITS, Plan
from atlas.sampling.recipe import MeasureFunction, Recipe, fingerprint, measure_function
from atlas.sampling.records import Record, sample_id
from atlas.sampling.summary import write_summary
from atlas.shape.scheme import Anatomy, Status, block_name
from atlas.store import Atlas, load_atlas

PLAN = "plan.json"
WORK = ".unfinished"
NOTICE = "synthetic: drawn from a statistical atlas, not imaged"
# Samples a process draws at once: their checks share work, and a stop loses little.
CHUNK = 8
# A root that hardly anybody traced still needs as many points as a reader takes for a root.
LEAST_TRACE = 6

Progress = Callable[[int, int], None]


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
    measures : bool
        Whether every measure of each anatomy is taken.
    workers : int
        Processes.  The bytes do not depend on it.
    """

    formats: tuple[str, ...] = ("stl",)
    edge_mm: float = EDGE_MM
    markers: bool = True
    measures: bool = True
    workers: int = 1


def write_cohort(
    model: str | Path,
    recipe: Recipe,
    out: str | Path,
    options: CohortOptions | None = None,
    *,
    progress: Progress = lambda _done, _of: None,
) -> None:
    """Make a synthetic cohort, or go on with one that was stopped.

    Parameters
    ----------
    model : path
        ``model.h5``, or the folder of a build.
    recipe : Recipe
    out : path
        A new folder, or that of the same cohort begun before.  ``markers/sub-0001/``,
        ``meshes/sub-0001/``, ``records/``, ``samples.csv``, ``acceptance.csv``, ``shift.csv``,
        ``README.md`` and ``plan.json``.
    options : CohortOptions, optional
    progress : callable
        Called with how many samples are there, and of how many.

    Raises
    ------
    SamplingError
        A recipe that cannot be for this atlas; nothing is written then.
    OutputError
        The folder holds something else, or cannot be written.
    """
    options = options or CohortOptions()
    path = Path(model) / "model.h5" if Path(model).is_dir() else Path(model)
    atlas = load_atlas(path)
    known_formats(options.formats or ("stl",))
    plan = recipe.plan(atlas)
    # Fails here, before anything is written, where no draw is possible.
    plan.draw(0, min(CHUNK, recipe.n))
    out = Path(out)
    with _plain_output_errors(out):
        _open_cohort(out, _plan_document(path, atlas, recipe, options))
        missing = [i for i in range(recipe.n) if not _record_path(out, i, recipe.n).is_file()]
        progress(recipe.n - len(missing), recipe.n)
        _make(_Maker.of(path, recipe, options, out), _runs(missing), recipe.n, progress)
        records = [_read_record(out, i, recipe.n) for i in range(recipe.n)]
        write_summary(out, atlas, plan, records, seed=recipe.seed, notice=_notice(atlas))
        shutil.rmtree(out / WORK, ignore_errors=True)


def _notice(atlas: Atlas) -> str:
    source = atlas.provenance.get("notice")
    return f"{NOTICE}; atlas {source}" if source else NOTICE


def _plan_document(
    path: Path, atlas: Atlas, recipe: Recipe, options: CohortOptions
) -> dict[str, Any]:
    return {
        "software": {"name": "lumbosacral-atlas", "version": version("lumbosacral-atlas")},
        "model": {"name": path.name, "sha256": fingerprint(path)},
        "recipe": recipe.document(),
        "formats": list(options.formats),
        "edge_mm": options.edge_mm,
        "markers": options.markers,
        "measures": options.measures,
        "notice": _notice(atlas),
        "attribution": atlas.provenance.get("attribution", ""),
        "disclaimer": atlas.provenance.get("disclaimer", ""),
    }


def _open_cohort(out: Path, document: dict[str, Any]) -> None:
    """Begin a folder, or go on with the one that was begun for the same plan."""
    content = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    place = out / PLAN
    if place.is_file():
        if place.read_text("utf-8") != content:
            raise OutputError(
                f"{out}: expected the same cohort begun before, got another ({PLAN} differs); "
                "choose another folder, or remove this one"
            )
    elif out.exists() and any(out.iterdir()):
        raise OutputError(
            f"{out}: expected nothing there, an empty folder or a cohort begun before, got "
            "something else; choose another folder"
        )
    shutil.rmtree(out / WORK, ignore_errors=True)
    for name in (WORK, "records"):
        (out / name).mkdir(parents=True, exist_ok=True)
    if not place.is_file():
        write_file(place, content)


def _record_path(out: Path, index: int, n: int) -> Path:
    return out / "records" / f"{sample_id(index, n)}.json"


def _read_record(out: Path, index: int, n: int) -> Record:
    return Record.of(json.loads(_record_path(out, index, n).read_bytes()))


def _runs(missing: list[int]) -> list[tuple[int, int]]:
    """Missing samples as ranges (first, last + 1) of at most :data:`CHUNK`."""
    runs: list[tuple[int, int]] = []
    for i in missing:
        if runs and runs[-1][1] == i and i - runs[-1][0] < CHUNK:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    return runs


def _make(maker: _Maker, runs: list[tuple[int, int]], n: int, progress: Progress) -> None:
    done = n - sum(last - first for first, last in runs)
    if maker.options.workers <= 1 or len(runs) <= 1:
        for first, last in runs:
            maker.make(first, last)
            done += last - first
            progress(done, n)
        return
    with ProcessPoolExecutor(
        maker.options.workers,
        initializer=_begin_work,
        initargs=(maker.path, maker.recipe, maker.options, maker.out),
    ) as pool:
        for future in _bounded(pool, runs, 4 * maker.options.workers):
            done += future.result()
            progress(done, n)


def _bounded(pool: Executor, runs: list[tuple[int, int]], limit: int) -> Iterator[Future[int]]:
    """Results as they come; no more than ``limit`` runs wait, so memory does not grow with n."""
    waiting: set[Future[int]] = set()
    for run in runs:
        waiting.add(pool.submit(_work, *run))
        if len(waiting) >= limit:
            future = next(as_completed(waiting))
            waiting.remove(future)
            yield future
    yield from as_completed(waiting)


_MAKER: _Maker | None = None


def _begin_work(path: Path, recipe: Recipe, options: CohortOptions, out: Path) -> None:
    from threadpoolctl import threadpool_limits

    global _MAKER  # noqa: PLW0603  (a process of a pool has no other place for its state)
    # One thread a process: threads of several processes only take cores from each other.
    threadpool_limits(1)
    _MAKER = _Maker.of(path, recipe, options, out)


def _work(first: int, last: int) -> int:
    assert _MAKER is not None  # the pool began with it
    _MAKER.make(first, last)
    return last - first


@dataclass(frozen=True, slots=True, eq=False)
class _Maker:
    """Draws samples and writes their files."""

    path: Path
    recipe: Recipe
    options: CohortOptions
    out: Path
    atlas: Atlas
    plan: Plan
    measure: MeasureFunction | None
    traced: dict[RootKey, int]
    layout: MeshLayout

    @classmethod
    def of(cls, path: Path, recipe: Recipe, options: CohortOptions, out: Path) -> _Maker:
        atlas = load_atlas(path)
        plan = recipe.plan(atlas)
        mean = atlas.model.scheme.anatomy(atlas.model.mean)
        return cls(
            path,
            recipe,
            options,
            out,
            atlas,
            plan,
            measure_function() if options.measures else None,
            _traced(atlas),
            mesh_layout(mean, edge_mm=options.edge_mm),
        )

    def make(self, first: int, last: int) -> None:
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
        if self.measure is None:
            return {}
        values = self.measure(anatomy)
        return {"/".join(key): float(value) for key, value in values.items()}

    def _write(self, record: Record, anatomy: Anatomy) -> None:
        name = sample_id(record.index, self.recipe.n)
        work = self.out / WORK / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        if record.accepted or self.recipe.invalid == "keep":
            self._write_anatomy(name, work, anatomy)
        for part in sorted(work.iterdir()):
            place = self.out / part.name / name
            place.parent.mkdir(exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            part.rename(place)
        shutil.rmtree(work)
        content = json.dumps(record.document()) + "\n"
        write_file(_record_path(self.out, record.index, self.recipe.n), content)

    def _write_anatomy(self, name: str, work: Path, anatomy: Anatomy) -> None:
        notice = _notice(self.atlas)
        if self.options.markers:
            write_markers(anatomy, work / "markers", name, notice=notice, traced=self.traced)
        if self.options.formats:
            write_meshes(
                surfaces(anatomy, layout=self.layout),
                work / "meshes",
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


@contextmanager
def _plain_output_errors(out: Path) -> Iterator[None]:
    """A full disk or a place that cannot be written is said plainly; finished samples stay."""
    try:
        yield
    except OSError as error:
        shutil.rmtree(out / WORK, ignore_errors=True)
        raise OutputError(
            f"{out}: cannot be written ({error}); finished samples are kept, run again to go on"
        ) from None
