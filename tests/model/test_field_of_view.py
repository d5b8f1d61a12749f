"""Modes against the field of view: cohorts cropped on purpose, and what is said of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import specimens

from atlas.data.dataset import Dataset, read_dataset
from atlas.data.subject import Severity, Subject
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.field_of_view import (
    PREDICTORS,
    entering_predictors,
    field_of_view,
    field_of_view_findings,
    field_of_view_matrix,
    leading_modes,
    mode_dependence,
)
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align

N = 14


def scheme(origin: str, **options) -> LandmarkScheme:
    return LandmarkScheme.standard(origin=origin, root=9, dura=(12, 8), cord=(10, 8), **options)


def cropped(subject: Subject, slices: int) -> Subject:
    """The subject as a scanner saw it whose image began that many slices lower."""
    return replace(subject, dura=subject.dura[slices:], cord=subject.cord[slices:])


def built(dataset: Dataset, origin: str, **options):
    alignment = align(place_landmarks(dataset, scheme(origin, **options)))
    return alignment, fit_shape_model(alignment)


@pytest.fixture(scope="module")
def same_people() -> Dataset:
    """Subjects that differ in annotation noise and in how much of the top was imaged: 0-26 mm."""
    whole = specimens.make_dataset(N, conus_sd_mm=0, bend_sd_mm=0, scale_sd=0)
    order = np.random.default_rng(0).permutation(N)
    subjects = [cropped(s, int(k)) for s, k in zip(whole.subjects, order, strict=True)]
    return Dataset("cropped", tuple(subjects))


# --- the field of view of a subject ---


def test_the_field_of_view_of_a_specimen_is_that_it_was_made_with():
    view = field_of_view(specimens.make_subject(length_mm=140, conus_mm=100, spacing_mm=2.0))
    assert (view.extent, view.apex_to_conus) == pytest.approx((140, 100))
    assert (view.conus_to_bottom, view.slice_spacing) == pytest.approx((40, 2))


def test_cropping_the_top_takes_from_extent_and_apex_alone():
    whole = specimens.make_subject()
    before, after = field_of_view(whole), field_of_view(cropped(whole, 5))
    assert before.extent - after.extent == pytest.approx(10)
    assert before.apex_to_conus - after.apex_to_conus == pytest.approx(10)
    assert after.conus_to_bottom == pytest.approx(before.conus_to_bottom)


def test_it_does_not_hang_on_the_pose():
    subject = specimens.make_subject()
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    moved = replace(
        subject,
        dura=tuple(c @ turn.T + 7 for c in subject.dura),
        cord=tuple(c @ turn.T + 7 for c in subject.cord),
    )
    views = field_of_view_matrix(Dataset("", (subject, replace(moved, id="b"))), ("sub-01", "b"))
    np.testing.assert_allclose(views[0], views[1], atol=1e-9)


def test_a_subject_the_dataset_lacks_is_named():
    dataset = specimens.make_dataset(2)
    with pytest.raises(ValueError, match=r"specimens: expected subjects sub-09, got none"):
        field_of_view_matrix(dataset, ("sub-01", "sub-09"))


# --- what is said of a cohort ---


@pytest.mark.slow
def test_people_who_differ_in_their_crop_alone_raise_the_alarm_at_the_apex(same_people):
    alignment, model = built(same_people, "dura-apex")
    finding = field_of_view_findings(same_people, alignment, model)[0]
    assert (finding.severity, finding.rule) == (Severity.WARNING, "mode-follows-field-of-view")
    assert finding.place == "mode 1"
    for said in (
        "expected less than half of its scores",
        "got adjusted R² 1.00",
        "alone: R² 1.00",
        "n = 14, permutation p = 0.0001",
        "the top of the image",
        "build with --origin conus",
    ):
        assert said in finding.message


def test_the_same_people_raise_none_at_the_conus(same_people):
    alignment, model = built(same_people, "conus")
    found = field_of_view_findings(same_people, alignment, model)
    assert [f for f in found if f.severity is Severity.WARNING] == []


@pytest.mark.slow
def test_people_of_one_field_of_view_raise_none():
    dataset = specimens.make_dataset(N, conus_sd_mm=0, scale_sd=0)
    for origin in ("dura-apex", "conus"):
        alignment, model = built(dataset, origin)
        assert field_of_view_findings(dataset, alignment, model) == ()


@pytest.mark.slow
def test_a_bottom_that_goes_with_the_body_is_a_warning_even_at_the_conus():
    # Scans fitted to the body, nothing cropped: size and the bottom of the image are one.
    dataset = specimens.make_dataset(N, conus_sd_mm=0, bend_sd_mm=0, scale_sd=0.05)
    alignment, model = built(dataset, "conus")
    (finding,) = [
        f for f in field_of_view_findings(dataset, alignment, model) if f.place == "mode 1"
    ]
    assert finding.severity is Severity.WARNING
    assert "where the image ends" in finding.message


@pytest.mark.slow
def test_what_cannot_move_a_landmark_is_a_note(same_people):
    # Body size goes with where the image began, and the bottom is at one place below the conus.
    sizes = [1 + 0.004 * len(s.dura) for s in same_people.subjects]
    grown = []
    for s, size in zip(same_people.subjects, sizes, strict=True):
        roots = {k: np.column_stack([size * r[:, :2], r[:, 2]]) for k, r in s.roots.items()}
        ganglia = {k: g * (size, size, 1) for k, g in s.ganglia.items()}
        grown.append(replace(s, roots=roots, ganglia=ganglia))
    dataset = Dataset("grown", tuple(grown))
    alignment, model = built(dataset, "conus")
    finding = field_of_view_findings(dataset, alignment, model)[0]
    assert (finding.severity, finding.place) == (Severity.NOTE, "mode 1")
    assert finding.rule == "mode-goes-with-field-of-view"
    assert "hold the field of view as a covariate" in finding.message


@pytest.mark.slow
def test_what_can_move_a_landmark_hangs_on_the_origin_and_on_missing_rings():
    assert entering_predictors("dura-apex", rings_missing=False) == PREDICTORS
    assert entering_predictors("conus", rings_missing=False) == ("conus-to-bottom",)
    assert entering_predictors("conus", rings_missing=True) == PREDICTORS


def test_leading_modes_hold_their_share(same_people):
    _, model = built(same_people, "dura-apex")
    k = leading_modes(model, 0.99)
    assert model.explained[:k].sum() >= 0.99 > model.explained[: k - 1].sum()
    assert leading_modes(model.truncate(1), 1.0) == 1


def test_r2_of_one_predictor_sums_to_one_over_all_modes(same_people):
    alignment, model = built(same_people, "dura-apex")
    views = field_of_view_matrix(same_people, alignment.landmarks.subject_ids)
    found = mode_dependence(model.scores(alignment.points), views[:, :1], permutations=9)
    assert model.n_modes == N - 1
    assert found.r2.sum() == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.shared
def test_warped_copies_follow_their_crop_at_the_apex_alone(shared_folder, tmp_path):
    cohort = tmp_path / "cohort"
    tool = shared_folder / "tools" / "warp_cohort.py"
    arguments = [shared_folder / "data" / "sub-03", cohort, "--seed", "1"]
    subprocess.run([sys.executable, tool, *arguments], check=True, capture_output=True)
    truth = json.loads((cohort / "truth.json").read_text())["subjects"]
    dataset = read_dataset(cohort)
    crop = np.array([[truth[s.id]["crop_top_mm"]] for s in dataset.subjects])
    r2, warned = {}, {}
    for origin in ("dura-apex", "conus"):
        alignment = align(place_landmarks(dataset, LandmarkScheme.standard(origin=origin)))
        model = fit_shape_model(alignment)
        scores = model.scores(alignment.points)
        r2[origin] = mode_dependence(scores, crop, permutations=9).r2[:, 0]
        found = field_of_view_findings(dataset, alignment, model)
        warned[origin] = {f.place for f in found if f.severity is Severity.WARNING}
    best = r2["dura-apex"].argmax()
    assert r2["dura-apex"][best] > 0.5
    assert warned["dura-apex"] == {"mode 1", f"mode {best + 1}"}
    assert r2["conus"][:4].max() < 0.25
    assert warned["conus"] == set()
