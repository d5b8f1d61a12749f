"""Checks of many contours at once are those of each alone, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from atlas.curves.contour_stack import ContourStack
from atlas.data.contour_checks import check_contours, repeats

SQUARE = np.array([[0, 0, -5], [4, 0, -5], [4, 2, -5], [0, 2, -5.0]])


def test_a_contour_is_measured():
    (check,) = check_contours([SQUARE])
    assert (check.doubled, check.encloses_nothing, check.height, check.width) == (0, False, -5, 4)


def test_contours_of_any_length_come_back_in_their_order():
    rng = np.random.default_rng(3)
    contours = [rng.normal(size=(n, 3)) * 9 for n in (7, 4, 25, 7, 1, 2, 130, 4)]
    for contour, check in zip(contours, check_contours(contours), strict=True):
        assert check == check_contours([contour])[0]
        assert check.height == pytest.approx(contour[:, 2].mean())
        assert check.width == np.ptp(contour, axis=0).max()


def test_no_contours_have_no_checks_and_one_without_points_has_none():
    assert check_contours([]) == []
    assert check_contours([np.empty((0, 3)), SQUARE])[0] is None


def test_repeated_points_are_counted_the_first_against_the_last():
    (check,) = check_contours([SQUARE[[0, 1, 1, 2, 3, 0]]])
    assert check.doubled == 2
    np.testing.assert_array_equal(
        repeats(ContourStack.of([SQUARE[[0, 1, 1, 2, 3, 0]]])), [1, 0, 1, 0, 0, 0]
    )


def test_a_point_alone_repeats_nothing():
    assert not repeats(ContourStack.of([SQUARE[:1]])).any()


@pytest.mark.parametrize("width", [0.0, 1e-9, 1e-7])
def test_points_on_a_line_enclose_nothing(width):
    line = np.outer(np.linspace(0, 10, 12), [1.0, 2.0, 0.5])
    line[3, 0] += width
    assert check_contours([line])[0].encloses_nothing


@pytest.mark.parametrize("width", [1e-3, 1.0])
def test_a_thin_contour_encloses_something(width):
    assert not check_contours([SQUARE * [1, width, 1]])[0].encloses_nothing


def test_a_figure_of_eight_encloses_something_though_its_halves_cancel():
    bow = SQUARE[[0, 2, 1, 3]]
    assert not check_contours([bow])[0].encloses_nothing


@pytest.mark.parametrize("seed", range(5))
def test_what_encloses_nothing_is_told_by_singular_values(seed):
    rng = np.random.default_rng(seed)
    contours = rng.normal(size=(60, 9, 3)) * (1, 1, 0)
    contours[:, :, 1] *= 10.0 ** rng.uniform(-8, 0, size=60)[:, None]
    values = np.linalg.svd(contours - contours.mean(axis=1, keepdims=True), compute_uv=False)
    found = [check.encloses_nothing for check in check_contours(list(contours))]
    assert found == (values[:, 1] <= 1e-6 * values[:, 0]).tolist()
    assert 0 < sum(found) < 60


def test_contours_around_an_area_need_no_singular_values(monkeypatch):
    monkeypatch.setattr(np.linalg, "svd", None)
    assert not check_contours([SQUARE, SQUARE * [1, 0.01, 1]])[1].encloses_nothing
