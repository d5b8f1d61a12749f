"""Arrays and words in a page, and back out of it.

The words stand as JSON in a script element that does not run; the arrays stand in it too, one after
the other, compressed and in base64.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from atlas.errors import AtlasError

ELEMENT = '<script type="application/json" id="atlas-data">'
TYPES = ("float32", "uint16", "uint32")


class PageError(AtlasError):
    """A text that is no page of ours; the text says expected and got."""


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """JSON values of named arrays.

    Parameters
    ----------
    arrays : mapping of str to array
        float32, uint16 or uint32.

    Returns
    -------
    dict
        ``index``: of each name its type, shape and first byte; ``bytes``: how many there are;
        ``data``: all of them, little-endian, zlib (RFC 1950), base64.
    """
    index, parts, start = {}, [], 0
    for name, array in arrays.items():
        if array.dtype.name not in TYPES:
            raise ValueError(f"{name}: expected an array of {TYPES}, got {array.dtype.name}")
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        index[name] = {"type": array.dtype.name, "shape": array.shape, "start": start}
        # A typed array in the page begins at a multiple of four bytes.
        parts += [raw, bytes(-len(raw) % 4)]
        start += len(parts[-2]) + len(parts[-1])
    data = base64.b64encode(zlib.compress(b"".join(parts), 9)).decode("ascii")
    return {"index": index, "bytes": start, "data": data}


def unpack_arrays(packed: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Named arrays out of the JSON values of :func:`pack_arrays`."""
    raw = zlib.decompress(base64.b64decode(packed["data"]))
    if len(raw) != packed["bytes"]:
        raise PageError(f"arrays: expected {packed['bytes']} bytes, got {len(raw)}")
    arrays = {}
    for name, entry in packed["index"].items():
        dtype = np.dtype(entry["type"]).newbyteorder("<")
        count = int(np.prod(entry["shape"]))
        array = np.frombuffer(raw, dtype, count, entry["start"])
        arrays[name] = array.reshape(entry["shape"]).astype(entry["type"])
    return arrays


def script_json(document: Any) -> str:
    r"""JSON that neither ends a script element nor opens anything within it.

    Examples
    --------
    >>> script_json({"notice": "</script><!-- é"})
    '{"notice":"\\u003c/script\\u003e\\u003c!-- \\u00e9"}'
    """
    # Everything beyond ASCII is escaped by json itself: U+2028 ends a line of JavaScript.
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def read_page(page: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The words and the arrays of a page.

    Parameters
    ----------
    page : str
        HTML of :func:`atlas.explorer.page.explorer_page`.

    Returns
    -------
    document : dict
    arrays : dict of str to array

    Raises
    ------
    PageError
        The text holds no data of an explorer.
    """
    found = re.search(re.escape(ELEMENT) + "(.*?)</script>", page, re.DOTALL)
    if found is None:
        raise PageError("page: expected the data of an explorer, got none; write it anew")
    document = json.loads(found[1])
    return document, unpack_arrays(document["arrays"])
