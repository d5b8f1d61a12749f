"""One subject's files to a Subject: every quirk of dataset.md by its number, and every finding."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import specimens
from specimens import document_bytes, make_small_subject, make_subject, markups_document

from atlas.data import reader
from atlas.data.dataset import read_dataset, survey_dataset
from atlas.data.markups import format_markups, parse_markups
from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey, Severity
from atlas.landmarks.placing import place_landmarks


@pytest.fixture
def folder(tmp_path, small_subject) -> Path:
    """sub-01 in the archive's layout, sound."""
    return specimens.write_subject(tmp_path / "markers", small_subject)


def read_one(folder):
    (subject,) = read_dataset(folder).subjects
    return subject


def findings_of(folder, rule):
    return [f for f in survey_dataset(folder).findings if f.rule == rule]


def only_finding(folder):
    (finding,) = survey_dataset(folder).findings
    return finding


def put(path, points, *, type="Fiducial"):
    path.write_bytes(document_bytes(markups_document(points, type=type)))


def assert_same_subject(got, expected):
    for kind in ("dura", "cord"):
        assert len(getattr(got, kind)) == len(getattr(expected, kind))
        for a, b in zip(getattr(got, kind), getattr(expected, kind), strict=True):
            np.testing.assert_array_equal(a, b)
    for kind in ("roots", "ganglia"):
        assert list(getattr(got, kind)) == list(getattr(expected, kind))
        for key, points in getattr(expected, kind).items():
            np.testing.assert_array_equal(getattr(got, kind)[key], points)


def test_what_was_annotated_is_read_back_exactly_without_a_finding(folder, small_subject):
    subject = read_one(folder)
    assert_same_subject(subject, small_subject)
    assert subject.findings == ()
    assert subject.id == "sub-01"


# --- the quirks of the published archive ---


def test_quirk_1_dura_files_named_with_an_underscore_are_the_same_subjects(tmp_path):
    expected = make_small_subject("sub-14")
    place = specimens.write_subject(tmp_path, expected)
    for path in place.glob("*_dura_*"):
        path.rename(place / path.name.replace("sub-14", "sub_14"))
    subject = read_one(tmp_path)
    assert_same_subject(subject, expected)
    (finding,) = subject.findings
    assert (finding.severity, finding.rule) == (Severity.NOTE, "subject-spelling")
    assert str(finding) == (
        "sub-14: expected files named sub-14, got sub_14; read as the same subject"
    )


def test_quirk_2_slices_are_sorted_by_height_and_not_by_their_number(folder):
    numbered = sorted(folder.glob("*_dura_*"), key=lambda p: int(p.stem.split("_")[-1]))
    by_number = [parse_markups(p.read_bytes())[0].points[:, 2].mean() for p in numbered]
    assert (np.diff(by_number) > 0).any(), "the specimen must have the quirk"
    subject = read_one(folder)
    for contours in (subject.dura, subject.cord):
        heights = [c[:, 2].mean() for c in contours]
        np.testing.assert_allclose(heights, -2.0 * np.arange(len(contours)), atol=1e-12)


def test_quirk_3_roots_that_ascend_and_roots_that_descend_both_come_rostral_first(folder):
    ascending = parse_markups((folder / "sub-01_nerveroots_L1_L.json").read_bytes())[0].points
    descending = parse_markups((folder / "sub-01_nerveroots_S1_L.json").read_bytes())[0].points
    assert ascending[0, 2] < ascending[-1, 2]
    assert descending[0, 2] > descending[-1, 2]
    for points in read_one(folder).roots.values():
        assert (np.diff(points[:, 2]) < 0).all()


def test_quirk_3_two_points_out_of_order_are_put_back_and_said(folder, small_subject):
    key = RootKey("L2", "left")
    points = small_subject.roots[key][::-1].copy()
    points[[5, 6]] = points[[6, 5]]
    put(folder / "sub-01_nerveroots_L2_L.json", points)
    subject = read_one(folder)
    np.testing.assert_array_equal(subject.roots[key], small_subject.roots[key])
    (finding,) = subject.findings
    assert finding.severity is Severity.NOTE
    assert str(finding) == (
        f"sub-01/sub-01_nerveroots_L2_L.json: 2 of {len(points)} points stood out of order; "
        "ordered along the root"
    )


