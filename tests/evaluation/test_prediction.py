"""Tables of prediction: what is counted, against what, and how often intervals hold."""

import numpy as np
import pytest
import specimens

from analysis.evaluation.prediction import (
    bias_table,
    coverage_table,
    error_table,
    prediction_folds,
)
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.smooth_bias import SmoothBias
from atlas.prediction.calibration import LEVELS, errors_mm
from atlas.procrustes.alignment import align


@pytest.fixture(scope="module")
def reference():
    scheme = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))
    return align(place_landmarks(specimens.make_dataset(8, seed=4), scheme))


@pytest.fixture(scope="module")
def folds(reference):
    return list(prediction_folds(reference, ("dura", "cord")))


def test_each_subject_is_predicted_by_the_seven_others(folds):
    assert len(folds) == 8
    for fold in folds:
        assert fold.predictor.n_subjects == 7
        assert fold.holdout.subject_id not in fold.holdout.group.landmarks.subject_ids


def test_errors_are_counted_by_level_side_and_stretch(folds):
    table = error_table(folds)
    assert set(table["stretch"]) == {"begin", "trace", "ganglion", "all"}
    row = table[
        (table.level == "L3") & (table.side == "left") & (table.stretch == "ganglion")
    ].iloc[0]
    index = folds[0].holdout.group.landmarks.scheme.span("root/L3/left").stop - 1
    only = np.arange(len(folds[0].where)) == index
    squared = [errors_mm(f.holdout, f.predicted, only)[0] ** 2 for f in folds]
    assert row["error_mm"] == pytest.approx(np.sqrt(np.mean(squared)))
    assert row["n"] == 8


def test_a_level_that_is_predicted_no_better_is_said_to_be_so(folds):
    table = error_table(folds)
    assert (table[table["better"] == "yes"]["gain_low_mm"] > 0).all()
    assert (table[table["better"] == "no"]["gain_high_mm"] < 0).all()
    # Specimens' roots follow what sac and cord show: prediction must help there.
    assert (table[table.stretch == "all"]["better"] == "yes").mean() > 0.8


@pytest.mark.slow
def test_coverage_is_counted_for_every_kind_of_interval(folds):
    table = coverage_table(folds, bias=SmoothBias(1.0, 40.0))
    assert len(table) == 3 * len(LEVELS)
    calibrated = table[table["interval"] == "calibrated"].set_index("nominal")
    assert calibrated["coverage"].is_monotonic_increasing
    assert calibrated.loc[0.95, "coverage"] > 0.8
    fold = folds[0]
    error = errors_mm(fold.holdout, fold.predicted, fold.where)
    radius = fold.predictor.inflation[0.5] * fold.predictor.spread_mm[fold.where]
    assert calibrated.loc[0.5, "coverage_low"] <= (error <= radius).mean()
    assert calibrated.loc[0.5, "coverage_high"] >= (error <= radius).mean()


@pytest.mark.slow
def test_the_bias_with_the_largest_log_density_is_chosen_and_widens_intervals(reference):
    biases = {"none": None, "some": SmoothBias(1.0, 60.0), "far too much": SmoothBias(50.0, 60.0)}
    table = bias_table(reference, biases=biases).set_index("bias")
    assert table["chosen"].sum() == 1
    assert table["log_density"].idxmax() == table.index[table["chosen"]][0]
    assert table.loc["some", "coverage_95"] > table.loc["none", "coverage_95"]
    assert table.loc["far too much", "coverage_95"] == pytest.approx(1)
    assert not table.loc["far too much", "chosen"]
    assert (table["n"] == 8).all()
