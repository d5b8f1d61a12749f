"""A change a patch of triangles could undergo, before it is made."""

from __future__ import annotations

from dataclasses import dataclass

Triangle = tuple[int, int, int]


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
