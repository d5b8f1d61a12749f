"""Centrelines: straight roots by hand, assumed radii, bridged is not traced."""

import csv
from dataclasses import replace

import cylinders
import numpy as np
import pytest

from atlas.data.subject import LEVELS, RootKey
from atlas.mesh.formats.centrelines import COLUMNS, write_centrelines_csv, write_swc
from atlas.mesh.formats.statements import MeshFileError

KEY = RootKey("L5", "left")
LENGTH_MM = (cylinders.STEPS - 1) * cylinders.STEP_MM


@pytest.fixture
def anatomy():
    return cylinders.make_anatomy()


def rows_of(path, root="root/L5/left"):
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["root"] == root]


def swc_of(path):
    lines = path.read_text().splitlines()
    rows = [[float(v) for v in line.split()] for line in lines if not line.startswith("#")]
    return [line for line in lines if line.startswith("#")], np.array(rows)


def test_table_holds_places_arc_lengths_and_states(tmp_path, anatomy):
    path = write_centrelines_csv(anatomy, tmp_path / "c.csv", notice="by formula")
    rows = rows_of(path)
    assert list(rows[0]) == list(COLUMNS)
    places = np.array([[float(row[f"{axis}_mm"]) for axis in "xyz"] for row in rows])
    np.testing.assert_allclose(places, anatomy.roots[KEY], atol=1e-6)
    lengths = [float(row["arc_length_mm"]) for row in rows]
    np.testing.assert_allclose(lengths, cylinders.STEP_MM * np.arange(33), atol=1e-6)
    states = [row["status"] for row in rows]
    assert states == ["measured"] * 25 + ["bridged"] * 7 + ["measured"]
    assert {row["notice"] for row in rows} == {"by formula"}


def test_radius_changes_evenly_from_begin_to_ganglion_by_level(tmp_path, anatomy):
    radii = dict.fromkeys(LEVELS, 0.4) | {"L5": (0.5, 1.3)}
    path = write_centrelines_csv(anatomy, tmp_path / "c.csv", root_radius_mm=radii)
    found = [float(row["radius_mm"]) for row in rows_of(path)]
    np.testing.assert_allclose(found, np.linspace(0.5, 1.3, 33), atol=1e-6)
    assert {row["radius_mm"] for row in rows_of(path, "root/S2/right")} == {"0.400000"}


def test_radius_may_be_a_function_of_root_and_share(tmp_path, anatomy):
    path = write_centrelines_csv(
        anatomy,
        tmp_path / "c.csv",
        root_radius_mm=lambda key, share: (1 + share**2) * (1 if key == KEY else 9),
    )
    found = [float(row["radius_mm"]) for row in rows_of(path)]
    np.testing.assert_allclose(found, 1 + np.linspace(0, 1, 33) ** 2, atol=1e-6)


def test_swc_is_a_tree_a_root_in_micrometres(tmp_path, anatomy):
    head, rows = swc_of(write_swc(anatomy, tmp_path / "c.swc", root_radius_mm=0.7))
    np.testing.assert_array_equal(rows[:, 0], np.arange(1, 14 * 33 + 1))
    assert (rows[:, 6] == -1).sum() == 14
    inner = rows[:, 6] != -1
    np.testing.assert_array_equal(rows[inner, 6], rows[inner, 0] - 1)
    number = list(anatomy.roots).index(KEY)
    own = rows[33 * number : 33 * (number + 1)]
    np.testing.assert_allclose(own[:, 2:5] / 1000, anatomy.roots[KEY], atol=5.1e-6)
    assert set(rows[:, 5]) == {700.0}
    assert own[:, 1].tolist() == [2] * 25 + [5] * 7 + [2]
    assert head[0] == "# roots as centrelines; radii are ASSUMED, not measured"
    assert "unit um (mm x 1000)" in head[1]
    assert f"# root/L5/left: points {33 * number + 1} to {33 * (number + 1)}" in head


def test_missing_points_are_told_in_both(tmp_path, anatomy):
    root = anatomy.roots[KEY].copy()
    root[[3, 4]] = np.nan
    gapped = replace(anatomy, roots={KEY: root})
    rows = rows_of(write_centrelines_csv(gapped, tmp_path / "c.csv"))
    assert len(rows) == 33
    assert (rows[3]["status"], rows[3]["x_mm"], rows[3]["arc_length_mm"]) == ("missing", "", "")
    assert float(rows[-1]["arc_length_mm"]) == pytest.approx(LENGTH_MM)
    head, swc = swc_of(write_swc(gapped, tmp_path / "c.swc"))
    assert len(swc) == 31
    assert "# root/L5/left: points 1 to 31; 2 points missing" in head


def test_a_generated_root_is_neither_measured_nor_bridged(tmp_path):
    shape = cylinders.make_anatomy(status=False)
    rows = rows_of(write_centrelines_csv(shape, tmp_path / "c.csv"))
    assert {row["status"] for row in rows} == {"generated"}


def test_a_radius_that_cannot_be_is_refused(tmp_path, anatomy):
    with pytest.raises(MeshFileError, match=r"root/L1/left: expected radii above 0 mm, got -0\.5"):
        write_swc(anatomy, tmp_path / "c.swc", root_radius_mm=lambda key, share: share - 0.5)
    assert list(tmp_path.iterdir()) == []
