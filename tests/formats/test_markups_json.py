"""Slicer Markups: read back by the reader of the annotations, names and gaps kept."""

from dataclasses import replace

import cylinders
import numpy as np
import orjson
import pytest

from atlas.data.markups import parse_markups
from atlas.data.subject import RootKey
from atlas.mesh.formats.markups_json import write_markups

KEY = RootKey("L5", "left")


@pytest.fixture
def anatomy():
    return cylinders.make_anatomy()


def one(path):
    (markup,) = parse_markups(path.read_bytes())
    return markup


@pytest.mark.slow
def test_rings_are_closed_curves_and_roots_open_ones(tmp_path, anatomy):
    write_markups(anatomy, tmp_path)
    dura, root = one(tmp_path / "dura_07.mrk.json"), one(tmp_path / "root_L5_left.mrk.json")
    assert (dura.type, root.type) == ("ClosedCurve", "Curve")
    np.testing.assert_array_equal(dura.points, anatomy.dura[7])
    np.testing.assert_array_equal(root.points, anatomy.roots[KEY])
    assert (root.points[:, 0] > 0).all()
    declared = orjson.loads((tmp_path / "dura_07.mrk.json").read_bytes())["markups"][0]
    assert (declared["coordinateSystem"], declared["coordinateUnits"]) == ("LPS", "mm")


def test_every_landmark_stands_in_one_file_by_its_name(tmp_path, anatomy):
    paths = write_markups(anatomy, tmp_path)
    landmarks = one(tmp_path / "landmarks.mrk.json")
    assert landmarks.type == "Fiducial"
    named = dict(zip(landmarks.labels, landmarks.points, strict=True))
    assert len(named) == anatomy.dura[..., 0].size + anatomy.cord[..., 0].size + 14 * 33
    np.testing.assert_array_equal(named["dura/12/3"], anatomy.dura[12, 3])
    np.testing.assert_array_equal(named["root/L5/left/17"], anatomy.roots[KEY][17])
    assert sorted(paths) == sorted(tmp_path.iterdir())


def test_a_bridged_point_says_so_and_a_traced_one_does_not(tmp_path, anatomy):
    write_markups(anatomy, tmp_path, notice="by formula")
    points = orjson.loads((tmp_path / "root_L5_left.mrk.json").read_bytes())["markups"][0]
    said = [point["description"] for point in points["controlPoints"]]
    assert said[0] == "measured; by formula"
    assert said[cylinders.TRACED] == "bridged: no data here, not traced; by formula"
    assert said[-1] == "measured; by formula"


def test_a_missing_landmark_is_missing_in_the_file(tmp_path, anatomy):
    root = anatomy.roots[KEY].copy()
    root[3] = np.nan
    write_markups(replace(anatomy, roots={KEY: root}), tmp_path)
    assert np.isnan(one(tmp_path / "root_L5_left.mrk.json").points[3]).all()
    assert len(one(tmp_path / "root_L5_left.mrk.json").defined) == 32


def test_a_generated_shape_says_only_its_notice(tmp_path):
    write_markups(cylinders.make_anatomy(status=False), tmp_path, notice="generated")
    assert one(tmp_path / "cord_00.mrk.json").description == "generated"


def test_two_writes_give_the_same_bytes(tmp_path, anatomy):
    first = [path.read_bytes() for path in write_markups(anatomy, tmp_path / "a")]
    assert first == [path.read_bytes() for path in write_markups(anatomy, tmp_path / "b")]
