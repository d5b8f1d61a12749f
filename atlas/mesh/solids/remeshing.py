"""Better the triangles of a patch: contract edges, flip them, or move vertices a little.

An edge is contracted only where that changes no topology (the link condition of Dey, Edelsbrunner,
Guha & Nekhayev 1999, Publ. Inst. Math. 66:23-45), along curves only where walls meet in curves, and
only where the triangles about it cost less in all.  All walls change together, so that neighbours
go on sharing them.  A vertex is moved where a triangle can neither go nor turn.

Each change is remembered by a leader: changes that touched no common triangle can be undone apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from atlas.mesh.solids.complexes import WallComplex

Point = tuple[float, float, float]

# Shape of a triangle: 4 sqrt(3) area over the sum of squared edges; 1 where equilateral.
GOOD = 0.35
Triangle = tuple[int, int, int]
# Cosine of the turn of a surface at an edge from which on the edge is kept as a rim.
RIM_COSINE = 0.6
# Cosine of the turn of a triangle's normal that a change may cost.
TURN_COSINE = 0.8
# A triangle flatter than this has no normal to keep.
FLAT = 0.02
# Share of the cost about it by which a change must lower that cost.
LEAST_GAIN = 1e-3
PASSES = 12
# A triangle of this shape or better is no reason to move a vertex.
WORTH = 0.35
# Shares of the way to a neighbour, and of the deviation away from the opposite edge.
TOWARDS = (0.1, 0.25, 0.5)
AWAY = (0.4, 0.9)
# Share of the cost about a vertex that a move must save: moves are many, and save little each.
LEAST_MOVE_GAIN = 0.05
# Off a flat part of the outline no vertex may go: this far is rounding, mm.
FLAT_MM = 1e-9


def cost(shape: float) -> float:
    """What a triangle costs: nothing where good, without bound where flat."""
    return GOOD / max(shape, 1e-9) - 1 if shape < GOOD else 0.0


def shapes_of(corners: np.ndarray) -> np.ndarray:
    """Shape (T,) of triangles (T, 3, 3)."""
    edges = np.roll(corners, -1, axis=1) - corners
    twice = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    return 2 * np.sqrt(3) * twice / np.maximum((edges**2).sum(axis=(1, 2)), 1e-300)


def shape_of(a: Point, b: Point, c: Point) -> float:
    """4 sqrt(3) area over the sum of squared edges: 1 where equilateral, 0 where flat."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    # The third edge squared is the sum of the other two squared less twice their product.
    squares = ux * ux + uy * uy + uz * uz + vx * vx + vy * vy + vz * vz
    total = 2 * (squares - ux * vx - uy * vy - uz * vz)
    return 2 * 3**0.5 * (x * x + y * y + z * z) ** 0.5 / total if total else 0.0


