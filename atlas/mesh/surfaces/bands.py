"""Topology of closed tubes: rings of few or many vertices, joined by bands and closed by caps.

Every second ring is turned by half an edge, so that equal rings are joined by triangles that can
all be equilateral.  All counts are even: then the mirror image of a ring is the ring, and the
mirror image of an anatomy has the mirror image of its mesh.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from atlas.arrays import read_only

# Distance of rings over the edge between their vertices where triangles are equilateral.
STEP_OF_EDGE = np.sqrt(3) / 2
# The smallest ring: six equilateral triangles fill it.
FEWEST = 6


def even_count(number: float, *, least: int = FEWEST) -> int:
    """The even count nearest to a number, at least ``least``."""
    return max(least, 2 * round(number / 2))


def turns_of(count: int, ring: int) -> np.ndarray:
    """Where the vertices of a ring stand, (count,) fractions of a turn from the dorsal midline."""
    return (np.arange(count) + (ring % 2) / 2) / count


@lru_cache(maxsize=64)
def disc_counts(rim: int) -> tuple[int, ...]:
    """Vertices of the concentric rings within a flat cap, from the rim (not included) inward."""
    steps = max(1, round(rim / (2 * np.pi)))
    return tuple(even_count(rim * (1 - k / steps)) for k in range(1, steps))


@lru_cache(maxsize=64)
def closed_tube_faces(
    wall: tuple[int, ...], rostral: tuple[int, ...], caudal: tuple[int, ...]
) -> np.ndarray:
    """Faces of a stack of rings closed at both ends.

    Parameters
    ----------
    wall : tuple of int
        Vertices of each ring, rostral to caudal; each ring from dorsal towards the left.
    rostral, caudal : tuple of int
        Vertices of the rings of the caps, from the rim inward; the last vertex of each cap is its
        centre.

    Returns
    -------
    (F, 3) int32
        Outward.  Vertices: the rings of the wall one after the other, then the rostral cap, then
        the caudal one, each with its centre last.
    """
    starts = np.cumsum([0, *wall])
    end, last = int(starts[-1]), len(wall) - 1
    top = _cap((wall[0], *rostral), int(starts[0]), end, first=0)
    bottom = _cap((wall[-1], *caudal), int(starts[-2]), end + sum(rostral) + 1, first=last)
    parts = [*_stack(wall, starts[:-1], first=0), *(part[:, ::-1] for part in top), *bottom]
    return read_only(np.concatenate(parts), (None, 3), "faces", dtype=np.int32)


@lru_cache(maxsize=64)
def disc_weights(rim: int, first: int) -> np.ndarray:
    """Weights (p, rim) of a rim's vertices in the vertices of a flat cap, its centre last.

    Each vertex is the mean of its neighbours (Tutte 1963, doi:10.1112/plms/s3-13.1.743): the grid
    follows the rim as evenly as can be, where it is long, flat or hollow.

    Parameters
    ----------
    rim : int
        Vertices of the rim.
    first : int
        Number of the ring that is the rim, odd or even.
    """
    faces = np.concatenate(_cap((rim, *disc_counts(rim)), 0, rim, first=first))
    total = int(faces.max()) + 1
    joined = np.zeros((total, total))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        joined[faces[:, a], faces[:, b]] = joined[faces[:, b], faces[:, a]] = 1
    balance = np.diag(joined.sum(axis=1)) - joined
    return np.linalg.solve(balance[rim:, rim:], -balance[rim:, :rim])


def _cap(rings: tuple[int, ...], rim: int, begin: int, *, first: int) -> list[np.ndarray]:
    """Faces of a cap, caudal side outward: its rim begins at one vertex, the rest at another."""
    places = np.cumsum([begin, *rings[1:]])
    where = np.concatenate([[rim], places[:-1]])
    last = int(where[-1]) + np.arange(rings[-1])
    fan = np.stack([last, np.roll(last, -1), np.full(rings[-1], places[-1])], axis=1)
    return [*_stack(rings, where, first=first), fan]


def _stack(counts: tuple[int, ...], starts: np.ndarray, *, first: int) -> list[np.ndarray]:
    """Bands between rings that begin at vertices ``starts``; the first ring's number counts."""
    parts = []
    for k, (upper, lower) in enumerate(pairwise(counts)):
        band = _band(upper, lower, (first + k) % 2)
        parts.append(np.where(band < upper, band + starts[k], band - upper + starts[k + 1]))
    return parts


@lru_cache(maxsize=512)
def _band(upper: int, lower: int, parity: int) -> np.ndarray:
    """Triangles (upper + lower, 3) between two rings; the lower one's vertices follow.

    Each edge is joined to the vertex of the other ring that lies nearest to its middle.
    """
    u, w = np.arange(upper), np.arange(lower)
    apex_below = _nearest(upper, parity, lower, earlier_left=True)
    apex_above = _nearest(lower, 1 - parity, upper, earlier_left=False)
    hanging = np.stack([u, (u + 1) % upper, upper + apex_below], axis=1)
    standing = np.stack([upper + (w + 1) % lower, upper + w, apex_above], axis=1)
    return np.concatenate([hanging, standing])


def _nearest(count: int, parity: int, others: int, *, earlier_left: bool) -> np.ndarray:
    """Vertex (count,) of the other ring nearest to the middle of each edge.

    Where two middles meet, the diagonal on one side is the mirror image of that on the other.
    """
    middle = (np.arange(count) + parity / 2 + 0.5) / count % 1.0
    place = middle * others - (1 - parity) / 2
    below = np.floor(place + 1e-9).astype(int)
    share = place - below
    tie = np.abs(share - 0.5) < 1e-9
    later = np.where(tie, (middle < 0.5) != earlier_left, share > 0.5)
    return (below + later) % others
