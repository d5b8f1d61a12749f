"""Vertices moved a little where a triangle can neither go nor turn: curves that pass too near."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from atlas.mesh.solids.options import Option, with_vertex
from atlas.mesh.solids.points import GOOD, Point, aside, cost, cross, dot, minus, shapes_of

if TYPE_CHECKING:
    from atlas.mesh.solids.patchwork import Patchwork

# A triangle of this shape or better is no reason to move a vertex.
WORTH = 0.35
# Shares of the way to a neighbour, and of the deviation away from the opposite edge.
TOWARDS = (0.1, 0.25, 0.5)
AWAY = (0.4, 0.9)
# Share of the cost about a vertex that a move must save: moves are many, and save little each.
LEAST_GAIN = 0.05
# Off a flat part of the outline no vertex may go: this far is rounding, mm.
FLAT_MM = 1e-9


def relocated(patch: Patchwork, i: int) -> set[int]:
    """Move the vertex of a triangle that saves most; the triangles near it.

    Parameters
    ----------
    patch : Patchwork
        Changed where a move is allowed.
    i : int
        Number of the triangle.

    Returns
    -------
    set of int
        Numbers of triangles to look at again; empty where nothing moved.
    """
    if patch.shape[i] >= WORTH:
        return set()
    new = len(patch.walls.vertices) + len(patch.new_points)
    options = [_ranked(patch, i, u) for u in patch.triangles[i] or () if u not in patch.frozen]
    for _, u, place in sorted((o for some in options for o in some), reverse=True):
        patch.points[new] = place
        added = {k: with_vertex(patch.triangles[k] or (u, u, u), u, new) for k in patch.around[u]}
        chosen = Option(set(patch.around[u]), added, {k: k for k in added}, u)
        if patch.affords(chosen) and _may_move(patch, chosen, u, new):
            return _moved_to(patch, chosen, u, new)
    patch.points.pop(new, None)
    return set()


def _moved_to(patch: Patchwork, option: Option, u: int, new: int) -> set[int]:
    """Make the move; what it used of the deviation goes with the vertex."""
    patch.new_points.append(patch.points[new])
    patch.sources[new] = patch.sources.get(u, u)
    patch.spent[new] = patch.spent.get(u, 0.0) + _off(patch, u, new)
    return patch.applied(option)


def _ranked(patch: Patchwork, i: int, u: int) -> list[tuple[float, int, Point]]:
    """What moving a vertex to each place saves, where that is enough."""
    places = np.array(list(_places(patch, i, u)))
    rows = [patch.triangles[k] or (u, u, u) for k in sorted(patch.around[u])]
    star = np.array([[patch.points[w] for w in t] for t in rows])
    at = np.array([[w == u for w in t] for t in rows])[None, :, :, None]
    corners = np.where(at, places[:, None, None, :], star[None])
    shape = np.maximum(shapes_of(corners.reshape(-1, 3, 3)), 1e-9).reshape(len(places), -1)
    after = np.where(shape < GOOD, GOOD / shape - 1, 0.0).sum(axis=1)
    before = sum(cost(patch.shape[k]) for k in patch.around[u])
    saved = 1 - after / before
    return [
        (float(saved[k]), u, (float(x), float(y), float(z)))
        for k, (x, y, z) in enumerate(places)
        if saved[k] > LEAST_GAIN
    ]


def _places(patch: Patchwork, i: int, u: int) -> Iterator[Point]:
    """Where a vertex could go: along its edges, or away from the side opposite it."""
    here = patch.points[u]
    for w in sorted(patch.neighbours(u)):
        along = minus(patch.points[w], here)
        for share in TOWARDS:
            yield _moved(here, along, share)
    a, b = (patch.points[w] for w in patch.triangles[i] or () if w != u)
    side = minus(b, a)
    away = cross(cross(side, minus(here, a)), side)
    size = dot(away, away) ** 0.5
    if size:
        for share in AWAY:
            yield _moved(here, away, share * patch.deviation / size)
            yield _moved(here, away, -share * patch.deviation / size)


def _moved(point: Point, way: Point, share: float) -> Point:
    return (point[0] + share * way[0], point[1] + share * way[1], point[2] + share * way[2])


def _may_move(patch: Patchwork, option: Option, u: int, new: int) -> bool:
    """Whether curves and walls stay where they are, but for the deviation, and flat ones flat."""
    if patch.spent.get(u, 0.0) + _off(patch, u, new) > patch.deviation:
        return False
    outline = [k for k in option.added if patch.outlined(k)]
    if outline:
        way = minus(patch.points[new], patch.points[u])
        normals = [patch.normal(patch.triangles[k]) for k in outline]
        lead = max(normals, key=lambda n: dot(n, n))
        flat = all(_parallel(lead, n) for n in normals)
        if flat and abs(dot(way, lead)) > FLAT_MM * dot(lead, lead) ** 0.5:
            return False
    return patch.stays_near(option, u, new)


def _parallel(one: Point, other: Point) -> bool:
    turned = cross(one, other)
    return dot(turned, turned) <= 1e-12 * dot(one, one) * dot(other, other)


def _off(patch: Patchwork, u: int, new: int) -> float:
    """How far a move takes the vertex off the curves it is on, or a corner from its place, mm."""
    curves = [patch.points[w] for w in sorted(patch.neighbours(u)) if patch.crease(u, w)]
    old, place = patch.points[u], patch.points[new]
    if not curves:
        return 0.0
    if len(curves) != 2:
        step = minus(place, old)
        return float(dot(step, step) ** 0.5)
    return max(min(aside(place, old, w) for w in curves), min(aside(old, place, w) for w in curves))
