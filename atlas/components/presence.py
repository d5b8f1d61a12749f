"""Which landmarks everybody in a group has, and where neighbours do not go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """What some subjects have between them; that of more subjects is their sum.

    Parameters
    ----------
    common : (L,) bool
        Landmarks that every subject has.
    apart : (L - 1,) bool
        Where one of two neighbours is present in a subject without the other.
    """

    common: np.ndarray
    apart: np.ndarray

    @classmethod
    def of(cls, present: np.ndarray) -> Presence:
        """Of subjects that have landmarks (S, L)."""
        return cls(np.asarray(present.all(axis=0)), apart(present))

    def __add__(self, other: Presence) -> Presence:
        return Presence(self.common & other.common, self.apart | other.apart)


def apart(present: np.ndarray) -> np.ndarray:
    """Where neighbours among landmarks (S, L) are not present in the same shapes, (L - 1,)."""
    return (present[:, 1:] != present[:, :-1]).any(axis=0)