def test_quirk_4_labels_that_lie_do_not_move_a_ganglion_or_a_root(folder, small_subject):
    for kind, places in (("ganglions", "ganglia"), ("nerveroots", "roots")):
        points = np.atleast_2d(getattr(small_subject, places)[RootKey("L3", "left")])
        for label in ("L2_R", "F_15"):
            path = folder / f"sub-01_{kind}_L3_L.json"
            path.write_bytes(format_markups(points, type="Fiducial", stem=label))
            assert_same_subject(read_one(folder), small_subject)


def test_quirk_5_of_several_ganglion_points_the_last_is_the_ganglion(folder, small_subject):
    key = RootKey("S1", "right")
    last = small_subject.ganglia[key]
    put(folder / "sub-01_ganglions_S1_R.json", [last + 9.0, last + 3.0, last])
    subject = read_one(folder)
    np.testing.assert_array_equal(subject.ganglia[key], last)
    (finding,) = subject.findings
    assert finding.severity is Severity.NOTE
    assert "expected 1 point, got 3; the last is the ganglion" in str(finding)


def test_quirk_5_a_stale_last_ganglion_point_is_not_the_ganglion(folder, small_subject):
    key = RootKey("S1", "right")
    true = small_subject.ganglia[key]
    stale = {"position": [0.0, 0.0, 0.0], "positionStatus": "undefined"}
    put(folder / "sub-01_ganglions_S1_R.json", [{"position": true.tolist()}, stale])
    subject = read_one(folder)
    np.testing.assert_array_equal(subject.ganglia[key], true)
    assert [f.rule for f in subject.findings] == ["missing-points"]


def test_quirk_6_where_a_contour_begins_and_which_way_it_runs_moves_no_landmark(tmp_path, subject):
    rng = np.random.default_rng(6)
    place = specimens.write_subject(tmp_path, subject)
    expected = place_landmarks(read_dataset(tmp_path)).points
    for path in [*place.glob("*_dura_*"), *place.glob("*_cord_*")]:
        points = np.roll(parse_markups(path.read_bytes())[0].points, rng.integers(24), axis=0)
        put(path, points[:: rng.choice([-1, 1])], type="ClosedCurve")
    wandering = place_landmarks(read_dataset(tmp_path)).points
    np.testing.assert_allclose(wandering, expected, atol=1e-6)


def test_quirk_7_a_root_point_outside_the_dura_does_not_reject_the_subject(folder, small_subject):
    points = small_subject.roots[RootKey("L1", "left")].copy()
    points[-1, 0] += 5.0
    put(folder / "sub-01_nerveroots_L1_L.json", points)
    np.testing.assert_array_equal(read_one(folder).roots[RootKey("L1", "left")], points)


@pytest.mark.parametrize("spacing", [1.8, 2.0])
def test_quirk_8_the_spacing_is_that_of_the_data(tmp_path, spacing):
    specimens.write_subject(tmp_path, make_small_subject(spacing_mm=spacing))
    assert read_one(tmp_path).spacing_mm == pytest.approx(spacing, abs=1e-9)


def test_quirk_8_a_slice_that_was_left_out_does_not_change_the_spacing(tmp_path):
    place = specimens.write_subject(tmp_path, make_small_subject())
    next(place.glob("*_dura_1[0-9].json")).unlink()
    assert read_one(tmp_path).spacing_mm == pytest.approx(2.0, abs=1e-9)


@pytest.mark.parametrize(
    ("length", "spacing", "extent"), [(158.0, 2.0, 158.0), (142.0, 2.0, 142.0), (127.8, 1.8, 127.8)]
)
def test_quirk_9_every_field_of_view_keeps_its_own_extent(tmp_path, length, spacing, extent):
    specimens.write_subject(tmp_path, make_subject(length_mm=length, spacing_mm=spacing))
    assert read_one(tmp_path).dura_extent_mm == pytest.approx(extent, abs=1e-9)


