"""Pure functions from rings and curves to closed triangulated tubes of a given layout."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from atlas.errors import AtlasError
from atlas.mesh.surfaces.bands import closed_tube_faces, disc_weights, turns_of
from atlas.mesh.surfaces.layout import TubeLayout
from atlas.mesh.surfaces.splines import around_weights, centreline, ring_slopes_at, rings_at


class FoldedTubeError(AtlasError):
    """A tube too thick for its bends; the text says where, how tight and what to do."""


def tube_through_rings(rings: np.ndarray, layout: TubeLayout) -> tuple[np.ndarray, np.ndarray]:
    """Close a smooth surface through rings.

    A tensor spline in the landmark's index, periodic cubic around and not-a-knot cubic along, so
    that vertices are linear in the rings.  A flat end lies within its ring; a round one goes on
    along the wall's tangents and closes by half an ellipse.

    Parameters
    ----------
    rings : (r, n, 3) float
        Rostral to caudal, each from the dorsal midline towards the left.
    layout : TubeLayout

    Returns
    -------
    vertices : (V, 3) float
        The rings of the wall one after the other, then the rostral cap and the caudal cap, each
        from the rim inward with its centre or apex last.
    faces : (F, 3) int32
        Outward; from the layout alone.

    Notes
    -----
    Vertices stand off the spline by :func:`chord_excess`, about the ring's centre, so that chords
    take nothing from the volume.
    """
    n = rings.shape[1]
    tracks = rings_at(rings, np.array(layout.places))
    wall = np.empty((sum(layout.around), 3))
    # Rings of as many vertices, turned alike, differ in their landmarks only.
    for count, parity, alike, place in _alike(layout.around):
        wall[place] = _swollen(tracks[alike], around_weights(n, count, parity))
    rostral = _disc(tracks[0], wall[: layout.around[0]], layout.rostral, first=0)
    last = len(layout.places) - 1
    if layout.tip is None:
        rim = wall[len(wall) - layout.around[-1] :]
        caudal = _disc(tracks[-1], rim, layout.caudal, first=last)
    else:
        caudal = _tip(tracks[-1], ring_slopes_at(rings, np.ones(1))[0], layout, first=last)
    return np.concatenate([wall, *rostral, *caudal]), _faces(layout)


def tube_about_curve(
    points: np.ndarray,
    radii: tuple[float, float],
    layout: TubeLayout,
    *,
    name: str,
    caudal: np.ndarray,
    dorsal: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Close a tube about a smooth curve, its radius constant or evenly changing.

    Parameters
    ----------
    points : (n, 3) float
        The cubic spline by chord length through them is the centreline; it begins and ends with
        them.
    radii : tuple of float
        At the begin and at the end: of the round tube that holds the same volume.
    layout : TubeLayout
    name : str
        How an error names the tube.
    caudal, dorsal : (3,) float
        Orthonormal; the first side faces dorsal where the curve begins caudally.

    Returns
    -------
    vertices : (V, 3) float
        As :func:`tube_through_rings`; the centres of the caps are the ends of the curve.
    faces : (F, 3) int32
        Outward; from the layout alone.

    Raises
    ------
    FoldedTubeError
        Neighbouring cross-sections meet within the tube.
    """
    line, tangent = centreline(points, len(layout.places) - 1)
    normal = _rotation_minimising(line, tangent, _first_normal(tangent[0], caudal, dorsal))
    # Around x along points outward, as it does on the dura: dorsal, then left, going down.
    frame = np.stack([normal, np.cross(tangent, normal)], axis=1)
    radius = np.interp(layout.places, [0, 1], radii)
    reach = radius * np.array([chord_excess(n) for n in layout.around])
    _refuse_folds(line, tangent, reach, name)
    ring, spokes = _spokes(layout.around)
    out = np.einsum("vi,vij->vj", spokes, frame[ring])
    parts = [line[ring] + reach[ring, None] * out]
    for end, counts in ((0, layout.rostral), (len(line) - 1, layout.caudal)):
        for k, count in enumerate(counts, 1):
            share = 1 - k / (len(counts) + 1)
            inner = _directions(turns_of(count, end + k)) @ frame[end]
            parts.append(line[end] + share * reach[end] * inner)
        parts.append(line[end][None])
    return np.concatenate(parts), _faces(layout)


@lru_cache(maxsize=256)
def chord_excess(count: int) -> float:
    """How far vertices stand off a round tube of radius 1 so that it keeps its volume.

    Notes
    -----
    Between two rings of n vertices on a circle of radius R, turned by half an edge against each
    other, the volume is that of the prismatoid, h (A0 + 4 Am + A1) / 6.  With s, c = sin, cos(pi/n)
    the ends have n R² s c and the middle, a 2n-gon of the middles of edges, n R² s (1 + c) / 2:
    together h n R² s (1 + 2 c) / 3, which equals pi h for the R returned.
    """
    s, c = np.sin(np.pi / count), np.cos(np.pi / count)
    return float(np.sqrt(3 * np.pi / (count * s * (1 + 2 * c))))


def _faces(layout: TubeLayout) -> np.ndarray:
    return closed_tube_faces(layout.around, layout.rostral, layout.caudal)


