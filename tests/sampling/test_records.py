"""Records of samples, and what they say together: known counts, known moments."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from atlas.sampling.designs import SamplingError
from atlas.sampling.records import Record, sample_id
from atlas.sampling.summary import samples_csv, shift_rows


def record(index: int, scores, **values) -> Record:
    fields = {
        "accepted": True,
        "attempts": 1,
        "broken": {},
        "broken_now": (),
        "repaired_mm": 0.0,
        "turn_deg": (0.0, 0.0, 0.0),
        "shift_mm": (0.0, 0.0, 0.0),
        "measures": {"L1/left/angle_sac_deg": 60.0 + index},
    }
    return Record(index=index, scores=tuple(scores), **(fields | values))


def test_a_record_comes_back_from_its_json_values():
    one = record(3, [0.5, -1.0], attempts=4, broken={"roots-apart": 3})
    assert Record.of(one.document()) == one


@pytest.mark.parametrize(
    ("index", "n", "name"), [(0, 5, "sub-0001"), (9998, 9999, "sub-9999"), (4, 12345, "sub-00005")]
)
def test_ids_have_as_many_digits_as_the_last_needs(index, n, name):
    assert sample_id(index, n) == name


def test_the_table_keeps_missing_measures_empty_and_quotes_what_it_must():
    rows = [record(0, [1.0]), record(1, [2.0], measures={}, broken_now=("a", "b"), accepted=False)]
    text = samples_csv(rows, n=2, seed=7, notice='a "b", c')
    first, second = csv.DictReader(text.splitlines())
    assert first["L1/left/angle_sac_deg"] == "60"
    assert second["L1/left/angle_sac_deg"] == ""
    assert second["broken_rules"] == "a b"
    assert (first["accepted"], second["accepted"]) == ("1", "0")
    assert first["notice"] == 'a "b", c'


def test_the_shift_is_the_moments_of_the_accepted_samples():
    rng = np.random.default_rng(3)
    scores = rng.normal(0.4, 1.5, (200, 2))
    rows = [record(i, s) for i, s in enumerate(scores)]
    rows.append(record(200, [99.0, 99.0], accepted=False))
    table = shift_rows(rows)
    for k, row in enumerate(table):
        assert row["n"] == 200
        assert row["mean_sd"] == pytest.approx(scores[:, k].mean())
        assert row["variance"] == pytest.approx(scores[:, k].var(ddof=1))
        assert row["mean_low_sd"] < 0.4 < row["mean_high_sd"]
        assert row["variance_low"] < 2.25 < row["variance_high"]


def test_one_sample_says_nothing_of_the_distribution():
    assert shift_rows([record(0, [1.0])]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attempts": 0}, "counts and states that go together"),
        ({"accepted": False}, "counts and states that go together"),
        ({"accepted": 1}, "record/accepted: expected true or false, got 1"),
        ({"scores": [float("nan")]}, "record/scores"),
        ({"turn_deg": [1, 2]}, "record/turn_deg: expected a list of 3, got 2"),
        ({"more": 1}, "also 'more'"),
    ],
)
def test_a_record_that_cannot_be_is_refused(change, message):
    with pytest.raises(SamplingError, match=message):
        Record.of(record(3, [0.5]).document() | change)


def test_a_missing_measure_is_null_in_the_file():
    text = json.dumps(record(3, [0.5], measures={"a": np.nan}).document())
    assert '"a": null' in text
    assert np.isnan(Record.of(json.loads(text)).measures["a"])
