"""What is not read is named: copies, other programs' files, empty subjects, results among them."""

from __future__ import annotations

import json
import shutil
import time
import zipfile

import pytest
import specimens

from atlas.build import check_dataset
from atlas.data.dataset import DatasetError, read_dataset, survey_dataset
from atlas.data.exclusions import ExclusionError, exclude
from atlas.data.subject import Severity
from atlas.large.subject_folders import list_subjects

SMALL = [
    specimens.make_small_subject(f"sub-0{i}", bend_mm=float(i), spacing_mm=4.0) for i in (1, 2)
]


@pytest.fixture
def markers(tmp_path):
    for subject in SMALL:
        specimens.write_subject(tmp_path / "markers", subject)
    return tmp_path / "markers"


def said(place):
    """Findings as severity, rule and place; those of reading whole and of reading one by one."""
    dataset, listing = survey_dataset(place), list_subjects(place)
    alone = {*listing.findings, *(f for folder in listing.folders for f in folder.read()[1])}
    assert alone == set(dataset.findings)
    return [(f.severity.name, f.rule, f.place) for f in dataset.findings]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("sub-01_dura_1 copy.json", "sub-01_dura_1 copy.JSON", "sub-01_dura_1 (1).json"),
        *("sub-01_dura_1 - Kopie.json", "Kopie von sub-01_dura_1.json", "sub-01_dura_1.json~"),
        *("sub-01_dura_1.json.bak", "sub-01_dura_1.json.txt", "sub-01_dura_1.json.gz"),
        *("sub-01_dura_1.fcsv", "sub-01_dura_1.mrml", "sub-01_dura_1.mrb", "#sub-01_dura_1.json#"),
        *(".sub-01_dura_1.json.swp", "sub-01-dura-1.json", "sub-01_discs_1.json", "F.json"),
        *("sub-01_nerveroots_L1_L.csv", "sub-01_dura_1", "dura 1", "sub-01_dura_é.json"),
    ],
)
def test_a_marker_file_no_rule_understands_is_named(markers, name):
    (markers / "sub-01" / "sub-01_dura_1.json").rename(markers / "sub-01" / name)
    assert said(markers) == [("WARNING", "unrecognised-file", f"sub-01/{name}")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *(
            "sub-01_Dura.stl",
            "sub-01_CISS.nii.gz",
            "notes.txt",
            "README.md",
            "LICENSE",
            ".DS_Store",
        ),
        *("Thumbs.db", "desktop.ini", "._sub-01_dura_1.json", "sub-01.png", "sub-01_CISS_SNR.csv"),
        *("dataset_description.json", "participants.json", "provenance.json", "atlas-result.json"),
    ],
)
def test_files_that_belong_beside_markers_are_no_news(markers, name):
    (markers / "sub-01" / name).write_text("CSF\n1\n")
    assert [row for row in said(markers) if row[0] != "NOTE"] == []


def test_a_copy_in_a_folder_of_its_own_is_named(markers):
    (markers / "sub-01" / "old").mkdir()
    (markers / "sub-01" / "old" / "sub-01_dura_1 copy.json").write_text("{}")
    (place,) = [row[2] for row in said(markers)]
    assert place == "sub-01/old/sub-01_dura_1 copy.json"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["sub-03", "sub_03", "sub-03 copy", "sub 03", "SUB-03.old", "sub03"]
)
@pytest.mark.parametrize("files", [(), ("notes.txt", "dura_1.txt")])
def test_a_subject_without_marker_files_is_named(markers, name, files):
    (markers / name).mkdir()
    for file in files:
        (markers / name / file).write_text("")
    assert said(markers) == [("WARNING", "subject-without-markers", name)]


def test_a_subject_that_is_a_link_to_nowhere_is_an_error_and_can_be_left_out(markers):
    (markers / "sub-03").symlink_to("nowhere")
    assert said(markers) == [("ERROR", "subject-without-markers", "sub-03")]
    with pytest.raises(DatasetError, match="sub-03: expected a folder of marker files"):
        read_dataset(markers)
    assert exclude(survey_dataset(markers), ["sub-03"]).findings == ()


