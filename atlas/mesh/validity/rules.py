"""Measure the rules an anatomy must keep: of sac and cord, of the roots, each by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

import numpy as np

from atlas.curves.contour_stack import ring_areas_centroids
from atlas.curves.polygons import crossing_depths, line_crossings
from atlas.data.subject import LEVELS, SIDES, RootKey
from atlas.landmarks.scheme import block_name
from atlas.mesh.validity.clearance import near_segments, sections_at, segment_distances
from atlas.mesh.validity.rule_margins import (
    REACH_MM,
    TOLERANCE_MM,
    Batch,
    Margins,
    depths_in_tube,
    extreme,
    least_depths,
    midline,
)

# Cord and sac begin in one plane; means and samples keep that to some hundredths of a mm.
PLANE_MM = 0.1
# A begin is traced on the cord's surface, to within the resolution of the image at best.
BEGIN_MM = 0.1
# Roots lie against each other in the cauda equina and their radius is assumed, not measured: up to
# this share of the sum of their radii they may overlap.  Annotated ones do, by 0.54 of 1 mm.
OVERLAP_SHARE = 0.6
Kind = Literal["geometry", "anatomy", "extent"]


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


def roots_outside_cord(batch: Batch) -> Margins:
    """Distance of every root point from the cord's surface, negative inside.

    A begin stands on the cord: it may lie ``BEGIN_MM`` deep in it.
    """
    n, k, p, _ = batch.roots.shape
    values = -depths_in_tube(batch.cord, batch.roots.reshape(n, -1, 3))
    allowance = np.zeros((k, p))
    allowance[:, 0] = BEGIN_MM
    return Margins(values, allowance.ravel(), _root_place(batch))


def roots_inside_sac(batch: Batch) -> Margins:
    """Depth of every root point in the sac, up to where the root leaves it.

    Leaving is being outside from a point to the end, or to the sac's last ring: it is allowed on
    the root's own side; on the other, the margin is minus the way across the midline.
    """
    n, k, p, _ = batch.roots.shape
    depth = depths_in_tube(batch.dura, batch.roots.reshape(n, -1, 3)).reshape(n, k, p)
    outside = depth < -TOLERANCE_MM
    inside_later = np.cumsum((depth >= -TOLERANCE_MM)[:, :, ::-1], axis=2)[:, :, ::-1] > 0
    gone = outside & ~inside_later
    first = gone & (np.cumsum(gone, axis=2) == 1)
    sign = np.array([1.0 if key.side == "left" else -1.0 for key in batch.keys])
    lateral = (batch.roots[..., 0] - midline(batch.dura, batch.roots)) * sign[:, None]
    values = np.where(gone, np.where(first & (lateral < 0), lateral, np.nan), depth)
    # A root of which no point is inside never was in the sac.
    never = gone[:, :, 0]
    values[never] = depth[never]
    exits = first & ~never[:, :, None]

    def note(i: int) -> str:
        found = [
            f"{block_name(batch.keys[r])}/{j} ({-depth[i, r, j]:.2f} mm outside)"
            for r, j in zip(*np.nonzero(exits[i]), strict=True)
        ]
        return f"leaving the sac: {', '.join(found)}" if found else ""

    return Margins(values.reshape(n, -1), 0.0, _root_place(batch), note)


def roots_apart(batch: Batch) -> Margins:
    """Distance of the centrelines of every two roots minus their radii.

    They may overlap by ``OVERLAP_SHARE`` of the sum of the radii: neighbouring roots touch, the
    tracing of each errs by some tenths of a mm, and the radius is assumed.
    """
    n, k, p, _ = batch.roots.shape
    radii = (batch.radii[:, 1:] + batch.radii[:, :-1]) / 2
    reach = 2 * float(np.nanmax(radii, initial=0.0)) + REACH_MM
    anatomy, first, second = near_segments(batch.roots, reach)
    other = first // (p - 1) != second // (p - 1)
    anatomy, first, second = anatomy[other], first[other], second[other]
    margin = _segment_margins(batch, radii, anatomy, first, second)
    values, places = np.full((n, k, k), REACH_MM), np.full((n, k, k), -1)
    at = (anatomy, first // (p - 1), second // (p - 1))
    np.minimum.at(values, at, margin)
    least = margin == values[at]
    places[tuple(i[least] for i in at)] = first[least]
    one, two = np.triu_indices(k, 1)
    allowance = OVERLAP_SHARE * (batch.radii[one, 0] + batch.radii[two, 0])

    def place(i: int, m: int) -> str:
        segment = places[i, one[m], two[m]] % (p - 1)
        return f"{block_name(batch.keys[one[m]])}/{segment} and {block_name(batch.keys[two[m]])}"

    return Margins(values[:, one, two], allowance, place)


def roots_self(batch: Batch) -> Margins:
    """A root's radius of curvature minus its radius, and loops that come back to the root.

    Parts of a root count as apart when more than half a circle of its radius lies between them:
    any nearer part belongs to a bend that the radius of curvature answers for.
    """
    n, k, p, _ = batch.roots.shape
    values = np.full((n, k, p), np.nan)
    bend = _curvature_radius(batch.roots) - batch.radii[:, 1:-1]
    values[:, :, 1:-1] = np.minimum(bend, REACH_MM)
    radii = (batch.radii[:, 1:] + batch.radii[:, :-1]) / 2
    reach = 2 * float(np.nanmax(radii, initial=0.0))
    curve, i, j = near_segments(batch.roots.reshape(n * k, 1, p, 3), reach)
    anatomy, root = curve // max(k, 1), curve % max(k, 1)
    steps = np.nan_to_num(np.linalg.norm(np.diff(batch.roots, axis=2), axis=3))
    length = np.concatenate([np.zeros((n, k, 1)), np.cumsum(steps, axis=2)], axis=2)
    between = length[anatomy, root, j] - length[anatomy, root, i + 1]
    far = between > np.pi * radii[root, i]
    anatomy, root, i, j = (x[far] for x in (anatomy, root, i, j))
    margin = _segment_margins(batch, radii, anatomy, root * (p - 1) + i, root * (p - 1) + j)
    np.fmin.at(values, (anatomy, root, i), margin)
    return Margins(values.reshape(n, -1), 0.0, _root_place(batch))


def levels_in_order(batch: Batch) -> Margins:
    """Fall from a level's begin, and its ganglion, to those of the next level of the side."""
    pairs = [
        (batch.keys.index(upper), batch.keys.index(lower))
        for side in SIDES
        for upper, lower in pairwise(
            RootKey(level, side) for level in LEVELS if (level, side) in batch.keys
        )
    ]
    heights = np.stack([batch.roots[:, :, 0, 2], batch.ganglia[:, :, 2]], axis=2)
    falls = [heights[:, a] - heights[:, b] for a, b in pairs]
    values = np.stack(falls, axis=1) if falls else np.empty((len(heights), 0, 2))

    def place(_: int, m: int) -> str:
        name = block_name(batch.keys[pairs[m // 2][1]])
        return f"{name}/0" if m % 2 == 0 else f"{name} ganglion"

    return Margins(values.reshape(len(heights), -1), -TOLERANCE_MM, place)


def sides_apart(batch: Batch) -> Margins:
    """Begins and ganglia left and right of the sac's midline, and left ones left of right ones.

    Below the sac's last ring its midline is continued straight down the own frame.
    """
    places = np.stack([batch.roots[:, :, 0], batch.ganglia], axis=2)
    sign = np.array([1.0 if key.side == "left" else -1.0 for key in batch.keys])
    own = (places[..., 0] - midline(batch.dura, places)) * sign[:, None]
    lefts = [i for i, key in enumerate(batch.keys) if key.side == "left"]
    pairs = [
        (i, batch.keys.index(RootKey(batch.keys[i].level, "right")))
        for i in lefts
        if RootKey(batch.keys[i].level, "right") in batch.keys
    ]
    across = [places[:, a, :, 0] - places[:, b, :, 0] for a, b in pairs]
    n, cut = len(places), own[0].size
    values = np.concatenate([own.reshape(n, -1), *across], axis=1)

    def place(_: int, m: int) -> str:
        key = batch.keys[m // 2 if m < cut else pairs[(m - cut) // 2][0]]
        end = "/0" if m % 2 == 0 else " ganglion"
        name = f"{block_name(key)}{end}"
        return name if m < cut else f"{name} against the right one"

    return Margins(values, 0.0, place)


def _root_place(batch: Batch) -> Callable[[int, int], str]:
    p = batch.roots.shape[2]
    return lambda _, m: f"{block_name(batch.keys[m // p])}/{m % p}"


def _segment_margins(
    batch: Batch, radii: np.ndarray, anatomy: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Distance of root segments minus their radii, (m,) mm."""
    count = batch.roots.shape[2] - 1
    ends = []
    for segment in (first, second):
        root, index = segment // count, segment % count
        ends += [batch.roots[anatomy, root, index], batch.roots[anatomy, root, index + 1]]
    distance = segment_distances(*ends)[0]
    return distance - radii.reshape(-1)[first] - radii.reshape(-1)[second]


def _curvature_radius(curves: np.ndarray) -> np.ndarray:
    """Radius of the arc that rounds each corner, (N, K, P - 2) mm.

    ``(a + b) / 4 / tan(turn / 2)`` with a, b the lengths of the segments that meet: that of the
    circle for evenly spaced points on one, and 0 for a curve that turns back.  The circle through
    three points would be wide there.
    """
    steps = np.diff(curves, axis=2)
    a, b = steps[:, :, :-1], steps[:, :, 1:]
    lengths = np.linalg.norm(a, axis=3), np.linalg.norm(b, axis=3)
    turn = np.arctan2(np.linalg.norm(np.cross(a, b), axis=3), (a * b).sum(axis=3))
    with np.errstate(divide="ignore"):
        return (lengths[0] + lengths[1]) / 4 / np.tan(turn / 2)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by name.

    Parameters
    ----------
    name : str
    kind : {"geometry", "anatomy", "extent"}
        What a break means: no solid can be made; a solid no body has; the annotated stretch of
        one structure does not cover another, which says nothing against either.
    says : str
        The rule in words, and what its margin is.
    measure : callable
    """

    name: str
    kind: Kind
    says: str
    measure: Callable[[Batch], Margins]


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Rule("cord-inside-sac", "geometry", "the cord lies in the sac", cord_inside_sac),
            Rule("cord-within-rings", "extent", "the sac's rings span the cord", cord_within_rings),
            Rule("csf-positive", "geometry", "fluid surrounds the cord", csf_positive),
            Rule("rings-in-order", "geometry", "rings do not cross each other", rings_in_order),
            Rule("rings-simple", "geometry", "a ring does not cross itself", rings_simple),
            Rule(
                "roots-outside-cord", "geometry", "roots run outside the cord", roots_outside_cord
            ),
            Rule(
                "roots-inside-sac",
                "geometry",
                "roots stay in the sac until they leave it once, on their own side",
                roots_inside_sac,
            ),
            Rule("roots-apart", "geometry", "no root runs through another", roots_apart),
            Rule(
                "no-self-intersection",
                "geometry",
                "a root is not bent closer than its radius and does not meet itself",
                roots_self,
            ),
            Rule(
                "levels-in-order",
                "anatomy",
                "begins and ganglia descend from L1 to S2",
                levels_in_order,
            ),
            Rule("sides-apart", "anatomy", "left is left of right", sides_apart),
        )
    }
)