@pytest.mark.parametrize(("length", "conus", "below"), [(142.0, 140.0, 2.0), (158.0, 98.0, 60.0)])
def test_quirk_10_the_cord_begins_with_the_dura_and_ends_at_the_conus(
    tmp_path, length, conus, below
):
    specimens.write_subject(tmp_path, make_subject(length_mm=length, conus_mm=conus))
    subject = read_one(tmp_path)
    assert subject.cord[0][:, 2].mean() == pytest.approx(subject.dura[0][:, 2].mean(), abs=1e-9)
    assert subject.dura_extent_mm - subject.cord_extent_mm == pytest.approx(below, abs=1e-9)


def test_quirk_11_a_root_cut_off_by_the_image_keeps_its_trace_and_its_ganglion_apart(
    tmp_path, subject
):
    specimens.write_subject(tmp_path, subject)
    read = read_one(tmp_path)
    for key in ROOT_KEYS:
        end, ganglion = read.roots[key][-1], read.ganglia[key]
        np.testing.assert_array_equal(end, subject.roots[key][-1])
        if key.level in ("L4", "L5", "S1", "S2"):
            assert end[2] == pytest.approx(-158.0)
            assert ganglion[2] < -158.0


# --- the format allows more than the archive uses ---


@pytest.mark.parametrize("unit", ["µm", ["um", "UCUM", "micrometer"]])
def test_files_in_ras_micrometres_hold_the_same_subject(folder, small_subject, unit):
    for path in folder.iterdir():
        markup = parse_markups(path.read_bytes())[0]
        document = markups_document(
            markup.points * [-1e3, -1e3, 1e3],
            type=markup.type,
            coordinateSystem="RAS",
            coordinateUnits=unit,
        )
        path.write_bytes(document_bytes(document))
    subject = read_one(folder)
    assert subject.findings == ()
    for got, expected in zip(subject.dura, small_subject.dura, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-9)
    for key in ROOT_KEYS:
        np.testing.assert_allclose(subject.roots[key], small_subject.roots[key], atol=1e-9)


def test_several_contours_in_one_file_are_as_many_slices(folder, small_subject):
    for path in folder.glob("*_dura_*"):
        path.unlink()
    document = {
        "markups": [
            markups_document(c, type="ClosedCurve")["markups"][0] for c in small_subject.dura
        ]
    }
    (folder / "sub-01_dura_1.json").write_bytes(document_bytes(document))
    assert_same_subject(read_one(folder), small_subject)


def test_a_root_in_several_markups_is_one_root(folder, small_subject):
    points = small_subject.roots[RootKey("L5", "left")]
    document = markups_document(points[10:])
    document["markups"] += markups_document(points[:10])["markups"]
    (folder / "sub-01_nerveroots_L5_L.json").write_bytes(document_bytes(document))
    subject = read_one(folder)
    np.testing.assert_array_equal(subject.roots[RootKey("L5", "left")], points)


@pytest.mark.parametrize("status", ["undefined", "preview", "missing"])
def test_a_point_without_a_place_is_left_out_and_said(folder, small_subject, status):
    key = RootKey("L4", "right")
    rows = [{"position": p.tolist()} for p in small_subject.roots[key]]
    rows[3] = {"position": [0.0, 0.0, 0.0], "positionStatus": status}
    put(folder / "sub-01_nerveroots_L4_R.json", rows)
    subject = read_one(folder)
    np.testing.assert_array_equal(
        subject.roots[key], np.delete(small_subject.roots[key], 3, axis=0)
    )
    (finding,) = subject.findings
    assert (finding.severity, finding.rule) == (Severity.WARNING, "missing-points")
    assert f"1 of {len(rows)} points have no defined position; not used" in str(finding)


# --- what is odd is said ---


def test_a_contour_that_repeats_its_first_point_is_read_without_it(folder, small_subject):
    path = next(folder.glob("*_dura_5.json"))
    points = parse_markups(path.read_bytes())[0].points
    put(path, np.concatenate([points, points[:1]]), type="ClosedCurve")
    subject = read_one(folder)
    assert [len(c) for c in subject.dura] == [len(c) for c in small_subject.dura]
    assert "1 point repeated at the same place; used once" in str(subject.findings[0])


