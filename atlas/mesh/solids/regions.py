"""Space cut into labelled regions by closed surfaces, one cutter after the other.

Robust booleans by manifold3d (Smith, Dodgson & Elber 2007, a topologically robust algorithm for
boolean operations; https://github.com/elalish/manifold).  Each triangle that comes out keeps the
name of the surface it was part of; that says which two regions it separates, and lets every wall
be taken from one place only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from atlas.errors import AtlasError
from atlas.mesh.solids.complexes import EXTERIOR, WallComplex, weld
from atlas.mesh.surfaces.named_surfaces import Mesh

if TYPE_CHECKING:
    from manifold3d import Manifold  # type: ignore[import-not-found, unused-ignore]


# Cutters nearer than this cut in turn, so that one that only touches another is kept apart, mm.
TOUCH_MM = 1e-3


class RegionError(AtlasError):
    """A surface that cannot bound a region; the text says which and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """A part of space that cutters divide.

    Parameters
    ----------
    label : str
        What is left of it after all cuts; ``""`` is the exterior.
    patches : mapping of str to (F, 3) int array
        Its boundary by patch, as indices of ``vertices``, outward; together closed.
    vertices : (V, 3) float
    beyond : mapping of str to str
        For each patch this container gives to the complex: the container on its other side, by
        name; ``""`` where there is none.  A patch that is not named is given by its neighbour.
    """

    label: str
    vertices: np.ndarray
    patches: Mapping[str, np.ndarray]
    beyond: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Cutter:
    """A closed surface that takes its inside out of every container.

    Parameters
    ----------
    name : str
    mesh : Mesh
    labels : mapping of str to str
        Label of what it takes out of each container, by the container's name.
    """

    name: str
    mesh: Mesh
    labels: Mapping[str, str]


def cut(containers: Mapping[str, Container], cutters: Sequence[Cutter]) -> WallComplex:
    """Cut containers by surfaces in turn; an earlier cutter keeps what a later one overlaps.

    Parameters
    ----------
    containers : mapping of str to Container
        Disjoint; neighbours share the triangles of the patch between them.
    cutters : sequence of Cutter

    Returns
    -------
    WallComplex
        Every triangle between two regions, once.

    Raises
    ------
    RegionError
        A surface is not closed and oriented.
    ComplexError
        The walls do not close.
    """
    import manifold3d

    surfaces = [c.name for c in cutters] + [p for c in containers.values() for p in c.patches]
    names = list(dict.fromkeys(surfaces))
    base = manifold3d.Manifold.reserve_ids(len(names))
    ids = {name: base + i for i, name in enumerate(names)}
    solids = {c.name: _solid(c.name, c.mesh.vertices, {c.name: c.mesh.faces}, ids) for c in cutters}
    walls = _Walls(containers, {c.name: c for c in cutters}, names, base)
    groups = _groups(solids)
    for name, container in containers.items():
        rest = _solid(name, container.vertices, container.patches, ids)
        for group in groups:
            near = [c for c in group if not _apart(rest, solids[c])]
            if near:
                taken, rest = rest.split(manifold3d.Manifold.compose([solids[c] for c in near]))
                walls.add(taken, name, near)
        walls.add(rest, name, [])
    return walls.complex()


