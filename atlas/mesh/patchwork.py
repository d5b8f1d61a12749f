"""A patch of a complex whose triangles change: edges contract, or run through a vertex beside them.

An edge is contracted only where that changes no topology (the link condition of Dey, Edelsbrunner,
Guha & Nekhayev 1999, Publ. Inst. Math. 66:23-45), along curves only where walls meet in curves, and
only where the worst triangle about it gets better.  All walls change together, so that neighbours
go on sharing them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from atlas.mesh.complexes import WallComplex
from atlas.mesh.points import Point, aside, cross, dot, minus, shape_of, shapes_of

# Shape of a triangle: 4 sqrt(3) area over the sum of squared edges; 1 where equilateral.
GOOD = 0.35
# Cosine of the turn of a surface at an edge from which on the edge is kept as a rim.
RIM_COSINE = 0.6
# Cosine of the turn of a triangle's normal that a change may cost.
TURN_COSINE = 0.8
# A triangle flatter than this has no normal to keep.
FLAT = 0.02
# What a change must add to the worst shape about it.
LEAST_GAIN = 1e-3
PASSES = 12

Triangle = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Option:
    """A change that could be made: triangles that go, those that come, whose sides, what vertex."""

    removed: set[int]
    added: dict[int, Triangle]
    parents: dict[int, int]
    gone: int | None = None


class Patchwork:
    """Triangles and who is beside whom, as they change; only some rows of a complex."""

    def __init__(
        self,
        walls: WallComplex,
        rows: np.ndarray,
        frozen: np.ndarray,
        *,
        deviation: float,
        within: np.ndarray,
        budget: float,
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
        self.around: dict[int, set[int]] = defaultdict(set)
        for i, t in enumerate(self.triangles):
            for v in t or ():
                self.around[v].add(i)

    def complex(self) -> tuple[WallComplex, np.ndarray]:
        """The whole complex as it stands, and which of its triangles changed (mask)."""
        kept = [i for i, t in enumerate(self.triangles) if t is not None]
        mine = np.array([self.triangles[i] for i in kept], dtype=np.int32).reshape(-1, 3)
        triangles = np.concatenate([np.delete(self.walls.triangles, self.rows, axis=0), mine])
        labels = np.array([self.sides[i] for i in kept], dtype=np.int32).reshape(-1, 2)
        sides = np.concatenate([np.delete(self.walls.sides, self.rows, axis=0), labels])
        changed = np.zeros(len(triangles), dtype=bool)
        changed[len(triangles) - len(kept) :] = np.isin(kept, sorted(self.changed))
        return replace(self.walls, triangles=triangles, sides=sides), changed

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
        """Do what raises the worst shape about a triangle the most; the triangles near it."""
        best, chosen = LEAST_GAIN, None
        a, b, c = self.triangles[i] or (0, 0, 0)
        for u, v in ((a, b), (b, c), (c, a)):
            if u in self.frozen or v in self.frozen:
                continue
            for option in (self._snapped(i, u, v), self._collapsed(u, v), self._collapsed(v, u)):
                gain = self._gain(option)
                if gain > best and self._allowed(option, i, u, v):
                    best, chosen = gain, option
        return self._applied(chosen) if chosen else set()

    def _gain(self, option: Option | None) -> float:
        if option is None:
            return 0.0
        worst = min(self.shape[k] for k in option.removed)
        return min((self._shape_of(t) for t in option.added.values()), default=1.0) - worst

    def _allowed(self, option: Option | None, i: int, u: int, v: int) -> bool:
        if option is None:
            return False
        drift = self.drifted + self._drift(option)
        if abs(drift) > self.budget and abs(drift) > abs(self.drifted):
            return False
        if option.gone is None:
            may = self._may_snap(option, i, u, v)
        else:
            may = self._may_collapse(option, option.gone, v if option.gone == u else u)
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
                    ahead = _runs(new, x, y)
                    both = {(behind, ahead), (front, not ahead)}
                    if run & both:
                        return True
                    run |= both
        return False

    def _drift(self, option: Option) -> float:
        """What a change adds to the volume within the outline, mm³."""
        origin = self.points[(self.triangles[min(option.removed)] or (0, 0, 0))[0]]
        volume = 0.0
        for n, t in option.added.items():
            volume += self._outlined(option.parents[n]) * self._cone(t, origin)
        for k in option.removed:
            volume -= self._outlined(k) * self._cone(self.triangles[k], origin)
        return volume

    def _outlined(self, k: int) -> int:
        """1 where the outline's inside is behind a triangle, -1 where in front, 0 off it."""
        behind, front = self.sides[k]
        return int(self.within[behind]) - int(self.within[front])

    def _cone(self, t: Triangle | None, origin: Point) -> float:
        a, b, c = (minus(self.points[v], origin) for v in t or (0, 0, 0))
        return dot(a, cross(b, c)) / 6

    def _applied(self, option: Option) -> set[int]:
        self.drifted += self._drift(option)
        for k in option.removed:
            for v in self.triangles[k] or ():
                self.around[v].discard(k)
            self.triangles[k] = None
        self.changed |= set(option.added)
        for k, parent in option.parents.items():
            self.sides[k], self.walls_of[k] = self.sides[parent], self.walls_of[parent]
        for k, t in option.added.items():
            self.triangles[k] = t
            self.shape[k] = self._shape_of(t)
            for v in t:
                self.around[v].add(k)
        return {n for t in option.added.values() for v in t for n in self.around[v]}

    def _shape_of(self, t: tuple[int, int, int]) -> float:
        return shape_of(*(self.points[v] for v in t))

    def _crease(self, u: int, v: int) -> bool:
        """Whether walls meet at an edge, or one of them has a rim there."""
        here = sorted(self.around[u] & self.around[v])
        if len(here) != 2 or self.walls_of[here[0]] != self.walls_of[here[1]]:
            return True
        one, other = (self._normal(self.triangles[k]) for k in here)
        if _runs(self.triangles[here[0]], u, v) == _runs(self.triangles[here[1]], u, v):
            other = (-other[0], -other[1], -other[2])
        return dot(one, other) < RIM_COSINE * (dot(one, one) * dot(other, other)) ** 0.5

    def _normal(self, t: tuple[int, int, int] | None) -> Point:
        a, b, c = (self.points[v] for v in t or (0, 0, 0))
        return cross(minus(b, a), minus(c, a))

    def _neighbours(self, u: int) -> set[int]:
        return {w for k in self.around[u] for w in self.triangles[k] or ()} - {u}

    def _collapsed(self, u: int, v: int) -> Option:
        """Contract u into v."""
        gone = self.around[u] & self.around[v]
        added = {}
        for k in self.around[u] - gone:
            added[k] = _with(self.triangles[k] or (u, u, u), u, v)
        return Option(set(self.around[u]), added, {k: k for k in added}, u)

    def _may_collapse(self, option: Option, u: int, v: int) -> bool:
        """Whether neither topology nor a curve nor a wall's place forbids it."""
        gone = self.around[u] & self.around[v]
        apexes = {w for k in gone for w in self.triangles[k] or ()} - {u, v}
        if self._neighbours(u) & self._neighbours(v) != apexes:
            return False
        standing = {frozenset(self.triangles[k] or ()) for k in self.around[v] - gone}
        if any(frozenset(t) in standing for t in option.added.values()):
            return False
        creases = [w for w in self._neighbours(u) if self._crease(u, w)]
        if creases:
            if len(creases) != 2 or v not in creases:
                return False
            other = creases[0] if creases[1] == v else creases[1]
            off = aside(self.points[u], self.points[other], self.points[v])
            if off > self.deviation:
                return False
        return self._stays_near(option, u, v)

    def _stays_near(self, option: Option, u: int, v: int) -> bool:
        """Whether no triangle turns over and the vertex lies near each of its walls."""
        off: dict[tuple[int, int], float] = {}
        way = minus(self.points[u], self.points[v])
        for k, new in option.added.items():
            before, after = self._normal(self.triangles[k]), self._normal(new)
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
            added |= {k: _with(other, v, p), spare: _with(other, u, p)}
            parents |= {k: k, spare: k}
            spare = self._new() if k != others[-1] else spare
        return Option({i, *others}, added, parents)

    def _may_snap(self, option: Option, i: int, u: int, v: int) -> bool:
        """Whether the vertex lies near that edge or plane, and no triangle turns over."""
        (p,) = set(self.triangles[i] or ()) - {u, v}
        rim = self._crease(u, v)
        if rim and any(self._crease(p, w) for w in self._neighbours(p)):
            return False
        off = self._aside(p, u, v) if rim else self._above(option, p, u, v)
        if off > self.deviation:
            return False
        for n, new in option.added.items():
            k = option.parents[n]
            if self.shape[k] < FLAT and not rim:
                k = i
            before, after = self._normal(self.triangles[k]), self._normal(new)
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

    def _new(self) -> int:
        """The number of a triangle to come."""
        self.triangles.append(None)
        self.shape.append(1.0)
        self.sides.append((0, 0))
        self.walls_of.append((0, 0))
        return len(self.triangles) - 1


def _runs(t: Triangle | None, u: int, v: int) -> bool:
    """Whether a triangle runs along an edge from u to v."""
    a, b, c = t or (u, u, u)
    return (u, v) in ((a, b), (b, c), (c, a))


def _with(t: Triangle, old: int, new: int) -> Triangle:
    a, b, c = t
    return (new if a == old else a, new if b == old else b, new if c == old else c)
