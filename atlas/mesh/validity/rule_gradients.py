"""The rules on roots, and of points in tubes, linearised about the present place."""

from __future__ import annotations

import numpy as np

from atlas.curves.polygons import nearest_edges
from atlas.mesh.validity.clearance import near_segments, sections_at, segment_distances
from atlas.mesh.validity.repair_solver import Constraints
from atlas.mesh.validity.root_rules import OVERLAP_SHARE
from atlas.mesh.validity.rule_margins import Batch

# What is repaired ends this far on the good side, so that rounding does not break it again.
SPARE_MM = 1e-3
# Places this close to breaking a rule are held while others move.
BAND_MM = 0.5


def root_constraints(batch: Batch) -> tuple[np.ndarray, Constraints, np.ndarray]:
    """Margins of the rules on roots that are near zero, linearised; which hold a point alone."""
    flat = batch.roots.reshape(1, -1, 3)
    index, depth, inward = in_tube(batch.cord, flat)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = [(index, -depth, -inward)]
    index, depth, inward = in_tube(batch.dura, flat)
    held = np.logical_not(_leaving(batch, index, depth))
    parts.append((index[held], depth[held], inward[held]))
    values, wanted = [], Constraints.none()
    for points, value, gradient in parts:
        near = value < BAND_MM
        values.append(value[near])
        rows = Constraints.of(
            points[near][:, None], gradient[near][:, None], SPARE_MM - value[near]
        )
        wanted = wanted.and_also(rows)
    alone = sum(len(v) for v in values)
    margin, pairs = _pair_constraints(batch)
    values.append(margin)
    together = np.concatenate(values)
    return together, wanted.and_also(pairs), np.arange(len(together)) < alone


def _leaving(batch: Batch, index: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Mask of the points by which a root leaves the sac: none inside from there on."""
    shape = batch.roots.shape[1:3]
    inside = np.zeros(shape, dtype=bool)
    inside.ravel()[index] = depth >= 0
    later = np.asarray(np.cumsum(inside[:, ::-1], axis=1)[:, ::-1] > 0)
    ever = np.asarray(inside.any(axis=1))[:, None]
    gone = np.ravel(~later & ever)[index]
    return np.logical_and(gone, depth < 0)


def _pair_constraints(batch: Batch) -> tuple[np.ndarray, Constraints]:
    """Segments of different roots that are nearly too close, linearised."""
    count = batch.roots.shape[2] - 1
    radii = ((batch.radii[:, 1:] + batch.radii[:, :-1]) / 2).ravel()
    reach = 2 * float(np.nanmax(radii, initial=0.0)) + BAND_MM
    _, first, second = near_segments(batch.roots, reach)
    other = first // count != second // count
    first, second = first[other], second[other]
    points = batch.roots.reshape(-1, 3)
    a, b = (x + x // count for x in (first, second))
    distance, s, t = segment_distances(points[a], points[a + 1], points[b], points[b + 1])
    value = distance - (1 - OVERLAP_SHARE) * (radii[first] + radii[second])
    near = value < BAND_MM
    a, b, s, t, value = a[near], b[near], s[near], t[near], value[near]
    apart = points[a] + s[:, None] * (points[a + 1] - points[a])
    apart -= points[b] + t[:, None] * (points[b + 1] - points[b])
    # Centrelines that cross have no direction between them: they part across both.
    across = np.cross(points[a + 1] - points[a], points[b + 1] - points[b])
    apart = np.where(distance[near][:, None] > 1e-6, apart, across)
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    apart /= np.where(length > 0, length, 1)
    shares = np.stack([1 - s, s, t - 1, -t], axis=1)
    gradients = shares[:, :, None] * apart[:, None]
    places = np.stack([a, a + 1, b, b + 1], axis=1)
    return value, Constraints.of(places, gradients, SPARE_MM - value)


def in_tube(rings: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which points (1, M, 3) a tube has sections for, their depths, and the ways inward."""
    _, index, polygons = sections_at(rings, points[..., 2])
    place = points[0, index, :2]
    depth, edge, share = nearest_edges(place, polygons)
    row = np.arange(len(index))
    begin = polygons[row, edge]
    along = polygons[row, (edge + 1) % polygons.shape[1]] - begin
    way = place - (begin + share[:, None] * along)
    # On the wall itself the way is the wall's normal: rings run clockwise seen from above.
    on_wall = np.abs(depth) < 1e-9
    way[on_wall] = np.stack([along[:, 1], -along[:, 0]], axis=1)[on_wall]
    way *= np.where(depth < 0, -1.0, 1.0)[:, None]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return index, depth, np.pad(way, ((0, 0), (0, 1)))
