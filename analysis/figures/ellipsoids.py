"""Where begins and ganglia lie over a population: 95 % ellipses over the mean anatomy."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from scipy import stats

from analysis.figures.anatomy_axes import HORIZONTAL, LEVEL_COLOURS, View

SHARE = 0.95


def covariance_ellipse(points: np.ndarray) -> tuple[np.ndarray, float, float, float]:
    """The ellipse that holds 95 % of the normal population with the covariance of some points.

    Parameters
    ----------
    points : (n, 2) float
        Finite, n > 2, mm.

    Returns
    -------
    centre : (2,) float
    width, height : float
        Whole axes, mm: ``2 sqrt(lambda chi²(2))`` at 95 %, covariance with n - 1.
    angle : float
        Of the first axis from the horizontal, degrees anticlockwise.
    """
    variance, directions = np.linalg.eigh(np.cov(points.T))
    reach = 2 * np.sqrt(np.maximum(variance, 0) * stats.chi2.ppf(SHARE, 2))
    angle = float(np.degrees(np.arctan2(directions[1, 1], directions[0, 1])))
    return points.mean(axis=0), float(reach[1]), float(reach[0]), angle


def draw_ellipse(
    points: np.ndarray, view: View, ax: Axes, *, level: str, name: str, filled: bool
) -> bool:
    """One landmark of all subjects in a view: its 95 % ellipse and the subjects as dots.

    Parameters
    ----------
    points : (n, 3) float
        As aligned, mm; subjects without it are NaN and left out.
    view : {"front", "side"}
    ax : Axes
    level : str
        For its colour.
    name : str
        Group id of the artists.
    filled : bool
        Filled for ganglia, hollow for begins.

    Returns
    -------
    bool
        Whether there was an ellipse to draw: it takes three subjects.
    """
    seen = points[~np.isnan(points).any(axis=1)][:, [HORIZONTAL[view], 2]]
    colour = LEVEL_COLOURS[level]
    dots = ax.plot(*seen.T, ".", ms=1.8, color=colour, alpha=0.6, zorder=6, mew=0)[0]
    dots.set_gid(f"subjects/{name}")
    if len(seen) < 3:
        return False
    centre, width, height, angle = covariance_ellipse(seen)
    shape = Ellipse(
        (float(centre[0]), float(centre[1])), width, height, angle=angle, ec=colour, lw=0.9,
        fc=(*_rgb(colour), 0.18) if filled else "none", zorder=5, gid=f"ellipse/{name}",
    )  # fmt: skip
    ax.add_patch(shape)
    return True


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)
