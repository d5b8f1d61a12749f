from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from specimens import document_bytes, markups_document

from atlas.data.markups import MarkupsError, format_markups, parse_markups

POINTS = np.array([[1.5, -2.25, -350.125], [4.0, 5.0, -352.125], [7.0, 8.0, -354.125]])


def parse(points, **declared):
    return parse_markups(document_bytes(markups_document(points, **declared)))


def point(**fields):
    return {"label": "F-1", "position": [1.0, 2.0, 3.0], **fields}


def test_points_come_in_file_order_with_type_and_labels():
    (markup,) = parse(POINTS, type="ClosedCurve", coordinateSystem="LPS", coordinateUnits="mm")
    np.testing.assert_array_equal(markup.points, POINTS)
    assert markup.type == "ClosedCurve"
    assert markup.labels == ("F-1", "F-2", "F-3")
    assert not markup.points.flags.writeable


def test_a_file_that_declares_nothing_holds_lps_millimetres():
    (markup,) = parse(POINTS)
    np.testing.assert_array_equal(markup.points, POINTS)


def test_ras_coordinates_turn_about_the_axis_to_lps():
    (markup,) = parse(POINTS, coordinateSystem="RAS")
    np.testing.assert_array_equal(markup.points, POINTS * [-1, -1, 1])


@pytest.mark.parametrize(
    ("unit", "millimetres"),
    [("mm", 1), ("um", 1e-3), ("µm", 1e-3), ("μm", 1e-3), ("cm", 10), ("m", 1000)],
)
def test_declared_units_are_converted_to_millimetres(unit, millimetres):
    (markup,) = parse(POINTS, coordinateUnits=unit)
    np.testing.assert_allclose(markup.points, POINTS * millimetres, rtol=1e-15)


def test_units_as_slicers_coded_triple_are_understood():
    (markup,) = parse(POINTS, coordinateUnits=["um", "UCUM", "micrometer"])
    np.testing.assert_allclose(markup.points, POINTS / 1000, rtol=1e-15)


def test_micrometres_in_ras_are_converted_both_ways_at_once():
    (markup,) = parse(POINTS, coordinateSystem="RAS", coordinateUnits="µm")
    np.testing.assert_allclose(markup.points, POINTS * [-1e-3, -1e-3, 1e-3], rtol=1e-15)


@pytest.mark.parametrize("status", ["undefined", "preview", "missing"])
def test_a_point_that_is_not_defined_is_missing_and_never_its_stale_coordinates(status):
    (markup,) = parse([point(), point(position=[9.0, 9.0, 9.0], positionStatus=status)])
    assert np.isnan(markup.points[1]).all()
    np.testing.assert_array_equal(markup.defined, [[1, 2, 3]])
    assert len(markup.labels) == 2


@pytest.mark.parametrize("position", [None, [None, None, None], []])
def test_a_missing_point_needs_no_position(position):
    (markup,) = parse([point(position=position, positionStatus="missing")])
    assert np.isnan(markup.points).all()


def test_a_point_without_status_is_defined():
    (markup,) = parse([point()])
    assert len(markup.defined) == 1


def test_several_markups_in_a_file_are_all_read_each_by_its_own_declaration():
    document = markups_document(POINTS, coordinateSystem="LPS")
    document["markups"] += markups_document(POINTS[:1], coordinateSystem="RAS")["markups"]
    first, second = parse_markups(document_bytes(document))
    np.testing.assert_array_equal(first.points, POINTS)
    np.testing.assert_array_equal(second.points, POINTS[:1] * [-1, -1, 1])


def test_a_markup_without_points_is_empty():
    (markup,) = parse([])
    assert markup.points.shape == (0, 3)
    assert markup.description == ""


def test_a_byte_order_mark_is_skipped():
    content = b"\xef\xbb\xbf" + document_bytes(markups_document(POINTS))
    np.testing.assert_array_equal(parse_markups(content)[0].points, POINTS)


def test_the_first_points_description_is_kept():
    assert parse([point(description="generated")])[0].description == "generated"


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"coordinateSystem": "IJK"}, r"expected coordinateSystem LPS or RAS, got 'IJK'"),
        ({"coordinateSystem": 0}, r"expected coordinateSystem LPS or RAS, got 0"),
        ({"coordinateUnits": "inch"}, r"expected coordinateUnits of \['cm', .*\], got 'inch'"),
        ({"coordinateUnits": []}, r"expected coordinateUnits of .*, got \[\]"),
        ({"coordinateUnits": None}, r"expected coordinateUnits of .*, got None"),
    ],
)
def test_an_unknown_declaration_is_refused(declared, text):
    with pytest.raises(MarkupsError, match=text):
        parse(POINTS, **declared)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (
            point(positionStatus="guessed"),
            (
                r"point 2: expected positionStatus of defined, undefined, preview, missing, "
                r"got 'guessed'"
            ),
        ),
        (point(positionStatus=None), r"point 2: expected positionStatus of .*, got None"),
        (
            point(position=None),
            (
                r"point 2: expected a position of three finite numbers, got None; "
                r"set positionStatus to 'missing' if the point has no place"
            ),
        ),
        (point(position=[1.0, None, 3.0]), r"three finite numbers, got \[1.0, None, 3.0\]"),
        (point(position=[1.0, 2.0]), r"three finite numbers, got \[1.0, 2.0\]"),
        (point(position=["1", "2", "3"]), r"three finite numbers, got \['1', '2', '3'\]"),
        (point(position=[True, 2.0, 3.0]), r"three finite numbers, got \[True, 2.0, 3.0\]"),
        ({"label": "F-1"}, r"three finite numbers, got None"),
    ],
)
def test_a_bad_point_is_refused_by_its_number(bad, text):
    with pytest.raises(MarkupsError, match=text):
        parse([point(), bad])


