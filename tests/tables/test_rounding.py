from __future__ import annotations

import numpy as np
import pytest

from analysis.tables.rounding import (
    FINEST,
    decimals_of,
    plain,
    probability,
    rounded,
    span,
    with_interval,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("half", "decimals"), [(37.0, 0), (3.7, 1), (1.0, 1), (0.99, 2), (0.021, 3), (1e-9, FINEST)]
)
def test_the_second_digit_of_half_the_width_decides(half, decimals):
    assert decimals_of(half) == decimals


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((38.6123, 34.91, 42.31), "38.6 (34.9–42.3)"),
        ((-0.154, -1.214, 0.914), "−0.2 (−1.2 to 0.9)"),
        ((0.001, 0.0005, 0.0015), "0.0010 (0.0005–0.0015)"),
        ((1234.0, 1000.0, 1468.0), "1234 (1000–1468)"),
        ((40.0, NAN, NAN), "40.0"),
        ((2.0, 2.0, 2.0), "2.00"),
        ((NAN, NAN, NAN), "–"),
    ],
)
def test_a_value_stands_with_its_interval_at_one_precision(numbers, text):
    assert with_interval(*numbers) == text


def test_a_rounded_number_is_within_half_a_digit_of_what_it_was():
    rng = np.random.default_rng(0)
    for value, half in zip(rng.normal(0, 50, 300), rng.exponential(3, 300), strict=True):
        text = with_interval(value, value - half, value + half).split(" (")[0]
        read = float(text.replace("−", "-"))
        assert abs(read - value) <= 0.5 * 10.0 ** -decimals_of(half) + 1e-9
        assert abs(read - value) < half


def test_nothing_is_minus_nought_and_a_minus_is_no_hyphen():
    assert rounded(-0.04, 1) == "0.0"
    assert rounded(-2.0, 0) == plain(-2.0).removesuffix(".00") == "−2"


def test_a_range_with_a_minus_has_no_dash():
    assert span(-2.0, -1.0, 0) == "−2 to −1"
    assert span(1.0, NAN, 1) == "–"


@pytest.mark.parametrize(
    ("p", "text"), [(0.0, "<0.001"), (0.0123, "0.012"), (1.0, "1.00"), (NAN, "–")]
)
def test_a_probability_has_two_digits_and_is_never_nought(p, text):
    assert probability(p) == text
