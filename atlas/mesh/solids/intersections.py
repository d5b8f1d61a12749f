"""Which triangles meet that should not: within a surface and between surfaces.

Triangles are closed sets: touching within the tolerance is meeting, and so is lying on each other.
Neighbours may meet in what they share and nowhere else.
"""

from __future__ import annotations

import numpy as np

# Distances below this are none, mm: far above the rounding of coordinates of 1000 mm (1e-13), far
# below anything a mesh of ours has.
TOLERANCE_MM = 1e-9
# Cells of the grid that finds neighbours, along the longest side of what is looked at.
MOST_CELLS = 256
# Pairs looked at in one go, to bound the memory.
CHUNK = 200_000


def self_intersections(
    vertices: np.ndarray, faces: np.ndarray, *, tolerance_mm: float = TOLERANCE_MM
) -> np.ndarray:
    """Pairs of faces of one surface that meet outside the vertices and edges they share.

    Parameters
    ----------
    vertices : (V, 3) float
        mm.
    faces : (F, 3) int
    tolerance_mm : float
        Nearer than this is touching.

    Returns
    -------
    (n, 2) int
        Indices of faces, the lower one first, sorted.  Coplanar overlap, a face folded back on its
        neighbour, and a face that is there twice count.
    """
    corners = np.ascontiguousarray(vertices[faces])
    pairs = _near_pairs(corners, corners, tolerance_mm)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    one, other = faces[pairs[:, 0]], faces[pairs[:, 1]]
    same = one[:, :, None] == other[:, None, :]
    shared = same.sum(axis=(1, 2))
    met = shared >= 3
    for count, test in ((0, _apart_meet), (1, _hinged_meet), (2, _folded)):
        rows = np.flatnonzero(shared == count)
        for part in _chunks(rows):
            a, b = corners[pairs[part, 0]], corners[pairs[part, 1]]
            met[part] = test(*_shared_first(a, b, same[part]), tolerance_mm)
    return _sorted(pairs[met])


