"""What tables are made from: an atlas, a dataset, or what can be had of both from either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.tables.table_specs import Group
from atlas.build import build_atlas
from atlas.data.dataset import Dataset, read_dataset
from atlas.errors import AtlasError
from atlas.landmarks.placing import subject_anatomy
from atlas.landmarks.scheme import Anatomy
from atlas.progress import Stage, quiet
from atlas.store import Atlas, load_atlas

NEEDS_ANNOTATIONS = (
    "needs the annotations; give the dataset instead of the model: atlas tables DATASET"
)
LANDMARK_SHAPES = (
    "Measures are those of the landmark shapes in the model: the dura over the extent that all "
    "subjects share, traced lengths short by up to one landmark spacing"
)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A group as tables see it.

    Parameters
    ----------
    atlas : Atlas or None
        None where the group is too small for one, or cannot be aligned.
    dataset : Dataset or None
        None where only a model was given.
    anatomies : mapping of subject id to Anatomy
        mm, as annotated where there are annotations, else the landmark shapes.
    remarks : tuple of str
        What a reader must know of it.
    """

    atlas: Atlas | None
    dataset: Dataset | None
    anatomies: Mapping[str, Anatomy]
    remarks: tuple[str, ...] = ()

    @property
    def group(self) -> Group:
        """n, anchor and notice, for captions."""
        if self.atlas is not None:
            origin = self.atlas.provenance
            return Group(len(self.anatomies), origin["anchor"].replace("-", " "), origin["notice"])
        assert self.dataset is not None
        return Group(
            len(self.anatomies), "none, each subject in its own frame", self.dataset.notice
        )


def read_source(path: Path, *, stage: Stage = quiet) -> Source:
    """Read a model (``model.h5`` or a folder that holds one) or a dataset.

    Parameters
    ----------
    path : Path
    stage : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    Source
        Of a dataset the atlas is built with default settings.

    Raises
    ------
    AtlasError
        Neither of both, or one that cannot be read.
    """
    if path.suffix == ".h5" or (path.is_dir() and (path / "model.h5").is_file()):
        stage("reading the model")
        return model_source(load_atlas(path))
    stage("reading annotations")
    dataset = read_dataset(path)
    stage("aligning and fitting")
    return dataset_source(dataset)


def model_source(atlas: Atlas) -> Source:
    """A group from its atlas alone."""
    landmarks = atlas.alignment.landmarks
    # The landmarks before alignment: unscaled millimetres, whatever the alignment did.
    anatomies = {
        name: landmarks.scheme.anatomy(points, status=status)
        for name, points, status in zip(
            landmarks.subject_ids, landmarks.points, landmarks.status, strict=True
        )
    }
    return Source(atlas, None, anatomies, (LANDMARK_SHAPES,))


def dataset_source(dataset: Dataset) -> Source:
    """A group from its annotations, with an atlas where one can be built."""
    anatomies = {s.id: subject_anatomy(s) for s in dataset.subjects}
    try:
        atlas = build_atlas(dataset)
    except AtlasError as error:
        why = " ".join(str(error).split())
        return Source(None, dataset, anatomies, (f"No model of shape: {why}",))
    return Source(atlas, dataset, anatomies)
