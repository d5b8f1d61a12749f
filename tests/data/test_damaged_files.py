"""Damaged marker files: read to what they say, or one error that names the file."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import specimens
from damage import damaged, meaning
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.build import check_dataset
from atlas.data.dataset import survey_dataset
from atlas.data.markups import LARGEST_MM, MarkupsError, parse_markups

FILES = {
    name: content
    for name, content in specimens.subject_files(specimens.make_small_subject()).items()
    if name.endswith(("_1.json", "_2.json", "_L3_L.json", "_S2_R.json"))
}
NAMES = sorted(FILES)
# Of the processor, whatever else the machine does: a file that never ends would pass any bound.
LONGEST_S = 2.0


def assert_read_or_refused(content: bytes) -> bool:
    """Whether it was read; then to what the standard library reads, within any bounds."""
    begin = time.process_time()
    try:
        markups = parse_markups(content)
    except MarkupsError:
        return False
    finally:
        assert time.process_time() - begin < LONGEST_S
    for markup, points in zip(markups, meaning(content), strict=True):
        np.testing.assert_allclose(markup.points, points, rtol=1e-12)
        assert not (np.abs(markup.points) > LARGEST_MM).any()
    return True


def run(count: int, *, seed: int) -> int:
    read = 0
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        read += assert_read_or_refused(damaged(FILES[NAMES[rng.integers(len(NAMES))]], rng))
    return read


def test_damaged_files_are_read_to_what_they_say_or_refused():
    read = run(600, seed=1)
    # Damage that leaves nothing to read, or everything, would prove nothing.
    assert 150 < read < 500


@pytest.mark.slow
def test_ten_thousand_damaged_files_are_read_to_what_they_say_or_refused():
    run(10_000, seed=2)


def survey_of(folder, name, content):
    """The subject with one file damaged: what `atlas check` finds."""
    place = folder / "sub-01" / name
    before = place.read_bytes()
    place.write_bytes(content)
    try:
        dataset = survey_dataset(folder)
        return dataset.subjects, check_dataset(dataset)
    finally:
        place.write_bytes(before)


def assert_damage_is_named(folder, count, *, seed):
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = NAMES[rng.integers(len(NAMES))]
        content = damaged(FILES[name], rng)
        begin = time.process_time()
        subjects, findings = survey_of(folder, name, content)
        assert time.process_time() - begin < LONGEST_S
        if not subjects:
            assert any(name in str(f) for f in findings), (number, name)


def test_a_subject_with_a_damaged_file_is_read_or_refused_by_the_files_name(tmp_path):
    specimens.write_subject(tmp_path, specimens.make_small_subject())
    assert_damage_is_named(tmp_path, 8, seed=3)


@pytest.mark.slow
def test_hundreds_of_damaged_subjects_are_read_or_refused_by_the_files_name(tmp_path):
    specimens.write_subject(tmp_path, specimens.make_small_subject())
    assert_damage_is_named(tmp_path, 400, seed=4)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["RAS", "LPS", "mm", "um", "missing", "defined"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["markups", "controlPoints", "position", "positionStatus", "label", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
points = st.fixed_dictionaries(
    {},
    optional={
        "position": st.lists(st.floats(width=32) | json_values, min_size=2, max_size=4),
        "positionStatus": st.sampled_from(["defined", "missing"]) | json_values,
        "label": json_values,
        "description": json_values,
    },
)
markup = st.fixed_dictionaries(
    {"controlPoints": st.lists(points | json_values, max_size=4)},
    optional={
        "coordinateSystem": st.sampled_from(["LPS", "RAS"]) | json_values,
        "coordinateUnits": st.sampled_from(["mm", "m", ["um"]]) | json_values,
        "type": json_values,
    },
)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=50)
@given(document=st.fixed_dictionaries({"markups": st.lists(markup, max_size=2) | json_values}))
def test_any_document_is_read_to_what_it_says_or_refused(document):
    assert_read_or_refused(json.dumps(document).encode())


@settings(derandomize=True, deadline=None, max_examples=100)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content):
    assert_read_or_refused(content)


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[" * 100_000, b"x" * 2000])
def test_the_error_of_a_dataset_names_the_file(tmp_path, content):
    specimens.write_subject(tmp_path, specimens.make_small_subject())
    name = "sub-01_dura_1.json"
    subjects, findings = survey_of(tmp_path, name, content)
    (finding,) = [f for f in findings if f.rule == "unreadable-file"]
    assert subjects == ()
    assert str(finding).startswith(f"sub-01/{name}: expected valid JSON")
