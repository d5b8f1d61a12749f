"""NIfTI label map: cord, cerebrospinal fluid and each root as voxels, and what the labels mean.

The one format of this room that is not LPS: NIfTI's world is RAS, so x and y change sign here, at
the edge.  That is a half turn about z, not a reflection.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from atlas.data.subject import LEVELS, ROOT_KEYS
from atlas.landmarks.scheme import block_name
from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.formats.voxels import Grid, filled
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.output.files import write_file

VOXEL_MM = 0.3
LEAST_VOXEL_MM, MOST_VOXEL_MM = 0.001, 100.0
# The same number in every file: 11 to 17 left L1 to S2, 21 to 27 right.
LABELS = {"csf": 1, "cord": 2} | {
    block_name(key): (10 if key.side == "left" else 20) + LEVELS.index(key.level) + 1
    for key in ROOT_KEYS
}
# Labels of structures this atlas does not name.
FIRST_OTHER, LAST_LABEL = 101, 255
MOST_VOXELS = 400_000_000
_TO_RAS = np.array([-1.0, -1.0, 1.0])
_ALIGNED_TO_ANATOMY = 2
_DESCRIPTION_BYTES = 79


def write_labels(
    meshes: Mapping[str, Mesh],
    path: str | Path,
    *,
    voxel_mm: float = VOXEL_MM,
    notice: str = "",
) -> tuple[Path, Path]:
    """Write closed meshes as a NIfTI-1 label map with a JSON of what its labels mean.

    Parameters
    ----------
    meshes : mapping of str to Mesh
        In an LPS frame, mm, closed.  ``dura`` is what it encloses, less the others: label ``csf``.
        Where meshes overlap a voxel is the cord's before a root's, and a root's before the fluid's.
    path : path
        Ends in ``.nii.gz``; the label table goes beside it, with the suffix ``.json``.
    voxel_mm : float
        Edge of the cubic voxels.
    notice : str
        What the table says of itself, and the image as far as 79 bytes hold it.

    Returns
    -------
    (Path, Path)
        Image and table.

    Raises
    ------
    MeshFileError
        nibabel is not installed, the name does not end in ``.nii.gz``, or the voxels cannot be.
    """
    path = Path(path)
    _check(path, voxel_mm)
    flipped = {name: Mesh(mesh.vertices * _TO_RAS, mesh.faces) for name, mesh in meshes.items()}
    corners = np.concatenate([mesh.vertices for mesh in flipped.values()])
    grid = Grid.around(corners.min(axis=0), corners.max(axis=0), voxel_mm)
    if grid.size > MOST_VOXELS:
        raise MeshFileError(
            f"{path}: expected at most {MOST_VOXELS:,} voxels, got {grid.size:,} of {voxel_mm} mm; "
            "choose larger ones"
        )
    labels = labels_of(meshes)
    image, found = _paint(flipped, grid, labels)
    volumes = {
        name: {
            "label": labels[name],
            "volume_mm3": round(int((image == labels[name]).sum()) * voxel_mm**3, 4),
            "volume_of_voxels_mm3": round(found[name] * voxel_mm**3, 4),
            "volume_of_mesh_mm3": round(meshes[name].volume_mm3, 4),
        }
        for name in meshes
    }
    table = {
        "frame": "RAS: +x right, +y anterior, +z superior; LPS with x and y negated",
        "unit": "mm",
        "voxel_mm": voxel_mm,
        "notice": notice,
        "columns": COLUMNS,
        "labels": {"background": {"label": 0}, **volumes},
    }
    sidecar = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
    write_file(sidecar, json.dumps(table, indent=2, ensure_ascii=False) + "\n")
    write_file(path, gzip.compress(_image_bytes(image, grid, notice), 6, mtime=0))
    return path, sidecar


COLUMNS = {
    "label": "value of the structure's voxels",
    "volume_mm3": "volume of the voxels that carry the label, mm³",
    "volume_of_voxels_mm3": "volume of the voxels the mesh fills, mm³: more than volume_mm3 where "
    "structures overlap, or lie within the dura",
    "volume_of_mesh_mm3": "volume the mesh encloses, mm³",
}


def labels_of(names: Iterable[str]) -> dict[str, int]:
    """The label of each structure, the same in every file for those this atlas names.

    Examples
    --------
    >>> labels_of(["dura", "cord", "root/S2/right", "fat"])
    {'dura': 1, 'cord': 2, 'root/S2/right': 27, 'fat': 101}
    """
    labels: dict[str, int] = {}
    for name in names:
        known = LABELS["csf"] if name == "dura" else LABELS.get(name)
        other = sum(value >= FIRST_OTHER for value in labels.values()) + FIRST_OTHER
        labels[name] = known or other
    if len(set(labels.values())) < len(labels) or max(labels.values(), default=0) > LAST_LABEL:
        raise MeshFileError(
            f"labels: expected each structure to have its own of at most {LAST_LABEL}, "
            f"got {labels}; dura and csf are the same label: give one of them"
        )
    return labels


def _check(path: Path, voxel_mm: float) -> None:
    if find_spec("nibabel") is None:
        raise MeshFileError(
            f"{path}: expected the package nibabel, which is not installed; "
            "pip install 'lumbosacral-atlas[images]'"
        )
    if not path.name.endswith(".nii.gz"):
        raise MeshFileError(f"{path}: expected a name that ends in .nii.gz, got {path.name!r}")
    if not LEAST_VOXEL_MM <= voxel_mm <= MOST_VOXEL_MM:
        raise MeshFileError(
            f"{path.name}: expected voxels above 0 mm, got {voxel_mm}; choose from "
            f"{LEAST_VOXEL_MM:g} to {MOST_VOXEL_MM:g} mm"
        )


def _paint(
    meshes: Mapping[str, Mesh], grid: Grid, labels: Mapping[str, int]
) -> tuple[np.ndarray, dict[str, int]]:
    """Label map, and for each structure how many voxels it fills."""
    image = np.zeros(grid.shape, np.uint8)
    found = {}
    ranks = {LABELS["csf"]: 0, LABELS["cord"]: 2}
    for name in sorted(meshes, key=lambda name: ranks.get(labels[name], 1)):
        box, mask = filled(meshes[name], grid)
        found[name] = int(mask.sum())
        image[box][mask] = labels[name]
    return image, found


def _image_bytes(image: np.ndarray, grid: Grid, notice: str) -> bytes:
    import nibabel

    affine = np.diag([grid.voxel_mm] * 3 + [1.0])
    affine[:3, 3] = grid.origin
    image_of: Any = nibabel.Nifti1Image  # without types of its own
    nifti = image_of(image, affine)
    nifti.set_sform(affine, code=_ALIGNED_TO_ANATOMY)
    nifti.set_qform(affine, code=_ALIGNED_TO_ANATOMY)
    nifti.header.set_xyzt_units("mm")
    nifti.header.set_intent("label", name="lumbosacral")
    said = notice.encode("ascii", "replace")[:_DESCRIPTION_BYTES]
    nifti.header["descrip"] = said
    return nifti.to_bytes()
