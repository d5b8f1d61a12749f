"""What a person's input can be wrong about; a defect of ours is never one of these."""

from __future__ import annotations


class AtlasError(ValueError):
    """Bad input or bad use.

    The text says where, what was expected, what came and what to do; the command prints it
    without a traceback.
    """
