"""What the 14 published subjects give, to stand beside a cohort's own numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atlas.data.subject import LEVELS
from atlas.data.surrogate_profiles import published_cohort

APEX = "dura-apex"
DISC = "disc-L1-L2"
PUBLISHED_SOURCE = "markers of the 14 adults of Liu et al. 2024, 10.6084/m9.figshare.26403442.v1"


def published_begin_sd() -> pd.DataFrame:
    """SD of the depth at which each root's trace begins in the 14 published subjects, by anchor.

    Returns
    -------
    DataFrame
        ``anchor`` (``dura-apex``, ``conus``, ``disc-L1-L2``), ``landmark`` (``begin``), ``level``,
        ``published_sd_mm`` (n - 1), ``published_source``.  The disc shows what a bony anchor gives:
        the markers hold none.
    """
    cohort = published_cohort()
    begin = np.array([s.begin_depth_mm for s in cohort])
    anchors = {
        APEX: np.zeros(len(cohort)),
        "conus": np.array([(s.n_cord - 1) * s.spacing_mm for s in cohort]),
        DISC: np.array([s.disc_depth_mm[0] for s in cohort]),
    }
    rows = [
        (anchor, "begin", level, sd, PUBLISHED_SOURCE)
        for anchor, depth in anchors.items()
        for level, sd in zip(LEVELS, (begin - depth[:, None]).std(axis=0, ddof=1), strict=True)
    ]
    columns = ["anchor", "landmark", "level", "published_sd_mm", "published_source"]
    return pd.DataFrame(rows, columns=columns)


def beside_published(depths: pd.DataFrame) -> pd.DataFrame:
    """A table of :func:`~analysis.variability.segment_tables.summarise_anchors` and published SDs.

    Parameters
    ----------
    depths : DataFrame
        ``anchor, landmark, level, n, sd_mm, …``.

    Returns
    -------
    DataFrame
        With ``published_sd_mm, published_source``; anchors only the publication has come last, with
        n = 0 and no SD of their own.
    """
    keys = ["anchor", "landmark", "level"]
    table = depths.merge(published_begin_sd(), on=keys, how="outer", sort=False)
    table = table.fillna({"n": 0, "published_source": ""}).astype({"n": int})
    order = {name: i for i, name in enumerate([*depths["anchor"].unique(), DISC])}
    ranks = {name: i for i, name in enumerate(("begin", "ganglion", *LEVELS))} | order
    return table.sort_values(keys, key=lambda c: c.map(ranks), ignore_index=True)
