from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pytest
from known_anatomies import series

from analysis.morphometry.directions import median_angles


def offsets(*degrees: float) -> np.ndarray:
    turn = np.radians(degrees)
    return np.stack([np.sin(turn), np.cos(turn)], axis=1)


def median_angle(rows: np.ndarray) -> float:
    return float(median_angles(rows[None], np.ones((1, len(rows)), dtype=bool))[0])


def test_the_median_angle_is_0_dorsal_and_90_left():
    assert median_angle(np.array([[0.0, 2.0]])) == pytest.approx(0)
    assert median_angle(np.array([[3.0, 0.0]])) == pytest.approx(90)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [((10, 20, 60), 20), ((10, 20, 30, 60), 25), ((170, -178, -170), -178), ((-60, -50), -55)],
)
def test_the_median_angle_holds_across_the_ventral_midline(degrees, expected):
    assert median_angle(offsets(*degrees)) == pytest.approx(expected)


def test_the_angle_of_a_generated_root_is_that_before_its_exit():
    # Inside at 90 degrees, then out of the sac and round to 45: 30 of 40 points.
    down = -40 - np.arange(40.0)
    inside = np.where(np.arange(40) < 10, 5.0, 30.0)
    turn = np.radians(np.where(np.arange(40) < 10, 90.0, 45.0))
    course = np.stack([inside * np.sin(turn), inside * np.cos(turn), down], axis=1)
    anatomy = cylinders.with_roots(cylinders.make_anatomy(), course)
    generated = series(replace(anatomy, status={}))
    assert generated["L3", "left", "angle_sac_deg"] == pytest.approx(90, abs=1e-6)
    # A trace is what was traced, published definition: 26 of its points, 10 of them inside.
    assert series(anatomy)["L3", "left", "angle_sac_deg"] == pytest.approx(45, abs=1e-6)


@pytest.mark.parametrize(
    ("direction", "coronal", "sagittal"),
    [((1, 0, -1), 45, 0), ((0, 1, -1), 0, 45), ((0, -1, -1), 0, -45), ((1, 1, -2), 26.565, 26.565)],
)
def test_take_off_is_seen_from_behind_outward_and_from_the_side_dorsal(
    direction, coronal, sagittal
):
    course = np.array([4.0, 0, -40]) + 0.5 * np.arange(60)[:, None] * direction
    got = series(cylinders.with_roots(cylinders.make_anatomy(), course))
    space = np.degrees(np.arccos(-direction[2] / np.linalg.norm(direction)))
    for side in ("left", "right"):
        own = got.xs(("L3", side), level=("level", "side"))
        assert own["angle_takeoff_coronal_deg"] == pytest.approx(coronal, abs=0.01)
        assert own["angle_takeoff_sagittal_deg"] == pytest.approx(sagittal, abs=0.01)
        assert own["angle_takeoff_deg"] == pytest.approx(space, abs=0.01)


def test_take_off_counts_the_first_10_mm_only():
    bend = np.array([[4.0, 0, -40], [4, 0, -50], [20, 0, -50], [20, 0, -52], [20, 0, -54]])
    got = series(cylinders.with_roots(cylinders.make_anatomy(), bend))
    assert got["L3", "left", "angle_takeoff_deg"] == pytest.approx(0, abs=1e-6)
