"""A generated subject as an annotator would mark it: contour points, noise, scanner coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.data.builtin.builtin_profiles import Canal, Outline
from atlas.data.builtin.builtin_roots import EXITING, draw_ganglia, draw_roots
from atlas.data.subject import RootKey


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """One subject as annotated; contours and roots rostral to caudal, LPS mm."""

    id: str
    dura: list[np.ndarray]
    cord: list[np.ndarray]
    roots: dict[RootKey, np.ndarray]
    ganglia: dict[RootKey, np.ndarray]


def annotate(
    rng: np.random.Generator, canal: Canal, angles: np.ndarray, noise_mm: float
) -> Annotation:
    """Mark what was drawn as an annotator would, in scanner coordinates."""
    subject = canal.subject
    counts = np.clip(np.rint(rng.normal(26, 3, subject.n_dura)), 18, 32).astype(int)
    dura = _contours(rng, canal.sac, counts, noise_mm)
    # sub-03: 7 points about the conus, 20 about the enlargement.
    counts = np.rint(5.5 + 3 * canal.cord.half[:, 0] + rng.normal(0, 1.2, subject.n_cord))
    cord = _contours(rng, canal.cord, np.clip(counts, 7, 22).astype(int), noise_mm)
    drawn = draw_roots(rng, canal, angles)
    # Isocentre as in sub-03, laid down a little differently each time.
    origin = np.array([5.0, 53.6, -351.6]) + rng.normal(0, (5, 10, 25))
    heights = origin[2] - subject.depth_mm
    traces = _trace(rng, drawn, dura, cord, noise_mm)

    def placed(plane: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        return np.column_stack([plane + origin[:2], np.broadcast_to(z, len(plane))])

    return Annotation(
        id=subject.id,
        dura=[placed(c, z) for c, z in zip(dura, heights, strict=True)],
        cord=[placed(c, z) for c, z in zip(cord, heights, strict=False)],
        roots={k: placed(p, heights[drawn[k][0]]) for k, p in traces.items()},
        ganglia={k: origin + p * (1, 1, -1) for k, p in draw_ganglia(rng, canal, drawn).items()},
    )


def _contours(
    rng: np.random.Generator, outline: Outline, counts: np.ndarray, noise_mm: float
) -> list[np.ndarray]:
    """Points about each outline, (n_i, 2): all one way round, beginning where they may."""
    most = int(counts.max())
    start = np.clip(rng.normal(-145, 12, len(counts)), -167, -122)
    step = np.arange(most)[:, None] + rng.uniform(-0.15, 0.15, (most, len(counts)))
    even = np.radians(start) - 2 * np.pi * step / counts
    # Even steps of the ellipse's own parameter keep the points about equally far apart.
    half = outline.half.T
    angle = np.arctan2(half[0] * np.sin(even), half[1] * np.cos(even))
    ring = np.stack([np.sin(angle), np.cos(angle)], -1) * outline.radius(angle)[..., None]
    # At the conus the hand is steadier: a contour is never lost in its noise.
    noise = np.minimum(noise_mm, 0.15 * outline.half.min(axis=1))[:, None]
    ring += outline.centre + noise * np.clip(rng.normal(size=ring.shape), -2.5, 2.5)
    return [ring[:n, i] for i, n in enumerate(counts)]


def _trace(
    rng: np.random.Generator,
    drawn: dict[RootKey, tuple[np.ndarray, np.ndarray]],
    dura: list[np.ndarray],
    cord: list[np.ndarray],
    noise_mm: float,
) -> dict[RootKey, np.ndarray]:
    """Root points with noise, on the right side of the contours drawn about them, (n, 2)."""
    keys = list(drawn)
    slices = np.concatenate([drawn[k][0] for k in keys])
    exact = np.concatenate([drawn[k][1] for k in keys])
    ends = np.cumsum([len(drawn[k][0]) for k in keys])
    points = exact + noise_mm * np.clip(rng.normal(size=exact.shape), -2.5, 2.5)
    held = points.copy()
    for i in np.unique(slices):
        at = slices == i
        held[at] = hold_between(points[at], cord[i] if i < len(cord) else None, dura[i])
    # Where L1 and L2 leave the sac, their last point may lie beyond the wall: 0.4 mm in sub-03.
    for k, end in zip(keys, ends, strict=True):
        i = slices[end - 1]
        if k.level in EXITING and i < len(dura) - 1:
            held[end - 1] = hold_between(points[end - 1 : end], None, dura[i], wall_mm=-0.4)[0]
    return dict(zip(keys, np.split(held, ends[:-1]), strict=True))


def hold_between(
    points: np.ndarray, cord: np.ndarray | None, dura: np.ndarray, *, wall_mm: float = 0.2
) -> np.ndarray:
    """Keep points of one slice outside the annotated cord and inside the annotated dura.

    Parameters
    ----------
    points : (n, 2) float
    cord, dura : (m, 2) float or None
        Contours of the slice as annotated.
    wall_mm : float
        Least distance inside the dura; negative lets a point out.

    Returns
    -------
    (n, 2) float
        A point nearer the cord than 0.2 mm or nearer the dura than allowed is moved along its ray.
    """
    for ring, outside in ((cord, True), (dura, False)):
        if ring is None:
            continue
        centre = ring.mean(axis=0)
        offset = points - centre
        distance = np.hypot(*offset.T)
        limit = _ring_radius(ring - centre, offset / distance[:, None]) + (
            0.2 if outside else -wall_mm
        )
        held = np.maximum(distance, limit) if outside else np.minimum(distance, limit)
        points = centre + offset * (held / distance)[:, None]
    return points


def _ring_radius(ring: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Farthest crossing of rays from the origin with a polygon about it, (n,)."""
    edge = np.roll(ring, -1, axis=0) - ring
    u = direction[:, None]
    across = u[..., 0] * edge[:, 1] - u[..., 1] * edge[:, 0]
    parallel = across == 0
    across = np.where(parallel, 1, across)
    along = (ring[:, 0] * edge[:, 1] - ring[:, 1] * edge[:, 0]) / across
    share = (ring[:, 0] * u[..., 1] - ring[:, 1] * u[..., 0]) / across
    crossed = ~parallel & (along > 0) & (share >= 0) & (share <= 1)
    return np.where(crossed, along, 0).max(axis=1)
