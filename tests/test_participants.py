from __future__ import annotations

from pathlib import Path

import pytest
import specimens
from specimens import make_small_subject

from atlas.data.dataset import read_dataset, survey_dataset
from atlas.data.file_trees import FolderTree
from atlas.data.participants import read_participants
from atlas.data.subject import Severity

TABLE = "participant_id\tage\tsex\tbody_height\nsub-01\t23\tF\tn/a\nsub-02\t24.5\tM\t181\n"
EXPECTED = {
    "sub-01": {"age": 23.0, "sex": "F", "body_height": None},
    "sub-02": {"age": 24.5, "sex": "M", "body_height": 181.0},
}


def table_of(folder, content=TABLE, *, name="participants.tsv"):
    """Covariates and findings of a table inside a folder."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    findings = []
    tree = FolderTree(folder)
    return read_participants(tree, tree.names(), folder, findings), findings


def test_cells_are_numbers_text_or_none(tmp_path):
    assert table_of(tmp_path) == (EXPECTED, [])


@pytest.mark.parametrize("cell", ["n/a", "", " ", " n/a "])
def test_a_cell_that_is_not_available_is_none(tmp_path, cell):
    covariates, _ = table_of(tmp_path, f"participant_id\tage\tsex\nsub-01\t{cell}\tF\n")
    assert covariates == {"sub-01": {"age": None, "sex": "F"}}


@pytest.mark.parametrize("spelling", ["sub-01", "sub_01", "sub01"])
def test_the_spelling_of_the_subject_does_not_matter(tmp_path, spelling):
    covariates, _ = table_of(tmp_path, f"participant_id\tage\n{spelling}\t23\n")
    assert covariates == {"sub-01": {"age": 23.0}}


def test_windows_line_ends_and_byte_order_mark_do_not_matter(tmp_path):
    content = b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode()
    assert table_of(tmp_path, content) == (EXPECTED, [])


def test_a_short_row_has_no_value_where_it_ends_and_a_long_one_none_beyond(tmp_path):
    covariates, _ = table_of(tmp_path, "participant_id\tage\tsex\nsub-01\t23\nsub-02\t24\tM\t9\n")
    assert covariates == {
        "sub-01": {"age": 23.0, "sex": None},
        "sub-02": {"age": 24.0, "sex": "M"},
    }


def test_a_row_that_ends_before_its_subject_does_no_harm(tmp_path):
    covariates, findings = table_of(tmp_path, "age\tparticipant_id\n23\tsub-01\n24\n")
    assert covariates["sub-01"] == {"age": 23.0}
    assert findings == []


def test_a_header_without_rows_gives_no_covariates(tmp_path):
    assert table_of(tmp_path, "participant_id\tage\n") == ({}, [])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            "subject\tage\nsub-01\t23\n",
            (
                "participants.tsv: expected a column participant_id, got ['subject', 'age']; "
                "covariates are not used"
            ),
        ),
        (
            "participant_id,age\nsub-01,23\n",
            (
                "participants.tsv: expected a column participant_id, got ['participant_id,age']; "
                "covariates are not used"
            ),
        ),
        (TABLE.encode("utf-16"), "participants.tsv: 'utf-8' codec can't decode"),
        (f'participant_id\tage\nsub-01\t"{"9" * 200_000}\n', "field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_read_is_warned_of_and_not_used(tmp_path, content, text):
    covariates, (finding,) = table_of(tmp_path, content)
    assert covariates == {}
    assert (finding.severity, finding.rule) == (Severity.WARNING, "unreadable-participants")
    assert text in str(finding)


# --- where it is found ---


@pytest.mark.parametrize(
    ("markers", "opened", "table"),
    [
        ("markers", ".", "participants.tsv"),
        ("markers", ".", "rawdata/participants.tsv"),
        ("markers", "markers", "participants.tsv"),
        ("markers", "markers", "rawdata/participants.tsv"),
        ("markers", "markers", "markers/participants.tsv"),
        ("derivatives/markers", ".", "participants.tsv"),
        ("derivatives/markers", "derivatives/markers", "participants.tsv"),
        ("derivatives/markers", "derivatives/markers", "rawdata/participants.tsv"),
        ("markers", "markers/sub-01", "markers/participants.tsv"),
        ("markers", "markers/sub-01", "participants.tsv"),
        ("markers", "markers/sub-01", "rawdata/participants.tsv"),
    ],
)
def test_the_table_is_found_inside_beside_and_in_rawdata(tmp_path, markers, opened, table):
    root = tmp_path / "dataset"
    specimens.write_subject(root / markers, make_small_subject())
    (root / table).parent.mkdir(exist_ok=True)
    (root / table).write_text(TABLE)
    (subject,) = read_dataset(root / opened).subjects
    assert dict(subject.covariates) == EXPECTED["sub-01"]


@pytest.mark.parametrize("table", ["participants.tsv", "rawdata/participants.tsv"])
def test_the_table_is_found_beside_an_archive(tmp_path, table):
    (tmp_path / table).parent.mkdir(exist_ok=True)
    (tmp_path / table).write_text(TABLE)
    path = specimens.write_archive(tmp_path / "markers.zip", make_small_subject())
    assert dict(read_dataset(path).subjects[0].covariates) == EXPECTED["sub-01"]


def test_a_relative_path_finds_the_same_table(tmp_path, monkeypatch):
    specimens.write_subject(tmp_path / "markers", make_small_subject())
    (tmp_path / "participants.tsv").write_text(TABLE)
    monkeypatch.chdir(tmp_path / "markers")
    for path in (".", "sub-01"):
        assert dict(read_dataset(Path(path)).subjects[0].covariates) == EXPECTED["sub-01"]


def test_without_a_table_there_are_no_covariates_and_no_finding(tmp_path):
    specimens.write_subject(tmp_path / "a" / "b" / "markers", make_small_subject())
    dataset = read_dataset(tmp_path / "a" / "b" / "markers")
    assert dict(dataset.covariates) == {}
    assert dataset.findings == ()


def test_an_unreadable_table_does_not_reject_the_subjects(tmp_path):
    specimens.write_subject(tmp_path / "markers", make_small_subject())
    (tmp_path / "participants.tsv").write_bytes(b"\xff\xff")
    dataset = survey_dataset(tmp_path)
    assert len(dataset.subjects) == 1
    assert [f.rule for f in dataset.findings] == ["unreadable-participants"]


def test_rows_and_subjects_without_each_other_are_noted(small_subject, tmp_path):
    specimens.write_subject(tmp_path / "markers", small_subject)
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-1\t23\n")
    notes = {f.rule: str(f) for f in read_dataset(tmp_path).findings}
    assert "1 rows without marker files: sub-1" in notes["participants-without-files"]
    assert "1 subjects without a row: sub-01" in notes["subjects-without-covariates"]
