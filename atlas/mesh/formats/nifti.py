"""NIfTI label map: cord, cerebrospinal fluid and each root as voxels, and what the labels mean.

The one format of this room that is not LPS: NIfTI's world is RAS, so x and y change sign here, at
the edge.  That is a half turn about z, not a reflection.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.region_numbers import LABELS, labels_of
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.output.files import write_file
from atlas.text.json_text import json_text

VOLUME_TOLERANCE = 0.005
# Smaller voxels along an edge of one, where its covered share is asked for.
PARTS = 4
# Layers of voxels that are looked at together there.
SLAB = 8
GOLDEN = (5**0.5 - 1) / 2
VOXEL_MM = 0.3
LEAST_VOXEL_MM, MOST_VOXEL_MM = 0.001, 100.0
MOST_VOXELS = 400_000_000
_TO_RAS = np.array([-1.0, -1.0, 1.0])
_ALIGNED_TO_ANATOMY = 2
_DESCRIPTION_BYTES = 79
COLUMNS = {
    "label": "value of the structure's voxels",
    "volume_mm3": "volume of the voxels that carry the label, mm³",
    "volume_of_voxels_mm3": "volume of the voxels the mesh fills, mm³: more than volume_mm3 where "
    "structures overlap, or lie within the dura",
    "volume_of_mesh_mm3": "volume the mesh encloses, mm³",
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Cubic voxels along the axes.

    Parameters
    ----------
    origin : tuple of float
        Centre of the first voxel, mm.
    shape : tuple of int
        Voxels along x, y and z.
    voxel_mm : float
    """

    origin: tuple[float, float, float]
    shape: tuple[int, int, int]
    voxel_mm: float

    @classmethod
    def around(cls, low: np.ndarray, high: np.ndarray, voxel_mm: float, *, margin: int = 2) -> Grid:
        """The grid over a box (mm) with a margin of empty voxels; centres at whole multiples."""
        first = np.floor(low / voxel_mm).astype(int) - margin
        last = np.ceil(high / voxel_mm).astype(int) + margin
        x, y, z = (first * voxel_mm).tolist()
        i, j, k = (last - first + 1).tolist()
        return cls((x, y, z), (i, j, k), voxel_mm)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod([int(n) for n in self.shape]))


def inside(mesh: Mesh, grid: Grid) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """Voxels whose centre lies within a closed surface.

    Parameters
    ----------
    mesh : Mesh
        Closed, in the frame of the grid.  Walls wound inward bound a hollow; where parts of an
        outward surface overlap they count once.
    grid : Grid

    Returns
    -------
    (slice, slice, slice)
        The part of the grid around the surface.
    (i, j, k) bool
        Of that part.

    Notes
    -----
    The winding number along +x of rows of centres: non-zero is inside.
    """
    # Heights, rows and columns in units of voxels, so that centres are integers.
    place = (mesh.vertices - np.asarray(grid.origin)) / grid.voxel_mm
    triangles = place[mesh.faces]
    heights = triangles[:, :, 2]
    triangles = triangles[(heights.max(axis=1) >= 0) & (heights.min(axis=1) < grid.shape[2])]
    x, y, z = _box(triangles, grid.shape)
    counts = np.zeros((z.stop - z.start, y.stop - y.start, x.stop - x.start + 1), np.int16)
    slices, begin, end = _cut_slices(triangles, z)
    row, segment, column, sign = _cut_rows(begin, end, y)
    first = np.clip(np.ceil(column).astype(int), x.start, x.stop) - x.start
    np.add.at(counts, (slices[segment] - z.start, row - y.start, first), sign)
    winding = np.cumsum(counts[:, :, :-1], axis=2, dtype=np.int16)
    return (x, y, z), (winding != 0).transpose(2, 1, 0)


def _box(triangles: np.ndarray, shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """The part of a grid around triangles (F, 3, 3), in voxels; of no size where there are none."""
    if not len(triangles):
        return slice(0, 0), slice(0, 0), slice(0, 0)
    corners = triangles.reshape(-1, 3)
    first = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, shape)
    last = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, first, shape)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return x, y, z


def filled(mesh: Mesh, grid: Grid) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """Voxels of a closed surface that together have its volume.

    Parameters
    ----------
    mesh : Mesh
        As in :func:`inside`, its parts not overlapping.
    grid : Grid

    Returns
    -------
    As :func:`inside`.

    Notes
    -----
    The centres inside, where their volume is the surface's to 0.5 %.  A tube a few voxels thick
    that runs along an axis is cut the same way in every slice and may be 5 % off: there the voxels
    with the largest covered share are taken, as many as the volume holds, and equal shares in an
    order without a direction.
    """
    box, mask = inside(mesh, grid)
    goal = round(abs(mesh.volume_mm3) / grid.voxel_mm**3)
    if abs(int(mask.sum()) - goal) <= VOLUME_TOLERANCE * goal:
        return box, mask
    share = _covered(mesh, grid, box).ravel()
    # Multiples of the golden ratio scatter evenly (Roberts' sequence): ties are nowhere thicker.
    scattered = np.arange(share.size) * GOLDEN % 1
    chosen = np.lexsort((scattered, -share))[: min(goal, np.count_nonzero(share))]
    best = np.zeros(share.size, bool)
    best[chosen] = True
    return box, best.reshape(mask.shape)


