"""Marker files damaged at random: in their bytes, their tokens or their structure.

Import it as ``import damage``.  :func:`damaged` is a pure function of file and generator;
:func:`meaning` reads a file with the standard library alone, to hold the reader against.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

TOKEN = re.compile(rb'"[^"]*"|-?\d+\.?\d*(?:[eE][-+]?\d+)?|true|false|null|[\[\]{}:,]')
NUMBER = re.compile(rb"-?\d+\.\d+(?:[eE][-+]?\d+)?")
TOKENS = (
    *(b"null", b"true", b"0", b"-0", b"1e308", b"-1e308", b"1e400", b"5e-324", b"NaN", b"Infinity"),
    *(
        b"123456789012345678901234567890",
        b"18446744073709551615",
        b'""',
        b'"\\ud800"',
        b"[]",
        b"{}",
    ),
    *(b'"RAS"', b'"um"', b'"m"', b'"missing"', b'"LPS"', b'["um", "UCUM", "x"]', b'"__proto__"'),
    *(b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 3000, b'"\xff"'),
    *(b'"controlPoints"', b'"position"', b'"markups"', b",", b"]", b"}", b":"),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1e308,
        1e7,
        9.9e6,
        1e-320,
        2**64 - 1,
        "",
        "x" * 5000,
        [],
        {},
        [[]],
        [None],
    ),
    *([1.0, 2.0, 3.0], [1, 2], "RAS", "LPS", "mm", "m", "missing", "undefined", {"position": 3}),
)
FACTORS = {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "cm": 10.0, "m": 1000.0}


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """One file, damaged once or twice in one of four ways."""
    ways = (_bytes_damaged, _tokens_damaged, _structure_damaged, _numbers_damaged)
    damage = ways[rng.integers(len(ways))]
    for _ in range(rng.integers(1, 3)):
        content = damage(content, rng)
    return content


def _bytes_damaged(content: bytes, rng: np.random.Generator) -> bytes:
    place, other = sorted(int(v) for v in rng.integers(0, len(content) + 1, 2))
    match rng.integers(6):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + content[other:]
        case 2:
            return content[:place] + content[place:other] * 2 + content[other:]
        case 3:
            return content[:place] + rng.bytes(3) + content[place:]
        case 4:
            return content[:place] + rng.bytes(1) + content[place + 1 :]
        case _:
            return content[:place] + b"\x00" * 40 + content[place:]


def _tokens_damaged(content: bytes, rng: np.random.Generator) -> bytes:
    places = list(TOKEN.finditer(content))
    if not places:
        return content
    place = places[rng.integers(len(places))]
    token = TOKENS[rng.integers(len(TOKENS))]
    return content[: place.start()] + token + content[place.end() :]


def _numbers_damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Another number, of any size, or that of another place: most of these can be read."""
    places = list(NUMBER.finditer(content))
    if not places:
        return content
    place = places[rng.integers(len(places))]
    number = (
        places[rng.integers(len(places))][0]
        if rng.integers(2)
        else repr(float(rng.normal() * 10.0 ** rng.integers(-300, 300))).encode()
        if rng.integers(2)
        else repr(float(rng.normal() * 10.0 ** rng.integers(-3, 8))).encode()
    )
    return content[: place.start()] + number + content[place.end() :]


def _structure_damaged(content: bytes, rng: np.random.Generator) -> bytes:
    try:
        document = json.loads(content)
    except ValueError:
        return content
    nodes: list[Any] = []
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (dict, list)) and node:
            nodes.append(node)
            waiting.extend(node.values() if isinstance(node, dict) else node)
    if not nodes:
        return content
    node = nodes[rng.integers(len(nodes))]
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key = keys[rng.integers(len(keys))]
    match rng.integers(5):
        case 0:
            del node[key]
        case 1:
            node[key] = [node[key]]
        case 2 if isinstance(node, list):
            node.extend(node[:200])
        case _:
            node[key] = VALUES[rng.integers(len(VALUES))]
    return json.dumps(document).encode()


def meaning(content: bytes) -> list[np.ndarray]:
    """Points of each markup, LPS mm, NaN where not defined; by json and arithmetic alone."""
    document = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    found = []
    for markup in document["markups"]:
        unit = markup.get("coordinateUnits", "mm")
        factor = FACTORS[unit if isinstance(unit, str) else unit[0]]
        turn = {"LPS": 1.0, "RAS": -1.0}[markup.get("coordinateSystem", "LPS")]
        rows = []
        for point in markup["controlPoints"]:
            if point.get("positionStatus", "defined") != "defined":
                rows.append([np.nan] * 3)
                continue
            x, y, z = point["position"]
            rows.append([turn * factor * x, turn * factor * y, factor * z])
        found.append(np.array(rows, dtype=float).reshape(-1, 3))
    return found
