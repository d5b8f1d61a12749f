"""Pieces that cuts sever from their region, given to a neighbour, so that regions are whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from atlas.mesh.solids.complexes import WallComplex, compact

# Rounds of giving pieces away: each may join what the next one is severed from.
ROUNDS = 10

# kind, region, other region, amount, unit, message: a row of what was found.
Crumb = tuple[str, str, str, float, str, str]
# A piece larger than this share of its region is no crumb: the region was cut in two.
DETACHED_SHARE = 0.02


def without_severed_pieces(
    walls: WallComplex, within_sac: Mapping[str, bool]
) -> tuple[WallComplex, list[Crumb]]:
    """Leave each region its largest piece.

    Parameters
    ----------
    walls : WallComplex
    within_sac : mapping of str to bool
        Pieces stay on their side of the sac.

    Returns
    -------
    walls : WallComplex
    crumbs : list of tuple
        What was given away: kind, region, receiver, mm³, unit, message.
    """
    crumbs: list[Crumb] = []
    for _ in range(ROUNDS):
        moved = False
        for region in walls.regions:
            for rows in _lesser_pieces(walls, region):
                found = _given_away(walls, region, rows, within_sac)
                if found is not None:
                    walls, crumb = found
                    crumbs.append(crumb)
                    moved = True
                    break
        if not moved:
            return walls, crumbs
    return walls, crumbs


def pieces(walls: WallComplex, region: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (F,) of a region's triangles, the shell (F,) each is of, and the shells' volumes, mm³.

    Shells are joined by edges; a hollow has a negative volume.
    """
    index = walls.names.index(region)
    rows = np.concatenate([np.flatnonzero(walls.sides[:, k] == index) for k in (0, 1)])
    faces = walls.boundary(region).astype(np.int64)
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = np.tile(np.arange(len(faces)), 3)
    edge = directed.min(axis=1) * len(walls.vertices) + directed.max(axis=1)
    order = np.argsort(edge, kind="stable")
    same = edge[order][1:] == edge[order][:-1]
    a, b = owner[order][1:][same], owner[order][:-1][same]
    joined = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(faces),) * 2)
    shell = connected_components(joined, directed=False)[1]
    origin = walls.vertices[faces[0, 0]]
    p, q, r = (walls.vertices[faces[:, k]] - origin for k in range(3))
    volume = np.bincount(shell, (p * np.cross(q, r)).sum(axis=1) / 6)
    return rows, shell, volume


def _lesser_pieces(walls: WallComplex, region: str) -> list[np.ndarray]:
    """Rows of each shell that is not the largest, hollows left out, the smallest first."""
    rows, shell, volume = pieces(walls, region)
    lesser = np.setdiff1d(np.flatnonzero(volume > 0), [np.argmax(volume)])
    return [rows[shell == k] for k in lesser[np.argsort(volume[lesser])]]


def _given_away(
    walls: WallComplex, region: str, rows: np.ndarray, within_sac: Mapping[str, bool]
) -> tuple[WallComplex, Crumb] | None:
    """The complex with a piece relabelled as the neighbour it shares most wall with."""
    index = walls.names.index(region)
    sides = walls.sides[rows]
    beyond = np.where(sides[:, 0] == index, sides[:, 1], sides[:, 0])
    a, b, c = walls.vertices[walls.triangles[rows]].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    area = np.bincount(beyond, np.linalg.norm(normals, axis=1) / 2, minlength=len(walls.names))
    allowed = [within_sac[name] == within_sac[region] for name in walls.names]
    area = np.where(allowed, area, 0.0)
    if not area.any():
        return None
    receiver = int(np.argmax(area))
    sign = np.where(sides[:, 0] == index, 1, -1)
    volume = float((sign * ((a - a[0]) * normals).sum(axis=1)).sum() / 6)
    whole = float(pieces(walls, region)[2].max())
    labels = walls.sides.copy()
    labels[rows] = np.where(sides == index, receiver, sides)
    to = walls.names[receiver] or "the exterior"
    kind = "detached" if volume > DETACHED_SHARE * whole else "crumb"
    text = f"{region}: a piece of {volume:.3g} mm³ is cut off from it and goes to {to}"
    crumb = (kind, region, walls.names[receiver], volume, "mm³", text)
    return compact(replace(walls, sides=labels)), crumb
