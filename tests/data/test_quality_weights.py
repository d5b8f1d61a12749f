"""Weights by image quality: worked by hand, offered only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens

from atlas.build import build_atlas
from atlas.data.dataset import Dataset
from atlas.data.quality_weights import COLUMNS, QualityError, quality_weights
from atlas.store import Settings


def group(*values):
    subjects = specimens.make_dataset(len(values), length_mm=140, conus_mm=100).subjects
    return Dataset(
        "group",
        tuple(
            replace(s, covariates={"snr": v, "sex": "F"})
            for s, v in zip(subjects, values, strict=True)
        ),
    )


def test_weights_worked_by_hand():
    found = quality_weights(group(10, 20, 30), "snr")
    # 1 : 4 : 9, mean 14/3.
    np.testing.assert_allclose(found.weights, np.array([1, 4, 9]) * 3 / 14)
    np.testing.assert_array_equal(found.quality, [10, 20, 30])
    # (1 + 4 + 9)² / (1 + 16 + 81)
    assert found.effective_n == pytest.approx(2.0)
    np.testing.assert_allclose(
        quality_weights(group(10, 20, 30), "snr", exponent=1).weights, [0.5, 1, 1.5]
    )
    assert set(found.rows()[0]) == set(COLUMNS)
    assert found.rows()[0]["subject"] == "sub-01"


def test_weights_do_not_depend_on_the_unit():
    np.testing.assert_allclose(
        quality_weights(group(1e-200, 2e-200, 3e-200), "snr").weights,
        quality_weights(group(10, 20, 30), "snr").weights,
    )


def test_equal_quality_and_no_exponent_weight_all_alike():
    for found in (
        quality_weights(group(7, 7, 7), "snr"),
        quality_weights(group(1, 5, 9), "snr", exponent=0),
    ):
        np.testing.assert_allclose(found.weights, 1)
        assert found.effective_n == pytest.approx(3)


@pytest.mark.parametrize(
    ("values", "column", "message"),
    [
        ((1, 2, 3), "cnr", r"group: expected a covariate 'cnr', got only: sex, snr"),
        ((1, None, -3), "snr", "above 0 in snr of every subject, got none for sub-02, sub-03"),
        ((1, 2, 3), "sex", "got none for sub-01, sub-02, sub-03; leave them out or take another"),
        ((float("nan"), 2, 3), "snr", "got none for sub-01"),
    ],
)
def test_a_quality_without_numbers_is_refused(values, column, message):
    with pytest.raises(QualityError, match=message):
        quality_weights(group(*values), column)


@pytest.mark.slow
def test_a_build_does_not_use_quality():
    settings = Settings(root=8, dura=(12, 12), cord=(10, 8))
    one, two = (build_atlas(g, settings) for g in (group(1, 1, 1), group(1, 50, 900)))
    np.testing.assert_array_equal(one.model.mean, two.model.mean)
    np.testing.assert_array_equal(one.model.variance, two.model.variance)
