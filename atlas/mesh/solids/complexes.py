"""Walls between regions, each taken once: neighbours share vertices and triangles exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from atlas.arrays import read_only
from atlas.errors import AtlasError
from atlas.mesh.surfaces.named_surfaces import Mesh

# What lies around everything; no region of its own.
EXTERIOR = ""
# Vertices nearer than this are one: the same crossing of an edge and a face, computed twice.
WELD_MM = 1e-6
# Rounds of splitting edges that a vertex of a neighbouring wall lies on.
ROUNDS = 4


class ComplexError(AtlasError):
    """Walls that do not close regions; the text says which region, how far and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class WallComplex:
    """Triangles that separate regions.

    Parameters
    ----------
    vertices : (V, 3) float
        mm.
    triangles : (T, 3) int32
        Vertex indices.
    sides : (T, 2) int32
        Index in ``names`` of the region behind each triangle, from which its normal points away,
        and of the region in front.
    names : tuple of str
        Regions; ``""`` is the exterior.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    sides: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, kind in (("triangles", np.int32), ("sides", np.int32)):
            array = getattr(self, name)
            checked = read_only(
                array, (None, np.shape(array)[1]), f"WallComplex.{name}", dtype=kind
            )
            object.__setattr__(self, name, checked)
        object.__setattr__(
            self, "vertices", read_only(self.vertices, (None, 3), "WallComplex.vertices")
        )

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions that have walls, the exterior left out, in the order of ``names``."""
        used = set(np.unique(self.sides).tolist())
        return tuple(n for i, n in enumerate(self.names) if i in used and n != EXTERIOR)

    def boundary(self, region: str) -> np.ndarray:
        """Triangles (F, 3) of a region, outward, as indices of the complex's vertices."""
        index = self.names.index(region)
        behind, front = (self.sides == index).T
        return np.concatenate([self.triangles[behind], self.triangles[front][:, ::-1]])

    def surface(self, region: str) -> Mesh:
        """The closed outward surface of a region, with the vertices it uses."""
        faces = self.boundary(region)
        used, places = np.unique(faces, return_inverse=True)
        return Mesh(self.vertices[used], places.reshape(-1, 3))


def weld(
    corners: np.ndarray, sides: np.ndarray, names: tuple[str, ...], *, reach_mm: float = WELD_MM
) -> WallComplex:
    """Join triangles at the vertices they share, splitting edges that others' vertices lie on.

    Parameters
    ----------
    corners : (T, 3, 3) float
        mm.
    sides : (T, 2) int
    names : tuple of str
    reach_mm : float
        Vertices nearer than this become one, the first of them.

    Returns
    -------
    WallComplex

    Raises
    ------
    ComplexError
        A region is not closed.
    """
    points, place = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    pairs = cKDTree(points).query_pairs(reach_mm, output_type="ndarray")
    n = len(points)
    joined = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    group = connected_components(joined, directed=False)[1]
    first = np.unique(group, return_index=True)[1]
    triangles = group[place.reshape(-1)].reshape(-1, 3)
    built = compact(WallComplex(points[first], triangles, sides, names))
    for _ in range(ROUNDS):
        hanging = unpaired_edges(built)
        if not len(hanging):
            return built
        built = _split_at_hanging(built, hanging, reach_mm)
    _refuse_open(built)
    return built


def compact(walls: WallComplex) -> WallComplex:
    """The complex without triangles that have no area by index, no two sides, or no partner.

    Two triangles of the same vertices are one, or none where they enclose nothing.
    """
    t = walls.triangles
    keep = (t[:, 0] != t[:, 1]) & (t[:, 1] != t[:, 2]) & (t[:, 2] != t[:, 0])
    keep &= walls.sides[:, 0] != walls.sides[:, 1]
    t, sides = t[keep], walls.sides[keep].copy()
    # Three distinct vertices as one number, by the rank of their two lowest.
    low, middle, high = np.sort(t.astype(np.int64), axis=1).T
    n = len(walls.vertices)
    pair = np.unique(low * n + middle, return_inverse=True)[1]
    _, place, count = np.unique(pair * n + high, return_inverse=True, return_counts=True)
    if (count > 1).any():
        t, sides = _without_flat_pockets(t, sides, place, count)
    used, place = np.unique(t, return_inverse=True)
    return replace(
        walls, vertices=walls.vertices[used], triangles=place.reshape(-1, 3), sides=sides
    )