def test_folders_of_the_same_subjects_elsewhere_are_no_news_and_others_a_note(markers):
    for name in ("rawdata/sub-01/anat", "model/sub-02", "rawdata/sub-08/anat", "rawdata/sub-09"):
        (markers.parent / name).mkdir(parents=True)
    dataset = survey_dataset(markers.parent)
    (note,) = dataset.findings
    assert note.severity is Severity.NOTE
    assert str(note) == "2 folders of subjects without marker files: sub-08, sub-09"
    assert said(markers.parent) == [("NOTE", "subject-without-markers", "")]


def test_raw_subjects_in_the_root_do_not_hide_the_annotated(markers, tmp_path):
    root = tmp_path / "study"
    (root / "derivatives").mkdir(parents=True)
    shutil.move(markers, root / "derivatives" / "markers")
    for name in ("sub-01", "sub-02"):
        (root / name / "anat").mkdir(parents=True)
    assert said(root) == []
    assert [f.id for f in list_subjects(root).folders] == ["sub-01", "sub-02"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("atlas-result.json", json.dumps({"command": "sample", "files": []})),
        ("atlas-result.json", json.dumps({"command": "predict", "files": []})),
        ("plan.json", "{}"),
        ("intervals.csv", "landmark\n"),
    ],
)
def test_made_markers_among_annotations_are_not_read_for_them(markers, file, content):
    made = markers.parent / "made"
    specimens.write_subject(made / "markers", specimens.make_small_subject("sub-09"))
    (made / file).write_text(content)
    assert [s.id for s in survey_dataset(markers.parent).subjects] == ["sub-01", "sub-02"]
    assert said(markers.parent) == [("NOTE", "result-among-markers", "made")]
    assert [s.id for s in survey_dataset(made).subjects] == ["sub-09"]


def test_a_demo_is_read_though_it_is_a_result(markers):
    (markers / "atlas-result.json").write_text(json.dumps({"command": "demo"}))
    assert [s.id for s in survey_dataset(markers.parent).subjects] == ["sub-01", "sub-02"]


def test_a_level_that_the_atlas_has_not_can_be_excluded_by_name(markers):
    shutil.copy(
        markers / "sub-01" / "sub-01_nerveroots_S2_L.json",
        markers / "sub-01" / "sub-01_nerveroots_S3_L.json",
    )
    dataset = survey_dataset(markers)
    left = exclude(dataset, ["sub-01/roots/S3/left"])
    assert [f.rule for f in dataset.findings] == ["level-outside"]
    assert left.findings == () and left.exclusions == ("sub-01/roots/S3/left",)
    assert len(left.subjects[0].roots) == 14
    with pytest.raises(ExclusionError, match="no sub-01/roots/S4/left to exclude"):
        exclude(dataset, ["sub-01/roots/S4/left"])


def test_a_root_of_one_place_is_a_finding_of_the_whole_check(markers):
    path = markers / "sub-01" / "sub-01_nerveroots_L3_L.json"
    document = json.loads(path.read_text())
    for point in document["markups"][0]["controlPoints"]:
        point["position"] = [1.0, 2.0, 3.0]
    path.write_text(json.dumps(document))
    rules = {f.rule for f in check_dataset(survey_dataset(markers))}
    assert {"too-few-points", "doubled-points"} <= rules


def test_names_of_any_length_in_an_archive_take_no_time(tmp_path):
    names = ["sub-" + "a" * 60_000, "sub-01" + "dura" * 15_000 + "x", "sub-01_" * 9_000 + "SNR"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in specimens.subject_files(SMALL[0]).items():
            archive.writestr(f"sub-01/{name}", content)
        for name in names:
            archive.writestr(f"sub-01/{name}", b"{}")
    begin = time.process_time()
    rules = [f.rule for f in survey_dataset(tmp_path / "a.zip").findings]
    assert rules == ["unrecognised-file"] * 3
    assert time.process_time() - begin < 2
