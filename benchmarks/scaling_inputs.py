"""Generated groups of any size: folders of marker files, and landmarks on disk.

Never more than a block of subjects is in memory.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atlas.build import build_atlas
from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import read_dataset
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.large.landmark_file import new_landmark_file
from atlas.model.shape_model import ShapeModel
from atlas.output.results import claim_folder, new_folder

SEED = 20261
NOISE_MM = 0.3
LARGEST_TURN_DEGREES = 30.0
LARGEST_SHIFT_MM = 50.0
MISSING_SHARE = 0.02
BLOCK = 200
# Present where a cohort was written to its end.
PROOF = "dataset_description.json"


def names(count: int) -> tuple[str, ...]:
    """Ids of so many subjects, in the order they sort."""
    return tuple(f"sub-{i:06d}" for i in range(1, count + 1))


def cohort(scratch: Path, count: int) -> Path:
    """A folder of so many generated subjects as annotated; kept from an earlier run if whole."""
    place = scratch / f"cohort-{count}"
    if not (place / PROOF).exists():
        with new_folder(claim_folder(place, command="benchmark cohort", force=True)) as folder:
            _write_cohort(folder, names(count))
    return place


def _write_cohort(folder: Path, ids: tuple[str, ...]) -> None:
    (folder / "markers").mkdir(parents=True)
    waiting = list(reversed(ids))
    seed = SEED
    while waiting:
        with tempfile.TemporaryDirectory(dir=folder) as written:
            made = write_surrogate_cohort(Path(written) / "made", seed=seed)
            for subject in sorted((made / "markers").iterdir())[: len(waiting)]:
                _rename(subject, folder / "markers" / waiting.pop())
            description = (made / PROOF).read_bytes()
        seed += 1
    (folder / PROOF).write_bytes(description)


def _rename(subject: Path, place: Path) -> None:
    """Move a subject's folder; ids stand in the names of its files too, in two spellings."""
    place.mkdir()
    for file in subject.iterdir():
        file.rename(place / f"{place.name}{file.name[len(subject.name) :]}")
    shutil.rmtree(subject)


def read_through(folder: Path) -> None:
    """Read every file once, so that the first run finds them where the others do."""
    for file in folder.rglob("*.json"):
        file.read_bytes()


def landmark_file(scratch: Path, count: int, *, missing: bool = False) -> Path:
    """Landmarks of so many subjects drawn from a model, in random poses; kept if whole."""
    path = scratch / f"landmarks-{count}{'-missing' if missing else ''}.h5"
    if path.exists():
        return path
    model = _model()
    ids = names(count)
    # Streams of their own: the shapes are the same whether or not something is missing.
    streams = np.random.default_rng(SEED).spawn(2)
    with new_landmark_file(path, ids, model.scheme) as write:
        for first in range(0, count, BLOCK):
            some = ids[first : first + BLOCK]
            points = _posed(model, len(some), streams[0])
            status = np.zeros(points.shape[:2], dtype=np.uint8)
            if missing:
                status[_gaps(model.scheme, len(some), streams[1])] = Status.MISSING
                points[status == Status.MISSING] = np.nan
            write(first, LandmarkSet(some, model.scheme, points, status))
    return path


@lru_cache(maxsize=1)
def _model() -> ShapeModel:
    """The shape model of the built-in cohort."""
    with tempfile.TemporaryDirectory() as folder:
        built = write_surrogate_cohort(Path(folder) / "cohort")
        return build_atlas(read_dataset(built)).model


def _posed(model: ShapeModel, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (count, L, 3) with noise, each moved rigidly, mm."""
    shapes = model.sample(count, rng)
    shapes += NOISE_MM * rng.standard_normal(shapes.shape)
    axes = rng.standard_normal((count, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    turns = Rotation.from_rotvec(
        axes * rng.uniform(0, np.radians(LARGEST_TURN_DEGREES), (count, 1))
    )
    shifts = rng.uniform(-LARGEST_SHIFT_MM, LARGEST_SHIFT_MM, (count, 1, 3))
    return np.einsum("sij,slj->sli", turns.as_matrix(), shapes) + shifts


def _gaps(scheme: LandmarkScheme, count: int, rng: np.random.Generator) -> np.ndarray:
    """Where whole roots are missing, (count, L): two of a hundred landmarks in expectation."""
    roots = [b.name for b in scheme.blocks if b.name.startswith("root/")]
    sizes = [scheme.span(name) for name in roots]
    held = sum(span.stop - span.start for span in sizes)
    lost = rng.uniform(size=(count, len(roots))) < MISSING_SHARE * scheme.size / held
    gaps = np.zeros((count, scheme.size), dtype=bool)
    for i, span in enumerate(sizes):
        gaps[:, span] = lost[:, i, None]
    return gaps
