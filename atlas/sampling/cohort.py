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
from importlib.metadata import version
from multiprocessing import get_start_method
from pathlib import Path
from typing import Any

from atlas.files import OutputError, write_file
from atlas.json_text import json_text
from atlas.large.workers import check_main_guard
from atlas.mesh.formats.writing import known_formats
from atlas.results import Claim, claim_folder
from atlas.sampling.making import WORK, CohortOptions, Maker, notice_of, record_path
from atlas.sampling.recipe import Recipe, fingerprint
from atlas.sampling.records import Record
from atlas.sampling.summary import write_summary
from atlas.store import Atlas, load_atlas
from atlas.threads import one_thread_from_now_on

PLAN = "plan.json"
# Samples a process draws at once: their checks share work, and a stop loses little.
CHUNK = 8

Progress = Callable[[int, int], None]


def write_cohort(
    model: str | Path,
    recipe: Recipe,
    out: str | Path | Claim,
    options: CohortOptions | None = None,
    *,
    force: bool = False,
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
    force : bool
        As :func:`atlas.results.claim_folder` takes it.
    progress : callable
        Called with how many samples are there, and of how many.

    Raises
    ------
    SamplingError
        A recipe that cannot be for this atlas; nothing is written then.
    OutputError
        The folder holds something else, or cannot be written.
    """
    claim = claim_folder(out, command="sample", inputs=(model, recipe.seen), force=force)
    options = options or CohortOptions()
    path = Path(model) / "model.h5" if Path(model).is_dir() else Path(model)
    atlas = load_atlas(path)
    known_formats(options.formats or ("stl",))
    plan = recipe.plan(atlas)
    # Fails here, before anything is written, where no draw is possible.
    plan.draw(0, min(CHUNK, recipe.n))
    out = claim.path
    with _plain_output_errors(out):
        _open_cohort(out, _plan_document(path, atlas, recipe, options))
        missing = [i for i in range(recipe.n) if not record_path(out, i, recipe.n).is_file()]
        progress(recipe.n - len(missing), recipe.n)
        _make(Maker.of(path, recipe, options, out), _runs(missing), recipe.n, progress)
        records = [_read_record(out, i, recipe.n) for i in range(recipe.n)]
        write_summary(out, atlas, plan, records, seed=recipe.seed, notice=notice_of(atlas))
        shutil.rmtree(out / WORK, ignore_errors=True)


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
        "notice": notice_of(atlas),
        "attribution": atlas.provenance.get("attribution", ""),
        "disclaimer": atlas.provenance.get("disclaimer", ""),
    }


def _open_cohort(out: Path, document: dict[str, Any]) -> None:
    """Begin a folder, or go on with the one that was begun for the same plan."""
    content = json_text(document)
    place = out / PLAN
    if place.is_file() and place.read_text("utf-8") != content:
        raise OutputError(
            f"{out}: expected the same cohort begun before, got another ({PLAN} differs); "
            "choose another folder, or remove this one"
        )
    shutil.rmtree(out / WORK, ignore_errors=True)
    for name in (WORK, "records"):
        (out / name).mkdir(parents=True, exist_ok=True)
    if not place.is_file():
        write_file(place, content)


def _read_record(out: Path, index: int, n: int) -> Record:
    return Record.of(json.loads(record_path(out, index, n).read_bytes()))


def _runs(missing: list[int]) -> list[tuple[int, int]]:
    """Missing samples as ranges (first, last + 1) of at most :data:`CHUNK`."""
    runs: list[tuple[int, int]] = []
    for i in missing:
        if runs and runs[-1][1] == i and i - runs[-1][0] < CHUNK:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    return runs


def _make(maker: Maker, runs: list[tuple[int, int]], n: int, progress: Progress) -> None:
    done = n - sum(last - first for first, last in runs)
    if maker.options.workers <= 1 or len(runs) <= 1:
        for first, last in runs:
            maker.make(first, last)
            done += last - first
            progress(done, n)
        return
    if get_start_method() != "fork":
        check_main_guard()
    with ProcessPoolExecutor(
        min(maker.options.workers, len(runs)),
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


_MAKER: Maker | None = None


def _begin_work(path: Path, recipe: Recipe, options: CohortOptions, out: Path) -> None:
    global _MAKER  # noqa: PLW0603  (a process of a pool has no other place for its state)
    one_thread_from_now_on()
    _MAKER = Maker.of(path, recipe, options, out)


def _work(first: int, last: int) -> int:
    assert _MAKER is not None  # the pool began with it
    _MAKER.make(first, last)
    return last - first


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
