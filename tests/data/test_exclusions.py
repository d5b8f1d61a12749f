"""What is left out on purpose: gone, recorded, and nothing else; unknown names are errors."""

from __future__ import annotations

import numpy as np
import pytest
import specimens

from atlas.build import build_atlas
from atlas.data.dataset import Dataset, survey_dataset
from atlas.data.exclusions import ExclusionError, excludable, exclude
from atlas.data.subject import Finding, RootKey, Severity
from atlas.landmarks.scheme import Status
from atlas.store import Settings

L3_LEFT = RootKey("L3", "left")


@pytest.fixture(scope="module")
def dataset():
    return specimens.make_dataset(6, spacing_mm=4.0)


def test_without_exclusions_the_dataset_is_the_same(dataset):
    assert exclude(dataset, []) is dataset


def test_a_root_a_ganglion_and_a_subject_are_left_out_and_recorded(dataset):
    names = ["sub-04/roots/L3/left", "sub-02/ganglia/S2/right", "sub-06"]
    left = exclude(dataset, names)
    subjects = {s.id: s for s in left.subjects}
    assert list(subjects) == ["sub-01", "sub-02", "sub-03", "sub-04", "sub-05"]
    assert L3_LEFT not in subjects["sub-04"].roots
    assert L3_LEFT in subjects["sub-04"].ganglia
    assert RootKey("S2", "right") not in subjects["sub-02"].ganglia
    assert len(subjects["sub-02"].roots) == 14
    assert left.exclusions == tuple(names)
    assert len(dataset.subjects[3].roots) == 14


def test_exclusions_add_up(dataset):
    twice = exclude(exclude(dataset, ["sub-01"]), ["sub-02", "sub-02"])
    assert twice.exclusions == ("sub-01", "sub-02")


def test_findings_about_what_is_left_out_go_with_it():
    findings = tuple(
        Finding(Severity.WARNING, "doubled-points", subject, place, "")
        for subject, place in (
            ("sub-01", "sub-01_nerveroots_L3_L.json"),
            ("sub-01", "sub-01_ganglions_L3_L.json"),
            ("sub-02", "cord"),
        )
    )
    subjects = specimens.make_dataset(3).subjects
    left = exclude(Dataset("", subjects, findings), ["sub-01/roots/L3/left", "sub-02"])
    assert [f.place for f in left.findings] == ["sub-01_ganglions_L3_L.json"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "sub-77",
            "no sub-77 to exclude; there are sub-01, sub-02, sub-03, sub-04, sub-05, sub-06",
        ),
        ("sub-01/roots/L9/left", "no sub-01/roots/L9/left to exclude; sub-01 has sub-01/roots/L1/"),
        ("sub-01/dura", "no sub-01/dura to exclude; sub-01 has sub-01/roots/L1/left"),
    ],
)
def test_unknown_names_are_errors_that_list_what_exists(dataset, name, text):
    with pytest.raises(ExclusionError) as error:
        exclude(dataset, ["sub-02", name])
    assert text in str(error.value)


def test_nobody_left_is_an_error(dataset):
    with pytest.raises(ExclusionError, match="expected subjects left after the exclusions, got no"):
        exclude(dataset, [s.id for s in dataset.subjects])


def test_what_can_be_excluded_is_every_root_and_ganglion(dataset):
    names = excludable(dataset.subjects[0])
    assert len(names) == 28
    assert names[0] == "sub-01/roots/L1/left"


def test_a_subject_that_cannot_be_read_can_be_left_out(tmp_path):
    for i in (1, 2):
        specimens.write_subject(tmp_path, specimens.make_small_subject(f"sub-0{i}"))
    (tmp_path / "sub-02" / "sub-02_dura_1.json").write_text("{")
    dataset = survey_dataset(tmp_path)
    assert any(f.severity is Severity.ERROR for f in dataset.findings)
    assert exclude(dataset, ["sub-02"]).findings == ()
    with pytest.raises(
        ExclusionError, match="sub-02 could not be read: repair it or exclude sub-02"
    ):
        exclude(dataset, ["sub-02/roots/L1/left"])


def test_an_excluded_root_is_missing_and_the_provenance_says_so(dataset):
    atlas = build_atlas(exclude(dataset, ["sub-04/roots/L3/left"]), Settings())
    assert atlas.provenance["exclusions"] == ["sub-04/roots/L3/left"]
    landmarks = atlas.alignment.landmarks
    status = landmarks.status[landmarks.subject_ids.index("sub-04")]
    span = landmarks.scheme.span("root/L3/left")
    assert (status[span] == Status.MISSING).sum() >= span.stop - span.start - 1
    others = np.delete(landmarks.status, landmarks.subject_ids.index("sub-04"), axis=0)
    assert not (others == Status.MISSING).any()
