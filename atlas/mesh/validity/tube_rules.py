"""Rules of sac and cord: simple rings in order, the cord in the sac with fluid around it."""

from __future__ import annotations

import numpy as np

from atlas.curves.contour_stack import ring_areas_centroids
from atlas.curves.polygons import crossing_depths, line_crossings
from atlas.mesh.validity.clearance import sections_at
from atlas.mesh.validity.rule_margins import TOLERANCE_MM, Batch, Margins, extreme, least_depths

# Cord and sac begin in one plane; means and samples keep that to some hundredths of a mm.
PLANE_MM = 0.1


def cord_inside_sac(batch: Batch) -> Margins:
    """Depth of every cord point within the sac, in the plane of the point."""
    n, _, around, _ = batch.cord.shape
    values = least_depths(batch.dura, batch.cord).reshape(n, -1)
    return Margins(values, 0.0, lambda _, m: f"cord/{m // around}/{m % around}")


def cord_within_rings(batch: Batch) -> Margins:
    """How far each cord ring stands within the first and last ring of the sac."""
    levels = batch.cord[..., 2].mean(axis=2)
    sac = batch.dura[..., 2].mean(axis=2)
    top, bottom = extreme(sac, 1)[:, None], -extreme(-sac, 1)[:, None]
    return Margins(np.minimum(top - levels, levels - bottom), PLANE_MM, lambda _, m: f"cord/{m}")


def csf_positive(batch: Batch) -> Margins:
    """Fluid around the cord: dorsal and ventral gap on the sac's midline, and of the areas.

    The three columns of a ring: dorsal gap, ventral gap, and the difference of the radii of
    circles of the areas of sac and cord.
    """
    levels = batch.cord[..., 2].mean(axis=2)
    anatomy, ring, sac = sections_at(batch.dura, levels)
    cord = batch.cord[anatomy, ring, :, :2]
    radius = [np.sqrt(np.abs(ring_areas_centroids(p)[0]) / np.pi) for p in (sac, cord)]
    middle = sac[..., 0].mean(axis=1)
    (ventral, dorsal), (own_ventral, own_dorsal) = (
        line_crossings(p, middle, along=1) for p in (sac, cord)
    )
    values = np.full((*levels.shape, 3), np.nan)
    values[anatomy, ring] = np.stack(
        [dorsal - own_dorsal, own_ventral - ventral, radius[0] - radius[1]], axis=1
    )
    names = ("dorsal gap", "ventral gap", "area")
    return Margins(
        values.reshape(len(levels), -1), 0.0, lambda _, m: f"cord/{m // 3} ({names[m % 3]})"
    )


def rings_in_order(batch: Batch) -> Margins:
    """Fall from every ring point to its successor in the next ring, along the sac."""
    falls = []
    for rings in (batch.dura, batch.cord):
        fall = rings[:, :-1, :, 2] - rings[:, 1:, :, 2]
        falls.append(fall.reshape(len(rings), -1))
    cut, (a, b) = falls[0].shape[1], (batch.dura.shape[2], batch.cord.shape[2])

    def place(_: int, m: int) -> str:
        name, i, around = ("dura", m, a) if m < cut else ("cord", m - cut, b)
        return f"{name}/{i // around + 1}/{i % around}"

    return Margins(np.concatenate(falls, axis=1), -TOLERANCE_MM, place)


def rings_simple(batch: Batch) -> Margins:
    """Every ring a simple polygon from dorsal to the left: minus how far a crossing is in.

    A whole ring has its shortest edge as margin; one that runs the wrong way, minus the radius of
    the circle of its area.
    """
    parts = [_ring_margins(rings) for rings in (batch.dura, batch.cord)]
    cut, (a, b) = parts[0].shape[1], (batch.dura.shape[2], batch.cord.shape[2])

    def place(_: int, m: int) -> str:
        name, i, around = ("dura", m, a) if m < cut else ("cord", m - cut, b)
        return f"{name}/{i // around}/{i % around}"

    return Margins(np.concatenate(parts, axis=1), -TOLERANCE_MM, place)


def _ring_margins(rings: np.ndarray) -> np.ndarray:
    """Margins (N, R * A) of :func:`rings_simple` for one structure."""
    n, r, a, _ = rings.shape
    flat = rings[..., :2].reshape(n * r, a, 2)
    margin = np.linalg.norm(np.roll(rings, -1, axis=2) - rings, axis=3).reshape(n * r, a)
    crossing = crossing_depths(flat)
    margin = np.where(crossing > 0, -crossing, margin)
    area = ring_areas_centroids(flat)[0]
    # Seen from above with left along x and dorsal along y, dorsal to left is clockwise.
    wrong = (area > 0) & (crossing == 0).all(axis=1)
    margin[wrong, 0] = -np.sqrt(area[wrong] / np.pi)
    return margin.reshape(n, r * a)
