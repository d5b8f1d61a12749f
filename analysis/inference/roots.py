"""The measures of roots, each side as if it were the left."""

from __future__ import annotations

import pandas as pd

from analysis.morphometry import MEASURES

# Measures that change sign in the mirror, where the definitions do not say so themselves.
SIGNED = frozenset({"angle_sac_deg", "angle_image_deg"})


def is_signed(measure: str) -> bool:
    """Whether mirroring the anatomy turns the sign of the measure.

    Examples
    --------
    >>> is_signed("angle_sac_deg"), is_signed("cord_area_mm2")
    (True, False)
    """
    definition = MEASURES.get(measure)
    return bool(getattr(definition, "signed", measure in SIGNED))


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
    mirrored = (roots["side"] == "right") & roots["measure"].map(is_signed).astype(bool)
    roots["value"] = roots["value"].where(~mirrored, -roots["value"]).astype(float)
    return roots
