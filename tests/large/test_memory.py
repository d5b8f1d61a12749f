"""Sizes as people write them, and what fits."""

from pathlib import Path

import numpy as np
import pytest

from atlas.arrays import let_go
from atlas.landmarks.scheme import LandmarkScheme
from atlas.large.memory import (
    LEAST_BYTES,
    PROGRAM_BYTES,
    Budget,
    TooLittleMemoryError,
    free_memory,
    parse_size,
    subject_bytes,
)
from atlas.large.resources import Resources

SCHEME = LandmarkScheme.standard()


@pytest.mark.parametrize(
    ("text", "size"), [("2GiB", 2 << 30), ("500 MB", 500 << 20), ("1.5g", 3 << 29), ("9", 9)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "2 parsecs", "-1GB", "1e9", "nan", "inf", "9" * 400])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(TooLittleMemoryError, match="max-memory: expected a size like 2GiB"):
        parse_size(text)


def test_too_little_memory_is_refused_with_the_least_that_works():
    with pytest.raises(TooLittleMemoryError, match=r"at least 320 MiB, .* got 100 MiB"):
        Budget.of("100MiB")


def test_half_of_the_free_memory_is_the_default():
    assert LEAST_BYTES <= Budget.of(None).total <= free_memory()


def test_fourteen_fit_where_ten_thousand_do_not():
    budget = Budget.of("2GiB")
    assert budget.holds(14, SCHEME) and not budget.holds(10_000, SCHEME)


@pytest.mark.parametrize("text", ["320MiB", "1GiB", "64GiB"])
def test_a_block_leaves_room_for_its_copies(text):
    budget = Budget.of(text)
    block = budget.block(SCHEME)
    assert block >= 1
    assert 8 * block * subject_bytes(SCHEME) <= budget.total - PROGRAM_BYTES


def test_a_limit_too_small_for_the_group_or_its_workers_is_refused_at_once():
    Resources(max_memory="400MiB").expect_room(500)
    Resources().expect_room(10**6)
    with pytest.raises(TooLittleMemoryError, match=r"at least 973 MiB for 10,000 subjects"):
        Resources(max_memory="400MiB").expect_room(10_000)
    with pytest.raises(TooLittleMemoryError, match=r"at least 960 MiB for 10 subjects and 2 worke"):
        Resources(max_memory="400MiB", workers=2).expect_room(10)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_what_was_read_of_a_mapped_file_is_given_back_and_can_be_read_again(tmp_path):
    path = tmp_path / "numbers"
    np.arange(1 << 20, dtype=float).tofile(path)
    mapped = np.memmap(path, float, mode="r")
    before = resident()
    assert mapped.sum() == (1 << 19) * ((1 << 20) - 1)
    grown = resident() - before
    let_go(mapped)
    assert resident() - before < grown / 2
    assert mapped[-1] == (1 << 20) - 1
    let_go(np.ones(3))


def resident():
    """Bytes of files that are mapped and in memory."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        (line,) = (text for text in file if text.startswith("RssFile"))
    return int(line.split()[1]) << 10
