"""Layouts that are found, bad input that is refused in words, and several problems at once."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import specimens
from specimens import document_bytes, make_small_subject, markups_document

from atlas.data.dataset import Dataset, DatasetError, read_dataset, survey_dataset
from atlas.data.subject import ROOT_KEYS, RootKey, Severity, Source, Subject

ONE, TWO = make_small_subject("sub-01"), make_small_subject("sub-02", bend_mm=3.0)


@pytest.fixture(scope="module")
def archive_folder(tmp_path_factory) -> Path:
    """Two subjects in the archive's layout, never changed."""
    root = tmp_path_factory.mktemp("archive")
    specimens.write_dataset(root / "markers", Dataset("", (ONE, TWO)))
    return root


@pytest.fixture
def root(archive_folder, tmp_path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(archive_folder, tmp_path / "dataset"))


def assert_both_subjects(dataset):
    assert [s.id for s in dataset.subjects] == ["sub-01", "sub-02"]
    for got, expected in zip(dataset.subjects, (ONE, TWO), strict=True):
        assert got.n_points == expected.n_points
        np.testing.assert_array_equal(np.concatenate(got.dura), np.concatenate(expected.dura))
        for key in ROOT_KEYS:
            np.testing.assert_array_equal(got.roots[key], expected.roots[key])


def refusal(path):
    """The text of the error that reading a path gives."""
    with pytest.raises(DatasetError) as caught:
        read_dataset(path)
    return str(caught.value)


# --- layouts ---


def test_the_folder_that_holds_markers_is_read(archive_folder):
    dataset = read_dataset(archive_folder)
    assert_both_subjects(dataset)
    assert dataset.findings == ()
    assert dataset.root == str(archive_folder)


def test_markers_itself_is_read_as_path_or_text(archive_folder):
    assert_both_subjects(read_dataset(archive_folder / "markers"))
    assert_both_subjects(read_dataset(str(archive_folder / "markers")))


@pytest.mark.parametrize("opened", [".", "derivatives", "derivatives/markers"])
def test_derivatives_markers_is_read_from_every_height(root, opened):
    (root / "derivatives").mkdir()
    (root / "markers").rename(root / "derivatives" / "markers")
    assert_both_subjects(read_dataset(root / opened))


def test_a_folder_of_subjects_is_read_whatever_its_name(root):
    (root / "markers").rename(root / "subjects")
    assert_both_subjects(read_dataset(root / "subjects"))


def test_a_single_subject_is_read(archive_folder):
    (subject,) = read_dataset(archive_folder / "markers" / "sub-02").subjects
    assert subject.id == "sub-02"
    assert subject.n_points == TWO.n_points


def test_the_files_of_a_single_subject_in_any_folder_are_read(root):
    (root / "markers" / "sub-02").rename(root / "subject")
    (subject,) = read_dataset(root / "subject").subjects
    assert subject.id == "sub-02"


def test_both_subjects_files_in_one_folder_are_two_subjects(root):
    for path in list((root / "markers").glob("*/*.json")):
        path.rename(root / path.name)
    assert_both_subjects(read_dataset(root))


@pytest.mark.parametrize("prefix", ["markers/", "derivatives/markers/", "", "Liu 2024/markers/"])
def test_an_archive_is_read_in_place(tmp_path, prefix):
    path = specimens.write_archive(tmp_path / "markers.zip", ONE, TWO, prefix=prefix)
    dataset = read_dataset(path)
    assert_both_subjects(dataset)
    assert [p.name for p in tmp_path.iterdir()] == ["markers.zip"]


def test_what_macos_adds_to_an_archive_is_ignored(tmp_path):
    path = specimens.write_archive(tmp_path / "markers.zip", ONE, TWO)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/markers/sub-01/._sub-01_dura_1.json", b"\x00\x05\x16\x07")
        archive.writestr("markers/sub-01/._sub-01_dura_1.json", b"\x00\x05\x16\x07")
        archive.writestr("markers/.DS_Store", b"\x00")
    dataset = read_dataset(path)
    assert_both_subjects(dataset)
    assert dataset.findings == ()


def published_spelling(name):
    """``sub-01_nerveroots_L3_L.json`` as the description spells it: ``sub-01nerverootsL3left``."""
    subject, kind, *rest = Path(name).stem.split("_")
    if kind in ("nerveroots", "ganglions"):
        rest[1] = {"L": "left", "R": "right"}[rest[1]]
    return f"{subject}{kind}{''.join(rest)}.json"