def normal_of(a: Point, b: Point, c: Point) -> Point:
    """Twice the area vector of a triangle."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


def minus(a: Point, b: Point) -> Point:
    """From b to a."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def dot(a: Point, b: Point) -> float:
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Point, b: Point) -> Point:
    """Vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def aside(p: Point, a: Point, b: Point) -> float:
    """Distance of a point from a segment."""
    along, to = minus(b, a), minus(p, a)
    length = dot(along, along)
    share = min(1.0, max(0.0, dot(to, along) / length)) if length else 0.0
    off = (to[0] - share * along[0], to[1] - share * along[1], to[2] - share * along[2])
    return dot(off, off) ** 0.5


@dataclass(frozen=True, slots=True)
class Option:
    """A change that could be made: triangles that go, those that come, whose sides, what vertex."""

    removed: set[int]
    added: dict[int, Triangle]
    parents: dict[int, int]
    gone: int | None = None


def runs_along(t: Triangle | None, u: int, v: int) -> bool:
    """Whether a triangle runs along an edge from u to v."""
    a, b, c = t or (u, u, u)
    return (u, v) in ((a, b), (b, c), (c, a))


def with_vertex(t: Triangle, old: int, new: int) -> Triangle:
    """A triangle with one vertex for another."""
    a, b, c = t
    return (new if a == old else a, new if b == old else b, new if c == old else c)


class Patch:
    """Some rows of a complex, its vertices and triangles numbered on as new ones come."""

    def __init__(
        self,
        walls: WallComplex,
        rows: np.ndarray,
        frozen: np.ndarray,
        *,
        deviation: float,
        within: np.ndarray,
        budget: float,
        spent: dict[int, float] | None = None,
    ) -> None:
        self.walls, self.rows, self.deviation = walls, rows, deviation
        self.within, self.budget, self.drifted = within.tolist(), budget, 0.0
        used = np.unique(walls.triangles[rows])
        self.points: dict[int, Point] = dict(
            zip(used.tolist(), map(tuple, walls.vertices[used].tolist()), strict=True)
        )
        self.frozen = set(used[frozen[used]].tolist())
        self.triangles: list[Triangle | None] = [tuple(t) for t in walls.triangles[rows].tolist()]
        self.sides = [tuple(s) for s in walls.sides[rows].tolist()]
        self.walls_of = [(min(s), max(s)) for s in self.sides]
        self.shape = shapes_of(walls.vertices[walls.triangles[rows]]).tolist()
        self.changed: set[int] = set()
        self.new_points: list[Point] = []
        self.spent = {} if spent is None else spent
        self.sources: dict[int, int] = {}
        self.leaders = list(range(len(rows)))
        self.around: dict[int, set[int]] = defaultdict(set)
        for i, t in enumerate(self.triangles):
            for v in t or ():
                self.around[v].add(i)

    def complex(self, undone: Collection[int] = ()) -> tuple[WallComplex, np.ndarray, np.ndarray]:
        """The whole complex as it stands.

        Parameters
        ----------
        undone : collection of int
            Leaders of changes that are left out.

        Returns
        -------
        walls : WallComplex
        leaders : (T,) int
            Leader of each triangle; -1 outside the patch.
        changed : (T,) bool
        """
        n = len(self.rows)
        lots = np.array([self.leader(k) for k in range(len(self.triangles))], dtype=int)
        left = np.isin(lots, sorted(undone))
        alive = np.array([t is not None for t in self.triangles], dtype=bool)
        kept = np.flatnonzero(alive & ~left)
        back = np.flatnonzero(left[:n])
        mine = np.array([self.triangles[k] for k in kept], dtype=np.int32).reshape(-1, 3)
        labels = np.array([self.sides[k] for k in kept], dtype=np.int32).reshape(-1, 2)
        outer = np.delete(np.arange(len(self.walls.triangles)), self.rows)
        old = np.concatenate([outer, self.rows[back]])
        points = np.concatenate([self.walls.vertices, np.reshape(self.new_points, (-1, 3))])
        whole = replace(
            self.walls,
            vertices=points,
            triangles=np.concatenate([self.walls.triangles[old], mine]),
            sides=np.concatenate([self.walls.sides[old], labels]),
        )
        leaders = np.concatenate([np.full(len(outer), -1), lots[back], lots[kept]])
        changed = np.concatenate([np.zeros(len(old), bool), np.isin(kept, sorted(self.changed))])
        return whole, leaders, changed

    def gain(self, option: Option | None, best: float) -> float:
        """How much of the cost about it a change saves, as a share; 0 where not above ``best``."""
        if option is None:
            return 0.0
        before = sum(cost(self.shape[k]) for k in option.removed)
        after = 0.0
        for t in option.added.values():
            after += cost(self.shape_of_triangle(t))
            if after >= (1 - best) * before:
                return 0.0
        return 1 - after / before if before else 0.0

    def affords(self, option: Option) -> bool:
        """Whether the volume within the outline stays within its budget, or nears it."""
        drift = self.drifted + self.drift(option)
        return abs(drift) <= self.budget or abs(drift) <= abs(self.drifted)

    def drift(self, option: Option) -> float:
        """What a change adds to the volume within the outline, mm³."""
        origin = self.points[(self.triangles[min(option.removed)] or (0, 0, 0))[0]]
        volume = 0.0
        for n, t in option.added.items():
            outlined = self.outlined(option.parents[n])
            if outlined:
                volume += outlined * self._cone(t, origin)
        for k in option.removed:
            outlined = self.outlined(k)
            if outlined:
                volume -= outlined * self._cone(self.triangles[k], origin)
        return volume

    def outlined(self, k: int) -> int:
        """1 where the outline's inside is behind a triangle, -1 where in front, 0 off it."""
        behind, front = self.sides[k]
        return int(self.within[behind]) - int(self.within[front])

    def _cone(self, t: Triangle | None, origin: Point) -> float:
        return dot(self.normal(t), minus(self.points[(t or (0, 0, 0))[0]], origin)) / 6

    def applied(self, option: Option) -> set[int]:
        """Make a change; the triangles about it."""
        self.drifted += self.drift(option)
        leader = min(self.leader(k) for k in option.removed)
        for k in option.removed:
            self.leaders[self.leader(k)] = leader
        for k in option.removed:
            for v in self.triangles[k] or ():
                self.around[v].discard(k)
            self.triangles[k] = None
        self.changed |= set(option.added)
        for k, parent in option.parents.items():
            self.sides[k], self.walls_of[k] = self.sides[parent], self.walls_of[parent]
            self.leaders[k] = leader
        for k, t in option.added.items():
            self.triangles[k] = t
            self.shape[k] = self.shape_of_triangle(t)
            for v in t:
                self.around[v].add(k)
        return {n for t in option.added.values() for v in t for n in self.around[v]}

    def leader(self, k: int) -> int:
        """The least triangle of those that changed together with a triangle, which stands for all.

        Triangles of other leaders did not change with it, so that either lot can be undone alone.
        """
        while self.leaders[k] != k:
            self.leaders[k] = self.leaders[self.leaders[k]]
            k = self.leaders[k]
        return k

    def shape_of_triangle(self, t: Triangle) -> float:
        """Shape of a triangle, 1 where equilateral."""
        points = self.points
        return shape_of(points[t[0]], points[t[1]], points[t[2]])

    def crease(self, u: int, v: int) -> bool:
        """Whether walls meet at an edge, or one of them has a rim there."""
        here = sorted(self.around[u] & self.around[v])
        if len(here) != 2 or self.walls_of[here[0]] != self.walls_of[here[1]]:
            return True
        one, other = (self.normal(self.triangles[k]) for k in here)
        if runs_along(self.triangles[here[0]], u, v) == runs_along(self.triangles[here[1]], u, v):
            other = (-other[0], -other[1], -other[2])
        return dot(one, other) < RIM_COSINE * (dot(one, one) * dot(other, other)) ** 0.5

    def normal(self, t: Triangle | None) -> Point:
        """Twice the area vector of a triangle."""
        points, (a, b, c) = self.points, t or (0, 0, 0)
        return normal_of(points[a], points[b], points[c])

    def neighbours(self, u: int) -> set[int]:
        """Vertices a vertex shares an edge with."""
        return {w for k in self.around[u] for w in self.triangles[k] or ()} - {u}

    def new(self) -> int:
        """The number of a triangle to come."""
        self.triangles.append(None)
        self.shape.append(1.0)
        self.sides.append((0, 0))
        self.walls_of.append((0, 0))
        self.leaders.append(len(self.leaders))
        return len(self.triangles) - 1

    def improve(self) -> None:
        """Pass over the bad triangles, worst first, until a pass changes nothing."""
        waiting = [i for i, q in enumerate(self.shape) if q < GOOD]
        for _ in range(PASSES):
            changed: set[int] = set()
            for i in sorted(waiting, key=lambda i: (self.shape[i], i)):
                if self.triangles[i] and self.shape[i] < GOOD:
                    changed |= self._better(i)
            waiting = [i for i in changed if self.triangles[i] and self.shape[i] < GOOD]

    def _better(self, i: int) -> set[int]:
        """Do what lowers the cost about a triangle the most; the triangles near it."""
        best, chosen = LEAST_GAIN, None
        a, b, c = self.triangles[i] or (0, 0, 0)
        for u, v in ((a, b), (b, c), (c, a)):
            if u in self.frozen or v in self.frozen:
                continue
            for option in (self._snapped(i, u, v), self.collapsed(u, v), self.collapsed(v, u)):
                gain = self.gain(option, best)
                if gain > best and self._allowed(option, i, u, v):
                    best, chosen = gain, option
        return self.applied(chosen) if chosen else relocated(self, i)

    def _allowed(self, option: Option | None, i: int, u: int, v: int) -> bool:
        if option is None:
            return False
        if not self.affords(option):
            return False
        if option.gone is None:
            may = self._may_snap(option, i, u, v)
        else:
            may = self.may_collapse(option, option.gone, v if option.gone == u else u)
        return may and not self._pinches(option)

    def _pinches(self, option: Option) -> bool:
        """Whether a region would touch itself along an edge."""
        for t in option.added.values():
            for x, y in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0])):
                run: set[tuple[int, bool]] = set()
                near = (self.around[x] & self.around[y]) - option.removed
                at = [(self.triangles[k] or t, self.sides[k]) for k in near]
                at += [
                    (new, self.sides[option.parents[n]])
                    for n, new in option.added.items()
                    if x in new and y in new
                ]
                for new, (behind, front) in at:
                    ahead = runs_along(new, x, y)
                    both = {(behind, ahead), (front, not ahead)}
                    if run & both:
                        return True
                    run |= both
        return False

    def collapsed(self, u: int, v: int) -> Option:
        """Contract u into v."""
        gone = self.around[u] & self.around[v]
        added = {}
        for k in self.around[u] - gone:
            added[k] = with_vertex(self.triangles[k] or (u, u, u), u, v)
        return Option(set(self.around[u]), added, {k: k for k in added}, u)

    def may_collapse(self, option: Option, u: int, v: int) -> bool:
        """Whether neither topology nor a curve nor a wall's place forbids it."""
        gone = self.around[u] & self.around[v]
        apexes = {w for k in gone for w in self.triangles[k] or ()} - {u, v}
        if self.neighbours(u) & self.neighbours(v) != apexes:
            return False
        standing = {frozenset(self.triangles[k] or ()) for k in self.around[v] - gone}
        if any(frozenset(t) in standing for t in option.added.values()):
            return False
        creases = [w for w in self.neighbours(u) if self.crease(u, w)]
        if creases:
            if len(creases) != 2 or v not in creases:
                return False
            other = creases[0] if creases[1] == v else creases[1]
            off = aside(self.points[u], self.points[other], self.points[v])
            if off > self.deviation:
                return False
        return self.stays_near(option, u, v)

    def stays_near(self, option: Option, u: int, v: int) -> bool:
        """Whether no triangle turns over and the vertex lies near each of its walls."""
        off: dict[tuple[int, int], float] = {}
        way = minus(self.points[u], self.points[v])
        for k, new in option.added.items():
            before, after = self.normal(self.triangles[k]), self.normal(new)
            size = dot(after, after) ** 0.5
            turn = TURN_COSINE * size * dot(before, before) ** 0.5
            if size == 0 or (dot(before, after) < turn and self.shape[k] > FLAT):
                return False
            wall = self.walls_of[k]
            off[wall] = min(off.get(wall, np.inf), abs(dot(way, after)) / size)
        return max(off.values(), default=0.0) <= self.deviation

    def _snapped(self, i: int, u: int, v: int) -> Option | None:
        """Let an edge run through the vertex opposite it in a triangle, which goes.

        Where two triangles of one wall meet at the edge this exchanges it for the other diagonal.
        """
        (p,) = set(self.triangles[i] or ()) - {u, v}
        others = sorted((self.around[u] & self.around[v]) - {i})
        if p in self.frozen or (len(others) > 1 and self._aside(p, u, v) > self.deviation):
            return None
        added: dict[int, Triangle] = {}
        parents: dict[int, int] = {}
        spare = i
        for k in others:
            other = self.triangles[k] or (u, v, p)
            (q,) = set(other) - {u, v}
            if q == p or q in self.frozen or self.around[p] & self.around[q]:
                return None
            added |= {k: with_vertex(other, v, p), spare: with_vertex(other, u, p)}
            parents |= {k: k, spare: k}
            spare = self.new() if k != others[-1] else spare
        return Option({i, *others}, added, parents)

    def _may_snap(self, option: Option, i: int, u: int, v: int) -> bool:
        """Whether the vertex lies near that edge or plane, and no triangle turns over."""
        (p,) = set(self.triangles[i] or ()) - {u, v}
        rim = self.crease(u, v)
        if rim and any(self.crease(p, w) for w in self.neighbours(p)):
            return False
        off = self._aside(p, u, v) if rim else self._above(option, p, u, v)
        if off > self.deviation:
            return False
        for n, new in option.added.items():
            k = option.parents[n]
            if self.shape[k] < FLAT and not rim:
                k = i
            before, after = self.normal(self.triangles[k]), self.normal(new)
            size = (dot(before, before) * dot(after, after)) ** 0.5
            if size == 0 or (dot(before, after) < TURN_COSINE * size and self.shape[k] > FLAT):
                return False
        return True

    def _aside(self, p: int, u: int, v: int) -> float:
        return aside(self.points[p], self.points[u], self.points[v])

    def _above(self, option: Option, p: int, u: int, v: int) -> float:
        """Distance between an edge and the other diagonal."""
        (q,) = {w for t in option.added.values() for w in t} - {p, u, v}
        along = minus(self.points[q], self.points[p])
        across = cross(along, minus(self.points[v], self.points[u]))
        size = dot(across, across) ** 0.5
        gap = abs(dot(across, minus(self.points[u], self.points[p])))
        return gap / size if size else float("inf")


