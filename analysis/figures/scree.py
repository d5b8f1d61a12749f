"""The share of the variance that each mode holds, drawn on axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator, PercentFormatter

from analysis.figures.anatomy_axes import MINUS, PLUS, TEXT_PT
from atlas.model.shape_model import ShapeModel


def draw_scree(model: ShapeModel, ax: Axes) -> Axes:
    """Share of the variance that each mode holds, as bars, and their running sum, as a line.

    Parameters
    ----------
    model : ShapeModel
    ax : Axes

    Returns
    -------
    Axes
    """
    share = model.variance / model.total_variance
    number = np.arange(1, len(share) + 1)
    ax.bar(number, share, color=MINUS, width=0.72, label="each mode")
    ax.plot(number, np.cumsum(share), "o-", color=PLUS, ms=3.2, lw=1.2, label="cumulative")
    ax.set_ylim(0, 1.04)
    ax.set_xlim(0.3, len(share) + 0.7)
    ax.xaxis.set_major_locator(MultipleLocator(1 if len(share) <= 14 else 5))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.yaxis.grid(True, color="0.9", lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel(f"mode (n = {model.n_subjects} subjects)", fontsize=TEXT_PT + 0.5)
    ax.set_ylabel("share of shape variance", fontsize=TEXT_PT + 0.5)
    ax.tick_params(labelsize=TEXT_PT)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=TEXT_PT, loc="center right")
    return ax