def _near_pairs(one: np.ndarray, other: np.ndarray, tolerance: float) -> np.ndarray:
    """Pairs (n, 2) of triangles whose boxes overlap, found by a grid of cubes."""
    if not len(one) or not len(other):
        return np.empty((0, 2), dtype=int)
    low, high = ([f(t, axis=1) for t in (one, other)] for f in (np.min, np.max))
    low, high = [x - tolerance for x in low], [x + tolerance for x in high]
    origin = np.minimum(low[0].min(axis=0), low[1].min(axis=0))
    size = max(np.ptp(np.concatenate(high), axis=0).max() / MOST_CELLS, tolerance)
    size = max(size, float(np.mean(np.concatenate(high) - np.concatenate(low)) * 2))
    keys, owners = zip(
        *(_cells(a - origin, b - origin, size) for a, b in zip(low, high, strict=True)), strict=True
    )
    order = np.argsort(keys[1], kind="stable")
    begin = np.searchsorted(keys[1][order], keys[0], side="left")
    count = np.searchsorted(keys[1][order], keys[0], side="right") - begin
    left = np.repeat(owners[0], count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    right = owners[1][order][np.repeat(begin, count) + within]
    keep = ((low[0][left] <= high[1][right]) & (low[1][right] <= high[0][left])).all(axis=1)
    code = np.unique(left[keep].astype(np.int64) * len(other) + right[keep])
    return np.stack(np.divmod(code, len(other)), axis=1)


def _cells(low: np.ndarray, high: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Cubes each box reaches into: a number for each cube, and whose it is."""
    first, last = (np.floor(x / size).astype(np.int64) for x in (low, high))
    span = last - first + 1
    total = span.prod(axis=1)
    owner = np.repeat(np.arange(len(low)), total)
    rank = np.arange(total.sum()) - np.repeat(np.cumsum(total) - total, total)
    place = np.empty((len(owner), 3), dtype=np.int64)
    for axis in range(3):
        rank, place[:, axis] = np.divmod(rank, span[owner, axis])
    place += first[owner]
    return (place[:, 0] * 2_000_003 + place[:, 1]) * 2_000_003 + place[:, 2], owner


def _shared_first(a: np.ndarray, b: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles with the corners they share first, in one order; same: (n, 3, 3) bool."""
    row = np.arange(len(a))[:, None]
    order = np.argsort(~same.any(axis=2), axis=1, kind="stable")
    partner = np.where(same.any(axis=2), same.argmax(axis=2), -1)
    to = np.take_along_axis(partner, order, axis=1)
    # What is left of the second triangle goes where the first has no partner.
    rest = np.argsort(same.any(axis=1), axis=1, kind="stable")
    position = np.cumsum(to < 0, axis=1) - 1
    to = np.where(to < 0, np.take_along_axis(rest, np.maximum(position, 0), axis=1), to)
    return a[row, order], b[row, to]


def _apart_meet(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether triangles (n, 3, 3) without a common corner meet: an edge of one meets the other."""
    met = np.zeros(len(a), dtype=bool)
    near = _planes_cut(a, b, tolerance) & _planes_cut(b, a, tolerance)
    rows = np.flatnonzero(near)
    for k in range(3):
        for triangle, edges in ((a, b), (b, a)):
            p, q = edges[rows, k], edges[rows, (k + 1) % 3]
            met[rows] |= _segments_meet(p, q, triangle[rows], tolerance)
    return met


def _hinged_meet(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether triangles that share their first corner meet elsewhere.

    What they have in common is convex and holds the corner.  Going on from the corner it leaves
    one of them through the side across, so that side meets the other triangle.
    """
    met = np.zeros(len(a), dtype=bool)
    near = _planes_cut(a, b, tolerance, skip=1) & _planes_cut(b, a, tolerance, skip=1)
    rows = np.flatnonzero(near)
    for triangle, edges in ((a, b), (b, a)):
        met[rows] |= _segments_meet(edges[rows, 1], edges[rows, 2], triangle[rows], tolerance)
    return met


def _folded(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether triangles that share their first two corners lie on each other."""
    flat = np.abs(_heights(a, b)[:, 2]) <= tolerance
    edge = a[:, 1] - a[:, 0]
    out = [np.cross(edge, t[:, 2] - a[:, 0]) for t in (a, b)]
    return flat & ((out[0] * out[1]).sum(axis=1) > 0)


def _heights(triangle: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Signed distances (n, 3) of the other's corners from the plane of a triangle, mm."""
    normal = np.cross(triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    return np.einsum("nkj,nj->nk", other - triangle[:, :1], normal)


def _planes_cut(
    triangle: np.ndarray, other: np.ndarray, tolerance: float, skip: int = 0
) -> np.ndarray:
    """Whether the other's corners, the first ``skip`` aside, are not all on one side."""
    height = _heights(triangle, other)[:, skip:]
    above, below = height > tolerance, height < -tolerance
    return np.asarray(~(above.all(axis=1) | below.all(axis=1)))


def _segments_meet(
    p: np.ndarray, q: np.ndarray, triangle: np.ndarray, tolerance: float
) -> np.ndarray:
    """Whether segments p q (n, 3) meet closed triangles (n, 3, 3)."""
    height = _heights(triangle, np.stack([p, q, q], axis=1))[:, :2]
    side = np.where(np.abs(height) <= tolerance, 0, np.sign(height))
    within_plane = (side == 0).all(axis=1)
    share = np.divide(
        height[:, 0],
        height[:, 0] - height[:, 1],
        out=np.zeros(len(p)),
        where=(side[:, 0] != side[:, 1]),
    )
    share = np.where(side[:, 0] == 0, 0.0, np.where(side[:, 1] == 0, 1.0, share))
    hit = p + share[:, None] * (q - p)
    met = (side[:, 0] * side[:, 1] <= 0) & ~within_plane & _within(hit, triangle, tolerance)
    rows = np.flatnonzero(within_plane)
    met[rows] = _flat_meet(p[rows], q[rows], triangle[rows], tolerance)
    return met


def _within(point: np.ndarray, triangle: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether points (n, 3) in the planes of closed triangles lie in them."""
    return np.asarray((_beyond(point[:, None], triangle)[..., 0] <= tolerance).all(axis=1))


def _beyond(points: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """How far points (n, k, 3) lie outside each side's line in the plane, (n, 3, k) mm."""
    normal = np.cross(triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0])
    side = np.roll(triangle, -1, axis=1) - triangle
    out = np.cross(side, normal[:, None])
    length = np.linalg.norm(out, axis=2, keepdims=True)
    out = np.divide(out, length, out=np.zeros_like(out), where=length > 0)
    return np.einsum("nskj,nsj->nsk", points[:, None] - triangle[:, :, None], out)


def _flat_meet(p: np.ndarray, q: np.ndarray, triangle: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether segments in the planes of triangles meet them: clipped by each side in turn."""
    beyond = _beyond(np.stack([p, q], axis=1), triangle) - tolerance
    begin, end = np.zeros(len(p)), np.ones(len(p))
    for k in range(3):
        at_p, at_q = beyond[:, k, 0], beyond[:, k, 1]
        cross = np.divide(at_p, at_p - at_q, out=np.zeros(len(p)), where=at_p != at_q)
        begin = np.where(at_p > 0, np.maximum(begin, np.where(at_q > 0, np.inf, cross)), begin)
        end = np.where((at_q > 0) & (at_p <= 0), np.minimum(end, cross), end)
    return begin <= end


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[k : k + CHUNK] for k in range(0, len(rows), CHUNK)]


def _sorted(pairs: np.ndarray) -> np.ndarray:
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
