"""Values as JSON that every reader takes: no number that JSON has not, no half of a character."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def json_text(document: object, *, sort_keys: bool = True) -> str:
    """A document as JSON text: readable, of plain values only.

    Parameters
    ----------
    document : JSON-like value
        As :func:`json_values` takes it.
    sort_keys : bool
        Otherwise keys stand in the order they came in.

    Returns
    -------
    str
        Ends with a line break.

    Examples
    --------
    >>> print(json_text({"b": float("nan"), "a": 1}), end="")
    {
      "a": 1,
      "b": null
    }
    """
    values = json_values(document)
    text = json.dumps(values, indent=2, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def json_values(value: Any) -> Any:
    r"""A value as JSON has it.

    Parameters
    ----------
    value : JSON-like value
        Mappings, sequences, text, paths, numbers of Python and NumPy, None.

    Returns
    -------
    JSON value
        A number that is none (NaN, infinite) is null.  Half of a character, which names of files
        that are not UTF-8 hold, is written out, as ``\udce9``.

    Raises
    ------
    TypeError
        Something JSON has no word for.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str | PurePath):
        return str(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(json_values(k)): json_values(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_values(v) for v in value]
    if hasattr(value, "tolist"):  # an array or a number of NumPy
        return json_values(value.tolist())
    raise TypeError(f"expected a value that JSON has, got {type(value).__name__}")