def test_a_root_point_marked_twice_is_used_once(folder, small_subject):
    key = RootKey("L4", "right")
    points = small_subject.roots[key]
    put(folder / "sub-01_nerveroots_L4_R.json", points[[0, 0, *range(1, len(points))]])
    subject = read_one(folder)
    np.testing.assert_array_equal(subject.roots[key], points)
    assert [f.rule for f in subject.findings] == ["doubled-points"]


def test_a_contour_of_another_type_is_read_as_closed_and_said(folder, small_subject):
    path = next(folder.glob("*_dura_5.json"))
    put(path, parse_markups(path.read_bytes())[0].points, type="Fiducial")
    subject = read_one(folder)
    assert_same_subject(subject, small_subject)
    assert "expected a ClosedCurve, got 'Fiducial'; read as a closed curve" in str(
        subject.findings[0]
    )


def test_missing_roots_and_ganglia_are_warned_of_by_name_and_keep_the_subject(folder):
    (folder / "sub-01_nerveroots_S2_L.json").unlink()
    (folder / "sub-01_nerveroots_S2_R.json").unlink()
    (folder / "sub-01_ganglions_L1_R.json").unlink()
    subject = read_one(folder)
    assert RootKey("S2", "left") not in subject.roots
    assert {str(f) for f in subject.findings} == {
        "sub-01/roots: expected 14 roots, got 12; their landmarks are missing: S2 left, S2 right",
        "sub-01/ganglia: expected 14 ganglia, got 13; their landmarks are missing: L1 right",
    }
    assert {f.severity for f in subject.findings} == {Severity.WARNING}


# --- what cannot be used is an error, and one error is said once ---


def test_a_root_of_two_points_is_an_error(folder, small_subject):
    put(folder / "sub-01_nerveroots_L3_L.json", small_subject.roots[RootKey("L3", "left")][:2])
    assert str(only_finding(folder)) == (
        "sub-01/sub-01_nerveroots_L3_L.json: 2 points, a root needs at least 4; "
        "complete or remove the file"
    )


def test_a_root_of_one_point_is_an_error_in_the_singular(folder, small_subject):
    put(folder / "sub-01_nerveroots_L3_L.json", small_subject.roots[RootKey("L3", "left")][:1])
    assert "1 point, a root needs at least 4" in str(only_finding(folder))


def test_a_contour_of_three_points_is_an_error(folder, small_subject):
    put(folder / "sub-01_cord_3.json", small_subject.cord[3][:3], type="ClosedCurve")
    assert "3 points, a cord contour needs at least 4" in str(only_finding(folder))


def test_a_ganglion_without_a_point_is_an_error(folder):
    put(folder / "sub-01_ganglions_L3_L.json", [])
    assert "0 points, a ganglion file needs at least 1" in str(only_finding(folder))


def test_a_contour_on_a_line_is_an_error(folder):
    put(folder / "sub-01_dura_3.json", [[i, 2 * i, -4] for i in range(6)], type="ClosedCurve")
    assert "expected a contour around an area, got 6 points on a line" in str(only_finding(folder))


def test_a_contour_of_coinciding_points_is_an_error(folder):
    put(folder / "sub-01_dura_3.json", [[1, 2, -4]] * 6, type="ClosedCurve")
    assert "0 points, a dura contour needs at least 4" in str(
        findings_of(folder, "too-few-points")[0]
    )


def test_a_second_contour_in_a_slice_is_an_error(folder):
    (folder / "sub-01dura99.json").write_bytes((folder / "sub-01_dura_7.json").read_bytes())
    finding = only_finding(folder)
    assert (finding.severity, finding.rule) == (Severity.ERROR, "doubled-contour")
    assert "sub-01dura99.json: expected one dura contour a slice, got another at z" in str(finding)
    assert "where sub-01_dura_7.json is; keep one" in str(finding)


