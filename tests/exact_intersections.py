"""Intersections and distances by another program: libigl, CGAL's exact arithmetic behind it.

Import it as ``import exact_intersections``.  ``pip install libigl`` (its ``copyleft`` part is GPL:
for tests, never a dependency of the package); tests that use it are skipped without.
"""

from __future__ import annotations

import numpy as np
import pytest


def pairs_that_meet(vertices: np.ndarray, faces: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of faces that meet outside what they share, decided in exact arithmetic."""
    cgal = pytest.importorskip("igl.copyleft.cgal")
    found = cgal.remesh_self_intersections(
        np.array(vertices, dtype=float), np.array(faces, dtype=np.int64), detect_only=True
    )[2]
    return set(map(tuple, np.sort(found, axis=1).tolist()))


def distances(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Distance (n,) of points from the triangles of a surface."""
    igl = pytest.importorskip("igl")
    squared = igl.point_mesh_squared_distance(
        np.array(points, dtype=float), np.array(vertices), np.array(faces, dtype=np.int64)
    )[0]
    return np.sqrt(squared)
