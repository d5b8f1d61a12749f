"""Leaving subjects out: the group without one, and that one put onto it as a stranger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from atlas.errors import AtlasError
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.procrustes.alignment import Alignment, AlignmentError, align_alike, align_onto


class HoldoutError(AtlasError):
    """Structures that cannot be given; the text says expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
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


def leave_one_out(
    reference: Alignment, given: np.ndarray | None = None, *, realign: bool = True
) -> Iterator[Fold]:
    """Leave out each subject in turn.

    Parameters
    ----------
    reference : Alignment
        Of the whole group; its landmarks, anchor, rotation, scale and weights are kept.
    given : (L,) bool, optional
        What may be seen of the one left out, as far as it was measured; by default all of it,
        bridges too, and a subject that alone has some landmark is passed over: the others have no
        model of it.
    realign : bool
        Whether the others are aligned anew and the subject put onto them, so that it tells nothing
        about the mean and the frame it is measured in.

    Yields
    ------
    Fold
        In the order of the subjects.

    Raises
    ------
    AlignmentError
        Fewer than three subjects.
    """
    marks = reference.landmarks
    ids = marks.subject_ids
    if len(ids) < 3:
        raise AlignmentError(f"expected at least 3 subjects to hold one out, got {len(ids)}")
    lacking = np.isnan(reference.points).any(axis=2)
    for i, subject_id in enumerate(ids):
        keep = np.delete(np.arange(len(ids)), i)
        if given is None and lacking[keep].all(axis=0).any():
            continue
        group = choose(reference, keep, realign=realign)
        one = subset(marks, np.array([i]))
        seen = one if given is None else visible(one, given)
        if realign:
            placed = align_onto(seen, group)
            there = placed.points[0]
            truth = placed.scale[0] * one.points[0] @ placed.rotation[0].T + placed.translation[0]
        else:
            truth = reference.points[i]
            there = np.where(np.isnan(seen.points[0]), np.nan, truth)
        yield Fold(subject_id, group, there, truth, one.status[0])


def choose(alignment: Alignment, picks: Sequence[int] | np.ndarray, *, realign: bool) -> Alignment:
    """The alignment of some of its subjects.

    Parameters
    ----------
    alignment : Alignment
    picks : (m,) int
        Subjects; more than once each if need be, as in a bootstrap.
    realign : bool
        Align them anew by the same choices, or leave them where they are, about their own mean.

    Returns
    -------
    Alignment
    """
    picks = np.asarray(picks)
    landmarks = subset(alignment.landmarks, picks)
    if realign:
        return align_alike(landmarks, alignment)
    completed = alignment.completed[picks]
    return replace(
        alignment,
        landmarks=landmarks,
        points=alignment.points[picks],
        completed=completed,
        mean=completed.mean(axis=0),
        rotation=alignment.rotation[picks],
        scale=alignment.scale[picks],
        translation=alignment.translation[picks],
    )
