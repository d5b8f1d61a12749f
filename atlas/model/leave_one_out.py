"""Leaving subjects out: the group without one, and that one put onto it as a stranger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from atlas.errors import AtlasError
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.procrustes.alignment import Alignment, align_alike, align_onto


class HoldoutError(AtlasError):
    """Structures that cannot be given; the text says expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """One subject left out.

    Parameters
    ----------
    subject_id : str
    group : Alignment
        Of the others, made without it.
    given : (L, 3) float
        What of it may be seen, put onto the group by that alone; NaN elsewhere, mm.
    truth : (L, 3) float
        All of it, by the same motion; NaN where missing.
    status : (L,) int
    """

    subject_id: str
    group: Alignment
    given: np.ndarray
    truth: np.ndarray
    status: np.ndarray


def subset(landmarks: LandmarkSet, keep: np.ndarray) -> LandmarkSet:
    """Some subjects of a group, by mask or index."""
    assert landmarks.bridge_sd is not None  # filled in at construction
    return LandmarkSet(
        tuple(np.array(landmarks.subject_ids)[keep].tolist()),
        landmarks.scheme,
        landmarks.points[keep],
        landmarks.status[keep],
        landmarks.bridge_sd[keep],
    )


def given_mask(scheme: LandmarkScheme, structures: tuple[str, ...]) -> np.ndarray:
    """Landmarks (L,) of the structures that are given.

    Parameters
    ----------
    scheme : LandmarkScheme
    structures : tuple of str
        Beginnings of names: ``dura``, ``cord``, ``root/L1``, ``root/L1/left``.

    Raises
    ------
    HoldoutError
        A structure the scheme does not hold.
    """
    names = np.array(scheme.names)
    masks = [np.char.startswith(names, s.rstrip("/") + "/") for s in structures]
    lost = [s for s, mask in zip(structures, masks, strict=True) if not mask.any()]
    if lost or not masks or len(set(structures)) < len(structures):
        raise HoldoutError(
            f"given: expected structures of {[b.name for b in scheme.blocks]}, none twice, "
            f"got {lost or ', '.join(structures) or 'none'}"
        )
    return np.any(masks, axis=0)


def visible(landmarks: LandmarkSet, given: np.ndarray) -> LandmarkSet:
    """The same subjects with only given (L,) and measured landmarks; bridges were never seen."""
    seen = given & (landmarks.status == Status.MEASURED)
    return replace(
        landmarks,
        points=np.where(seen[..., None], landmarks.points, np.nan),
        status=np.where(seen, landmarks.status, Status.MISSING),
    )


def leave_one_out(reference: Alignment, given: np.ndarray) -> Iterator[Holdout]:
    """Leave out each subject in turn, re-aligning the others without it.

    Parameters
    ----------
    reference : Alignment
        Its landmarks, anchor, rotation, scale and weights are kept; nothing else is.
    given : (L,) bool
        What may be seen of the one left out.

    Yields
    ------
    Holdout
        In the order of the subjects.
    """
    marks = reference.landmarks
    for i, subject_id in enumerate(marks.subject_ids):
        others = subset(marks, np.arange(len(marks.subject_ids)) != i)
        group = align_alike(others, reference)
        one = subset(marks, np.array([i]))
        placed = align_onto(visible(one, given), group)
        moved = placed.scale[0] * one.points[0] @ placed.rotation[0].T + placed.translation[0]
        yield Holdout(subject_id, group, placed.points[0], moved, one.status[0])