def test_a_point_that_is_no_object_is_refused():
    document = markups_document(POINTS)
    document["markups"][0]["controlPoints"][1] = [1.0, 2.0, 3.0]
    with pytest.raises(MarkupsError, match=r"point 2: expected an object, got \[1.0, 2.0, 3.0\]"):
        parse_markups(document_bytes(document))


def test_a_nan_in_the_json_is_refused_with_the_cure():
    with pytest.raises(MarkupsError, match=r"JSON has no NaN: give a point .* 'missing'"):
        parse([point(position=[float("nan")] * 3)])


def test_a_truncated_file_is_refused_with_the_cure():
    content = document_bytes(markups_document(POINTS))
    with pytest.raises(MarkupsError, match=r"expected valid JSON, got .*; the file may be trunc"):
        parse_markups(content[:-20])


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"solid cord", b"[" * 5000])
def test_what_is_no_json_is_refused(content):
    with pytest.raises(MarkupsError, match="expected valid JSON"):
        parse_markups(content)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 2000, b"[" * 2000 + b"]" * 2000])
def test_json_nested_beyond_measure_is_refused_and_said_to_be(content):
    with pytest.raises(
        MarkupsError, match=r"expected valid JSON.*nested more deeply than any annot"
    ):
        parse_markups(content)


def nested(depth):
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"markups": [{"controlPoints": [%s]}]}', r"point 1: expected an object, got \[\[\["),
        (b'{"markups": [{"controlPoints": [{"position": %s}]}]}', r"finite numbers, got \[\[\["),
        (b'{"markups": [{"controlPoints": [{"positionStatus": %s}]}]}', r"missing, got \[\[\["),
        (b'{"markups": [{"controlPoints": [], "coordinateUnits": %s}]}', r"'um', .*, got \[\[\["),
        (b'{"markups": [{"controlPoints": [], "coordinateSystem": %s}]}', r"or RAS, got \[\[\["),
    ],
)
def test_a_deep_value_is_refused_in_short(content, text):
    with pytest.raises(MarkupsError, match=text) as caught:
        parse_markups(content % nested(1000))
    assert len(str(caught.value)) < 300


def test_a_deep_value_where_text_belongs_does_no_harm():
    content = (
        b'{"markups": [{"type": %s, "controlPoints": [{"label": %s, "position": [1, 2, 3]}]}]}'
    )
    (markup,) = parse_markups(content % (nested(1000), nested(1000)))
    np.testing.assert_array_equal(markup.points, [[1, 2, 3]])


@pytest.mark.parametrize(
    ("position", "unit"),
    [([1e308, 0.0, 0.0], "m"), ([0.0, -1.1e7, 0.0], "mm"), ([0.0, 0.0, 1.1e4], "m")],
)
def test_a_point_beyond_ten_kilometres_is_refused_by_its_number(position, unit):
    with pytest.raises(
        MarkupsError, match=r"^point 2: expected coordinates within 10 km of the or"
    ):
        parse([point(), point(position=position)], coordinateUnits=unit)


def test_a_point_within_ten_kilometres_is_taken():
    (markup,) = parse([point(position=[1e4, -1e4, 0.0])], coordinateUnits="m")
    np.testing.assert_array_equal(markup.points, [[1e7, -1e7, 0.0]])


@pytest.mark.parametrize(
    "document", [{}, [], 3, None, {"markups": []}, {"markups": {}}, {"markups": "L1"}]
)
def test_json_that_is_no_markups_is_refused(document):
    with pytest.raises(MarkupsError, match=r"expected 3D Slicer Markups .* got none"):
        parse_markups(document_bytes(document))


@pytest.mark.parametrize("markup", [{}, 3, {"controlPoints": None}, {"controlPoints": {}}])
def test_a_markup_without_control_points_is_refused(markup):
    with pytest.raises(MarkupsError, match="expected a markup with a list 'controlPoints'"):
        parse_markups(document_bytes({"markups": [markup]}))


coordinates = arrays(float, st.tuples(st.integers(0, 8), st.just(3)), elements=st.floats(-1e6, 1e6))


@settings(derandomize=True, deadline=None, max_examples=50)
@given(points=coordinates, system=st.sampled_from(["LPS", "RAS"]))
def test_what_is_written_is_read_back_exactly(points, system):
    content = format_markups(points, type="ClosedCurve", stem="CC", coordinate_system=system)
    (markup,) = parse_markups(content)
    np.testing.assert_array_equal(markup.points, points)
    assert markup.type == "ClosedCurve"


def test_a_row_of_nan_is_written_as_a_missing_point_and_read_back():
    points = POINTS.copy()
    points[1] = np.nan
    content = format_markups(points, type="Fiducial", stem="L1_L", description="said")
    (markup,) = parse_markups(content)
    np.testing.assert_array_equal(markup.points, points)
    assert markup.labels == ("L1_L-1", "L1_L-2", "L1_L-3")
    assert markup.description == "said"
    written = json.loads(content)["markups"][0]["controlPoints"][1]
    assert written["positionStatus"] == "missing"
    assert written["position"] == [0.0, 0.0, 0.0]


def test_a_file_written_in_ras_declares_and_holds_ras():
    markup = json.loads(format_markups(POINTS, type="Fiducial", stem="F", coordinate_system="RAS"))[
        "markups"
    ][0]
    assert markup["coordinateSystem"] == "RAS"
    assert markup["controlPoints"][0]["position"] == [-1.5, 2.25, -350.125]
