"""Groups in memory that pass over several blocks, and that count what is done with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from atlas.components.blocks import Block, parts
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import Status


@dataclass(frozen=True, eq=False)
class ManyBlocks:
    """A group of blocks of some subjects; ``fits`` says whether rows may be gathered."""

    landmarks: LandmarkSet
    size: int = 7
    room: bool = False
    passes: Counter = field(default_factory=Counter)

    @property
    def scheme(self):
        return self.landmarks.scheme

    @property
    def subject_ids(self):
        return self.landmarks.subject_ids

    @property
    def whole(self):
        return not (self.landmarks.status == Status.MISSING).any()

    def fits(self, n_bytes):
        return self.room

    def each(self, work, *shared, own=()):
        self.passes[work.__name__] += 1
        for first in range(0, len(self.subject_ids), self.size):
            where = slice(first, min(first + self.size, len(self.subject_ids)))
            yield work(Block(subset(self.landmarks, where), where), *parts(own, where), *shared)


def subset(landmarks: LandmarkSet, where: slice) -> LandmarkSet:
    """Some subjects of a set."""
    return LandmarkSet(
        landmarks.subject_ids[where],
        landmarks.scheme,
        landmarks.points[where],
        landmarks.status[where],
        landmarks.bridge_sd[where],
    )


def assert_same_model(found, expected, tolerance=1e-8):
    """Two models equal to a relative tolerance, subspaces by their modes one by one."""
    assert found.n_modes == expected.n_modes
    size = np.abs(expected.mean).max()
    np.testing.assert_allclose(found.mean, expected.mean, atol=tolerance * size)
    np.testing.assert_allclose(found.variance, expected.variance, rtol=tolerance)
    largest = np.abs(expected.modes).max()
    np.testing.assert_allclose(found.modes, expected.modes, atol=tolerance * largest)
    np.testing.assert_allclose(found.noise, expected.noise, rtol=tolerance, atol=1e-12)