def test_names_without_underscores_hold_the_same_subjects(root):
    for path in list(root.glob("markers/*/*.json")):
        path.rename(path.with_name(published_spelling(path.name)))
    assert (root / "markers" / "sub-01" / "sub-01ganglionsL1left.json").is_file()
    assert (root / "markers" / "sub-01" / "sub-01dura3.json").is_file()
    dataset = read_dataset(root)
    assert_both_subjects(dataset)
    assert dataset.findings == ()


def test_other_files_of_the_published_archive_do_not_disturb(root):
    (root / "model").mkdir()
    (root / "model" / "sub-01_Cord.stl").write_bytes(b"solid")
    (root / "dataset_description.json").write_text("{}")
    (root / "rawdata" / "sub-01" / "anat").mkdir(parents=True)
    (root / "rawdata" / "sub-01" / "anat" / "sub-01_CISS.json").write_text("{}")
    dataset = read_dataset(root)
    assert_both_subjects(dataset)
    assert dataset.findings == ()


def test_a_json_file_among_the_markers_that_no_rule_understands_is_warned_of(root):
    (root / "markers" / "sub-01" / "sub-01_dura 3 (copy).json").write_text("{}")
    (finding,) = read_dataset(root).findings
    assert (finding.severity, finding.rule) == (Severity.WARNING, "unrecognised-file")
    assert str(finding).startswith(
        "markers/sub-01/sub-01_dura 3 (copy).json: expected a name like sub-01_dura_1.json"
    )
    assert "the file is not used: rename or remove it" in str(finding)


# --- bad input ---


def test_a_missing_folder_is_said(tmp_path):
    assert refusal(tmp_path / "nowhere") == (
        f"{tmp_path / 'nowhere'}: expected a folder or a zip archive, got nothing there; "
        "check the path"
    )


def test_a_path_no_file_system_takes_is_said():
    assert "expected a zip archive or a folder, got " in refusal("x" * 5000)


def test_an_empty_folder_is_said(tmp_path):
    text = refusal(tmp_path)
    assert text.startswith(f"{tmp_path}: expected marker files (sub-01_dura_1.json, …) in ")
    assert text.endswith("got 0 files, none of them named so")


def test_a_folder_of_other_files_is_said_with_their_number(tmp_path):
    for i in range(3):
        (tmp_path / f"scan_{i}.json").write_text("{}")
    assert refusal(tmp_path).endswith("got 3 files, none of them named so")


def test_a_file_that_is_not_a_zip_is_said(tmp_path):
    path = tmp_path / "markers.zip"
    path.write_bytes(b"<html>404</html>")
    assert refusal(path) == (
        f"{path}: expected a zip archive or a folder, got File is not a zip file; check the path"
    )


def test_a_truncated_archive_is_said(tmp_path):
    path = specimens.write_archive(tmp_path / "markers.zip", ONE)
    path.write_bytes(path.read_bytes()[:-100])
    assert "expected a zip archive or a folder, got " in refusal(path)


def test_an_empty_archive_is_said(tmp_path):
    with zipfile.ZipFile(tmp_path / "markers.zip", "w"):
        pass
    assert refusal(tmp_path / "markers.zip").endswith("got 0 files, none of them named so")


def deflated_archive(path, subject):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in specimens.subject_files(subject).items():
            archive.writestr(f"markers/{subject.id}/{name}", content)
    return bytearray(path.read_bytes())


def test_damage_inside_an_archive_is_said_with_the_file(tmp_path):
    path = tmp_path / "markers.zip"
    data = deflated_archive(path, ONE)
    data[150:400] = b"\xff" * 250
    path.write_bytes(data)
    text = refusal(path)
    assert text.startswith("sub-01/sub-01_cord_")
    assert ".json: cannot be read: " in text


def test_a_locked_archive_is_said(tmp_path):
    path = tmp_path / "markers.zip"
    data = deflated_archive(path, ONE)
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "is encrypted, password required" in refusal(path)


def test_several_problems_are_shown_together(root):
    markers = root / "markers"
    (markers / "sub-01" / "sub-01_dura_3.json").write_text('{"markups": [')
    two_points = document_bytes(markups_document(ONE.roots[RootKey("L3", "left")][:2]))
    (markers / "sub-01" / "sub-01_nerveroots_L3_L.json").write_bytes(two_points)
    for path in (markers / "sub-02").glob("*_cord_*"):
        path.unlink()
    with pytest.raises(DatasetError) as caught:
        read_dataset(root)
    first, *lines = str(caught.value).splitlines()
    assert first == "3 problems:"
    assert len(lines) == 3
    assert lines[0].startswith("sub-01/sub-01_dura_3.json: expected valid JSON, got ")
    assert lines[1].startswith("sub-01/sub-01_nerveroots_L3_L.json: 2 points, a root needs at le")
    assert lines[2].startswith("sub-02/cord: expected at least 4 cord contours, got 0")
    assert len(caught.value.findings) == 3


