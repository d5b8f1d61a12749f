"""Distance from surface to surface, and generalisation measured by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from analysis.evaluation.quality import reconstructions
from atlas.mesh.surfaces.layout import mesh_layout
from atlas.mesh.surfaces.named_surfaces import Mesh, Surfaces, surfaces
from atlas.model.fitting import fit_shape_model
from atlas.model.leave_one_out import leave_one_out
from atlas.procrustes.alignment import Alignment

# Triangles whose centres are nearest to a point; the nearest triangle is among them unless
# triangles are much longer than wide.
CANDIDATES = 8
# Edges of the surfaces that are compared: those of the whole group in a few seconds.
EDGE_MM = 2.0
# What the columns of each table say.
COLUMNS = {
    "generalisation_surface.csv": {
        "realigned, modes, n": "as above",
        "to_subject_mm": "mean distance from the described surface to the subject's, same "
        "structure, by area, mm",
        "to_model_mm": "and back",
        "symmetric_mm": "mean of both",
        "…_se": "standard error over subjects, mm",
    },
}


def surface_distance(from_surfaces: Surfaces, to_surfaces: Surfaces) -> float:
    """Mean distance from one anatomy's surfaces to another's.

    Parameters
    ----------
    from_surfaces, to_surfaces : Surfaces
        With the same names; a point of a structure is measured to the same structure.

    Returns
    -------
    float
        mm; vertices weighted by the area around them.  Not symmetric.
    """
    total, area = 0.0, 0.0
    for name, mesh in from_surfaces.items():
        share = _vertex_areas(mesh)
        total += float(share @ distance_to_mesh(mesh.vertices, to_surfaces[name]))
        area += float(share.sum())
    return total / area


def distance_to_mesh(points: np.ndarray, mesh: Mesh) -> np.ndarray:
    """Distance (n,) of points (n, 3) from a triangulated surface, mm."""
    from trimesh.triangles import closest_point

    triangles = mesh.vertices[mesh.faces]
    count = min(CANDIDATES, len(triangles))
    near = cKDTree(triangles.mean(axis=1)).query(points, k=count)[1].reshape(len(points), count)
    repeated = np.repeat(points, count, axis=0)
    apart = closest_point(triangles[near.ravel()], repeated) - repeated
    return np.linalg.norm(apart, axis=1).reshape(near.shape).min(axis=1)


def surface_generalisation(
    alignment: Alignment, *, modes: Sequence[int] | None = None, realign: bool = True
) -> pd.DataFrame:
    """How far the surface of an unseen subject is from the one a model describes it by.

    Parameters
    ----------
    alignment : Alignment
    modes : sequence of int, optional
        Numbers of modes; 1 and S - 2 by default.
    realign : bool
        Whether the others are aligned anew in each fold.

    Returns
    -------
    DataFrame
        One row a number of ``modes``: ``realigned``, ``n`` subjects (those with every landmark),
        ``to_subject_mm`` (from the description to the subject), ``to_model_mm`` (back),
        ``symmetric_mm`` (their mean), each with its standard error over subjects.

    Notes
    -----
    Surfaces have edges of 2 mm; roots are tubes of the assumed radius.
    Correspondence is not asked for, so this is smaller than the distance of landmarks.
    """
    chosen = tuple(modes or (1, len(alignment.points) - 2))
    rows = []
    scheme = alignment.landmarks.scheme
    layout = mesh_layout(scheme.anatomy(alignment.mean), edge_mm=EDGE_MM)
    for fold in leave_one_out(alignment, realign=realign):
        if not np.isfinite(fold.truth).all():
            continue
        found = reconstructions(fit_shape_model(fold.group), fold.truth, max(chosen))
        subject = surfaces(scheme.anatomy(fold.truth), layout=layout)
        for k in chosen:
            described = surfaces(scheme.anatomy(found[k]), layout=layout)
            there, back = (
                surface_distance(described, subject),
                surface_distance(subject, described),
            )
            rows.append((k, there, back, (there + back) / 2))
    names = ["to_subject_mm", "to_model_mm", "symmetric_mm"]
    errors = pd.DataFrame(rows, columns=["modes", *names]).groupby("modes")
    table = errors[names].mean().join(errors[names].sem().add_suffix("_se"))
    table.insert(0, "n", errors.size())
    table.insert(0, "realigned", realign)
    return table.reset_index()


def _vertex_areas(mesh: Mesh) -> np.ndarray:
    """A third (V,) of the area of the faces at each vertex, mm²."""
    thirds = np.linalg.norm(mesh.face_normals_mm2, axis=1) / 6
    return np.bincount(mesh.faces.ravel(), np.repeat(thirds, 3), minlength=len(mesh.vertices))
