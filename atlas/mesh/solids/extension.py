"""Structures prolonged beyond what was annotated, so that solids close: extrapolated, and said so.

The cord goes on above the image's top, where the sac will cut it; each root begins within the cord;
the sac, where asked for, goes on below the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from atlas.data.subject import RootKey
from atlas.landmarks.scheme import Anatomy, block_name
from atlas.mesh.surfaces.splines import rings_at

# A root turns into the cord by this angle, so that it opens into it and does not run along it.
STUB_TURN = np.radians(75)
# Radius of that turn over the root's radius, at least: the tube must not fold.
STUB_BEND = 2.5
# How far the end of a stub lies below the cord's surface, beyond the root's own radius, mm.
STUB_DEPTH_MM = 0.4
STUB_POINTS = 4
# How far the cord goes on above the sac's top plane, mm, and the most rings for it.
ABOVE_MM = 0.5
MOST_RINGS = 40
# How far a continued sac reaches below the lowest ganglion, mm, and its width there over that
# where the annotation ends.
BELOW_MM = 5.0
TAPER = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Prolonged:
    """An anatomy with its structures prolonged.

    Parameters
    ----------
    anatomy : Anatomy
        Roots begin with their stub; the cord with rings above the sac.
    begin_gap_mm : mapping of str to float
        Distance of each root's first point from the cord's surface; negative within it.
    stub_mm : mapping of str to float
        Length of each root's stub, mm.
    sac_mm : float
        Length by which the sac was continued below its last ring, mm.
    """

    anatomy: Anatomy
    begin_gap_mm: Mapping[str, float]
    stub_mm: Mapping[str, float]
    sac_mm: float

    def __post_init__(self) -> None:
        for name in ("begin_gap_mm", "stub_mm"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


def prolonged(
    anatomy: Anatomy,
    *,
    radii: Mapping[str, tuple[float, float]],
    extend_sac: bool | float = False,
) -> Prolonged:
    """Prolong the cord upwards, the roots into the cord and, where asked, the sac downwards.

    Parameters
    ----------
    anatomy : Anatomy
        Complete, mm.
    radii : mapping of level to (float, float)
        Assumed radii of roots at begin and ganglion, mm.
    extend_sac : bool or float
        False: the sac ends where it ends.  True: it goes on, tapering, to 5 mm below the lowest
        ganglion; a number: by so many mm.

    Returns
    -------
    Prolonged
    """
    axis = np.linspace(0, 1, 8 * len(anatomy.cord) + 1)
    wall = _rounded(rings_at(anatomy.cord, axis))
    roots, gaps, lengths = {}, {}, {}
    for key, points in anatomy.roots.items():
        stub, gap = _stub(points, wall, radii[key.level][0])
        roots[key] = np.concatenate([stub, points])
        name = block_name(key)
        gaps[name] = gap
        lengths[name] = float(
            np.linalg.norm(np.diff(roots[key][: len(stub) + 1], axis=0), axis=1).sum()
        )
    dura, below = _continued_sac(anatomy, extend_sac)
    longer = replace(
        anatomy, dura=dura, cord=_raised(anatomy.cord, anatomy.dura[0]), roots=roots, status={}
    )
    return Prolonged(longer, gaps, lengths, below)


def _stub(points: np.ndarray, wall: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
    """Points (m, 3) of an arc from within the cord to a root's first point, not included; its gap.

    The arc leaves the first point along the root's own tangent, backwards, and turns towards the
    cord's axis.
    """
    begin = points[0]
    centres = wall.mean(axis=1)
    ring = int(np.argmin(np.linalg.norm(centres - begin, axis=1)))
    inward = centres[ring] - begin
    apart = float(np.linalg.norm(wall.reshape(-1, 3) - begin, axis=1).min())
    thick = float(np.linalg.norm(wall[ring] - centres[ring], axis=1).mean())
    gap = apart if np.linalg.norm(inward) > thick else -apart
    back = points[0] - points[1]
    back /= np.linalg.norm(back)
    inward -= (inward @ back) * back
    inward /= np.linalg.norm(inward)
    depth = max(gap, 0.0) + min(radius + STUB_DEPTH_MM, max(thick, radius))
    bend = max(STUB_BEND * radius, depth / (1 - np.cos(STUB_TURN)))
    turn = np.arccos(1 - depth / bend)
    angles = turn * np.arange(STUB_POINTS, 0, -1)[:, None] / STUB_POINTS
    return begin + bend * (np.sin(angles) * back + (1 - np.cos(angles)) * inward), gap


def _rounded(rings: np.ndarray) -> np.ndarray:
    """Rings with three points more in each edge, so that distances from points are from walls."""
    after = np.roll(rings, -1, axis=1)
    parts = [rings + share * (after - rings) for share in (0.0, 0.25, 0.5, 0.75)]
    return np.concatenate(parts, axis=1)


def _raised(cord: np.ndarray, top: np.ndarray) -> np.ndarray:
    """The cord with rings above, at its own step, until it stands out of the sac's top plane."""
    up = _plane_normal(top)
    step = cord[0] - cord[1]
    if step.mean(axis=0) @ up < 0:
        up = -up
    rings = [cord[0]]
    while ((rings[-1] - top.mean(axis=0)) @ up).min() < ABOVE_MM and len(rings) <= MOST_RINGS:
        rings.append(rings[-1] + step)
    return np.concatenate([np.array(rings[:0:-1]).reshape(-1, *cord.shape[1:]), cord])


def _plane_normal(ring: np.ndarray) -> np.ndarray:
    """Unit normal of the plane through a ring."""
    return np.asarray(np.linalg.svd(ring - ring.mean(axis=0))[2][2])


def _continued_sac(anatomy: Anatomy, extend: bool | float) -> tuple[np.ndarray, float]:
    """The sac's rings and those that continue it; how far below the last they reach, mm.

    Rings keep the shape of the last and shrink with the square of the way, so that the wall goes on
    without a kink; their centres run from the sac's own direction to the midst of the roots.
    """
    dura = anatomy.dura
    if extend is False:
        return dura, 0.0
    centres = dura.mean(axis=1)
    step = (centres[-1] - centres[-4]) / 3
    spacing = float(np.linalg.norm(step))
    down = step / spacing
    lowest = max((float((g - centres[-1]) @ down) for g in anatomy.ganglia.values()), default=0.0)
    length = max(lowest, 0.0) + BELOW_MM if extend is True else float(extend)
    count = max(3, round(length / spacing))
    rings = []
    for share in np.arange(1, count + 1) / count:
        straight = centres[-1] + share * length * down
        midst = _midst_of_roots(anatomy.roots, straight, down)
        pull = share**2 * (3 - 2 * share)
        centre = straight + pull * (midst - straight)
        rings.append(centre + (1 - (1 - TAPER) * share**2) * (dura[-1] - centres[-1]))
    return np.concatenate([dura, rings]), length


def _midst_of_roots(
    roots: Mapping[RootKey, np.ndarray], level: np.ndarray, down: np.ndarray
) -> np.ndarray:
    """Mean of the lowest level's left and right root at a height, the nearest point of each."""
    lowest = sorted({key.level for key in roots})[-1:]
    near = [
        points[int(np.argmin(np.abs((points - level) @ down)))]
        for key, points in roots.items()
        if key.level in lowest
    ]
    if not near:
        return level
    mean = np.mean(near, axis=0)
    return np.asarray(mean - ((mean - level) @ down) * down)
