"""NIfTI images of a known geometry, with grey values painted from a subject's contours."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
from matplotlib.path import Path as Polygon

from atlas.data.subject import Subject

# The CISS image of sub-03 as published: voxels, their edges in mm, and the centre of voxel 0, RAS.
SUB_03_SHAPE = (960, 960, 80)
SUB_03_EDGES_MM = (0.30, 0.30, 2.00)
SUB_03_ORIGIN_RAS = (-150.404, -173.012, -509.806)
SUB_03_TILT_DEGREES = 0.1
GREY = {"outside": 40, "dura": 400, "cord": 160}


def tilted_affine(edges_mm, origin_ras, *, tilt_degrees=0.0, axes=(1, 1, 1)):
    """RAS affine (4, 4) of axial slices, turned about x so that their normal leans to posterior.

    ``axes`` of -1 count voxels towards left, posterior or inferior; the origin stays.
    """
    t = np.radians(tilt_degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(t), -np.sin(t)], [0, np.sin(t), np.cos(t)]])
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array(edges_mm) * np.array(axes)
    affine[:3, 3] = origin_ras
    return affine


def sub_03_affine():
    """RAS affine of the CISS image of sub-03."""
    return tilted_affine(SUB_03_EDGES_MM, SUB_03_ORIGIN_RAS, tilt_degrees=SUB_03_TILT_DEGREES)


def write_image(path, voxels, affine, *, sidecar=None):
    """Write voxels (n, m, k) with a RAS affine; a sidecar beside them if one is given."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    # Nearly all is zero: the least effort compresses it enough.
    image.to_filename(path)
    if sidecar is not None:
        name = path.name.removesuffix(".gz").removesuffix(".nii") + ".json"
        path.with_name(name).write_text(json.dumps(sidecar))
    return path


def box_around(subject: Subject, *, edges_mm=(0.5, 0.5, 2.0), margin_mm=15.0, axes=(1, 1, 1)):
    """Shape and RAS affine of axial slices through the contours of an untilted subject."""
    points = np.concatenate(subject.dura) * (-1, -1, 1)
    low = points.min(axis=0) - (margin_mm, margin_mm, 0)
    high = points.max(axis=0) + np.array([margin_mm, margin_mm, 0])
    shape = tuple(int(n) for n in np.ceil((high - low) / edges_mm).astype(int) + 1)
    ends = low + (np.array(shape) - 1) * edges_mm
    origin = np.where(np.array(axes) > 0, low, ends)
    return shape, tilted_affine(edges_mm, origin, axes=axes)


def painted(subject: Subject, shape, affine, *, noise=0.0, seed=0):
    """Voxels (n, m, k) int16: sac bright, cord darker, a little around them, 0 elsewhere."""
    voxels = np.zeros(shape, dtype=np.int16)
    rng = np.random.default_rng(seed)
    inverse = np.linalg.inv(affine)
    for kind in ("dura", "cord"):
        for contour in getattr(subject, kind):
            places = nibabel.affines.apply_affine(inverse, contour * (-1, -1, 1))
            k = round(float(places[:, 2].mean()))
            low = np.maximum(np.floor(places[:, :2].min(axis=0)).astype(int) - 60, 0)
            high = np.minimum(np.ceil(places[:, :2].max(axis=0)).astype(int) + 61, shape[:2])
            grid = np.mgrid[low[0] : high[0], low[1] : high[1]].reshape(2, -1).T
            inside = Polygon(places[:, :2]).contains_points(grid).reshape(high - low)
            part = voxels[low[0] : high[0], low[1] : high[1], k]
            if kind == "dura":
                part[...] = GREY["outside"]
            part[inside] = GREY[kind]
            if noise:
                part[...] = np.maximum(part + rng.normal(0, noise, part.shape), 0)
    return voxels
