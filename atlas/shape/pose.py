"""Subjects about their anchors, and the motions that put them onto a mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from atlas.arrays import read_only
from atlas.errors import AtlasError
from atlas.shape.landmarks import LandmarkSet
from atlas.shape.scheme import LandmarkScheme
from atlas.shape.transforms import best_axial_rotation, best_rotation, cross_covariance


class AlignmentError(AtlasError):
    """Subjects that cannot be aligned; the text names them."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A similarity a subject, about its anchor.

    Parameters
    ----------
    scales : (S,) float
    turns : (S, 3, 3) float
        Proper rotations.
    places : (S, 3) float
        Where the anchors come to lie, mm.
    """

    scales: np.ndarray
    turns: np.ndarray
    places: np.ndarray

    def centred(self) -> Motion:
        """The same with the mean of the anchors at the origin."""
        return replace(self, places=self.places - self.places.mean(axis=0))

    def turned(self, rotation: np.ndarray) -> Motion:
        """The same followed by one rotation (3, 3) of everything."""
        return replace(self, turns=rotation @ self.turns, places=self.places @ rotation.T)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Subjects centred on their anchors, with what each has.

    Parameters
    ----------
    centred : (S, L, 3) float
        mm from the subject's anchor; 0 where missing.
    present : (S, L) float
        1, and 0 where missing.
    emphasis : (L,) float
        Weights of the landmarks.
    holds : (S, L) float
        The anchor as weights of sum 1 over what each subject has of it.
    origins : (S, 3) float
        The anchors, mm in each subject's own frame.
    """

    centred: np.ndarray
    present: np.ndarray
    emphasis: np.ndarray
    holds: np.ndarray
    origins: np.ndarray

    @classmethod
    def of(
        cls, points: np.ndarray, landmarks: LandmarkSet, anchor: str, emphasis: np.ndarray
    ) -> Pose:
        """Points (S, L, 3) of landmarks about an anchor; what is NaN does not count.

        Raises AlignmentError that names subjects which have nothing of the anchor.
        """
        present = (~np.isnan(points).any(axis=2)).astype(float)
        holds = present * anchor_weights(landmarks.scheme, anchor)
        _refuse_lost_anchor(landmarks, holds, anchor)
        holds /= holds.sum(axis=1, keepdims=True)
        raw = np.where(present[..., None] > 0, points, 0.0)
        origins = np.einsum("sl,slk->sk", holds, raw)
        centred = (raw - origins[:, None]) * present[..., None]
        return cls(centred, present, emphasis, holds, origins)

    def onto(
        self, mean: np.ndarray, rotation: str, scale: str, *, size: float | None = None
    ) -> Motion:
        """The motions that fit a mean (L, 3) best, of the freedom asked for.

        ``size`` is the centroid size to bring subjects to; the group's own mean by default.
        """
        places = self.holds @ mean
        if rotation == "none":
            turns = np.tile(np.eye(3), (len(places), 1, 1))
        else:
            best = best_rotation if rotation == "full" else best_axial_rotation
            turns = best(self.covariance(mean, places))
        return Motion(self.scales(mean, scale, size), turns, places)

    def covariance(self, mean: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Cross-covariance (S, 3, 3) of each subject with the mean about their anchors."""
        fixed = mean[None] - places[:, None]
        return cross_covariance(self.centred, fixed, self.present * self.emphasis)

    def scales(self, mean: np.ndarray, scale: str, size: float | None) -> np.ndarray:
        """Factors (S,) to one centroid size; a part is judged by the same part of the mean."""
        if scale == "none":
            return np.ones(len(self.centred))
        weight = self.present * self.emphasis
        own = centroid_size(self.centred, weight)
        whole = centroid_size(mean[None], self.emphasis[None])
        part = centroid_size(np.broadcast_to(mean, self.centred.shape), weight)
        sizes = own * whole / part
        return (sizes.mean() if size is None else size) / sizes

    def moved(self, motion: Motion) -> np.ndarray:
        """Points (S, L, 3) after the motion; meaningless where missing."""
        turned = self.centred @ np.swapaxes(motion.turns, 1, 2)
        return motion.scales[:, None, None] * turned + motion.places[:, None]

    def back(self, motion: Motion, points: np.ndarray) -> np.ndarray:
        """Points (S, L, 3) of the mean's frame in each subject's own."""
        own = (points - motion.places[:, None]) / motion.scales[:, None, None]
        return own @ motion.turns + self.origins[:, None]

    def translation(self, motion: Motion) -> np.ndarray:
        """Translations (S, 3) of ``scale * raw @ turn.T + translation``."""
        turned = np.einsum("sjk,sk->sj", motion.turns, self.origins)
        return motion.places - motion.scales[:, None] * turned

    def mean(self, motion: Motion) -> np.ndarray:
        """Mean (L, 3) after the motion, over the subjects that have each landmark."""
        total = np.einsum("sl,slk->lk", self.present, self.moved(motion))
        return total / self.present.sum(axis=0)[:, None]


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


def _refuse_lost_anchor(landmarks: LandmarkSet, weights: np.ndarray, anchor: str) -> None:
    lost = [i for i, w in zip(landmarks.subject_ids, weights, strict=True) if w.sum() == 0]
    if lost:
        raise AlignmentError(
            f"anchor {anchor}: expected in every subject, missing in {', '.join(lost)}; choose "
            "another anchor or leave them out"
        )
