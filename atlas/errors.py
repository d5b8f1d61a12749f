"""What a person's input can be wrong about; a defect of ours is never one of these."""

from __future__ import annotations


class AtlasError(ValueError):
    """Bad input or bad use.

    The text says where, what was expected, what came and what to do; the command prints it
    without a traceback.
    """


class MachineError(AtlasError):
    """What the machine would not do, where nothing was wrong with the input.

    A full disk, a worker that was ended: the same command may go through another time.
    """
