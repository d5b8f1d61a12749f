"""Draws ``images/measures.png``: a section with its lengths, and the course of a root."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def section(ax: Axes) -> None:
    """A slice: sac and cord from above, dorsal up, the lengths marked."""
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(9 * np.cos(turn), 7 * np.sin(turn), "tab:blue")
    ax.fill(4.5 * np.cos(turn), 1.5 + 3.4 * np.sin(turn), "wheat", ec="tab:orange")
    marks = {
        "csf_dorsal_mm": ((0, 4.9), (0, 7), (0.3, 5.7)),
        "csf_ventral_mm": ((0, -7), (0, -1.9), (0.3, -4.2)),
        "csf_lateral_mm": ((4.5, 1.5), (8.79, 1.5), (4.9, 1.9)),
        "cord_width_mm": ((-4.5, 1.0), (4.5, 1.0), (-2, 0.2)),
        "sac_width_mm": ((-9, -8.2), (9, -8.2), (-2, -9.2)),
        "sac_depth_mm": ((-10, -7), (-10, 7), (-9.7, 5.8)),
    }
    for name, (begin, end, at) in marks.items():
        ax.annotate("", begin, end, arrowprops={"arrowstyle": "<->"})
        ax.text(*at, name, fontsize=8)
    ax.set(title="section (dorsal up, left to the right)", aspect="equal")
    ax.set(xlim=(-11, 10), ylim=(-10, 8))
    ax.axis("off")


def course(ax: Axes) -> None:
    """A root from behind: begin, exit, ganglion and the take-off angle."""
    ax.plot([0, 0], [0, -60], "tab:orange", lw=14, solid_capstyle="round")
    ax.plot([9, 9], [0, -140], "tab:blue")
    ax.plot([-9, -9], [0, -140], "tab:blue")
    along = np.linspace(0, 1, 100)
    x, y = 3 + 13 * along**1.6, -20 - 95 * along
    ax.plot(x[:50], y[:50], "k", label="traced")
    ax.plot(x[49:], y[49:], "k--", label="bridged")
    leaves = int(np.argmax(x > 9))
    for name, i in {"begin": 0, "exit": leaves, "ganglion": 99}.items():
        ax.plot(x[i], y[i], "o", color="tab:red")
        ax.text(x[i] + 1, y[i], name, fontsize=9)
    ax.plot([3, 3], [-20, -50], ":", color="grey")
    ax.annotate("angle_takeoff", (3.6, -44), (12, -40), arrowprops={"arrowstyle": "->"})
    ax.annotate("", (20, -20), (20, y[49]), arrowprops={"arrowstyle": "|-|"})
    ax.text(20.5, -50, "inside the sac: to the first of\nexit, end of trace, last ring", fontsize=8)
    ax.text(-8, 3, "apex")
    ax.text(-6, -70, "conus")
    ax.set(title="course of a root (from behind, not to scale)", xlim=(-12, 30))
    ax.legend(loc="lower left", fontsize=8, frameon=False)
    ax.axis("off")


if __name__ == "__main__":
    figure, panels = plt.subplots(1, 2, figsize=(11, 5.5), layout="constrained")
    section(panels[0])
    course(panels[1])
    figure.savefig(Path(__file__).parent / "images" / "measures.png", dpi=110)
