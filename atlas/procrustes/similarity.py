"""Subjects about their anchors, and the motions that put them onto a mean.

Everything a round of Procrustes needs is a thin matrix product: coordinates stand before
landmarks, so that a block of subjects is one (3 S, L) matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from atlas.arrays import read_only
from atlas.curves.transforms import best_axial_rotation, best_rotation
from atlas.errors import AtlasError
from atlas.landmarks.scheme import LandmarkScheme


class AlignmentError(AtlasError):
    """Subjects that cannot be aligned; the text names them."""


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """What an alignment was asked for, as numbers.

    Parameters
    ----------
    anchor : (L,) float
        Of :func:`anchor_weights`.
    weights : (L,) float
        Of the landmarks in every inner product.
    rotation : {"full", "axial", "none"}
    scale : {"none", "unit"}
    """

    anchor: np.ndarray
    weights: np.ndarray
    rotation: str
    scale: str


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A similarity a subject: ``scale * turn @ x + shift`` of its own frame.

    Parameters
    ----------
    scales : (S,) float
    turns : (S, 3, 3) float
        Proper rotations.
    shifts : (S, 3) float
        mm.
    """

    scales: np.ndarray
    turns: np.ndarray
    shifts: np.ndarray

    @classmethod
    def joined(cls, parts: list[Motion]) -> Motion:
        """The motions of several blocks of subjects as those of all."""
        names = ("scales", "turns", "shifts")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def __getitem__(self, where: slice) -> Motion:
        return Motion(self.scales[where], self.turns[where], self.shifts[where])

    def resized(self, factor: float, *, about: np.ndarray) -> Motion:
        """The same followed by one scaling of everything about a place (3,)."""
        shifts = about + factor * (self.shifts - about)
        return replace(self, scales=factor * self.scales, shifts=shifts)

    def turned(self, rotation: np.ndarray) -> Motion:
        """The same followed by one rotation (3, 3) of everything."""
        return replace(self, turns=rotation @ self.turns, shifts=self.shifts @ rotation.T)

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Points (S, L, 3) after the motion; NaN stays NaN."""
        moved = points @ np.swapaxes(self.scales[:, None, None] * self.turns, 1, 2)
        moved += self.shifts[:, None]
        return moved

    def back(self, points: np.ndarray) -> np.ndarray:
        """Points (S, L, 3) from behind the motion in each subject's own frame."""
        return (points - self.shifts[:, None]) @ (self.turns / self.scales[:, None, None])


