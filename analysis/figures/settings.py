"""Settings that every figure of ours is drawn with, whatever its user's are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

# Text of files is no mathematics: dollar signs are shown.  Type 42 keeps text in PDF as text: it
# can be searched and edited in print.
OURS: dict[str, Any] = {"text.parse_math": False, "pdf.fonttype": 42}
# Of the program that shows windows, which we do not open.
NOT_OF_FIGURES = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "timezone"})


@contextmanager
def own_settings() -> Iterator[None]:
    """Draw with matplotlib's defaults and ours; the user's come back behind the block.

    Decorates every function that makes a whole figure or saves one: settings reach into either.

    Examples
    --------
    >>> mpl.rcParams["axes.grid"] = True
    >>> with own_settings():
    ...     print(mpl.rcParams["axes.grid"])
    False
    >>> mpl.rcdefaults()
    """
    kept: dict[Any, Any] = {k: v for k, v in mpl.rcParamsDefault.items() if k not in NOT_OF_FIGURES}
    with mpl.rc_context(kept | OURS), warnings.catch_warnings():
        # A name in another script is no fault of ours; its signs are shown as boxes.
        warnings.filterwarnings("ignore", r"Glyph \d+")
        yield
