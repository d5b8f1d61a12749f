"""A group without some of its subjects: aligned again, or left where the whole group put it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from atlas.model.leave_one_out import subset
from atlas.procrustes.alignment import Alignment, AlignmentError, align_alike, align_onto


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One subject held out.

    Parameters
    ----------
    subject : str
    others : Alignment
        Of all the others.
    points : (L, 3) float
        The subject in the frame of the others, mm; NaN where missing.
    """

    subject: str
    others: Alignment
    points: np.ndarray


def leave_one_out(alignment: Alignment, *, realign: bool = True) -> Iterator[Fold]:
    """Hold out each subject in turn.

    Parameters
    ----------
    alignment : Alignment
        Of the whole group; its anchor, rotation, scaling and weights are kept.
    realign : bool
        Whether the others are aligned anew and the subject put onto them, so that it tells nothing
        about the mean and the frame it is measured in.

    Yields
    ------
    Fold
        Without those subjects that alone have some landmark: the others have no model of it.

    Raises
    ------
    AlignmentError
        Fewer than three subjects.
    """
    ids = alignment.landmarks.subject_ids
    if len(ids) < 3:
        raise AlignmentError(f"expected at least 3 subjects to hold one out, got {len(ids)}")
    missing = np.isnan(alignment.points).any(axis=2)
    for i, subject in enumerate(ids):
        keep = np.delete(np.arange(len(ids)), i)
        if missing[keep].all(axis=0).any():
            continue
        others = choose(alignment, keep, realign=realign)
        points = alignment.points[i]
        if realign:
            points = align_onto(subset(alignment.landmarks, np.array([i])), others).points[0]
        yield Fold(subject, others, points)


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