@dataclass(frozen=True, slots=True, eq=False)
class RoundSums:
    """What one round adds up over subjects; blocks of subjects add up to the group.

    Parameters
    ----------
    turned : (3, L) float
        Subjects about their anchors after their turns, each over its ``size``; 0 where missing.
    lifted : (3, L) float
        Places of the anchors of the subjects that have each landmark, mm.
    places : (3,) float
        Places of all anchors, mm.
    count : (L,) float
        Subjects that have each landmark.
    size : float
        What sizes are divided by when they are made alike; 1 a subject where they are kept.
    subjects : int
    """

    turned: np.ndarray
    lifted: np.ndarray
    places: np.ndarray
    count: np.ndarray
    size: float
    subjects: int

    def __add__(self, other: RoundSums) -> RoundSums:
        return RoundSums(
            self.turned + other.turned,
            self.lifted + other.lifted,
            self.places + other.places,
            self.count + other.count,
            self.size + other.size,
            self.subjects + other.subjects,
        )

    @property
    def factor(self) -> float:
        """Mean size of the subjects: what each is brought to."""
        return self.size / self.subjects

    def mean(self) -> np.ndarray:
        """Mean shape (L, 3) over the subjects that have each landmark, its anchor unmoved."""
        total = self.factor * self.turned + self.lifted
        return np.ascontiguousarray((total / self.count).T) - self.places / self.subjects


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Subjects centred on their anchors, with what each has.

    Parameters
    ----------
    centred : (S, 3, L) float
        mm from the subject's anchor; 0 where missing.
    present : (S, L) float or None
        1, and 0 where missing; None where every subject has everything.
    emphasis : (L,) float
        Weights of the landmarks.
    holds : (S or 1, L) float
        The anchor as weights of sum 1 over what each subject has of it.
    origins : (S, 3) float
        The anchors, mm in each subject's own frame.
    """

    centred: np.ndarray
    present: np.ndarray | None
    emphasis: np.ndarray
    holds: np.ndarray
    origins: np.ndarray

    @classmethod
    def of(
        cls, points: np.ndarray, anchor: np.ndarray, emphasis: np.ndarray, *, whole: bool = False
    ) -> Pose:
        """Points about an anchor; what is NaN does not count.

        Parameters
        ----------
        points : (S, L, 3) float
            mm; every subject has something of the anchor.
        anchor : (L,) float
            Of :func:`anchor_weights`.
        emphasis : (L,) float
        whole : bool
            Whether it is known that nothing is missing.
        """
        missing = None if whole else np.isnan(points).any(axis=2)
        if missing is None or not missing.any():
            centred = _coordinates_first(points)
            origins = (centred.reshape(-1, points.shape[1]) @ anchor).reshape(-1, 3)
            centred -= origins[:, :, None]
            return cls(centred, None, emphasis, anchor[None], origins)
        holds = ~missing * anchor
        holds /= holds.sum(axis=1, keepdims=True)
        raw = np.where(missing[..., None], 0.0, points)
        origins = (holds[:, None] @ raw)[:, 0]
        centred = _coordinates_first(raw)
        centred -= origins[:, :, None]
        centred *= ~missing[:, None]
        return cls(centred, (~missing).astype(float), emphasis, holds, origins)

    @property
    def matrix(self) -> np.ndarray:
        """The subjects below one another, (3 S, L)."""
        return self.centred.reshape(-1, self.centred.shape[2])

    def onto(
        self, mean: np.ndarray, rotation: str, scale: str, *, size: float | None = None
    ) -> tuple[Motion, np.ndarray]:
        """The motions that fit a mean (L, 3) best, of the freedom asked for.

        Parameters
        ----------
        mean : (L, 3) float
        rotation, scale : str
            As in :func:`atlas.procrustes.alignment.align`.
        size : float, optional
            Centroid size to bring subjects to, where sizes are made alike.

        Returns
        -------
        Motion
        covariance : (S, 3, 3) float
            With the mean, about the anchors; its determinant is negative in mirror images.
        """
        places = self.places(mean)
        covariance = self.covariance(mean, places)
        turns = self._turns(covariance, rotation)
        scales = np.ones(len(turns)) if scale == "none" else (size or 1.0) / self.sizes(mean)
        held = np.einsum("sjk,sk->sj", turns, self.origins)
        return Motion(scales, turns, places - scales[:, None] * held), covariance

    def round(self, mean: np.ndarray, rotation: str, scale: str) -> RoundSums:
        """One round of Procrustes: turned onto a mean (L, 3) and added up."""
        places = self.places(mean)
        turns = self._turns(self.covariance(mean, places), rotation)
        sizes = np.ones(len(turns)) if scale == "none" else self.sizes(mean)
        return self.added(turns / sizes[:, None, None], places, float(sizes.sum()))

    def added(self, turns: np.ndarray, places: np.ndarray, size: float) -> RoundSums:
        """Subjects after turns (S, 3, 3), anchors at places (S, 3), added up."""
        n = len(self.centred)
        turned = np.swapaxes(turns, 0, 1).reshape(3, -1) @ self.matrix
        if self.present is None:
            lifted = np.broadcast_to(places.sum(axis=0)[:, None], turned.shape)
            count = np.full(turned.shape[1], float(n))
        else:
            lifted, count = places.T @ self.present, self.present.sum(axis=0)
        return RoundSums(turned, lifted, places.sum(axis=0), count, size, n)

    def places(self, mean: np.ndarray) -> np.ndarray:
        """Where the anchors (S, 3) lie on a mean: the same landmarks of it."""
        return np.broadcast_to(self.holds @ mean, (len(self.centred), 3))

    def covariance(self, mean: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Cross-covariance (S, 3, 3) of each subject with the mean about their anchors."""
        # sum_l w (m - g) x^T = sum_l w m x^T - g sum_l w x^T: one product for both sums.
        columns = np.column_stack([self.emphasis[:, None] * mean, self.emphasis])
        sums = (self.matrix @ columns).reshape(len(self.centred), 3, 4)
        return np.swapaxes(sums[:, :, :3] - sums[:, :, 3:] * places[:, None], 1, 2)

    def sizes(self, mean: np.ndarray) -> np.ndarray:
        """Centroid sizes (S,), mm; a part is judged by the same part of the mean."""
        own = self._centroid_size(self.centred)
        if self.present is None:
            return own
        whole = centroid_size(mean[None], self.emphasis[None])
        part = self._centroid_size(np.broadcast_to(mean.T, self.centred.shape))
        return own * whole / part

    def _centroid_size(self, centred: np.ndarray) -> np.ndarray:
        weights = np.broadcast_to(self.emphasis, (len(centred), self.centred.shape[2]))
        if self.present is not None:
            weights = weights * self.present
        return centroid_size(np.swapaxes(centred, 1, 2), weights)

    @staticmethod
    def _turns(covariance: np.ndarray, rotation: str) -> np.ndarray:
        if rotation == "none":
            return np.tile(np.eye(3), (len(covariance), 1, 1))
        return (best_rotation if rotation == "full" else best_axial_rotation)(covariance)


