"""Fixed points in fewer rounds: the next try is foreseen from the last few."""

from __future__ import annotations

from collections import deque

import numpy as np


class Mixing:
    """Anderson mixing of a fixed-point iteration ``x = F(x)``.

    Each round is asked for what it found; its answer is where the next begins.

    Parameters
    ----------
    depth : int
        How many earlier rounds are remembered.

    Notes
    -----
    With residuals ``r_k = F(x_k) - x_k`` the next x is ``F(x_k) - dF g``, where g makes
    ``r_k - dR g`` least and dF and dR hold the differences of the last rounds (Anderson 1965,
    doi:10.1145/321296.321305; Walker & Ni 2011, doi:10.1137/10078356X).  Where a residual has
    grown, what is remembered no longer helps and is forgotten: the round is a plain one.

    Examples
    --------
    >>> mixing, x = Mixing(2), np.array([2.0, 1.0])
    >>> for _ in range(4):
    ...     x = mixing.next(x, np.array([0.5, 0.25]) * x + 1)
    >>> x.round(9)
    array([2.        , 1.33333333])
    """

    def __init__(self, depth: int) -> None:
        self.steps: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=depth)
        self.last: tuple[np.ndarray, np.ndarray] | None = None

    def next(self, x: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Where to begin the next round, given where this one began and what it found."""
        residual = (found - x).ravel()
        if self.last is not None:
            earlier, image = self.last
            if residual @ residual > earlier @ earlier:
                self.steps.clear()
            else:
                self.steps.append((residual - earlier, found.ravel() - image))
        self.last = residual, found.ravel()
        if not self.steps:
            return found
        changes = np.stack([change for change, _ in self.steps])
        # By normal equations: what they lose in digits a foreseen place does not need.
        share = np.linalg.lstsq(changes @ changes.T, changes @ residual, rcond=1e-12)[0]
        foreseen = found.ravel() - share @ np.stack([image for _, image in self.steps])
        return foreseen.reshape(found.shape)