def _covered(mesh: Mesh, grid: Grid, box: tuple[slice, slice, slice]) -> np.ndarray:
    """Share of each voxel of a part of the grid that lies inside, by smaller voxels in it."""
    small = grid.voxel_mm / PARTS
    x, y, z = (
        o + grid.voxel_mm * s.start - small * (PARTS - 1) / 2
        for o, s in zip(grid.origin, box, strict=True)
    )
    nx, ny, nz = (s.stop - s.start for s in box)
    share = np.zeros((nx, ny, nz), np.float32)
    # Slab by slab: an oblique tube fills little of the box around the whole of it.
    for low in range(0, nz, SLAB):
        n = min(SLAB, nz - low)
        shape = (PARTS * nx, PARTS * ny, PARTS * n)
        fine = Grid((x, y, z + low * grid.voxel_mm), shape, small)
        place, mask = inside(mesh, fine)
        first = [s.start // PARTS for s in place]
        last = [-(-s.stop // PARTS) for s in place]
        whole = np.zeros([PARTS * (b - a) for a, b in zip(first, last, strict=True)], bool)
        whole[
            tuple(
                slice(s.start - PARTS * a, s.stop - PARTS * a)
                for s, a in zip(place, first, strict=True)
            )
        ] = mask
        blocks = whole.reshape(*(m for size in whole.shape for m in (size // PARTS, PARTS)))
        part = share[first[0] : last[0], first[1] : last[1], low + first[2] : low + last[2]]
        part[...] = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    return share


def _cut_slices(triangles: np.ndarray, span: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cuts of triangles (F, 3, 3) with slices at integer heights.

    Returns their slices (n,), and begin and end (n, 2): the inside lies to the left of the way.
    """
    heights = triangles[:, :, 2]
    of, level = _integers_between(heights.min(axis=1), heights.max(axis=1), span)
    corners = triangles[of]
    above = corners[:, :, 2] >= level[:, None]
    # The corner that is alone on its side, and the two others in the order of the face.
    alone = np.where(above.sum(axis=1) == 1, above.argmax(axis=1), (~above).argmax(axis=1))
    rows = np.arange(len(of))
    a, b, c = (corners[rows, (alone + k) % 3] for k in range(3))
    one, other = _cut(a, b, level), _cut(a, c, level)
    upward = above[rows, alone][:, None]
    return level, np.where(upward, other, one), np.where(upward, one, other)


def _cut(a: np.ndarray, b: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Where edges (n, 3) cut a height, (n, 2): computed upward, the same from both faces."""
    upward = (a[:, 2] < b[:, 2])[:, None]
    low, high = np.where(upward, a, b), np.where(upward, b, a)
    share = (level - low[:, 2]) / (high[:, 2] - low[:, 2])
    return low[:, :2] + share[:, None] * (high[:, :2] - low[:, :2])


def _cut_rows(
    begin: np.ndarray, end: np.ndarray, span: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cuts of segments (n, 2) with rows at integer y: row, segment, x and sign of the winding."""
    low, high = np.minimum(begin[:, 1], end[:, 1]), np.maximum(begin[:, 1], end[:, 1])
    segment, row = _integers_between(low, high, span)
    a, b = begin[segment], end[segment]
    share = (row - a[:, 1]) / (b[:, 1] - a[:, 1])
    column = a[:, 0] + share * (b[:, 0] - a[:, 0])
    return row, segment, column, np.where(a[:, 1] < b[:, 1], 1, -1).astype(np.int16)


def _integers_between(
    low: np.ndarray, high: np.ndarray, span: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Index of each interval (low, high] and the integers in it that lie in the span."""
    first = np.maximum(np.floor(low).astype(int) + 1, span.start)
    last = np.minimum(np.floor(high).astype(int), span.stop - 1)
    counts = np.maximum(0, last - first + 1)
    of = np.repeat(np.arange(len(low)), counts)
    steps = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    return of, first[of] + steps


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
    write_file(sidecar, json_text(table, sort_keys=False))
    write_file(path, gzip.compress(_image_bytes(image, grid, notice), 6, mtime=0))
    return path, sidecar


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
