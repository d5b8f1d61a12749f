"""Subjects listed by name and read one at a time: as the whole dataset has them."""

import numpy as np
import pytest
import specimens

from atlas.data.dataset import DatasetError, read_dataset, refuse_errors, survey_dataset
from atlas.data.exclusions import ExclusionError
from atlas.large.subject_folders import count_subjects, leave_out, list_subjects


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    dataset = specimens.make_dataset(4, length_mm=140, conus_mm=100)
    place = specimens.write_dataset(tmp_path_factory.mktemp("cohort") / "markers", dataset)
    table = "participant_id\tage\nsub-01\t31\nsub-02\tn/a\nsub-09\t50\n"
    (place / "participants.tsv").write_text(table)
    (place / "sub-02" / "odd.json").write_text("{}")
    return place


@pytest.mark.parametrize("level", ["", "markers", "derivatives/markers"])
def test_subjects_are_found_where_datasets_keep_them(root, tmp_path, level):
    place = tmp_path / "study"
    holder = place / level
    holder.mkdir(parents=True)
    for folder in root.glob("sub-*"):
        (holder / folder.name).symlink_to(folder)
    assert count_subjects(place) == 4
    listing = list_subjects(place)
    assert [f.id for f in listing.folders] == ["sub-01", "sub-02", "sub-03", "sub-04"]


def test_a_subject_alone_is_the_one_of_the_dataset(root):
    whole, listing = survey_dataset(root), list_subjects(root)
    findings = list(listing.findings)
    for folder, expected in zip(listing.folders, whole.subjects, strict=True):
        subject, found = folder.read()
        findings += found
        assert subject.id == expected.id
        assert dict(subject.source.files) == dict(expected.source.files)
        assert subject.source.sha256 == expected.source.sha256
        assert dict(subject.covariates) == dict(expected.covariates)
        for one, other in zip(subject.dura, expected.dura, strict=True):
            np.testing.assert_array_equal(one, other)
    assert {str(f) for f in findings} == {str(f) for f in whole.findings}
    assert any("odd.json" in str(f) for f in findings)


@pytest.mark.parametrize("other", ["archive", "one subject", "flat", "nothing"])
def test_other_layouts_have_no_folders_to_share(root, tmp_path, other):
    place = {"archive": tmp_path / "a.zip", "one subject": root / "sub-01"}.get(other, tmp_path)
    if other == "archive":
        specimens.write_archive(place, *read_dataset(root).subjects)
    if other == "flat":
        for file in (root / "sub-01").iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert count_subjects(place) == 0
    with pytest.raises(DatasetError, match=r"expected a folder of sub-XX/ for workers to share"):
        list_subjects(place)


def test_two_spellings_of_one_subject_are_an_error(root, tmp_path):
    for name, source in (("sub-01", "sub-01"), ("sub_01", "sub-02"), ("sub-02", "sub-03")):
        (tmp_path / name).symlink_to(root / source)
    for findings in (list_subjects(tmp_path).findings, survey_dataset(tmp_path).findings):
        with pytest.raises(DatasetError, match="got 2 folders of one: sub-01, sub_01"):
            refuse_errors(findings)


def test_subjects_and_structures_are_left_out(root):
    listing = leave_out(list_subjects(root), ["sub-02/", "sub-03/roots/L3/left"])
    assert [f.id for f in listing.folders] == ["sub-01", "sub-03", "sub-04"]
    subject, _ = listing.folders[1].read()
    assert ("L3", "left") not in subject.roots and ("L3", "right") in subject.roots
    assert listing.exclusions == ("sub-02", "sub-03/roots/L3/left")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sub-77"], "no sub-77 to exclude"),
        (["sub-01", "sub-02", "sub-03", "sub-04"], "expected subjects left"),
    ],
)
def test_exclusions_that_cannot_be_are_refused(root, names, message):
    with pytest.raises(ExclusionError, match=message):
        leave_out(list_subjects(root), names)
