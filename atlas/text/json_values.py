"""JSON that anybody may have written: parsed without guesses, held to the types it stands for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

# What is nested deeper was not written by a person or by any program of the field.
DEEPEST = 64


class JsonError(ValueError):
    """Text that is no such JSON; says where in it, expected and got."""


def parse_json(text: str) -> Any:
    """Values of a JSON document, by the letter of the standard.

    Parameters
    ----------
    text : str

    Returns
    -------
    object

    Raises
    ------
    JsonError
        Not JSON; NaN, an infinite number, a name twice in one object, half a character, or nesting
        beyond :data:`DEEPEST`.
    """
    try:
        document = json.loads(
            text, parse_constant=_number, parse_float=_number, object_pairs_hook=_single
        )
    except RecursionError:
        raise JsonError(_TOO_DEEP) from None
    except JsonError:
        raise
    except ValueError as error:
        raise JsonError(f"expected JSON, got {error}") from None
    _refuse_beyond_text(document)
    return document


_TOO_DEEP = f"expected JSON of at most {DEEPEST} levels, got more"


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError(f"expected JSON of finite numbers, got {text[:20]}")
    return value


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"expected every name once in an object, got {twice[:60]!r} twice")
    return values


def _refuse_beyond_text(document: Any) -> None:
    """Refuse what no writer can write again: halves of characters, and very deep nesting."""
    level = [document]
    for _ in range(DEEPEST):
        texts = [v for v in level if isinstance(v, str)]
        nested = [v for v in level if isinstance(v, (dict, list))]
        texts += [name for node in nested if isinstance(node, dict) for name in node]
        try:
            "".join(texts).encode()
        except UnicodeEncodeError:
            raise JsonError(
                "expected whole characters, got half of one (\\ud800 … \\udfff)"
            ) from None
        level = [v for node in nested for v in (node.values() if isinstance(node, dict) else node)]
        if not level:
            return
    raise JsonError(_TOO_DEEP)


def value_as(hint: Any, value: Any, where: str, *, optional: tuple[str, ...] = ()) -> Any:
    """A JSON value as the type it stands for.

    Parameters
    ----------
    hint : type
        ``bool``, ``int``, ``float``, ``str``, ``None``, ``Literal``, a union, ``tuple``, ``list``,
        ``Mapping`` or ``dict`` of texts, a dataclass, ``Any``.
    value : object
        Of :func:`parse_json`.
    where : str
        How an error names it.
    optional : tuple of str
        Fields of a dataclass that may be left to their defaults; no others.

    Returns
    -------
    object
        Lists as tuples where the type says so; whole numbers as ``float`` where it says so.

    Raises
    ------
    JsonError
        The value is of another type, or an object has other fields.

    Examples
    --------
    >>> value_as(tuple[float, ...], [1, 2.5], "scores")
    (1.0, 2.5)
    """
    origin = get_origin(hint)
    if is_dataclass(hint):
        return _dataclass_as(hint, value, where, optional)
    if origin in (Union, UnionType):
        return _one_of(hint, value, where)
    if origin in (tuple, list):
        return _sequence_as(hint, value, where)
    if origin is Literal:
        return _chosen(get_args(hint), value, where)
    if origin is not None and issubclass(origin, Mapping):
        _refuse_unless(isinstance(value, dict), "an object", value, where)
        of = get_args(hint)[1]
        return {name: value_as(of, v, f"{where}/{name}") for name, v in value.items()}
    return _plain_as(hint, value, where)


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _plain_as(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    if hint in (None, NoneType):
        _refuse_unless(value is None, "null", value, where)
        return None
    if hint is float and type(value) is int:
        _refuse_unless(abs(value) < 2**1000, "a number", "one of hundreds of digits", where)
        return float(value)
    # By the very type: true is no number.
    _refuse_unless(type(value) is hint, _WORDS.get(hint, str(hint)), value, where)
    _refuse_unless(hint is not float or math.isfinite(value), "a finite number", value, where)
    return value


def _chosen(options: tuple[Any, ...], value: Any, where: str) -> Any:
    known = any(type(value) is type(option) and value == option for option in options)
    _refuse_unless(known, f"one of {', '.join(map(repr, options))}", value, where)
    return value


def _one_of(hint: Any, value: Any, where: str) -> Any:
    said = []
    for option in get_args(hint):
        try:
            return value_as(option, value, where)
        except JsonError as error:
            said.append(str(error).removeprefix(f"{where}: expected ").split(", got ")[0])
    raise JsonError(f"{where}: expected {' or '.join(said)}, got {described(value)}")


def _sequence_as(hint: Any, value: Any, where: str) -> Any:
    _refuse_unless(isinstance(value, (list, tuple)), "a list", value, where)
    kinds = get_args(hint)
    if get_origin(hint) is list or kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise JsonError(f"{where}: expected a list of {len(kinds)}, got {len(value)}")
    if kinds and set(kinds) == {str} and all(type(v) is str for v in value):
        # Thousands of names at once.
        return list(value) if get_origin(hint) is list else tuple(value)
    found = [
        value_as(k, v, f"{where}/{i}") for i, (k, v) in enumerate(zip(kinds, value, strict=True))
    ]
    return found if get_origin(hint) is list else tuple(found)


def _dataclass_as(hint: Any, value: Any, where: str, optional: tuple[str, ...]) -> Any:
    _refuse_unless(isinstance(value, dict), "an object", value, where)
    hints = _hints(hint)
    known = {f.name: f.default is MISSING or f.name not in optional for f in fields(hint)}
    lost = [name for name, needed in known.items() if needed and name not in value]
    odd = [name for name in value if name not in known]
    if lost or odd:
        what = f"none for {', '.join(lost)}" if lost else f"also {', '.join(map(repr, odd))[:80]}"
        raise JsonError(f"{where}: expected values for {', '.join(known)}, got {what}")
    return hint(**{name: value_as(hints[name], v, f"{where}/{name}") for name, v in value.items()})


@lru_cache(maxsize=64)
def _hints(of: Any) -> dict[str, Any]:
    return get_type_hints(of)


def _refuse_unless(holds: bool, expected: str, value: Any, where: str) -> None:
    if not holds:
        raise JsonError(f"{where}: expected {expected}, got {described(value)}")


def described(value: Any) -> str:
    """A value in a few words, for an error."""
    if isinstance(value, (dict, list, tuple)):
        kind = "an object" if isinstance(value, dict) else "a list"
        return f"{kind} of {len(value)}"
    # Of a number of thousands of digits not even the text is asked for.
    if isinstance(value, int) and abs(value) >= 2**200:
        return "a number of hundreds of digits"
    return repr(value)[:60]
