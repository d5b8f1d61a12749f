"""What of a user's surroundings does not reach into what we make: settings of other programs."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

# Of a user's own plots and programs, not of ours.
FOREIGN = ("MATPLOTLIBRC", "MPLBACKEND", "PYTHONWARNINGS", "PYTHONSTARTUP", "PYTHONINSPECT")


def own_environment() -> dict[str, str]:
    """Environment for a process of ours: without settings that a user made for other programs.

    Returns
    -------
    dict of str to str
        matplotlib draws with Agg and reads no settings but its own; a warning is a warning.
    """
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | own_plotting()


def own_plotting() -> dict[str, str]:
    """Variables that have matplotlib draw with Agg and its own settings, told before it loads."""
    found = find_spec("matplotlib")
    origin = found.origin if found is not None else None
    told = {"MPLBACKEND": "agg"}
    if origin:
        told["MATPLOTLIBRC"] = str(Path(origin).parent / "mpl-data" / "matplotlibrc")
    return told


def main_is_guarded() -> bool:
    """Whether workers can load the script that runs without running it as a whole.

    A fresh process loads the script it was started from; one that begins to work at once, without
    ``if __name__ == "__main__":``, would begin the same work in every worker.
    """
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if not path:
        # Typed in: there is no script to load.
        return True
    try:
        text = Path(path).read_text("utf-8", errors="replace")
    except OSError:
        return True
    return "__name__" in text
