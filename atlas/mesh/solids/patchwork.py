"""A patch of a complex whose triangles change: edges contract, or run through a vertex beside them.

An edge is contracted only where that changes no topology (the link condition of Dey, Edelsbrunner,
Guha & Nekhayev 1999, Publ. Inst. Math. 66:23-45), along curves only where walls meet in curves, and
only where the triangles about it cost less in all.  All walls change together, so that neighbours
go on sharing them.
"""

from __future__ import annotations

import numpy as np

from atlas.mesh.solids.options import Option, Triangle, runs_along, with_vertex
from atlas.mesh.solids.patches import Patch
from atlas.mesh.solids.points import GOOD, aside, cross, dot, minus
from atlas.mesh.solids.relocation import relocated

# Cosine of the turn of a triangle's normal that a change may cost.
TURN_COSINE = 0.8
# A triangle flatter than this has no normal to keep.
FLAT = 0.02
# Share of the cost about it by which a change must lower that cost.
LEAST_GAIN = 1e-3
PASSES = 12


class Patchwork(Patch):
    """A patch that betters its triangles."""

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
