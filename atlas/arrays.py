"""Arrays as the frozen types keep them: copied in, read-only, of a checked shape."""

from __future__ import annotations

import mmap
from typing import TypeGuard

import numpy as np


def read_only(
    values: object,
    shape: tuple[int | None, ...],
    name: str,
    *,
    dtype: type = float,
) -> np.ndarray:
    """Copy values into a read-only array of the stated shape.

    An array that nobody can write to any more is taken as it is.

    Parameters
    ----------
    values : array-like
        What the caller gave.
    shape : tuple of int or None
        The expected shape; None where any length will do.
    name : str
        How an error names it.
    dtype : type
        Element type of the copy.

    Returns
    -------
    ndarray
        C-contiguous, with ``writeable=False``.

    Raises
    ------
    ValueError
        The shape is another one; the text says expected and got.
    """
    array = values if _rests(values, dtype) else np.array(values, dtype=dtype, order="C", copy=True)
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        want = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        raise ValueError(f"{name}: expected an array of shape {want}, got {array.shape}")
    array.flags.writeable = False
    return array


def freeze(array: np.ndarray) -> np.ndarray:
    """Hand an array over: read-only from here on, so that :func:`read_only` need not copy it."""
    array.flags.writeable = False
    return array


def let_go(array: np.ndarray) -> None:
    """Give back the memory that a mapped file takes for what was read of it; it can be read again.

    Parameters
    ----------
    array : ndarray
        One in memory stays as it is.
    """
    opened = getattr(array, "_mmap", None) if _is_mapped(array) else None
    if opened is not None and hasattr(mmap, "MADV_DONTNEED"):
        opened.madvise(mmap.MADV_DONTNEED)


def _rests(values: object, dtype: type) -> TypeGuard[np.ndarray]:
    """Whether values are an array as wanted that owns its data and cannot be written to."""
    return (
        isinstance(values, np.ndarray)
        and values.dtype == dtype
        and values.flags.c_contiguous
        and not values.flags.writeable
        and (values.base is None or _is_mapped(values))
    )


def _is_mapped(values: np.ndarray) -> bool:
    """Whether values are a file opened for reading only, or rows of one."""
    return isinstance(values, np.memmap) and values.mode == "r"
