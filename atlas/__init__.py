"""Statistical atlas of the human lumbosacral cord, its sac and its nerve roots.

Quick start::

    import atlas

    dataset = atlas.read_dataset("markers.zip")
    built = atlas.build_atlas(dataset)
    mean = built.model.scheme.anatomy(built.model.mean)
    meshes = atlas.surfaces(mean)
    wider = built.model.shape([2.0])          # mode 1 at +2 SD, (L, 3) mm
    atlas.save_atlas(built, "model.h5")

Research software; not a medical device.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atlas.build import build_atlas
    from atlas.data.dataset import Dataset, read_dataset
    from atlas.data.subject import Subject
    from atlas.landmarks.placing import LandmarkSet, place_landmarks
    from atlas.landmarks.scheme import Anatomy, LandmarkScheme
    from atlas.mesh.surfaces.named_surfaces import Surfaces, surfaces
    from atlas.model.fitting import fit_shape_model
    from atlas.model.shape_model import ShapeModel
    from atlas.procrustes.alignment import Alignment, align
    from atlas.store import Atlas, Settings, load_atlas, save_atlas

__version__ = "0.1.0"

# Resolved at first use: `import atlas` and `atlas --help` load no numerical package.
_HOMES = {
    "Alignment": "atlas.procrustes.alignment",
    "Anatomy": "atlas.landmarks.scheme",
    "Atlas": "atlas.store",
    "Dataset": "atlas.data.dataset",
    "LandmarkScheme": "atlas.landmarks.scheme",
    "LandmarkSet": "atlas.landmarks.placing",
    "Settings": "atlas.store",
    "ShapeModel": "atlas.model.shape_model",
    "Subject": "atlas.data.subject",
    "Surfaces": "atlas.mesh.surfaces.named_surfaces",
    "align": "atlas.procrustes.alignment",
    "build_atlas": "atlas.build",
    "fit_shape_model": "atlas.model.fitting",
    "load_atlas": "atlas.store",
    "place_landmarks": "atlas.landmarks.placing",
    "read_dataset": "atlas.data.dataset",
    "save_atlas": "atlas.store",
    "surfaces": "atlas.mesh.surfaces.named_surfaces",
}

__all__ = [
    "Alignment",
    "Anatomy",
    "Atlas",
    "Dataset",
    "LandmarkScheme",
    "LandmarkSet",
    "Settings",
    "ShapeModel",
    "Subject",
    "Surfaces",
    "__version__",
    "align",
    "build_atlas",
    "fit_shape_model",
    "load_atlas",
    "place_landmarks",
    "read_dataset",
    "save_atlas",
    "surfaces",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'atlas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
