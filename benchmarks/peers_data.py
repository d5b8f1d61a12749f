"""Shapes like lumbosacral anatomies, any number, with exactly the landmarks asked for.

Made of a mean by formula, twelve smooth modes of falling variance, noise, and a pose for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from atlas.data.subject import LEVELS, ROOT_KEYS
from atlas.landmarks.scheme import LandmarkScheme

# Landmarks in all: what LandmarkScheme.standard is told for it.
SCHEMES: dict[int, dict[str, Any]] = {
    250: {"root": 5, "dura": (10, 10), "cord": (10, 8)},
    1000: {"root": 20, "dura": (30, 16), "cord": (20, 12)},
    2500: {"root": 30, "dura": (40, 32), "cord": (40, 20)},
}
SAC_MM, CORD_MM = 160.0, 110.0
SAC_HALF_MM, CORD_HALF_MM = np.array([9.5, 7.25]), np.array([4.5, 3.5])
LORDOSIS_MM = 14.0
# RMS displacement of a landmark by each mode at 1 SD; 8 mm together.  Most of it is length, as in
# people; bends wider than the sac would make a mirror image fit better than the shape itself.
MODES_MM = np.array([6.0, 3.5, 2.7, 1.9, 1.4, 1.1, 0.9, 0.7, 0.5, 0.4, 0.3, 0.25])
NOISE_MM = 0.3
LARGEST_TURN_DEGREES = 30.0


@dataclass(frozen=True)
class Size:
    """How many shapes of how many landmarks."""

    shapes: int
    landmarks: int

    @classmethod
    def of(cls, text: str) -> Size:
        """From ``14x2500``; refuses numbers of landmarks no scheme was written down for."""
        shapes, _, landmarks = text.replace(",", "").partition("x")
        if not (shapes.isdigit() and landmarks.isdigit()) or int(landmarks) not in SCHEMES:
            raise ValueError(
                f"size: expected SHAPESxLANDMARKS with {sorted(SCHEMES)} landmarks, got {text!r}"
            )
        return cls(int(shapes), int(landmarks))

    def __str__(self) -> str:
        return f"{self.shapes:,} × {self.landmarks:,}"


def scheme(size: Size) -> LandmarkScheme:
    """The scheme that has exactly the landmarks of a size."""
    chosen = LandmarkScheme.standard(**SCHEMES[size.landmarks])
    assert chosen.size == size.landmarks
    return chosen


def group(size: Size, *, seed: int = 20240) -> np.ndarray:
    """Shapes (S, L, 3) in poses of their own, LPS mm; the same seed gives the same."""
    mean = mean_shape(scheme(size))
    rng = np.random.default_rng([seed, size.shapes, size.landmarks])
    sd = MODES_MM * np.sqrt(len(mean))
    scores = sd * np.clip(rng.standard_normal((size.shapes, len(sd))), -2.5, 2.5)
    shapes = mean + (scores @ smooth_modes(mean)).reshape(-1, *mean.shape)
    shapes += NOISE_MM * rng.standard_normal(shapes.shape)
    axes = rng.standard_normal((size.shapes, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    turns = np.radians(LARGEST_TURN_DEGREES) * rng.uniform(size=(size.shapes, 1)) * axes
    posed = shapes @ np.swapaxes(Rotation.from_rotvec(turns).as_matrix(), 1, 2)
    return np.ascontiguousarray(posed + rng.uniform(-50, 50, (size.shapes, 1, 3)))


def mean_shape(landmarks: LandmarkScheme) -> np.ndarray:
    """Sac, cord and roots by formula, (L, 3) mm: left +x, dorsal +y, rostral +z."""
    parts = []
    for name, length, half in (("dura", SAC_MM, SAC_HALF_MM), ("cord", CORD_MM, CORD_HALF_MM)):
        block = landmarks.block(name)
        angle = 2 * np.pi * np.arange(block.around) / block.around
        depth = np.linspace(0, length, block.levels)
        taper = np.sqrt(1 - 0.85 * (depth / length) ** 4)
        ring = half * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        across = taper[:, None, None] * ring
        depths = np.broadcast_to(depth[:, None, None], (*across.shape[:2], 1))
        parts.append(np.concatenate([across, -depths], axis=2).reshape(-1, 3))
    count = landmarks.block("root/L1/left").levels
    parts += [_root(LEVELS.index(key.level), key.side, count) for key in ROOT_KEYS]
    points = np.concatenate(parts)
    points[:, 1] -= LORDOSIS_MM * np.sin(np.pi * -points[:, 2] / SAC_MM)
    return points


def _root(level: int, side: str, count: int) -> np.ndarray:
    """From the cord's flank down the dorsal half of the sac and out to the ganglion."""
    share = np.linspace(0, 1, count)
    begin, end = 35.0 + 9.0 * level, 60.0 + 17.0 * level
    angle = np.radians(85 - 9 * level)
    direction = np.array([np.sin(angle), np.cos(angle)])
    reach = (5.0 + 1.5 * share + 10.0 * share**6)[:, None] * direction
    points = np.column_stack([reach, -(begin + share * (end - begin))])
    return points * (1 if side == "left" else -1, 1, 1)


def smooth_modes(mean: np.ndarray) -> np.ndarray:
    """Orthonormal modes (12, 3 L) free of rigid motion: lengths, bends and widths."""
    along = 2 * (mean[:, 2] - mean[:, 2].min()) / np.ptp(mean[:, 2]) - 1
    bends = [np.polynomial.Legendre.basis(n)(along) for n in range(6)]
    left, dorsal, rostral = np.eye(3)
    wide = mean * (1, 1, 0)
    fields = [np.outer(bends[1], rostral), np.outer(bends[2], rostral)]
    fields += [np.outer(bends[2], dorsal), np.outer(bends[2], left), np.outer(bends[3], rostral)]
    fields += [np.outer(bends[3], dorsal), np.outer(bends[3], left)]
    fields += [np.outer(bends[4], dorsal), np.outer(bends[4], left)]
    fields += [wide, along[:, None] * wide, np.outer(bends[5], dorsal)]
    centred = mean - mean.mean(axis=0)
    rigid = [np.cross(axis, centred).ravel() for axis in np.eye(3)]
    rigid += [np.tile(axis, len(mean)) for axis in np.eye(3)]
    columns = np.array(rigid + [field.ravel() for field in fields]).T
    return np.linalg.qr(columns)[0][:, len(rigid) :].T