def relocated(patch: Patch, i: int) -> set[int]:
    """Move the vertex of a triangle that saves most; the triangles near it.

    Parameters
    ----------
    patch : Patch
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


def _moved_to(patch: Patch, option: Option, u: int, new: int) -> set[int]:
    """Make the move; what it used of the deviation goes with the vertex."""
    patch.new_points.append(patch.points[new])
    patch.sources[new] = patch.sources.get(u, u)
    patch.spent[new] = patch.spent.get(u, 0.0) + _off(patch, u, new)
    return patch.applied(option)


def _ranked(patch: Patch, i: int, u: int) -> list[tuple[float, int, Point]]:
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
        if saved[k] > LEAST_MOVE_GAIN
    ]


def _places(patch: Patch, i: int, u: int) -> Iterator[Point]:
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


def _may_move(patch: Patch, option: Option, u: int, new: int) -> bool:
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


def _off(patch: Patch, u: int, new: int) -> float:
    """How far a move takes the vertex off the curves it is on, or a corner from its place, mm."""
    curves = [patch.points[w] for w in sorted(patch.neighbours(u)) if patch.crease(u, w)]
    old, place = patch.points[u], patch.points[new]
    if not curves:
        return 0.0
    if len(curves) != 2:
        step = minus(place, old)
        return float(dot(step, step) ** 0.5)
    return max(min(aside(place, old, w) for w in curves), min(aside(old, place, w) for w in curves))
