"""Populations of shapes with a known mean, known modes and known gaps."""

from __future__ import annotations

import numpy as np
import specimens
from scipy.spatial.transform import Rotation

from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.procrustes.alignment import align, anchor_weights

SMALL = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))


def mean_shape() -> tuple[LandmarkScheme, np.ndarray]:
    """A scheme with depths and the mean (L, 3) of two specimens, anchored at the dura apex."""
    landmarks = place_landmarks(specimens.make_dataset(2), SMALL)
    return landmarks.scheme, align(landmarks).mean


def smooth_modes(scheme: LandmarkScheme, mean: np.ndarray, rank: int, seed: int) -> np.ndarray:
    """Orthonormal smooth modes (rank, 3 L) that neither move the anchor nor turn about it.

    Anything else would be taken out by alignment and could not be found again.
    """
    rng = np.random.default_rng(seed)
    u = mean / np.abs(mean).max(axis=0)
    powers = [(a, b, c) for a in range(3) for b in range(3) for c in range(4) if a + b + c <= 3]
    basis = np.stack([np.prod(u ** np.array(p), axis=1) for p in powers], axis=1)
    fields = [(basis @ rng.normal(size=(len(powers), 3))).ravel() for _ in range(rank)]
    turning = [np.cross(axis, mean).ravel() for axis in np.eye(3)]
    moving = [np.outer(anchor_weights(scheme, "dura-apex"), axis).ravel() for axis in np.eye(3)]
    rigid = np.linalg.qr(np.array(turning + moving).T)[0]
    free = np.array(fields) - (np.array(fields) @ rigid) @ rigid.T
    return np.linalg.qr(free.T)[0].T


def posed_population(
    n: int, *, rank: int = 5, seed: int = 0, noise_mm: float = 0.05, amplitude_mm: float = 1.3
) -> tuple[LandmarkSet, np.ndarray]:
    """n shapes of known rank in random poses, and their modes (rank, 3 L).

    ``amplitude_mm`` is the RMS displacement of a landmark by the first mode at 1 SD.
    """
    scheme, mean = mean_shape()
    modes = smooth_modes(scheme, mean, rank, seed)
    rng = np.random.default_rng([seed, 1])
    sd = amplitude_mm * np.sqrt(len(mean)) * np.geomspace(1, 0.4, rank)
    scores = rng.normal(size=(n, rank))
    shapes = mean + ((scores * sd) @ modes).reshape(n, -1, 3)
    shapes += noise_mm * rng.normal(size=shapes.shape)
    turns = Rotation.random(n, rng=rng).as_matrix()
    points = shapes @ np.swapaxes(turns, 1, 2) + rng.uniform(-50, 50, (n, 1, 3))
    status = np.zeros(points.shape[:2], dtype=int)
    return LandmarkSet(tuple(f"sub-{i:02d}" for i in range(n)), scheme, points, status), modes


def with_gaps(landmarks: LandmarkSet, share: float, seed: int = 0) -> LandmarkSet:
    """The same with blocks missing until ``share`` of each subject's landmarks is gone.

    A block is a whole root, or three rings in a row; the apex ring, the anchor, stays.
    """
    rng = np.random.default_rng([seed, 2])
    scheme, status = landmarks.scheme, landmarks.status.copy()
    for row in status:
        while (row == Status.MISSING).mean() < share:
            block = scheme.blocks[rng.integers(len(scheme.blocks))]
            span = scheme.span(block.name)
            first = span.start
            stop = span.stop
            if block.kind == "tube":
                ring = int(rng.integers(2, block.levels - 2))
                first = span.start + ring * block.around
                stop = min(first + 3 * block.around, span.stop)
            row[first:stop] = Status.MISSING
    points = np.where((status == Status.MISSING)[..., None], np.nan, landmarks.points)
    return LandmarkSet(landmarks.subject_ids, scheme, points, status)


def principal_angle(a: np.ndarray, b: np.ndarray) -> float:
    """Largest principal angle in degrees between the row spaces of (k, p) arrays."""
    qa, qb = np.linalg.qr(a.reshape(len(a), -1).T)[0], np.linalg.qr(b.reshape(len(b), -1).T)[0]
    cosine = np.linalg.svd(qa.T @ qb, compute_uv=False)
    return float(np.degrees(np.arccos(np.clip(cosine.min(), -1, 1))))


def with_points(landmarks, points):
    status = np.where(np.isnan(points).any(axis=2), Status.MISSING, landmarks.status)
    return LandmarkSet(landmarks.subject_ids, landmarks.scheme, points, status)


def posed(landmarks, seed=0, angle=180.0):
    rng = np.random.default_rng(seed)
    n = len(landmarks.subject_ids)
    turns = Rotation.from_rotvec(
        np.radians(angle) * rng.uniform(-1, 1, (n, 3)) / np.sqrt(3)
    ).as_matrix()
    shift = rng.uniform(-50, 50, (n, 1, 3))
    return with_points(landmarks, landmarks.points @ np.swapaxes(turns, 1, 2) + shift)