@lru_cache(maxsize=256)
def _alike(around: tuple[int, ...]) -> tuple[tuple[int, int, np.ndarray, np.ndarray], ...]:
    """Rings of equally many vertices, turned alike: count, parity, which (k,), where (k, count)."""
    counts, starts = np.array(around), np.cumsum([0, *around[:-1]])
    parity = np.arange(len(counts)) % 2
    groups = []
    for count, odd in dict.fromkeys(zip(around, parity.tolist(), strict=True)):
        which = np.flatnonzero((counts == count) & (parity == odd))
        groups.append((count, odd, which, starts[which, None] + np.arange(count)))
    return tuple(groups)


@lru_cache(maxsize=256)
def _spokes(around: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Ring (V,) of each vertex of a wall, and cosine and sine (V, 2) of where it stands there."""
    ring = np.repeat(np.arange(len(around)), around)
    return ring, _directions(np.concatenate([turns_of(n, i) for i, n in enumerate(around)]))


def _swollen(rings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Vertices (k, count, 3) of rings (k, n, 3), off their centres by the chords' excess."""
    centre = rings.mean(axis=1, keepdims=True)
    return centre + chord_excess(len(weights)) * (weights @ rings - centre)


def _disc(
    ring: np.ndarray, rim: np.ndarray, counts: tuple[int, ...], *, first: int
) -> list[np.ndarray]:
    """Vertices of a flat cap within the rim (k, 3) of a ring (n, 3), its centre last.

    Half way between the ring shrunk about its centre, which is best where it is round, and the
    mean of neighbours, which is best where it is not.
    """
    centre = ring.mean(axis=0)
    shrunk = []
    for k, count in enumerate(counts, 1):
        share = (1 - k / (len(counts) + 1)) * chord_excess(len(rim))
        place = around_weights(len(ring), count, first + k) @ ring
        shrunk.append(centre + share * (place - centre))
    even = disc_weights(len(rim), first % 2) @ rim
    return [(np.concatenate([*shrunk, centre[None]]) + even) / 2]


def _tip(
    ring: np.ndarray, slope: np.ndarray, layout: TubeLayout, *, first: int
) -> list[np.ndarray]:
    """Rings of a round cap, and its apex; linear in the ring and its slope by share (n, 3).

    At an angle t from the rim: the ring shrunk by cos t, moved on by sin t and tapered by
    sin t cos t of the slope.  At the rim it leaves along the slope, at the apex across it.
    """
    assert layout.tip is not None
    centre, onward = ring.mean(axis=0), slope.mean(axis=0) * layout.tip.height
    taper = slope * layout.tip.height - onward
    parts = []
    for k, (turn, count) in enumerate(zip(layout.tip.turns, layout.tip.around, strict=True), 1):
        s, c = np.sin(np.pi / 2 * turn), np.cos(np.pi / 2 * turn)
        section = c * (ring - centre) + s * c * taper
        weights = around_weights(len(ring), count, first + k)
        parts.append(centre + s * onward + chord_excess(count) * (weights @ section))
    return [*parts, (centre + onward)[None]]


def _refuse_folds(line: np.ndarray, tangent: np.ndarray, reach: np.ndarray, name: str) -> None:
    """Raise where planes of neighbouring cross-sections meet nearer than the tube reaches."""
    step = np.linalg.norm(np.diff(line, axis=0), axis=1)
    half_turn = np.arcsin(np.clip(np.linalg.norm(np.diff(tangent, axis=0), axis=1) / 2, 0, 1))
    bend = step / (2 * np.maximum(np.tan(half_turn), 1e-12))
    slack = bend - np.maximum(reach[1:], reach[:-1])
    worst = int(slack.argmin())
    if slack[worst] <= 0:
        x, y, z = line[worst]
        raise FoldedTubeError(
            f"{name}: expected bends wider than the tube, got a bend of radius {bend[worst]:.2f} "
            f"mm at ({x:.1f}, {y:.1f}, {z:.1f}) where the tube reaches {reach[worst]:.2f} mm; "
            "assume a smaller root_radius_mm, or smooth the root"
        )


def _directions(turn: np.ndarray) -> np.ndarray:
    """Cosine and sine (k, 2) of fractions of a turn."""
    angle = 2 * np.pi * turn
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _first_normal(tangent: np.ndarray, caudal: np.ndarray, dorsal: np.ndarray) -> np.ndarray:
    """Dorsal (3,), turned by the smallest rotation that takes caudal to the tangent.

    A projection would jump as a root comes to start dorsally; this has no seam among roots that
    start downward in any way.
    """
    return dorsal - (tangent @ dorsal) / (1 + tangent @ caudal) * (caudal + tangent)


def _rotation_minimising(line: np.ndarray, tangent: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Normals (m, 3) along a curve that turn about the tangent as little as can be.

    Double reflection: Wang, Jüttler, Zheng & Liu 2008, doi:10.1145/1330511.1330513.
    """
    chord = np.diff(line, axis=0)
    to_next = _reflections(chord)
    turned = np.einsum("kij,kj->ki", to_next, tangent[:-1])
    steps = _reflections(tangent[1:] - turned) @ to_next
    x, y, z = first.tolist()
    normals = [(x, y, z)]
    # Plain numbers: an array of three costs more to make than nine products do.
    for (a, b, c), (d, e, f), (g, h, i) in steps.tolist():
        x, y, z = a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z
        normals.append((x, y, z))
    return np.array(normals)


def _reflections(vectors: np.ndarray) -> np.ndarray:
    """Reflections (k, 3, 3) in the planes normal to vectors (k, 3)."""
    squared = (vectors**2).sum(axis=1)[:, None, None]
    return np.eye(3) - 2 * vectors[:, :, None] * vectors[:, None, :] / squared