class _Walls:
    """Triangles collected with the labels of both sides."""

    def __init__(
        self,
        containers: Mapping[str, Container],
        cutters: Mapping[str, Cutter],
        names: Sequence[str],
        base: int,
    ) -> None:
        self.containers, self.cutters = containers, cutters
        self.names, self.base = names, base
        labels = [c.label for c in containers.values()]
        labels += [label for c in cutters.values() for label in c.labels.values()]
        self.labels = tuple(dict.fromkeys([EXTERIOR, *labels]))
        self.corners: list[np.ndarray] = []
        self.sides: list[np.ndarray] = []

    def label(self, container: str, taker: str | None) -> str:
        """Label of what a cutter takes from a container, or of what is left of it."""
        if container == EXTERIOR:
            return EXTERIOR
        if taker is None:
            return self.containers[container].label
        return self.cutters[taker].labels[container]

    def across(self, container: str, taker: str | None, surface: str) -> str | None:
        """Label beyond a surface of a piece; None where the neighbour gives that wall."""
        if surface in self.cutters:
            return None if surface == taker else self.label(container, surface)
        beyond = self.containers[container].beyond
        return self.label(beyond[surface], taker) if surface in beyond else None

    def add(self, piece: Manifold, container: str, takers: Sequence[str]) -> None:
        """Take the walls this piece gives: what disjoint cutters took, or what is left."""
        if piece.is_empty():
            return
        mesh = piece.to_mesh64()
        triangles = np.asarray(mesh.tri_verts).astype(np.int64)
        points = np.asarray(mesh.vert_properties)[:, :3]
        runs = np.diff(np.asarray(mesh.run_index) // 3)
        surface = np.repeat(np.asarray(mesh.run_original_id).astype(int) - self.base, runs)
        taker = self._takers(triangles, surface, takers)
        for by, at in np.unique(np.stack([taker, surface]), axis=1).T.tolist():
            name = self.names[by] if by >= 0 else None
            behind, front = (
                self.label(container, name),
                self.across(container, name, self.names[at]),
            )
            if front is None or front == behind:
                continue
            run = triangles[(taker == by) & (surface == at)]
            self.corners.append(points[run])
            pair = self.labels.index(behind), self.labels.index(front)
            self.sides.append(np.tile(pair, (len(run), 1)))

    def _takers(
        self, triangles: np.ndarray, surface: np.ndarray, takers: Sequence[str]
    ) -> np.ndarray:
        """Index (T,) in ``names`` of the cutter that took the part each triangle is of; -1: none.

        Parts of disjoint cutters are not joined, and each has triangles of its own cutter.
        """
        if not takers:
            return np.full(len(triangles), -1)
        indices = [self.names.index(name) for name in takers]
        if len(takers) == 1:
            return np.full(len(triangles), indices[0])
        n = int(triangles.max()) + 1
        ends = np.roll(triangles, -1, axis=1)
        joined = coo_matrix((np.ones(triangles.size), (triangles.ravel(), ends.ravel())), (n, n))
        part = connected_components(joined, directed=False)[1][triangles[:, 0]]
        owner = np.full(part.max() + 1, -1)
        own = np.isin(surface, indices)
        owner[part[own]] = surface[own]
        return np.asarray(owner[part])

    def complex(self) -> WallComplex:
        """The walls joined."""
        return weld(np.concatenate(self.corners), np.concatenate(self.sides), self.labels)


def _solid(
    name: str, vertices: np.ndarray, patches: Mapping[str, np.ndarray], ids: Mapping[str, int]
) -> Manifold:
    """A closed surface as a solid whose triangles remember their patch."""
    import manifold3d

    faces = np.concatenate(list(patches.values()))
    runs = np.cumsum([0, *(3 * len(part) for part in patches.values())]).astype(np.uint64)
    mesh = manifold3d.Mesh64(
        vert_properties=np.array(vertices, dtype=np.float64),
        tri_verts=np.array(faces, dtype=np.uint64),
        run_index=runs,
        run_original_id=np.array([ids[p] for p in patches], dtype=np.uint32),
        # One face a triangle: flat ends keep their triangles.
        face_id=np.arange(len(faces), dtype=np.uint64),
    )
    solid = manifold3d.Manifold(mesh)
    if solid.status() != manifold3d.Error.NoError or solid.volume() <= 0:
        raise RegionError(
            f"{name}: expected a closed surface, outward, got {solid.status().name} and "
            f"{solid.volume():.3g} mm³; repair the anatomy"
        )
    return solid


def _groups(solids: Mapping[str, Manifold]) -> list[list[str]]:
    """Cutters in turns: those of one turn do not touch, each after all it meets before it."""
    turn: dict[str, int] = {}
    for name, solid in solids.items():
        before = (
            turn[other] + 1
            for other in turn
            if not _apart(solid, solids[other])
            and solid.min_gap(solids[other], TOUCH_MM) < TOUCH_MM
        )
        turn[name] = max(before, default=0)
    return [[n for n in turn if turn[n] == k] for k in range(max(turn.values(), default=-1) + 1)]


def _apart(one: Manifold, other: Manifold) -> bool:
    """Whether their boxes do not meet."""
    a, b = np.array(one.bounding_box()), np.array(other.bounding_box())
    return bool((a[3:] < b[:3]).any() or (b[3:] < a[:3]).any())


def overlap_mm3(one: Mesh, other: Mesh) -> float:
    """Volume two closed surfaces share, mm³."""
    a, b = (_solid(n, m.vertices, {n: m.faces}, {n: 0}) for n, m in (("a", one), ("b", other)))
    return float((a ^ b).volume())
