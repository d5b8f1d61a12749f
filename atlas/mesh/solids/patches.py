"""Triangles of a patch of a complex and who is beside whom, as they change.

Each change is remembered by a leader: changes that touched no common triangle can be undone apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from atlas.mesh.solids.complexes import WallComplex
from atlas.mesh.solids.options import Option, Triangle, runs_along
from atlas.mesh.solids.points import Point, cost, dot, minus, normal_of, shape_of, shapes_of

# Cosine of the turn of a surface at an edge from which on the edge is kept as a rim.
RIM_COSINE = 0.6


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
