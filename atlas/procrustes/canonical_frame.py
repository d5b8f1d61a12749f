"""Anatomical axes of landmark shapes: along the sac, and from right roots to left."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from atlas.arrays import read_only
from atlas.curves.transforms import frame, line_direction
from atlas.landmarks.scheme import LandmarkScheme

# What a first look takes of a subject: rings of the dura, points of each, and points of a root.
LOOK_RINGS = 6
LOOK_AROUND = 4
LOOK_POINTS = 4


def canonical_axes(points: np.ndarray, scheme: LandmarkScheme) -> np.ndarray:
    """Axes of one shape: z along its sac, x from right roots to left.

    Parameters
    ----------
    points : (L, 3) float
        NaN where missing.
    scheme : LandmarkScheme

    Returns
    -------
    (3, 3) float
        Columns left, dorsal, rostral; the LPS x axis stands for left where no pair of roots is
        there.
    """
    dura = scheme.block("dura")
    rings = points[scheme.span("dura")].reshape(dura.levels, dura.around, 3).mean(axis=1)
    rings = rings[~np.isnan(rings).any(axis=1)]
    left = left_roots(scheme)
    across = points[left] - points[scheme.mirror[left]]
    across = across[~np.isnan(across).any(axis=1)]
    sideways = across.mean(axis=0) if len(across) else np.array([1.0, 0.0, 0.0])
    return frame(sideways, line_direction(rings))


def canonical_rotation(points: np.ndarray, scheme: LandmarkScheme, rotation: str) -> np.ndarray:
    """Rotation of a shape (L, 3) into canonical axes, as far as the freedom allows.

    ``rotation`` is as in :func:`atlas.procrustes.alignment.align`: full, axial or none.
    """
    if rotation == "none":
        return np.eye(3)
    axes = canonical_axes(points, scheme)
    if rotation == "axial":
        axes = frame(axes[:, 0], np.array([0.0, 0.0, 1.0]))
    return axes.T


def first_rotations(points: np.ndarray, scheme: LandmarkScheme, rotation: str) -> np.ndarray:
    """About :func:`canonical_rotation` of many shapes (S, L, 3) at once, (S, 3, 3)."""
    turns = np.tile(np.eye(3), (len(points), 1, 1))
    if rotation == "none":
        return turns
    look = Look.at(points, scheme)
    if look is not None:
        up = look.rostral if rotation == "full" else np.broadcast_to([0.0, 0.0, 1.0], (1, 3))
        turns = _rows(look.across, up)
    unknown = np.isnan(turns).any(axis=(1, 2)) if look else np.ones(len(points), dtype=bool)
    for i in np.flatnonzero(unknown):
        turns[i] = canonical_rotation(points[i], scheme, rotation)
    return turns


def _rows(left: np.ndarray, rostral: np.ndarray) -> np.ndarray:
    """Axes (S, 3, 3) as rows from two directions (S, 3); only left across rostral counts."""
    across = left - (left * rostral).sum(axis=1, keepdims=True) * rostral
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    rostral = np.broadcast_to(rostral, across.shape)
    return np.stack([across, np.cross(rostral, across), rostral], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A few landmarks of many shapes: enough to tell how each lies.

    Parameters
    ----------
    rings : (S, n, 3) float
        Middles of some rings of the dura, mm; NaN where any of their points is missing.
    roots : (S, m, 3) float
        Some points of each root, mm.
    rostral : (S, 3) float
        Unit vectors from the last of the rings to the first.
    across : (S, 3) float
        From right roots to left ones, mm.
    """

    rings: np.ndarray
    roots: np.ndarray
    rostral: np.ndarray
    across: np.ndarray

    @classmethod
    def at(cls, points: np.ndarray, scheme: LandmarkScheme) -> Look | None:
        """A look at shapes (S, L, 3); None where the scheme has no pair of roots."""
        chosen = _look(scheme)
        if chosen is None:
            return None
        rings = points[:, chosen.rings].mean(axis=2)
        rostral = rings[:, 0] - rings[:, -1]
        rostral /= np.linalg.norm(rostral, axis=1, keepdims=True)
        across = (points[:, chosen.left] - points[:, chosen.right]).mean(axis=1)
        return cls(rings, points[:, chosen.roots], rostral, across)


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """Indices of the landmarks of a look: rings (n, around), roots, left roots, right roots."""

    rings: np.ndarray
    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray


@lru_cache(maxsize=64)
def _look(scheme: LandmarkScheme) -> _Chosen | None:
    dura = scheme.block("dura")
    levels = _spread(dura.levels, LOOK_RINGS)
    rings = np.arange(scheme.size)[scheme.span("dura")].reshape(dura.levels, dura.around)
    rings = rings[levels][:, np.arange(LOOK_AROUND) * dura.around // LOOK_AROUND]
    curves = [b for b in scheme.blocks if b.kind == "curve"]
    few = [scheme.span(b.name).start + _spread(b.levels, LOOK_POINTS) for b in curves]
    roots = np.concatenate([np.empty(0, dtype=int), *few])
    left = roots[left_roots(scheme)[roots]]
    return _Chosen(rings, roots, left, scheme.mirror[left]) if len(left) else None


def _spread(n: int, few: int) -> np.ndarray:
    """A few indices of n, from the first to the last."""
    return np.unique(np.linspace(0, n - 1, few).round().astype(int))


@lru_cache(maxsize=64)
def left_roots(scheme: LandmarkScheme) -> np.ndarray:
    """Mask (L,) of the landmarks of roots of the left side."""
    mask = np.array(["/left/" in name for name in scheme.names])
    return read_only(mask, (scheme.size,), "left", dtype=bool)


@lru_cache(maxsize=64)
def all_roots(scheme: LandmarkScheme) -> np.ndarray:
    """Mask (L,) of the landmarks of roots."""
    mask = np.array([name.startswith("root/") for name in scheme.names])
    return read_only(mask, (scheme.size,), "roots", dtype=bool)
