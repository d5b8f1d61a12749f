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

from atlas.errors import AtlasError
from atlas.mesh.complexes import EXTERIOR, WallComplex, weld
from atlas.mesh.surfaces import Mesh

if TYPE_CHECKING:
    from manifold3d import Manifold  # type: ignore[import-not-found, unused-ignore]


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
    for name, container in containers.items():
        rest = _solid(name, container.vertices, container.patches, ids)
        for cutter in cutters:
            if _apart(rest, solids[cutter.name]):
                continue
            taken, rest = rest.split(solids[cutter.name])
            walls.add(taken, name, cutter.name)
        walls.add(rest, name, None)
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

    def add(self, piece: Manifold, container: str, taker: str | None) -> None:
        """Take the walls this piece gives."""
        if piece.is_empty():
            return
        mesh = piece.to_mesh64()
        triangles = np.asarray(mesh.tri_verts).astype(np.int64)
        points = np.asarray(mesh.vert_properties)[:, :3]
        behind = self.label(container, taker)
        starts = np.asarray(mesh.run_index) // 3
        for i, original in enumerate(mesh.run_original_id):
            front = self.across(container, taker, self.names[original - self.base])
            run = triangles[starts[i] : starts[i + 1]]
            if front is None or front == behind or not len(run):
                continue
            self.corners.append(points[run])
            pair = self.labels.index(behind), self.labels.index(front)
            self.sides.append(np.tile(pair, (len(run), 1)))

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


def _apart(one: Manifold, other: Manifold) -> bool:
    """Whether their boxes do not meet."""
    a, b = np.array(one.bounding_box()), np.array(other.bounding_box())
    return bool((a[3:] < b[:3]).any() or (b[3:] < a[:3]).any())


def overlap_mm3(one: Mesh, other: Mesh) -> float:
    """Volume two closed surfaces share, mm³."""
    a, b = (_solid(n, m.vertices, {n: m.faces}, {n: 0}) for n, m in (("a", one), ("b", other)))
    return float((a ^ b).volume())