def _coordinates_first(points: np.ndarray) -> np.ndarray:
    """A copy of points (S, L, 3) as (S, 3, L)."""
    return np.array(np.swapaxes(points, 1, 2), order="C")


@lru_cache(maxsize=64)
def anchor_weights(scheme: LandmarkScheme, anchor: str) -> np.ndarray:
    """The anchor as a weighted mean of landmarks.

    Parameters
    ----------
    scheme : LandmarkScheme
    anchor : str
        As in :func:`align`.

    Returns
    -------
    (L,) float
        Non-negative, of sum 1.

    Raises
    ------
    AlignmentError
        The scheme has no such anchor.
    """
    if anchor == "dura-apex" and scheme.origin != "dura-apex":
        raise AlignmentError(
            f"anchor dura-apex: expected landmarks counted from the dura apex, got origin "
            f"{scheme.origin!r}, whose first ring is not the apex; place landmarks with "
            "origin='dura-apex'"
        )
    names = np.array(scheme.names)
    stem = {"dura-apex": "dura/0", "conus": f"cord/{scheme.block('cord').levels - 1}"}
    if anchor == "centroid":
        chosen = np.ones(len(names), dtype=bool)
    else:
        wanted = stem.get(anchor, anchor)
        chosen = (names == wanted) | np.char.startswith(names, wanted.rstrip("/") + "/")
    if not chosen.any():
        raise AlignmentError(
            "anchor: expected dura-apex, conus, centroid or the name of a landmark, ring, block or "
            f"level (root/L1), got {anchor!r}"
        )
    return read_only(chosen / chosen.sum(), (scheme.size,), "anchor")


def centroid_size(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Centroid size of shapes.

    Parameters
    ----------
    points : (S, L, 3) float
        Finite.
    weights : (S, L) float
        0 where missing.

    Returns
    -------
    (S,) float
        mm: ``sqrt(sum_l w_l |x_l - c|^2)`` about the weighted centroid c.
    """
    total = weights.sum(axis=1, keepdims=True)
    centre = np.einsum("sl,slk->sk", weights / total, points)
    squared = ((points - centre[:, None]) ** 2).sum(axis=2)
    return np.sqrt((weights * squared).sum(axis=1))
