"""The measures of roots, each side as if it were the left; those of complete subjects as a cube."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.morphometry.definitions import SIGNED


def root_values(measures: pd.DataFrame) -> pd.DataFrame:
    """Rows of the left and right roots that have a value; the right's sign turned where signed.

    Parameters
    ----------
    measures : DataFrame
        ``subject, level, side, measure, value`` as ``measure_group`` gives it.

    Returns
    -------
    DataFrame
        A copy in the same order with a fresh index.
    """
    sided = measures["side"].isin(["left", "right"]) & measures["value"].notna()
    roots = measures[sided].reset_index(drop=True)
    mirrored = (roots["side"] == "right") & roots["measure"].isin(SIGNED)
    roots["value"] = roots["value"].where(~mirrored, -roots["value"]).astype(float)
    return roots


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
