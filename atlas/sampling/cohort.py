"""A synthetic cohort as a folder: markers, meshes and a record of each sample.

A sample is there when its record is, and every file as the record has it: the record is written
last.  What was begun and not finished, or changed since, is made again, so that a cohort that was
stopped at any moment goes on to the same bytes.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, as_completed
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from atlas.large.workers import check_main_guard
from atlas.mesh.formats.writing import known_formats
from atlas.output.files import OutputError, UnfinishedError, write_file
from atlas.output.results import LIST, Claim, claim_folder, growing_folder, move_into, write_list
from atlas.pools import worker_pool
from atlas.sampling.drawing import Plan
from atlas.sampling.making import CohortOptions, Maker, notice_of
from atlas.sampling.recipe import Recipe
from atlas.sampling.records import RECORDS, RecordFiles, fingerprint
from atlas.sampling.summary import write_summary
from atlas.store import Atlas, load_atlas
from atlas.text.json_text import json_text

COMMAND = "sample"
PLAN = "plan.json"
# Of version 0.1.0: its folder of unfinished samples, and its temporary files.
OLD_WORK, TEMPORARY = ".unfinished", re.compile(r"\.atlas-[a-z0-9_]{8}\.(csv|json|md)")
GO_ON = "finished samples are kept, run it again to go on"
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
        As :func:`atlas.output.results.claim_folder` takes it.
    progress : callable
        Called with how many samples are there, and of how many.

    Raises
    ------
    SamplingError
        A recipe that cannot be for this atlas; nothing is written then.
    OutputError
        The folder holds something else, or cannot be written.
    """
    claim = claim_folder(out, command=COMMAND, inputs=(model, recipe.seen), force=force)
    options = options or CohortOptions()
    path = Path(model) / "model.h5" if Path(model).is_dir() else Path(model)
    atlas = load_atlas(path)
    known_formats(options.formats or ("stl",))
    plan = recipe.plan(atlas, measure=options.measure)
    # Fails here, before anything is written, where no draw is possible.
    plan.draw(0, min(CHUNK, recipe.n))
    out, content = claim.path, _plan_text(path, atlas, recipe, options)
    _refuse_another(out, content)
    files = RecordFiles(out, recipe.n, hashlib.sha256(content.encode()).hexdigest())
    with _said_plainly(out), growing_folder(claim) as work:
        _open_cohort(claim, work, content)
        missing = [i for i in range(recipe.n) if not files.is_there(i)]
        progress(recipe.n - len(missing), recipe.n)
        if missing:
            maker = Maker.of(path, recipe, options, files, work)
            _make(maker, _runs(missing), recipe.n, progress)
        _finish_cohort(files, work, atlas, plan, seed=recipe.seed)


def _plan_text(path: Path, atlas: Atlas, recipe: Recipe, options: CohortOptions) -> str:
    document = {
        "software": {"name": "lumbosacral-atlas", "version": version("lumbosacral-atlas")},
        "model": {"name": path.name, "sha256": fingerprint(path)},
        "recipe": recipe.document(),
        "formats": list(options.formats),
        "edge_mm": options.edge_mm,
        "markers": options.markers,
        "measures": options.measure is not None,
        "notice": notice_of(atlas),
        "attribution": atlas.provenance.get("attribution", ""),
        "disclaimer": atlas.provenance.get("disclaimer", ""),
    }
    return json_text(document)


def _refuse_another(out: Path, content: str) -> None:
    """Refuse a folder whose cohort was begun by another plan."""
    place = out / PLAN
    if place.is_file() and place.read_bytes() != content.encode():
        raise OutputError(
            f"{out}: expected the same cohort begun before, got another ({PLAN} differs); "
            "choose another folder, or remove this one"
        )


def _open_cohort(claim: Claim, work: Path, content: str) -> None:
    """Begin a folder, or go on with it: what it is stands in it from the first moment."""
    _clear_old(claim.path)
    # Again now that nobody else is at work here.
    _refuse_another(claim.path, content)
    if not (claim.path / LIST).is_file() or claim.force:
        write_list(work, COMMAND, claim.own | {PLAN})
        move_into(work, claim.path, [LIST])
    if not (claim.path / PLAN).is_file():
        write_file(work / PLAN, content)
        move_into(work, claim.path, [PLAN])


def _clear_old(out: Path) -> None:
    """Remove what killed runs of version 0.1.0 left."""
    shutil.rmtree(out / OLD_WORK, ignore_errors=True)
    for folder in (out, out / RECORDS):
        for place in folder.glob(".atlas-*") if folder.is_dir() else ():
            if TEMPORARY.fullmatch(place.name) and place.is_file():
                place.unlink()


def _finish_cohort(files: RecordFiles, work: Path, atlas: Atlas, plan: Plan, *, seed: int) -> None:
    """Write the tables over all samples, and the list of every file."""
    records, names = [], [PLAN]
    for index in range(files.n):
        found = files.read(index)
        if found is None:
            raise OutputError(
                f"{files.out / files.name(index)}: expected the record that was written, got "
                "none; leave the folder alone while it is made, and run it again"
            )
        records.append(found[0])
        names += [files.name(index), *found[1]]
    summary = write_summary(work, atlas, plan, records, seed=seed, notice=notice_of(atlas))
    write_list(work, COMMAND, [*names, *summary])
    move_into(work, files.out, [*summary, LIST])


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
    check_main_guard()
    with worker_pool(
        min(maker.options.workers, len(runs)),
        begin=_begin_work,
        given=(maker.path, maker.recipe, maker.options, maker.files, maker.work),
        advice=f"take fewer; {GO_ON}",
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


def _begin_work(*given: Any) -> None:
    global _MAKER  # noqa: PLW0603  (a process of a pool has no other place for its state)
    _MAKER = Maker.of(*given)


def _work(first: int, last: int) -> int:
    assert _MAKER is not None  # the pool began with it
    _MAKER.make(first, last)
    return last - first


@contextmanager
def _said_plainly(out: Path) -> Iterator[None]:
    """A disk that takes no more is said plainly; finished samples stay."""
    try:
        yield
    except OSError as error:
        raise UnfinishedError(f"{out}: cannot be written ({error}); {GO_ON}") from None
