"""How long work says what it is at: a callable that gets the name of each stage as it begins."""

from __future__ import annotations

from collections.abc import Callable

Stage = Callable[[str], None]


def quiet(_name: str) -> None:
    """Say nothing of the stages."""
