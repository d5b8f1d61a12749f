from __future__ import annotations

import time
from pathlib import Path

import pytest
import specimens
from specimens import make_small_subject

from atlas.data.dataset import read_dataset, survey_dataset
from atlas.data.file_trees import FolderTree
from atlas.data.participants import read_participants, unmatched_rows
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


# --- what can be read in two ways is said, and nothing is lost ---


def rules_of(findings):
    return [f.rule for f in findings]


def column_of(folder, cells):
    """A column of covariates and what is said of it."""
    rows = "".join(f"sub-{i:02d}\t{cell}\n" for i, cell in enumerate(cells, 1))
    covariates, findings = table_of(folder, f"participant_id\tage\n{rows}")
    return [row["age"] for row in covariates.values()], findings


@pytest.mark.parametrize(
    "cell",
    [
        *("NA", "N/A", "na", "n.a.", "nan", "NaN", "-nan", "inf", "-Infinity", "1e400", "-1e999"),
        *("NULL", "<NA>", "#N/A", ""),
    ],
)
def test_every_spelling_of_no_value_is_none_in_a_column_of_numbers(tmp_path, cell):
    assert column_of(tmp_path, ["22", cell, "25"]) == ([22.0, None, 25.0], [])


@pytest.mark.parametrize("cell", ["unknown", "?", "24,5", "1_0", "\u0661\u0662", "30y"])
def test_a_few_words_among_numbers_are_missing_and_said(tmp_path, cell):
    ages, (finding,) = column_of(tmp_path, ["22", cell, "25", "31", "28"])
    assert ages == [22.0, None, 25.0, 31.0, 28.0]
    assert (finding.severity, finding.rule) == (Severity.WARNING, "mixed-column")
    assert str(finding) == (
        f"participants.tsv: expected numbers in age, got 1 of 5 cells that are none ({cell!r} of "
        "sub-02); taken as missing: write n/a"
    )


def test_a_column_of_words_and_numbers_is_words_and_said(tmp_path):
    ages, (finding,) = column_of(tmp_path, ["1", "A", "B", "2"])
    assert ages == [1.0, "A", "B", 2.0]
    assert "the column is taken for words: correct them" in str(finding)


def test_a_column_with_decimal_commas_is_said(tmp_path):
    ages, (finding,) = column_of(tmp_path, ["22,5", "31,0"])
    assert ages == ["22,5", "31,0"]
    assert "expected numbers with a point in age, got commas" in str(finding)


@pytest.mark.parametrize("first", ["sub-01", "sub_01", "sub01"])
def test_two_rows_of_one_participant_are_said_and_not_used_where_they_differ(tmp_path, first):
    table = f"participant_id\tage\n{first}\t23\nsub-01\t24\nsub-02\t25\nsub-02\t25\n"
    covariates, (finding,) = table_of(tmp_path, table)
    assert covariates == {"sub-01": {"age": None}, "sub-02": {"age": 25.0}}
    assert str(finding) == (
        "participants.tsv: expected one row a participant, got more for sub-01, sub-02; not used, "
        "as they differ: sub-01; keep one"
    )


def test_two_columns_of_one_name_are_said_and_not_used(tmp_path):
    covariates, (finding,) = table_of(tmp_path, "participant_id\tage\tsex\tage\nsub-01\t23\tF\t3\n")
    assert covariates == {"sub-01": {"sex": "F"}}
    assert "expected columns of different names, got two or more of age" in str(finding)


def test_two_columns_of_ids_are_refused(tmp_path):
    covariates, (finding,) = table_of(tmp_path, "participant_id\tparticipant_id\nsub-01\tsub-02\n")
    assert covariates == {} and finding.rule == "unreadable-participants"


def test_cells_beyond_the_heading_and_columns_without_a_name_are_said(tmp_path):
    content = "participant_id\tage\t\nsub-01\t23\t7\t9\n"
    covariates, findings = table_of(tmp_path, content)
    assert covariates == {"sub-01": {"age": 23.0}}
    assert rules_of(findings) == ["unnamed-column", "ragged-participants"]


@pytest.mark.parametrize("quoted", ['"F\nsub-02\t24', 'F"\n"x'])
def test_a_quote_that_is_not_closed_swallows_no_rows_in_silence(tmp_path, quoted):
    _, findings = table_of(tmp_path, f"participant_id\tsex\nsub-01\t{quoted}\nsub-03\tM\n")
    assert findings


def test_a_table_of_another_dataset_is_said(tmp_path):
    specimens.write_subject(tmp_path / "markers", make_small_subject())
    (tmp_path / "participants.tsv").write_text("participant_id\tage\n1\t23\n2\t24\n")
    rules = {f.rule: f for f in read_dataset(tmp_path).findings}
    assert rules["participants-of-others"].severity is Severity.WARNING
    assert str(rules["participants-of-others"]).startswith(
        "participants.tsv: expected rows of sub-01, …, got none of them but 1, 2, …"
    )


@pytest.mark.parametrize("name", ["participants.csv", "participants (1).tsv", "Participants.xlsx"])
def test_a_table_of_another_name_is_named(tmp_path, name):
    covariates, (finding,) = table_of(tmp_path, name=name)
    assert covariates == {} and (finding.rule, finding.place) == ("unrecognised-file", name)


def test_two_tables_that_differ_are_said(tmp_path):
    table_of(tmp_path, name="rawdata/participants.tsv")
    covariates, (finding,) = table_of(tmp_path, TABLE.replace("23", "99"))
    assert covariates["sub-01"]["age"] == 99
    assert str(finding).startswith("participants.tsv: got 2, participants.tsv is used")


def test_the_table_beside_a_link_is_found(tmp_path):
    specimens.write_subject(tmp_path / "pool" / "deep" / "markers", make_small_subject())
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "markers").symlink_to(tmp_path / "pool" / "deep" / "markers")
    (tmp_path / "study" / "participants.tsv").write_text(TABLE)
    dataset = read_dataset(tmp_path / "study" / "markers")
    assert dict(dataset.subjects[0].covariates) == EXPECTED["sub-01"]


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_read_and_listed_in_short(tmp_path):
    rows = "".join(f"sub-{i}\t{i % 90}\n" for i in range(100_000))
    covariates, _ = table_of(tmp_path, f"participant_id\tage\n{rows}")
    assert len(covariates) == 100_000
    (note,) = unmatched_rows(covariates, ["sub-5"])
    assert str(note).endswith("and 99979 more; check the spelling if unexpected")
    assert len(str(note)) < 500


@pytest.mark.parametrize("cell", ["9" * 131_000, "1" + "0" * 130_000 + ".", "1e" + "9" * 130_000])
def test_a_number_of_a_hundred_thousand_digits_takes_no_time(tmp_path, cell):
    begin = time.process_time()
    (age,), _ = column_of(tmp_path, [cell])
    assert age is None or isinstance(age, str)
    assert time.process_time() - begin < 2
