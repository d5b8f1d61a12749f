"""Alignment and modes against R's `shapes`; ``reference/`` keeps numbers and script."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from atlas.curves.transforms import best_rotation, cross_covariance
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align

REFERENCE = Path(__file__).parents[1] / "reference"
SCHEME = LandmarkScheme.standard(root=2, dura=(2, 6), cord=(2, 6))


@pytest.fixture(scope="module")
def expected():
    """What procGPA(scale = FALSE) gives."""
    return json.loads((REFERENCE / "procgpa_output.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def landmarks():
    """The landmarks that procGPA was given."""
    with (REFERENCE / "procgpa_input.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    subjects = tuple(dict.fromkeys(row["subject"] for row in rows))
    names = [(row["subject"], row["landmark"]) for row in rows]
    assert names == [(s, n) for s in subjects for n in SCHEME.names]
    points = np.array([[float(row[axis]) for axis in "xyz"] for row in rows])
    shape = (len(subjects), SCHEME.size)
    return LandmarkSet(subjects, SCHEME, points.reshape(*shape, 3), np.full(shape, Status.MEASURED))


@pytest.fixture(scope="module")
def alignment(landmarks):
    return align(landmarks, anchor="centroid")


def test_both_were_given_the_same_landmarks(landmarks, expected):
    assert list(landmarks.subject_ids) == expected["subjects"]
    centred = landmarks.points - landmarks.points.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(size, expected["centroid_size_mm"], rtol=1e-12)


def test_the_mean_shape_is_that_of_procgpa(alignment, expected):
    theirs = np.array(expected["mean_mm"])
    # The frame of a mean is a choice: theirs is near the first subject's, ours is anatomical.
    weights = np.ones((1, len(theirs)))
    turn = best_rotation(cross_covariance(theirs[None], alignment.mean[None], weights))[0]
    difference = np.linalg.norm(alignment.mean - theirs @ turn.T)
    assert difference < 1e-6 * np.linalg.norm(theirs)


def test_what_rotation_cannot_remove_is_that_of_procgpa(alignment, expected):
    left = ((alignment.points - alignment.mean) ** 2).sum()
    assert left == pytest.approx(expected["sum_of_squares_mm2"], rel=1e-6)


def test_eigenvalues_with_n_minus_1_are_those_of_procgpa(alignment, expected):
    model = fit_shape_model(alignment)
    np.testing.assert_allclose(model.variance, expected["variance_mm2"], rtol=1e-6)
