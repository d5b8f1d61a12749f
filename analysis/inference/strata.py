"""Exact tests of within-subject effects in their own strata, for complete data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, stats


@dataclass(frozen=True, slots=True)
class StratumTest:
    """F of an effect against its own interaction with subjects.

    Parameters
    ----------
    f, df1, df2 : float
        Degrees of freedom before the correction by ``epsilon``.
    epsilon : float
        Greenhouse & Geisser's.
    p : float
        With both degrees of freedom times ``epsilon``.
    """

    f: float
    df1: float
    df2: float
    epsilon: float
    p: float


def complete_cube(roots: pd.DataFrame) -> np.ndarray:
    """Values (S, levels, sides) of the subjects that have every level and side of the table.

    Parameters
    ----------
    roots : DataFrame
        ``subject, level, side, value`` of one measure.

    Returns
    -------
    (S, a, b) float
        Levels in the order of the table, left before right.
    """
    wide = roots.pivot_table(
        index="subject", columns=["level", "side"], values="value", sort=False, observed=True
    )
    levels = list(dict.fromkeys(roots["level"]))
    sides = [s for s in ("left", "right") if (roots["side"] == s).any()]
    wide = wide.reindex(columns=pd.MultiIndex.from_product([levels, sides])).dropna()
    return wide.to_numpy(float).reshape(len(wide), len(levels), len(sides))


def stratum_test(cube: np.ndarray, effect: str) -> StratumTest:
    """Test of an effect of complete data against its interaction with subjects.

    Parameters
    ----------
    cube : (S, a, b) float
        Subjects, levels, sides.
    effect : str
        ``level``, ``side`` or ``level:side``.

    Returns
    -------
    StratumTest
        NaN with fewer than two subjects or without residual variation.

    Notes
    -----
    With orthonormal contrasts C (c, ab) of the effect and scores ``Z = Y C'`` (S, c),
    ``F = S |mean Z|² / tr(V)`` on ``(c, c (S - 1))`` degrees of freedom, V the covariance of Z, and
    ``epsilon = tr(V)² / (c tr(V²))`` (Greenhouse & Geisser 1959, doi:10.1007/BF02289823).  Unlike
    the model with one random intercept it lets each subject have its own side difference and its
    own course over levels; for the side it is the paired t test of the subjects' means, squared.
    """
    s, a, b = cube.shape
    halves = {"level": (True, False), "side": (False, True), "level:side": (True, True)}[effect]
    parts = [
        linalg.helmert(k) if in_effect else np.full((1, k), 1 / np.sqrt(k))
        for k, in_effect in zip((a, b), halves, strict=True)
    ]
    contrasts = np.kron(parts[0], parts[1])
    c = len(contrasts)
    nothing = StratumTest(np.nan, float(c), float(c * (s - 1)), np.nan, np.nan)
    if s < 2 or c < 1:
        return nothing
    scores = cube.reshape(s, a * b) @ contrasts.T
    v = np.atleast_2d(np.cov(scores, rowvar=False))
    trace = np.trace(v)
    if trace <= 1e-24 * max((cube**2).max(), 1e-300):
        return nothing
    f = float(s * (scores.mean(axis=0) ** 2).sum() / trace)
    epsilon = float(trace**2 / (c * (v**2).sum()))
    df1, df2 = float(c), float(c * (s - 1))
    return StratumTest(f, df1, df2, epsilon, float(stats.f.sf(f, epsilon * df1, epsilon * df2)))