def _without_flat_pockets(
    t: np.ndarray, sides: np.ndarray, place: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One triangle for several of the same vertices, between what lies outermost of them."""
    keep = np.ones(len(t), dtype=bool)
    for k in np.flatnonzero(count > 1):
        same = np.flatnonzero(place == k)
        lead = t[same[0]].tolist()
        turns = (lead, lead[1:] + lead[:1], lead[2:] + lead[:2])
        faced = [sides[i] if t[i].tolist() in turns else sides[i][::-1] for i in same]
        behind, front = [f[0] for f in faced], [f[1] for f in faced]
        for label in list(behind):
            if label in front:
                behind.remove(label)
                front.remove(label)
        keep[same] = False
        if len(behind) == 1:
            keep[same[0]] = True
            sides[same[0]] = behind[0], front[0]
    return t[keep], sides[keep]


def unpaired_edges(walls: WallComplex) -> np.ndarray:
    """Edges (E, 2) along which some region's boundary does not close, each once, sorted."""
    open_edges, n = [], len(walls.vertices)
    for region in walls.regions:
        faces = walls.boundary(region).astype(np.int64)
        directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        sign = np.where(directed[:, 0] < directed[:, 1], 1, -1)
        low, high = directed.min(axis=1), directed.max(axis=1)
        keys, place = np.unique(low * n + high, return_inverse=True)
        balance = np.bincount(place, sign, minlength=len(keys))
        open_edges.append(np.stack(np.divmod(keys[balance != 0], n), axis=1))
    found = np.concatenate(open_edges) if open_edges else np.empty((0, 2), int)
    return np.unique(found, axis=0)


def pinched_edges(walls: WallComplex) -> dict[str, np.ndarray]:
    """Edges (E, 2) along which a region touches itself, by region; none where it does not."""
    found = {}
    for region in walls.regions:
        faces = walls.boundary(region).astype(np.int64)
        directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        keys, uses = np.unique(
            directed[:, 0] * len(walls.vertices) + directed[:, 1], return_counts=True
        )
        twice = np.stack(np.divmod(keys[uses > 1], len(walls.vertices)), axis=1)
        if len(twice):
            found[region] = np.unique(np.sort(twice, axis=1), axis=0)
    return found


def _split_at_hanging(walls: WallComplex, hanging: np.ndarray, reach_mm: float) -> WallComplex:
    """Every triangle with an edge that a hanging vertex lies on is cut in two there."""
    loose = np.unique(hanging)
    points = walls.vertices
    a, b = points[hanging[:, 0]], points[hanging[:, 1]]
    along = b - a
    length = np.linalg.norm(along, axis=1)
    middles = {}
    tree = cKDTree(points[loose])
    for k, near in enumerate(tree.query_ball_point((a + b) / 2, length / 2 + reach_mm)):
        between = [v for v in loose[sorted(near)].tolist() if v not in hanging[k]]
        if not between:
            continue
        share = (points[between] - a[k]) @ along[k] / length[k] ** 2
        off = np.linalg.norm(points[between] - a[k] - share[:, None] * along[k], axis=1)
        on = (off < 10 * reach_mm) & (share > 0) & (share < 1)
        if on.any():
            middles[tuple(hanging[k].tolist())] = between[int(np.argmin(np.where(on, off, 9e9)))]
    return compact(_cut(walls, middles))


def _cut(walls: WallComplex, middles: dict[tuple[int, int], int]) -> WallComplex:
    """Triangles cut at a vertex on one of their edges."""
    rows: list[list[int]] = []
    sides: list[np.ndarray] = []
    ends = np.zeros(len(walls.vertices), dtype=bool)
    ends[[v for edge in middles for v in edge]] = True
    touched = ends[walls.triangles].sum(axis=1) > 1
    for t, side in zip(walls.triangles[touched].tolist(), walls.sides[touched], strict=True):
        waiting = [t]
        while waiting:
            u, v, w = waiting.pop()
            for a, b, c in ((u, v, w), (v, w, u), (w, u, v)):
                m = middles.get((min(a, b), max(a, b)))
                if m is not None and m != c:
                    waiting += [[a, m, c], [m, b, c]]
                    break
            else:
                rows.append([u, v, w])
                sides.append(side)
    if not rows:
        return walls
    return replace(
        walls,
        triangles=np.concatenate([walls.triangles[~touched], rows]),
        sides=np.concatenate([walls.sides[~touched], sides]),
    )


def _refuse_open(walls: WallComplex) -> None:
    hanging = unpaired_edges(walls)
    if len(hanging):
        place = np.round(walls.vertices[hanging[0, 0]], 3).tolist()
        raise ComplexError(
            f"solids: expected regions closed by shared walls, got {len(hanging)} open edges, the "
            f"first at {place} mm; change edge_mm or root_radius_mm a little"
        )
