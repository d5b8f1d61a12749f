"""Move the least that must move for an anatomy to be possible, and say by how much it moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from atlas.curves.polygons import nearest_edges
from atlas.landmarks.scheme import Anatomy, block_name
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption
from atlas.mesh.validity.clearance import near_segments, own_frames, sections_at, segment_distances
from atlas.mesh.validity.repair_solver import Constraints, smallest_displacement
from atlas.mesh.validity.rule_inputs import ValidityError, batch_of
from atlas.mesh.validity.rule_margins import Batch
from atlas.mesh.validity.rules import OVERLAP_SHARE
from atlas.mesh.validity.validity import Validity, check

# What is repaired ends this far on the good side, so that rounding does not break it again.
SPARE_MM = 1e-3
# Places this close to breaking a rule are held while others move.
BAND_MM = 0.5
METHODS = ("minimal",)
# Points to either side of a broken place that may move with it.
WINDOW = 4
MAX_STEPS = 25
# A repair that holds is linearised again so many times: the first to hold may do too much.
POLISH_STEPS = 2


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


@dataclass(frozen=True, slots=True)
class Movement:
    """How far a structure was moved.

    Parameters
    ----------
    max_mm, rms_mm : float
        Over all points of the structure.
    n_points : int
        Points that moved.
    """

    max_mm: float
    rms_mm: float
    n_points: int


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """A repaired anatomy, and what the repair changed.

    Parameters
    ----------
    anatomy : Anatomy
        The anatomy that came in, itself, where nothing had to move.
    moved : mapping of structure to Movement
        ``cord`` and ``root/L5/left``: those that moved.
    before, after : Validity
    n_points_moved : int
    """

    anatomy: Anatomy
    moved: Mapping[str, Movement]
    before: Validity
    after: Validity
    n_points_moved: int

    @property
    def unrepaired(self) -> tuple[str, ...]:
        """Rules of geometry that are still broken."""
        return tuple(r.rule for r in self.after.failures if r.kind == "geometry")

    def document(self) -> dict[str, object]:
        """All of it as JSON values."""
        return {
            "moved": {
                name: {"max_mm": m.max_mm, "rms_mm": m.rms_mm, "n_points": m.n_points}
                for name, m in self.moved.items()
            },
            "n_points_moved": self.n_points_moved,
            "unrepaired": list(self.unrepaired),
            "before": self.before.document(),
            "after": self.after.document(),
        }


def repair(
    anatomy: Anatomy,
    *,
    method: str = "minimal",
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM,
) -> Repair:
    """Move what breaks a rule of geometry as little and as smoothly as will do.

    Cord rings are moved whole, in their planes, into the sac; root points out of the cord, back
    into the sac up to where they leave it, and apart.  Rings keep their shape, begins and ganglia
    their place unless they break a rule themselves; nothing moves that is more than ``WINDOW``
    points from a broken place.

    Parameters
    ----------
    anatomy : Anatomy
    method : {"minimal"}
        Least squared displacement plus ``STIFFNESS`` times its squared second difference, under
        the rules linearised about the present place, again until they hold (sequential quadratic
        programming).
    root_radius_mm : float or mapping
        Assumed, as in :func:`atlas.mesh.validity.validity.check`.

    Returns
    -------
    Repair
        With the rules it could not mend, if any: folded or crossing rings, exits on the wrong
        side and a root's own loops are not moved.

    Raises
    ------
    ValidityError
        No such method.
    """
    if method not in METHODS:
        raise ValidityError(f"method: expected one of {METHODS}, got {method!r}")
    before = check(anatomy, root_radius_mm=root_radius_mm)
    if before.possible:
        return Repair(anatomy, MappingProxyType({}), before, before, 0)
    start = batch_of(anatomy, root_radius_mm=root_radius_mm)
    batch = _move_roots(_move_cord(start))
    mended = _moved_anatomy(
        anatomy,
        np.nan_to_num(batch.cord - start.cord),
        np.nan_to_num(batch.roots - start.roots),
    )
    moved = _movements(anatomy, mended)
    return Repair(
        mended,
        MappingProxyType(moved),
        before,
        check(mended, root_radius_mm=root_radius_mm),
        sum(m.n_points for m in moved.values()),
    )


def _move_cord(batch: Batch) -> Batch:
    """Rings of the cord moved whole into the sac."""
    _, rings, around, _ = batch.cord.shape
    free = np.zeros((1, rings), dtype=bool)
    total = np.zeros((1, rings, 3))
    for _ in range(MAX_STEPS):
        cord = batch.cord + total[:, :, None]
        index, value, inward = in_tube(batch.dura, cord.reshape(1, -1, 3))
        broken = value < 0
        if not broken.any():
            break
        free |= _widened(np.isin(np.arange(rings), index[broken] // around)[None])
        near = value < BAND_MM
        ring = index[near] // around
        bound = SPARE_MM - value[near] + (inward[near] * total[0, ring]).sum(axis=1)
        wanted = Constraints.of(ring[:, None], inward[near][:, None], bound)
        total = smallest_displacement((1, rings), free, wanted)
    return replace(batch, cord=batch.cord + total[:, :, None])


def _move_roots(batch: Batch) -> Batch:
    """Points of roots moved out of the cord, into the sac and apart."""
    shape = batch.roots.shape[1:3]
    free = np.zeros(shape, dtype=bool)
    total = np.zeros((*shape, 3))
    ends = np.zeros(shape, dtype=bool)
    ends[:, 0] = True
    ends[np.arange(shape[0]), (~np.isnan(batch.radii)).sum(axis=1) - 1] = True
    found: list[np.ndarray] = []
    for _ in range(MAX_STEPS):
        now = replace(batch, roots=batch.roots + total)
        values, wanted, alone = root_constraints(now)
        broken = values < 0
        if not broken.any():
            found.append(total)
            if not free.any() or len(found) > POLISH_STEPS:
                break
        touched = np.zeros(shape, dtype=bool)
        reached = np.abs(wanted.gradients[broken]).max(axis=2) > 1e-9
        touched.ravel()[wanted.points[broken][reached]] = True
        # An end that breaks a rule by itself must move; one that another root comes near need not.
        guilty = np.zeros(shape, dtype=bool)
        guilty.ravel()[wanted.points[broken & alone, 0]] = True
        free |= (_widened(touched) & ~ends) | (guilty & ends)
        free &= ~np.isnan(batch.roots[0]).any(axis=2)
        moved = total.reshape(-1, 3)[wanted.points]
        bound = wanted.bounds + (wanted.gradients * moved).sum(axis=(1, 2))
        total = smallest_displacement(shape, free, replace(wanted, bounds=bound))
    least = min(found, key=lambda move: float((move**2).sum()), default=total)
    return replace(batch, roots=batch.roots + least)


def _widened(places: np.ndarray) -> np.ndarray:
    """Places (chains, points) and ``WINDOW`` points to either side of each."""
    wide = places.copy()
    for step in range(1, WINDOW + 1):
        wide[:, step:] |= places[:, :-step]
        wide[:, :-step] |= places[:, step:]
    return wide


def _moved_anatomy(anatomy: Anatomy, cord: np.ndarray, roots: np.ndarray) -> Anatomy:
    """The anatomy with its cord and roots displaced by what the own frame says."""
    back = own_frames(anatomy.dura[None])[0].T
    new_roots, ganglia = {}, dict(anatomy.ganglia)
    for k, (key, root) in enumerate(anatomy.roots.items()):
        move = roots[0, k, : len(root)]
        new_roots[key] = root + move @ back if np.abs(move).max() > 0 else root
        if key in ganglia and (ganglia[key] == root[-1]).all():
            ganglia[key] = new_roots[key][-1]
    moves = np.abs(cord).max(axis=(0, 2, 3), initial=0.0) > 0
    rings = np.where(moves[:, None, None], anatomy.cord + cord[0] @ back, anatomy.cord)
    return replace(anatomy, cord=rings, roots=new_roots, ganglia=ganglia)


def _movements(before: Anatomy, after: Anatomy) -> dict[str, Movement]:
    """How far each structure moved, of those that did."""
    pairs = {"cord": (before.cord, after.cord)}
    pairs |= {block_name(key): (root, after.roots[key]) for key, root in before.roots.items()}
    found = {}
    for name, (old, new) in pairs.items():
        way = np.linalg.norm((new - old).reshape(-1, 3), axis=1)
        way = way[~np.isnan(way)]
        if (way > 0).any():
            rms = float(np.sqrt((way**2).mean()))
            found[name] = Movement(float(way.max()), rms, int((way > 0).sum()))
    return found
