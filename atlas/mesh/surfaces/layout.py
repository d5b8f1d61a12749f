"""How many vertices a surface has and where they stand: one layout for all shapes of an atlas.

A layout is made from one anatomy, normally the mean of a model, so that its triangles are nearly
equilateral there.  It holds shares and counts only: applied to any other anatomy it gives a mesh of
the same topology, in which vertex i is the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from atlas.curves.polylines import arc_length
from atlas.data.subject import ROOT_KEYS
from atlas.errors import AtlasError
from atlas.landmarks.scheme import Anatomy, block_name
from atlas.mesh.surfaces.bands import FEWEST, STEP_OF_EDGE, disc_counts, even_count
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption, radii_by_level
from atlas.mesh.surfaces.splines import centreline, ring_slopes_at, rings_at

EDGE_MM = 1.0
# Below, a sac alone has millions of triangles; above, no edge is shorter than a structure.
LEAST_EDGE_MM, MOST_EDGE_MM = 0.05, 100.0
# Rings of a wall: fewer chords would leave the surface of a thin conus by more than 0.05 mm.
FEWEST_OF_WALL = 8
# Nothing was seen below the last contour of the cord: the cap adds no more than this.
CONUS_CAP_MM = 1.0
# Samples of a landmark interval by which the reference is measured.
SAMPLES = 8


class LayoutError(AtlasError):
    """A mesh layout that cannot be, or does not fit an anatomy; the text says which and why."""


@dataclass(frozen=True, slots=True)
class TipLayout:
    """A rounded end: concentric rings on a half ellipse.

    Parameters
    ----------
    turns : tuple of float
        Of each ring, 0 (the rim, not included) to 1 (the apex, not included), quarter turns.
    around : tuple of int
        Vertices of each ring.
    height : float
        Of the cap, as a share of the structure's length at the speed of its last interval.
    """

    turns: tuple[float, ...]
    around: tuple[int, ...]
    height: float


@dataclass(frozen=True, slots=True)
class TubeLayout:
    """Rings of a closed tube.

    Parameters
    ----------
    places : tuple of float
        Of each ring as a share of the structure, 0 (rostral) to 1 (caudal): of its landmark
        intervals where it has rings, of its arc length where it is a curve.
    around : tuple of int
        Vertices of each ring, even.
    tip : TipLayout or None
        The caudal end, where it is round; None where it is flat.
    """

    places: tuple[float, ...]
    around: tuple[int, ...]
    tip: TipLayout | None = None

    def __post_init__(self) -> None:
        increasing = all(a < b for a, b in zip(self.places, self.places[1:], strict=False))
        if len(self.places) < 2 or not increasing or (self.places[0], self.places[-1]) != (0, 1):
            raise LayoutError("TubeLayout.places: expected shares that rise from 0 to 1")
        counts = self.around + (self.tip.around if self.tip else ())
        if len(self.around) != len(self.places) or any(n < FEWEST or n % 2 for n in counts):
            raise LayoutError(
                f"TubeLayout.around: expected an even number of at least {FEWEST} vertices for "
                f"each of {len(self.places)} rings, got {counts}"
            )

    @property
    def rostral(self) -> tuple[int, ...]:
        """Vertices of the rings within the rostral cap, from the rim inward."""
        return disc_counts(self.around[0])

    @property
    def caudal(self) -> tuple[int, ...]:
        """Vertices of the rings of the caudal cap, from the rim inward."""
        return self.tip.around if self.tip else disc_counts(self.around[-1])

    @property
    def n_vertices(self) -> int:
        """Vertices of the whole surface."""
        return sum(self.around) + sum(self.rostral) + sum(self.caudal) + 2

    @property
    def n_faces(self) -> int:
        """Triangles of the whole surface: that of any closed surface without handles."""
        return 2 * self.n_vertices - 4


@dataclass(frozen=True, slots=True, eq=False)
class MeshLayout:
    """The topology of all surfaces of an atlas.

    Parameters
    ----------
    edge_mm : float
        The edge length that was aimed at on the reference.
    tubes : mapping of str to TubeLayout
        ``dura``, ``cord`` and each root (``root/L5/left``).
    """

    edge_mm: float
    tubes: Mapping[str, TubeLayout]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tubes", MappingProxyType(dict(self.tubes)))

    def __getitem__(self, name: str) -> TubeLayout:
        """The layout of a structure; LayoutError where there is none."""
        try:
            return self.tubes[name]
        except KeyError:
            raise LayoutError(
                f"{name}: expected a structure the mesh layout was made for, one of "
                f"{list(self.tubes)}; make the layout from an anatomy that has it"
            ) from None

    @property
    def n_faces(self) -> int:
        """Triangles of all surfaces together."""
        return sum(tube.n_faces for tube in self.tubes.values())


def mesh_layout(
    reference: Anatomy,
    *,
    edge_mm: float = EDGE_MM,
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM,
) -> MeshLayout:
    """Lay out triangles that are nearly equilateral on a reference anatomy.

    Parameters
    ----------
    reference : Anatomy
        Normally a model's mean; complete.
    edge_mm : float
        Length of the edges aimed at.  Rings of the sac and the cord have at least
        8 vertices and those of roots 6, so edges are shorter where a structure is
        thin: on the conus, and across the roots.
    root_radius_mm : float or mapping
        As in :func:`atlas.mesh.surfaces.named_surfaces.surfaces`; roots that are thicker get more
        sides.

    Returns
    -------
    MeshLayout

    Raises
    ------
    LayoutError
        The edge is not a positive length.
    """
    if not LEAST_EDGE_MM <= edge_mm <= MOST_EDGE_MM:
        raise LayoutError(
            f"edge_mm: expected a length above 0 mm, got {edge_mm:g}; choose from "
            f"{LEAST_EDGE_MM:g} to {MOST_EDGE_MM:g} mm"
        )
    keys = [key for key in ROOT_KEYS if key in reference.roots]
    radii = radii_by_level(root_radius_mm, {key.level for key in keys})
    tubes = {
        "dura": _wall_layout(reference.dura, edge_mm, round_tip=False),
        "cord": _wall_layout(reference.cord, edge_mm, round_tip=True),
    }
    tubes |= {
        block_name(key): _root_layout(reference.roots[key], radii[key.level], edge_mm)
        for key in keys
    }
    return MeshLayout(edge_mm, tubes)


def _wall_layout(rings: np.ndarray, edge_mm: float, *, round_tip: bool) -> TubeLayout:
    """Rings at equal numbers of local edges along the wall."""
    shares = np.linspace(0, 1, (len(rings) - 1) * SAMPLES + 1)
    dense = rings_at(rings, shares)
    closed = np.concatenate([dense, dense[:, :1]], axis=1)
    perimeter = np.linalg.norm(np.diff(closed, axis=1), axis=2).sum(axis=1)
    length = np.linalg.norm(np.diff(dense, axis=0), axis=2).mean(axis=1)
    step = STEP_OF_EDGE * np.minimum(edge_mm, perimeter / FEWEST_OF_WALL)
    passed = np.concatenate([[0.0], np.cumsum(length * (1 / step[1:] + 1 / step[:-1]) / 2)])
    bands = max(1, round(passed[-1]))
    places = np.interp(np.linspace(0, passed[-1], bands + 1), passed, shares)
    places[[0, -1]] = 0, 1
    around = tuple(
        even_count(p / edge_mm, least=FEWEST_OF_WALL) for p in np.interp(places, shares, perimeter)
    )
    tip = None
    if round_tip:
        slope = ring_slopes_at(rings, np.ones(1))[0].mean(axis=0)
        radius = float(perimeter[-1] / (2 * np.pi))
        tip = _tip_layout(around[-1], radius, float(np.linalg.norm(slope)))
    return TubeLayout(tuple(places.tolist()), around, tip)


def _tip_layout(rim: int, radius_mm: float, speed_mm: float) -> TipLayout:
    """Rings at equal arc lengths over half an ellipse as high as the rim is wide, at most 1 mm."""
    height = min(radius_mm, CONUS_CAP_MM)
    turns = np.linspace(0, 1, 65)
    angle = np.pi / 2 * turns
    profile = np.stack([radius_mm * np.cos(angle), height * np.sin(angle)], axis=1)
    length = arc_length(profile)
    edge = 2 * np.pi * radius_mm / rim
    bands = max(2, round(length[-1] / (STEP_OF_EDGE * edge)))
    inner = np.interp(np.linspace(0, length[-1], bands + 1)[1:-1], length, turns)
    around = tuple(even_count(rim * np.cos(np.pi / 2 * t)) for t in inner)
    return TipLayout(tuple(inner.tolist()), around, height / speed_mm)


def _root_layout(points: np.ndarray, radii: tuple[float, float], edge_mm: float) -> TubeLayout:
    """Rings at equal distances, as far apart as those of a wall."""
    length = float(arc_length(centreline(points, SAMPLES * (len(points) - 1))[0])[-1])
    places = np.linspace(0, 1, max(1, round(length / (STEP_OF_EDGE * edge_mm))) + 1)
    radius = np.interp(places, [0, 1], radii)
    around = tuple(even_count(2 * np.pi * r / edge_mm) for r in radius)
    return TubeLayout(tuple(places.tolist()), around)
