"""Solids a solver accepts: cord, fluid and roots that share their walls and never overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np

from atlas.data.subject import ROOT_KEYS
from atlas.errors import AtlasError
from atlas.landmarks.scheme import Anatomy, block_name
from atlas.mesh.solids.complexes import EXTERIOR, WallComplex, pinched_edges
from atlas.mesh.solids.envelopes import AROUND, CSF, DURA, INSIDE, OUTER, SHELL, containers
from atlas.mesh.solids.extension import Prolonged, prolonged
from atlas.mesh.solids.regions import Cutter, cut, overlap_mm3
from atlas.mesh.solids.severed_pieces import without_severed_pieces
from atlas.mesh.solids.thin_triangles import without_thin_triangles
from atlas.mesh.surfaces.layout import EDGE_MM, mesh_layout
from atlas.mesh.surfaces.named_surfaces import Mesh, Surfaces, surfaces
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption, radii_by_level

CORD, OUTSIDE = "cord", "/outside"
# A root this far from the cord, or this much of the cord cut off, is worth a finding.
FAR_BEGIN_MM = 1.5
# Triangles with an angle below this that could not be bettered are worth a finding, degrees.
THIN_DEG = 5.0
# What the columns of ``Solids.rows`` mean.
FINDING_COLUMNS = {
    "kind": "what was found: overlap, crumb, detached, cut-off, begin, pinch, lost, thin",
    "region": "region it concerns",
    "other": "the region it has to do with; empty where none",
    "amount": "how much",
    "unit": "mm, mm³ or degrees",
    "message": "in words",
}


class SolidsError(AtlasError):
    """Options no solids can be made with; the text says expected and got."""


@dataclass(frozen=True, slots=True)
class SolidFinding:
    """What had to be decided to make solids of an anatomy; ``FINDING_COLUMNS`` explains it."""

    kind: str
    region: str
    other: str
    amount: float
    unit: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Solids(Mapping[str, Mesh]):
    """Regions of one anatomy as closed outward surfaces that share walls exactly.

    Parameters
    ----------
    walls : WallComplex
        Every triangle between two regions, once.
    findings : tuple of SolidFinding
        Overlaps that were divided, crumbs given away, parts cut off.
    extrapolated_mm : mapping of str to float
        How far each structure was prolonged beyond the annotation: the stub of each
        root within the cord, the sac below the image; mm.
    assumed_mm : mapping of str to float or (float, float)
        Lengths nobody measured: radii of roots by level, thickness of the dura, margin around.
    """

    walls: WallComplex
    findings: tuple[SolidFinding, ...]
    extrapolated_mm: Mapping[str, float]
    assumed_mm: Mapping[str, float | tuple[float, float]]
    _meshes: Mapping[str, Mesh]

    def __getitem__(self, name: str) -> Mesh:
        try:
            return self._meshes[name]
        except KeyError:
            text = f"expected a region of {list(self._meshes)}, got {name!r}"
            raise KeyError(text) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._meshes)

    def __len__(self) -> int:
        return len(self._meshes)

    def rows(self) -> list[dict[str, object]]:
        """The findings as rows of a table; ``FINDING_COLUMNS`` says what they mean."""
        return [asdict(finding) for finding in self.findings]


def solids(
    anatomy: Anatomy,
    *,
    edge_mm: float = EDGE_MM,
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM,
    dura_thickness_mm: float | None = None,
    outer_margin_mm: float | None = None,
    extend_sac: bool | float = False,
) -> Solids:
    """Cord, fluid and roots as solids that share walls exactly, without overlap or gap.

    Parameters
    ----------
    anatomy : Anatomy
        mm, any rigid frame; complete.
    edge_mm : float
        Length of edges aimed at.
    root_radius_mm : float or mapping of level to float or (float, float)
        Assumed, never measured; as in :func:`atlas.mesh.surfaces.named_surfaces.surfaces`.
    dura_thickness_mm : float, optional
        Adds the region ``dura``, a shell about the sac's wall; assumed.
    outer_margin_mm : float, optional
        Adds the region ``outer``, a round cylinder of one medium about everything that stands off
        by at least so much; its shape is assumed.
    extend_sac : bool or float
        False: the sac ends where the image ends, and roots that go on leave through that cut.
        True: it goes on, tapering, to 5 mm below the lowest ganglion; a number: by so many mm.

    Returns
    -------
    Solids
        ``cord``, ``csf`` (the sac without cord and roots), each root within the sac
        (``root/L5/left``) and outside (``root/L5/left/outside``), ``dura`` and
        ``outer`` on request.

    Raises
    ------
    SolidsError
        A length is not above 0 mm.
    AtlasError
        A structure is not complete, or a surface does not close.

    Notes
    -----
    The cord wins over roots, an earlier root (L1 left, L1 right, L2 left, …) over a later one.
    A piece that a cut severs from its region goes to the neighbour on its side of the sac that it
    shares most wall with.  All of that is in ``findings``.
    """
    for name, value in (
        ("dura_thickness_mm", dura_thickness_mm),
        ("outer_margin_mm", outer_margin_mm),
    ):
        if value is not None and not 0 < value < np.inf:
            raise SolidsError(f"{name}: expected a length above 0 mm, got {value}")
    radii = radii_by_level(root_radius_mm, {key.level for key in anatomy.roots})
    longer = prolonged(anatomy, radii=radii, extend_sac=extend_sac)
    layout = mesh_layout(longer.anatomy, edge_mm=edge_mm, root_radius_mm=root_radius_mm)
    named = surfaces(longer.anatomy, layout=layout, root_radius_mm=root_radius_mm)
    space = containers(
        named["dura"],
        layout["dura"],
        reach=np.concatenate([mesh.vertices for mesh in named.values()]),
        dura_thickness_mm=dura_thickness_mm,
        outer_margin_mm=outer_margin_mm,
    )
    around = OUTER if outer_margin_mm is not None else EXTERIOR
    walls = cut(space, _cutters(named, around))
    within = sides_of_sac(walls.names)
    walls, crumbs = without_severed_pieces(walls, within)
    # The sac's volume is a number users hold against the annotation: it stays.
    walls = without_thin_triangles(walls, outline=np.array([within[name] for name in walls.names]))
    assumed: dict[str, float | tuple[float, float]] = dict(radii)
    assumed |= {"dura": dura_thickness_mm} if dura_thickness_mm is not None else {}
    assumed |= {"outer": outer_margin_mm} if outer_margin_mm is not None else {}
    found = [SolidFinding(*crumb) for crumb in crumbs]
    found += [*_overlaps(walls, named), *_begins(longer), *_losses(walls, named, longer)]
    found += _thin(walls)
    meshes = {name: walls.surface(name) for name in _ordered(walls.regions)}
    extrapolated = dict(longer.stub_mm) | ({"sac": longer.sac_mm} if longer.sac_mm else {})
    return Solids(
        walls,
        tuple(found),
        MappingProxyType(extrapolated),
        MappingProxyType(assumed),
        MappingProxyType(meshes),
    )


def sides_of_sac(names: tuple[str, ...]) -> dict[str, bool]:
    """Whether each region lies within the sac."""
    beyond = {EXTERIOR, DURA, OUTER}
    return {name: name not in beyond and not name.endswith(OUTSIDE) for name in names}


def _cutters(named: Surfaces, around: str) -> list[Cutter]:
    """The cord, which takes nothing outside the sac, then the roots in their order."""
    cord = Cutter(CORD, named["cord"], {INSIDE: CORD, SHELL: DURA, AROUND: around})
    roots = [name for name in map(block_name, ROOT_KEYS) if name in named]
    labels = {name: {INSIDE: name, SHELL: name + OUTSIDE, AROUND: name + OUTSIDE} for name in roots}
    return [cord, *(Cutter(name, named[name], labels[name]) for name in roots)]


def _ordered(regions: tuple[str, ...]) -> list[str]:
    """Cord, fluid, each root inside and outside, then what lies around."""
    roots = [block_name(key) for key in ROOT_KEYS]
    order = [CORD, CSF, *(r + end for r in roots for end in ("", OUTSIDE)), DURA, OUTER]
    return [name for name in order if name in regions]


def _overlaps(walls: WallComplex, named: Surfaces) -> Iterator[SolidFinding]:
    """Roots that lie in each other where the assumed radius is taken for true."""
    stems = np.array([name.removesuffix(OUTSIDE) for name in walls.names])
    pairs = {tuple(sorted(stems[side])) for side in np.unique(walls.sides, axis=0)}
    order = [name for name in map(block_name, ROOT_KEYS) if name in named]
    found = [sorted(pair, key=order.index) for pair in pairs if set(pair) <= set(order)]
    for first, second in sorted(found, key=lambda pair: [order.index(name) for name in pair]):
        if first != second:
            shared = overlap_mm3(named[first], named[second])
            text = f"{first} and {second} overlap by {shared:.3g} mm³: it stays with {first}"
            yield SolidFinding(
                "overlap", second, first, shared, "mm³", f"{text}; radii are assumed"
            )


def _begins(longer: Prolonged) -> Iterator[SolidFinding]:
    """Roots that begin far from the cord, or within it."""
    for name, gap in longer.begin_gap_mm.items():
        if not 0 <= gap <= FAR_BEGIN_MM:
            where = f"{gap:.2f} mm off the cord" if gap > 0 else f"{-gap:.2f} mm within the cord"
            text = f"{name} begins {where}; a stub joins them, extrapolated"
            yield SolidFinding("begin", name, CORD, gap, "mm", text)


def _losses(walls: WallComplex, named: Surfaces, longer: Prolonged) -> Iterator[SolidFinding]:
    """The cord where the sac cuts it; regions that touch themselves; roots not on both sides."""
    rings = longer.anatomy.cord, longer.anatomy.dura
    down = rings[1][-1].mean(axis=0) - rings[1][-2].mean(axis=0)
    down /= np.linalg.norm(down)
    below = float(((named["cord"].vertices - rings[1][-1].mean(axis=0)) @ down).max())
    if below > 0:
        text = f"the cord reaches {below:.1f} mm below the sac's last ring and is cut off there"
        yield SolidFinding("cut-off", CORD, CSF, below, "mm", text)
    for region, edges in pinched_edges(walls).items():
        place = np.round(walls.vertices[edges[0, 0]], 1).tolist()
        text = f"{region} touches itself along {len(edges)} edges, the first at {place}"
        length = np.linalg.norm(np.diff(walls.vertices[edges], axis=1), axis=2).sum()
        yield SolidFinding("pinch", region, region, float(length), "mm", text)
    lost = [n for n in map(block_name, longer.anatomy.roots) if n not in walls.regions]
    lost += [
        n + OUTSIDE
        for n in map(block_name, longer.anatomy.roots)
        if n + OUTSIDE not in walls.regions
    ]
    for name in lost:
        text = f"{name}: nothing of the root lies there"
        yield SolidFinding("lost", name, "", 0.0, "mm³", text)


def _thin(walls: WallComplex) -> Iterator[SolidFinding]:
    """Thin triangles that stayed, by the pair of regions they lie between."""
    sides = np.roll(walls.vertices[walls.triangles], -1, axis=1) - walls.vertices[walls.triangles]
    sides /= np.linalg.norm(sides, axis=2, keepdims=True)
    turns = -(sides * np.roll(sides, 1, axis=1)).sum(axis=2)
    angle = np.degrees(np.arccos(np.clip(turns, -1, 1))).min(axis=1)
    rows = np.flatnonzero(angle < THIN_DEG)
    pairs, place = np.unique(np.sort(walls.sides[rows], axis=1), axis=0, return_inverse=True)
    for k, pair in enumerate(pairs.tolist()):
        first, second = sorted((walls.names[i] for i in pair), reverse=True)
        own = angle[rows[place.reshape(-1) == k]]
        text = f"{len(own)} triangles between {first} and {second or 'the exterior'} keep an angle "
        text += f"under {THIN_DEG:g}°, the least {own.min():.2g}°: they could not be bettered"
        yield SolidFinding("thin", first, second, float(own.min()), "degrees", text)
