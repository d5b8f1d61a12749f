"""Pure functions from rings and curves to closed triangulated tubes of fixed topology."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from atlas.arrays import read_only


def tube_through_rings(rings: np.ndarray, along: int, around: int) -> tuple[np.ndarray, np.ndarray]:
    """Close a smooth surface through rings.

    A tensor spline in the landmark's index, periodic cubic around and not-a-knot cubic along, so
    that vertices are linear in the rings; the ends are flat.

    Parameters
    ----------
    rings : (r, n, 3) float
        Rostral to caudal, each from the dorsal midline towards the left.
    along, around : int
        Subdivisions of the interval from ring to ring and from point to point.

    Returns
    -------
    vertices : (V, 3) float
        The refined rings one after the other, then the inside of the first and of the last cap.
        Point k of ring i is vertex ``(i * along * n + k) * around``.
    faces : (F, 3) int32
        Outward; from the counts alone.
    """
    r, n = rings.shape[:2]
    tracks = np.tensordot(_along_weights(r, along)[0], rings, axes=1)
    rim, within = _around_weights(n, around)
    grid = rim @ tracks
    share = _cap_layout(n * around)[0][:, None]
    caps = []
    for end in (0, -1):
        centre = grid[end].mean(axis=0)
        caps.append(centre + share * (within @ tracks[end] - centre))
    vertices = np.concatenate([grid.reshape(-1, 3), *caps])
    return vertices, _closed_tube_faces(*grid.shape[:2])


def tube_about_curve(
    points: np.ndarray,
    radius: float,
    *,
    caudal: np.ndarray,
    dorsal: np.ndarray,
    along: int,
    sides: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Close a tube of constant radius about a smooth curve.

    Parameters
    ----------
    points : (n, 3) float
        At about equal distances; the not-a-knot cubic spline in their index is the centreline.
    radius : float
        Of the circle whose area the cross-section has.
    caudal, dorsal : (3,) float
        Orthonormal; the first side faces dorsal where the curve begins caudally.
    along : int
        Subdivisions of the interval from point to point.
    sides : int
        Of the regular polygon that stands for the circle.

    Returns
    -------
    vertices : (V, 3) float
        The cross-sections one after the other, then the inside of the first and of the last cap.
    faces : (F, 3) int32
        Outward; from the counts alone.
    """
    value, slope = _along_weights(len(points), along)
    line, tangent = value @ points, slope @ points
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = _rotation_minimising(line, tangent, _first_normal(tangent[0], caudal, dorsal))
    # Around x along points outward, as it does on the dura: dorsal, then left, going down.
    frame = np.stack([normal, np.cross(tangent, normal)], axis=1)
    step = 2 * np.pi / sides
    reach = radius * np.sqrt(step / np.sin(step))
    grid = line[:, None] + reach * _directions(np.arange(sides) / sides) @ frame
    share, turn, _ = _cap_layout(sides)
    spokes = reach * share[:, None] * _directions(turn)
    caps = [line[end] + spokes @ frame[end] for end in (0, -1)]
    vertices = np.concatenate([grid.reshape(-1, 3), *caps])
    return vertices, _closed_tube_faces(len(line), sides)


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
    normals = np.empty_like(line)
    normals[0] = first
    for k, step in enumerate(steps):
        normals[k + 1] = step @ normals[k]
    return normals


def _reflections(vectors: np.ndarray) -> np.ndarray:
    """Reflections (k, 3, 3) in the planes normal to vectors (k, 3)."""
    squared = (vectors**2).sum(axis=1)[:, None, None]
    return np.eye(3) - 2 * vectors[:, :, None] * vectors[:, None, :] / squared


@lru_cache(maxsize=64)
def _along_weights(n: int, refine: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights ((n - 1) refine + 1, n) of n landmarks in a cubic spline and in its slope."""
    spline = CubicSpline(np.arange(n), np.eye(n), bc_type="not-a-knot")
    places = np.arange((n - 1) * refine + 1) / refine
    return spline(places), spline(places, 1)


@lru_cache(maxsize=64)
def _around_weights(n: int, refine: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of n landmarks in a periodic cubic spline.

    Returns
    -------
    (n refine, n) float
        On the ring.
    (p, n) float
        At the places around that :func:`_cap_layout` of the refined ring asks for.
    """
    unit = np.eye(n)
    closed = np.concatenate([unit, unit[:1]])
    spline = CubicSpline(np.arange(n + 1), closed, bc_type="periodic")
    return spline(np.arange(n * refine) / refine), spline(_cap_layout(n * refine)[1] * n)


@lru_cache(maxsize=64)
def _closed_tube_faces(rings: int, around: int) -> np.ndarray:
    """Faces (F, 3) of a grid of rings with both ends closed, outward.

    Rings run down and each ring from dorsal towards left, so around x along points outward.
    """
    ring, place = np.mgrid[: rings - 1, :around]
    a, b = ring * around + place, ring * around + (place + 1) % around
    c, d = a + around, b + around
    falling = np.stack([a, b, c, b, d, c], axis=-1)
    rising = np.stack([a, b, d, a, d, c], axis=-1)
    # Diagonals alternate: then the mirror image of an anatomy has the mirror image of its mesh.
    even = ((ring + place) % 2 == 0)[..., None]
    sides = np.where(even, falling, rising).reshape(-1, 3)
    inner, _, cap = _cap_layout(around)
    start = rings * around
    top = np.where(cap < around, cap, cap - around + start)[:, ::-1]
    bottom = np.where(cap < around, cap + start - around, cap - around + start + len(inner))
    return read_only(np.concatenate([sides, top, bottom]), (None, 3), "faces", dtype=np.int32)


@lru_cache(maxsize=64)
def _cap_layout(around: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices within a flat cap and its faces.

    Concentric rings, each with so many fewer vertices that edges stay as long as on the rim.

    Returns
    -------
    share : (p,) float
        Distance from the centre as a share of the rim's; the last is the centre itself.
    turn : (p,) float
        Place around as a fraction of a turn.
    faces : (f, 3) int
        Rim vertices are 0 to around - 1, the others follow; caudal side outward.
    """
    steps = max(1, round(around / (2 * np.pi)))
    counts = [max(3, round(around * (1 - k / steps))) for k in range(steps)]
    share = [np.full(c, 1 - k / steps) for k, c in enumerate(counts)]
    turn = [np.arange(c) / c for c in counts]
    starts = np.cumsum([0, *counts]).tolist()
    faces = []
    for outer, inner, at, then in zip(counts, counts[1:], starts, starts[1:], strict=False):
        faces += _stitch(outer, inner, at, then)
    last, at, centre = counts[-1], starts[-2], starts[-1]
    faces += [(at + k, at + (k + 1) % last, centre) for k in range(last)]
    return (
        np.concatenate([*share[1:], [0.0]]),
        np.concatenate([*turn[1:], [0.0]]),
        np.array(faces),
    )


def _stitch(outer: int, inner: int, at: int, then: int) -> list[tuple[int, int, int]]:
    """Triangles between two concentric rings numbered from ``at`` and from ``then``."""
    faces, i, j = [], 0, 0
    while i < outer or j < inner:
        o, p = at + i % outer, then + j % inner
        if j == inner or (i < outer and (2 * i + 1) * inner <= (2 * j + 1) * outer):
            i += 1
            faces.append((o, at + i % outer, p))
        else:
            j += 1
            faces.append((o, then + j % inner, p))
    return faces
