"""What the 14 published subjects give, to stand beside a cohort's own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.columns import Columns, as_frame, texts
from atlas.data.builtin.builtin_profiles import published_cohort
from atlas.data.subject import LEVELS

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("anchor", "landmark", "level")
LANDMARKS = ("begin", "ganglion")
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
    spreads = _published_spreads()
    columns = dict(zip(KEYS, zip(*spreads, strict=True), strict=True))
    spread = {"published_sd_mm": list(spreads.values()), "published_source": PUBLISHED_SOURCE}
    return as_frame({**columns, **spread})


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
    return as_frame(columns_beside_published(depths))


def columns_beside_published(depths: pd.DataFrame | Columns) -> Columns:
    """The columns of :func:`beside_published`, from those of ``summarise_anchors``."""
    spreads = _published_spreads()
    own = list(zip(*(depths[name] for name in KEYS), strict=True))
    anchors = dict.fromkeys((*depths["anchor"], *(anchor for anchor, _, _ in spreads)))
    order = {name: i for i, name in enumerate((*anchors, *LANDMARKS, *LEVELS))}
    rows = sorted({*own, *spreads}, key=lambda row: [order[name] for name in row])
    table: Columns = dict(zip(KEYS, map(texts, zip(*rows, strict=True)), strict=True))
    # Where the row stands in the depths; beyond their end for one that only the publication has.
    place = np.array([own.index(row) if row in own else len(own) for row in rows], dtype=int)
    for name in [str(name) for name in depths if name not in KEYS]:
        nothing = 0 if name == "n" else np.nan
        table[name] = np.append(np.asarray(depths[name]), nothing)[place]
    table["published_sd_mm"] = np.array([spreads.get(row, np.nan) for row in rows])
    table["published_source"] = texts(PUBLISHED_SOURCE if row in spreads else "" for row in rows)
    return table


def _published_spreads() -> dict[tuple[str, str, str], float]:
    """SD in mm (n - 1) of the published subjects by anchor, landmark and level."""
    cohort = published_cohort()
    begin = np.array([s.begin_depth_mm for s in cohort])
    anchors = {
        APEX: np.zeros(len(cohort)),
        "conus": np.array([(s.n_cord - 1) * s.spacing_mm for s in cohort]),
        DISC: np.array([s.disc_depth_mm[0] for s in cohort]),
    }
    return {
        (anchor, "begin", level): float(sd)
        for anchor, depth in anchors.items()
        for level, sd in zip(LEVELS, (begin - depth[:, None]).std(axis=0, ddof=1), strict=True)
    }
