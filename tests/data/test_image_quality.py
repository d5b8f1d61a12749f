"""Quality tables beside a dataset: columns of numbers become covariates, the rest is said."""

from __future__ import annotations

import numpy as np
import pytest
import specimens

from atlas.data.dataset import read_dataset
from atlas.data.subject import Severity


@pytest.fixture
def fetched(tmp_path):
    """A fetched folder of two subjects, without quality tables."""
    for name in ("sub-01", "sub-02"):
        specimens.write_subject(tmp_path / "markers", specimens.make_small_subject(name))
    return tmp_path


def write_table(folder, content, *, name="sub-01_CISS_SNR.csv", under="anatqc/sub-01"):
    place = folder / under
    place.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else content.encode()
    (place / name).write_bytes(data)


def quality(folder):
    dataset = read_dataset(folder)
    found = [f for f in dataset.findings if "quality" in f.rule]
    return dict(dataset.covariates), found


@pytest.mark.parametrize("opened", [".", "markers", "markers/sub-01"])
def test_a_table_is_found_inside_or_beside_a_dataset(fetched, opened):
    write_table(fetched, "CSF,cord\n30,12.5\n")
    covariates, found = quality(fetched / opened)
    assert covariates["ciss_snr_csf"][0] == 30
    assert covariates["ciss_snr_cord"][0] == 12.5
    assert found == []


def test_rows_are_averaged_and_that_is_said(fetched):
    write_table(fetched, "slice,CSF\n1,10\n2,20\n3,60\n")
    write_table(fetched, "CSF\n5\n7\n", name="sub-02_CISS_SNR.csv", under="anatqc")
    covariates, (note,) = quality(fetched)
    assert covariates == {"ciss_snr_csf": (30, 6)}
    assert note.severity is Severity.NOTE
    assert str(note) == "anatqc: mean of 2 to 3 rows a subject: ciss_snr_csf"


def test_quality_stands_beside_the_participants(fetched):
    (fetched / "rawdata").mkdir()
    (fetched / "rawdata" / "participants.tsv").write_text("participant_id\tage\nsub-02\t24\n")
    write_table(fetched, "CSF\n30\n", name="sub-01_T2TSE_CNR.csv")
    covariates, _ = quality(fetched)
    assert covariates == {"t2tse_cnr_csf": (30, None), "age": (None, 24)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("CSF\n30\n", {"csf": 30}),
        ("\ufeffCSF;cord\r\n30,5;1\r\n", {"csf": 30.5, "cord": 1}),
        ("CSF\tname\n30\tx\n", {"csf": 30}),
        ("30.5,4\n31.5,6\n", {"1": 31, "2": 5}),
        ("17.25", {"1": 17.25}),
        (",SNR (dB)\n0,3\n1,5\n", {"snr_db": 4}),
        ("a,b\nn/a,1\n4,NaN\n", {"a": 4, "b": 1}),
        ("a,b\n1,inf\n", {"a": 1}),
        ("a,a\n1,2\n", {"a": 1}),
        ("a,b\n1\n3,4,5\n\n", {"a": 2, "b": 4}),
    ],
)
def test_any_layout_with_a_column_of_numbers_is_read(fetched, content, expected):
    write_table(fetched, content)
    covariates, found = quality(fetched)
    assert {k.removeprefix("ciss_snr_"): v[0] for k, v in covariates.items()} == expected
    assert [f for f in found if f.severity is not Severity.NOTE] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "got an empty file; the table is not used"),
        ("name\nx\n", "got 2 rows without a column of numbers; the table is not used"),
        ("slice\n1\n", "without a column of numbers"),
        (b"\xff\xfe\x00", "got bytes that are not text in UTF-8; the table is not used"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_warning_that_names_it(fetched, content, message):
    write_table(fetched, content)
    covariates, (warning,) = quality(fetched)
    assert covariates == {}
    assert warning.severity is Severity.WARNING
    assert warning.rule == "unreadable-image-quality"
    assert str(warning).startswith("sub-01/sub-01_CISS_SNR.csv: expected rows of numbers under")
    assert message in str(warning)


def test_a_second_table_of_the_same_kind_is_not_used(fetched):
    write_table(fetched, "CSF\n30\n")
    write_table(fetched, "CSF\n50\n", under="anatqc/sub-01_again")
    covariates, (warning,) = quality(fetched)
    assert covariates["ciss_snr_csf"][0] == 30
    assert "expected one table ciss_snr a subject, got another; keep one" in str(warning)


def test_tables_of_others_are_passed_over(fetched):
    write_table(fetched, "", name="sub-09_CISS_SNR.csv")
    assert quality(fetched) == ({}, [])


def test_permuting_rows_changes_nothing(fetched):
    rng = np.random.default_rng(3)
    values = rng.uniform(1, 100, 40)
    found = []
    for order in (np.arange(40), rng.permutation(40)):
        write_table(fetched, "CSF\n" + "\n".join(str(v) for v in values[order]))
        found.append(quality(fetched)[0])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("content", "expected", "said"),
    [
        ("a,b\n1,x\n2,5\n", {"a": 1.5}, "expected numbers in column b, got 'x' in 1 of 2 rows"),
        ("a,a\n1,2\n", {"a": 1}, "expected one column a, got another"),
        ("a\n3,4\n", {"a": 3}, "expected 1 cells a row, got more in some"),
    ],
)
def test_what_is_left_out_of_a_table_is_said(fetched, content, expected, said):
    write_table(fetched, content)
    covariates, found = quality(fetched)
    assert {k.removeprefix("ciss_snr_"): v[0] for k, v in covariates.items()} == expected
    (finding,) = [f for f in found if f.rule == "image-quality-left-out"]
    assert str(finding) == f"sub-01/sub-01_CISS_SNR.csv: {said}; not used: correct it"


def test_means_of_the_largest_numbers_are_numbers(fetched):
    write_table(fetched, "a\n1.5e308\n1.5e308\n")
    assert quality(fetched)[0]["ciss_snr_a"][0] == pytest.approx(1.5e308)


def test_old_line_ends_are_line_ends(fetched):
    write_table(fetched, "CSF\r30\r32\r")
    assert quality(fetched)[0]["ciss_snr_csf"][0] == 31


@pytest.mark.parametrize("name", ["sub-01_CISS_SNR copy.csv", "sub-01_CISS_SNR.xlsx"])
def test_a_table_of_nearly_the_right_name_is_named(fetched, name):
    write_table(fetched, "CSF\n30\n", name=name)
    covariates, (warning,) = quality(fetched)
    assert covariates == {}
    assert str(warning).startswith(f"sub-01/{name}: expected a name like sub-01_CISS_SNR.csv")