def test_a_structure_in_two_files_is_an_error(folder):
    source = folder / "sub-01_nerveroots_L3_L.json"
    (folder / "sub-01nerverootsL3left.json").write_bytes(source.read_bytes())
    assert str(only_finding(folder)) == (
        "sub-01/sub-01nerverootsL3left.json: expected one file for roots L3 left, got another; "
        "keep one"
    )


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("sub-01_ganglions_L3.json", "a level without a side"),
        ("sub-01_nerveroots_left.mrk.JSON", "a side without a level"),
        ("sub-01_nerveroots_L3_L_copy.json", "neither"),
    ],
)
def test_a_name_without_a_level_or_side_is_an_error(folder, small_subject, name, got):
    put(folder / name, small_subject.roots[RootKey("L3", "left")])
    assert str(only_finding(folder)) == (
        f"sub-01/{name}: expected a level L1–S2 and a side at the end of the name "
        f"(L3_R, L3right), got {got}; rename the file"
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nerveroots", "ganglions"])
@pytest.mark.parametrize("level", ["S3", "T12", "L6", "C8", "Th11", "Co1"])
def test_a_level_that_the_atlas_has_not_is_left_out_and_said(folder, small_subject, level, kind):
    name = f"sub-01_{kind}_{level}_L.json"
    put(folder / name, small_subject.roots[RootKey("L3", "left")])
    subject = read_one(folder)
    assert_same_subject(subject, small_subject)
    (finding,) = subject.findings
    assert (finding.severity, finding.rule) == (Severity.WARNING, "level-outside")
    places = {"nerveroots": "roots", "ganglions": "ganglia"}[kind]
    assert str(finding) == (
        f"sub-01/{name}: expected a level L1–S2, got {level.upper()} left, which is not one of the "
        "atlas; the file is not used: move it out of the folder, or exclude "
        f"sub-01/{places}/{level.upper()}/left"
    )


@pytest.mark.parametrize("status", ["missing", "undefined", "preview"])
@pytest.mark.parametrize(
    ("name", "rule"),
    [("ganglions_S2_L", "missing-ganglia"), ("nerveroots_S2_L", "missing-roots")],
)
def test_a_structure_marked_missing_is_one_without_a_file(folder, name, rule, status):
    path = folder / f"sub-01_{name}.json"
    put(path, [{"position": [0.0, 0.0, 0.0], "positionStatus": status}])
    marked = only_finding(folder)
    path.unlink()
    assert only_finding(folder) == marked
    assert (marked.severity, marked.rule) == (Severity.WARNING, rule)


def test_a_contour_marked_missing_is_left_out_and_said(folder, small_subject):
    put(
        folder / "sub-01_dura_3.json",
        [{"position": [0.0, 0.0, 0.0], "positionStatus": "missing"}] * 5,
        type="ClosedCurve",
    )
    subject = read_one(folder)
    assert len(subject.dura) == len(small_subject.dura) - 1
    assert [f.rule for f in subject.findings] == ["missing-points"]


@pytest.mark.parametrize("places", [1, 3])
def test_a_root_whose_points_stand_at_few_places_is_an_error(folder, small_subject, places):
    points = small_subject.roots[RootKey("L3", "left")][np.arange(12) % places]
    put(folder / "sub-01_nerveroots_L3_L.json", points)
    (finding,) = findings_of(folder, "too-few-points")
    assert f"{places} point{'s' * (places > 1)}, a root needs at least 4" in str(finding)


def test_thousands_of_contours_are_read_in_time_that_grows_with_their_number(folder, monkeypatch):
    looked_at = []
    monkeypatch.setattr(reader, "abs", lambda v: looked_at.append(v) or max(v, -v), raising=False)
    read_one(folder)
    assert len(looked_at) <= 2 * len(list(folder.iterdir()))


def test_a_file_of_another_subject_is_an_error(folder):
    (folder / "sub-01_dura_3.json").rename(folder / "sub-02_dura_3.json")
    finding = only_finding(folder)
    assert finding.severity is Severity.ERROR
    assert str(finding) == (
        "sub-01: expected files named sub-01, got sub-02; move them to their subject"
    )


@pytest.mark.parametrize("kind", ["cord", "dura"])
def test_a_subject_without_cord_or_dura_is_an_error(folder, kind):
    for path in folder.glob(f"*_{kind}_*"):
        path.unlink()
    assert str(only_finding(folder)) == (
        f"sub-01/{kind}: expected at least 4 {kind} contours, got 0; "
        "add them or leave the subject out"
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"markups": [{"type": "Cl', "expected valid JSON, got "),
        (b"", "expected valid JSON, got "),
        (b'{"vertices": []}', "expected 3D Slicer Markups (a list 'markups' with an entry)"),
        (
            document_bytes(markups_document([[float("nan"), 0, 0]] * 5)),
            "JSON has no NaN: give a point without a place the positionStatus 'missing'",
        ),
        (
            document_bytes(markups_document([{"position": None}] * 5)),
            "point 1: expected a position of three finite numbers, got None",
        ),
        (
            document_bytes(markups_document([{"positionStatus": "lost"}] * 5)),
            "point 1: expected positionStatus of defined, undefined, preview, missing, got 'lost'",
        ),
    ],
)
def test_an_unreadable_file_is_one_error_with_its_name(folder, content, text):
    (folder / "sub-01_nerveroots_L3_L.json").write_bytes(content)
    finding = only_finding(folder)
    assert (finding.severity, finding.rule) == (Severity.ERROR, "unreadable-file")
    assert str(finding).startswith("sub-01/sub-01_nerveroots_L3_L.json: ")
    assert text in str(finding)


def test_a_link_that_leads_nowhere_is_an_error(folder):
    path = folder / "sub-01_dura_3.json"
    path.unlink()
    path.symlink_to(folder / "annex" / "object")
    assert "sub-01_dura_3.json: cannot be read: " in str(only_finding(folder))


# --- where it comes from ---


def test_the_source_holds_the_sha_256_of_every_file(folder):
    subject = read_one(folder.parent)
    assert subject.source.place == "sub-01"
    assert subject.source.files == {
        f"sub-01/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()
    }


def test_generated_files_say_so_and_annotated_ones_say_nothing(tmp_path, folder):
    assert read_one(folder).source.notice == ""
    notice = "generated from formulas"
    specimens.write_subject(tmp_path / "g", make_small_subject(), description=notice)
    assert read_one(tmp_path / "g").source.notice == notice


# --- the real subject ---


@pytest.mark.shared
def test_sub_03_has_the_contours_roots_and_extents_of_the_published_archive(real_subject):
    assert len(real_subject.cord) == 66
    assert len(real_subject.dura) == 80
    assert len(real_subject.roots) == 14
    assert len(real_subject.ganglia) == 14
    assert real_subject.spacing_mm == pytest.approx(2.0, abs=1e-6)
    assert real_subject.dura_extent_mm == pytest.approx(158.0, abs=1e-6)
    assert real_subject.cord_extent_mm == pytest.approx(130.0, abs=1e-6)
    assert real_subject.dura[0][:, 2].mean() == pytest.approx(-351.6, abs=0.05)


@pytest.mark.shared
def test_sub_03_has_as_many_points_a_root_as_measured(real_subject):
    left = [len(real_subject.roots[RootKey(v, "left")]) for v in LEVELS]
    right = [len(real_subject.roots[RootKey(v, "right")]) for v in LEVELS]
    assert left == [34, 43, 45, 41, 39, 34, 32]
    assert right == [34, 43, 46, 42, 38, 33, 32]


@pytest.mark.shared
def test_sub_03_roots_run_down_one_point_a_slice_after_one_repair(real_subject):
    for points in real_subject.roots.values():
        np.testing.assert_allclose(np.diff(points[:, 2]), -2.0, atol=2e-3)
    assert Counter(f.rule for f in real_subject.findings) == {"root-points-out-of-order": 1}
    assert real_subject.findings[0].place == "sub-03_nerveroots_L2_L.json"


@pytest.mark.shared
def test_sub_03_gaps_between_trace_and_ganglion_are_those_measured(real_subject):
    gaps = {
        key: np.linalg.norm(real_subject.ganglia[key] - points[-1])
        for key, points in real_subject.roots.items()
    }
    left = [gaps[RootKey(v, "left")] for v in LEVELS]
    np.testing.assert_allclose(left, [12.0, 12.4, 36.5, 67.8, 101.8, 121.6, 142.1], atol=0.06)
