"""JSON that every reader takes, whatever names and numbers hold."""

import json
from pathlib import Path

import numpy as np
import orjson
import pytest

from atlas.text.json_text import json_text, json_values

AWKWARD = {
    "numbers": [np.float64("nan"), float("inf"), -np.inf, np.int64(3), 0.1, True, None],
    "name\udce9": "sub-\udcff",
    "array": np.array([[1.0, np.nan]]),
    "place": Path("a/b"),
    "pair": (1, 2),
}


def test_numbers_that_are_none_and_halves_of_characters_are_plain_json():
    document = orjson.loads(json_text(AWKWARD))
    assert document == {
        "numbers": [None, None, None, 3, 0.1, True, None],
        "name\\udce9": "sub-\\udcff",
        "array": [[1.0, None]],
        "place": "a/b",
        "pair": [1, 2],
    }
    assert document == json_values(AWKWARD)


def test_keys_are_sorted_whatever_order_they_came_in():
    text = json_text({"b": {"z": 1, "y": 2}, "a": 0})
    assert text == json_text({"a": 0, "b": {"y": 2, "z": 1}})
    assert list(json.loads(text)) == ["a", "b"]


def test_what_json_has_no_word_for_is_a_defect():
    with pytest.raises(TypeError, match="expected a value that JSON has, got object"):
        json_text({"a": object()})
