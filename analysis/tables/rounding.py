"""Numbers as a paper prints them: to the digit that the width of their interval justifies.

The rule, everywhere: a value and its interval are rounded to the place of the second significant
digit of half the interval's width, never coarser than one and never finer than ``FINEST`` decimals;
without an interval, to three significant digits.
"""

from __future__ import annotations

import math

MINUS_SIGN = "\N{MINUS SIGN}"
EN_DASH = "\N{EN DASH}"
NOTHING = EN_DASH
FINEST = 4
PLAIN_DIGITS = 3
RULE = (
    "Numbers are rounded to the second significant digit of half the width of their interval; "
    "without an interval, to three significant digits."
)


def decimals_of(half_width: float) -> int:
    """Decimals that half the width of an interval justifies.

    Parameters
    ----------
    half_width : float
        In the unit of the value; positive.

    Returns
    -------
    int
        0 to ``FINEST``: the place of its second significant digit.

    Examples
    --------
    >>> decimals_of(3.7), decimals_of(0.21), decimals_of(45.0)
    (1, 2, 0)
    """
    return min(max(1 - math.floor(math.log10(half_width)), 0), FINEST)


def rounded(value: float, decimals: int) -> str:
    """A number with a true minus sign; an en dash where there is none.

    Examples
    --------
    >>> rounded(-1.25, 1), rounded(float("nan"), 2), rounded(-0.001, 1)
    ('−1.2', '–', '0.0')
    """
    if not math.isfinite(value):
        return NOTHING
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS_SIGN)


def plain(value: float) -> str:
    """A number without an interval, three significant digits.

    Examples
    --------
    >>> plain(0.123456), plain(1234.5), plain(-2.0)
    ('0.123', '1234', '−2.00')
    """
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    places = PLAIN_DIGITS - 1 - math.floor(math.log10(abs(value)))
    if places > FINEST + 2:
        mantissa, exponent = f"{value:.{PLAIN_DIGITS - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS_SIGN)
    return f"{value:.{max(places, 0)}f}".replace("-", MINUS_SIGN)


def span(low: float, high: float, decimals: int) -> str:
    """From low to high, with an en dash; ``to`` where a minus sign would stand beside the dash.

    Examples
    --------
    >>> span(1.04, 2.0, 1), span(-1.0, 2.0, 0)
    ('1.0–2.0', '−1 to 2')
    """
    low_text, high_text = rounded(low, decimals), rounded(high, decimals)
    if NOTHING in (low_text, high_text):
        return NOTHING
    between = " to " if MINUS_SIGN in low_text + high_text else EN_DASH
    return f"{low_text}{between}{high_text}"


def with_interval(value: float, low: float, high: float) -> str:
    """A value and its interval in one cell, all rounded to the interval's digit.

    Examples
    --------
    >>> with_interval(38.6123, 34.91, 42.31)
    '38.6 (34.9–42.3)'
    >>> with_interval(-0.15, -1.21, 0.91), with_interval(2.0, float("nan"), float("nan"))
    ('−0.1 (−1.2 to 0.9)', '2.00')
    """
    half = (high - low) / 2
    if not math.isfinite(half) or half <= 0:
        return plain(value)
    decimals = decimals_of(half)
    return f"{rounded(value, decimals)} ({span(low, high, decimals)})"


def probability(p: float) -> str:
    """A p-value: two significant digits, ``<0.001`` below that.

    Examples
    --------
    >>> probability(0.0004), probability(0.0321), probability(0.5)
    ('<0.001', '0.032', '0.50')
    """
    if not math.isfinite(p):
        return NOTHING
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