def test_one_problem_is_shown_without_a_count(root):
    (root / "markers" / "sub-01" / "sub-01_dura_3.json").write_text("")
    assert refusal(root).startswith("sub-01/sub-01_dura_3.json: ")


def test_warnings_are_kept_with_the_error_but_not_shown_in_its_text(root):
    (root / "markers" / "sub-01" / "sub-01_dura_3.json").write_text("")
    (root / "markers" / "sub-02" / "sub-02_ganglions_L1_L.json").unlink()
    with pytest.raises(DatasetError) as caught:
        read_dataset(root)
    assert {f.severity for f in caught.value.findings} == {Severity.ERROR, Severity.WARNING}
    assert "ganglia" not in str(caught.value)


def test_a_survey_keeps_the_sound_subjects_and_names_the_other(root):
    (root / "markers" / "sub-01" / "sub-01_dura_3.json").write_text("")
    dataset = survey_dataset(root)
    assert [s.id for s in dataset.subjects] == ["sub-02"]
    assert [(f.subject, f.severity) for f in dataset.findings] == [("sub-01", Severity.ERROR)]


def test_the_same_files_in_two_places_are_doubled_and_not_merged(root):
    shutil.copytree(root / "markers", root / "derivatives" / "markers")
    rules = {f.rule for f in survey_dataset(root).findings}
    assert rules == {"doubled-contour", "doubled-structure"}


# --- the types ---


def with_source(subject, **fields):
    return Subject(subject.id, subject.dura, subject.cord, subject.roots, subject.ganglia, **fields)


def test_covariates_are_columns_with_none_where_a_subject_has_no_row():
    subjects = (
        with_source(ONE, covariates={"age": 23.0, "sex": "F"}),
        with_source(TWO, covariates={"age": 24.0}),
        make_small_subject("sub-03"),
    )
    assert dict(Dataset("", subjects).covariates) == {
        "age": (23.0, 24.0, None),
        "sex": ("F", None, None),
    }


def test_the_notice_says_how_many_subjects_are_generated():
    generated = with_source(ONE, source=Source(notice="generated from formulas"))
    assert Dataset("", (TWO,)).notice == ""
    assert Dataset("", (generated,)).notice == "generated from formulas"
    assert Dataset("", (generated, TWO)).notice == "1 of 2 subjects generated from formulas"


def test_a_subject_keeps_its_roots_in_order_of_level_and_nothing_of_it_can_be_changed():
    backwards = dict(reversed(ONE.roots.items()))
    subject = Subject("sub-01", ONE.dura, ONE.cord, backwards, ONE.ganglia)
    assert tuple(subject.roots) == ROOT_KEYS
    assert not subject.dura[0].flags.writeable
    assert not subject.roots[ROOT_KEYS[0]].flags.writeable
    with pytest.raises(TypeError, match="does not support item assignment"):
        subject.roots[ROOT_KEYS[0]] = np.zeros((4, 3))


def test_a_subject_of_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match=r"sub-01 ganglia: expected levels .* got \[\('T12'"):
        Subject("sub-01", ONE.dura, ONE.cord, ONE.roots, {("T12", "left"): np.zeros(3)})


def test_a_subject_of_flat_points_is_refused():
    with pytest.raises(ValueError, match=r"sub-01 dura contour 0: expected an array of shape"):
        Subject("sub-01", (np.zeros((8, 2)),), ONE.cord, ONE.roots, ONE.ganglia)


def test_turning_a_subject_changes_neither_its_spacing_nor_its_extents():
    angle = np.radians(35)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    turned = Subject(
        "sub-01",
        tuple(c @ turn.T + 7 for c in ONE.dura),
        tuple(c @ turn.T + 7 for c in ONE.cord),
        ONE.roots,
        ONE.ganglia,
    )
    assert turned.spacing_mm == pytest.approx(2.0)
    assert turned.dura_extent_mm == pytest.approx(60.0)
    assert turned.cord_extent_mm == pytest.approx(40.0)


@pytest.mark.shared
def test_the_real_subject_is_found_by_its_own_folder_and_by_the_one_above(shared_folder):
    for path in (shared_folder / "data", shared_folder / "data" / "sub-03"):
        assert [s.id for s in read_dataset(path).subjects] == ["sub-03"]
