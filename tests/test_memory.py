"""Sizes as people write them, and what fits."""

import pytest

from atlas.large.memory import (
    LEAST_BYTES,
    PROGRAM_BYTES,
    Budget,
    TooLittleMemoryError,
    free_memory,
    parse_size,
    subject_bytes,
)
from atlas.shape.scheme import LandmarkScheme

SCHEME = LandmarkScheme.standard()


@pytest.mark.parametrize(
    ("text", "size"), [("2GiB", 2 << 30), ("500 MB", 500 << 20), ("1.5g", 3 << 29), ("9", 9)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "2 parsecs", "-1GB", "1e9"])
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
