"""Damaged archives and tables: read to what they say, or said by their names."""

from __future__ import annotations

import pytest
from damaged_inputs import KINDS, count_outcomes


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_inputs_are_read_or_said_by_name(tmp_path, kind):
    outcomes = count_outcomes(kind, 40, seed=1, folder=tmp_path)
    # Damage of which nothing is seen, or nothing is left, would prove nothing.
    assert len(outcomes) > 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_hundreds_of_damaged_inputs_are_read_or_said_by_name(tmp_path, kind):
    count_outcomes(kind, 800, seed=2, folder=tmp_path)
