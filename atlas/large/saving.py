"""An atlas of a group on disk as the same HDF5 file that one in memory is written to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas.components.blocks import Block, Group
from atlas.exchange.interchange import write_models
from atlas.hdf5.fields import seal
from atlas.large.landmark_file import DiskGroup
from atlas.model.shape_model import ShapeModel
from atlas.output.files import hdf5_file, new_file
from atlas.procrustes.generalised import Registration
from atlas.store import (
    ALIGNMENT_FACTS,
    Atlas,
    Settings,
    load_atlas,
    write_factors,
    write_header,
    write_model,
)

if TYPE_CHECKING:
    import h5py


def save_group_atlas(
    path: Path,
    group: Group,
    placed: Registration,
    model: ShapeModel,
    *,
    settings: Settings,
    provenance: Mapping[str, Any],
    scores: np.ndarray,
) -> Atlas:
    """Write an atlas block by block; what is larger than memory is never in it.

    Parameters
    ----------
    path : Path
        Written whole or not at all.
    group : Group
    placed : Registration
    model : ShapeModel
    settings : Settings
    provenance : mapping of str to object
    scores : (S, K) float
        Of the subjects.

    Returns
    -------
    Atlas
        As :func:`atlas.load_atlas` gives it: large arrays are the file itself.
    """
    with new_file(path) as place:
        with hdf5_file(place, size=_size(group, model)) as file:
            root = file.create_group("atlas")
            write_header(root, model.scheme, settings, provenance)
            _write_group(root, group, placed)
            write_model(root.create_group("model"), model)
            file.flush()
            seal(root)
        # Mapped from the file that was just closed: the writers below take an alignment.
        atlas = load_atlas(place)
        with hdf5_file(place, size=_size(group, model), more=True) as file:
            write_models(file, model, atlas.alignment, provenance, scores=scores)
        # Let go before the same is loaded again.
        del atlas
    return load_atlas(path)


def _size(group: Group, model: ShapeModel) -> int:
    """Bytes of the file, about: three shapes a subject, and the model twice, once in float32."""
    subjects, landmarks = len(group.subject_ids), group.scheme.size
    return subjects * landmarks * (3 * 24 + 9) + 2 * model.modes.nbytes


def _write_group(root: h5py.Group, group: Group, placed: Registration) -> None:
    subjects, size = len(group.subject_ids), group.scheme.size
    landmarks, alignment = root.create_group("landmarks"), root.create_group("alignment")
    landmarks.create_dataset(
        "subject_ids", data=json.dumps(list(group.subject_ids)), track_times=False
    )
    arrays = {
        "points": landmarks.create_dataset("points", (subjects, size, 3), np.float64),
        "status": landmarks.create_dataset("status", (subjects, size), np.uint8),
        "bridge_sd": landmarks.create_dataset("bridge_sd", (subjects, size), np.float64),
        "aligned": alignment.create_dataset("points", (subjects, size, 3), np.float64),
    }
    if placed.factors is None:
        # Nothing is missing: both names are of the same array.
        alignment["completed"] = alignment["points"]
    else:
        arrays["completed"] = alignment.create_dataset("completed", (subjects, size, 3), np.float64)
        write_factors(alignment, placed.factors)
    # Worked out where it is written: to send shapes costs more than to move and complete them.
    here = DiskGroup(group.file, group.budget) if isinstance(group, DiskGroup) else group
    for where, parts in here.each(_parts, placed):
        for name, array in arrays.items():
            array[where] = parts[name]
    motion = placed.motion
    for name, values in (
        ("mean", placed.mean),
        ("rotation", motion.turns),
        ("scale", motion.scales),
        ("translation", motion.shifts),
        ("weights", placed.weights),
    ):
        alignment.create_dataset(name, data=values, track_times=False)
    for name in ALIGNMENT_FACTS:
        alignment.attrs[name] = getattr(placed, name)


def _parts(block: Block, placed: Registration) -> tuple[slice, dict[str, np.ndarray]]:
    """What the file holds of a block of subjects."""
    marks = block.landmarks
    assert marks.bridge_sd is not None  # filled in at construction
    points, completed = placed.aligned(block)
    return block.where, {
        "points": marks.points,
        "status": marks.status,
        "bridge_sd": marks.bridge_sd,
        "aligned": points,
        "completed": completed,
    }
