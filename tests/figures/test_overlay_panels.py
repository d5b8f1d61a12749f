"""Which part of which slice is shown, and where annotations lie on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import phantom_images
import pytest
import specimens

from analysis.figures.overlay_panels import (
    MOST_PANELS,
    Plane,
    check_contains,
    ganglion_panels,
    slice_panels,
)
from atlas.data.images import ImageError, open_image

FLIPS = [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, 1), (-1, -1, -1)]


def image_of(subject, path, *, axes=(1, 1, 1), paint=None):
    shape, affine = phantom_images.box_around(subject, axes=axes)
    voxels = phantom_images.painted(subject, shape, affine) if paint is None else paint(shape)
    return open_image(phantom_images.write_image(path, voxels, affine))


def grey_at(panel, places):
    """Grey values of a panel at places (n, 2) of its slice."""
    left, right, top, bottom = panel.extent_mm
    rows, columns = panel.grey.shape
    i = ((places[:, 1] - top) / (bottom - top) * rows).astype(int)
    j = ((places[:, 0] - left) / (right - left) * columns).astype(int)
    return panel.grey[i, j]


@pytest.mark.parametrize("axes", FLIPS)
def test_annotations_lie_on_what_was_painted_from_them(small_subject, tmp_path, axes):
    panels = slice_panels(small_subject, image_of(small_subject, tmp_path / "a.nii", axes=axes))
    assert len(panels) > 5
    for panel in panels:
        dura, *cord = [np.asarray(p) for _, p in panel.outlines]
        centre = dura.mean(axis=0)
        inner, outer = centre + 0.93 * (dura - centre), centre + 1.1 * (dura - centre)
        assert (grey_at(panel, inner) >= phantom_images.GREY["cord"]).all()
        assert (grey_at(panel, outer) <= phantom_images.GREY["outside"]).all()
        for contour in cord:
            middle = contour.mean(axis=0, keepdims=True)
            assert grey_at(panel, middle) == phantom_images.GREY["cord"]


@pytest.mark.parametrize("axes", FLIPS)
def test_left_stays_left_however_the_file_counts_its_voxels(small_subject, tmp_path, axes):
    shape, affine = phantom_images.box_around(small_subject, axes=axes)
    ras_x = affine[0, 0] * np.arange(shape[0]) + affine[0, 3]
    voxels = np.zeros(shape, dtype=np.int16)
    voxels[ras_x < 0] = 100
    image = open_image(phantom_images.write_image(tmp_path / "a.nii", voxels, affine))
    plane = Plane.of(image)
    assert plane.letters == ("R", "L", "A", "P")
    panel = slice_panels(small_subject, image)[0]
    shown = panel.grey if plane.right > 0 else panel.grey[:, ::-1]
    half = shown.shape[1] // 2
    assert shown[:, half + 2 :].min() == 100
    assert shown[:, : half - 2].max() == 0
    # Left root points stand on the bright side, right ones on the dark.
    for key, place in panel.points:
        assert (grey_at(panel, place[None])[0] > 0) == (key.side == "left")


@pytest.mark.parametrize(
    ("columns", "letters"),
    [
        (((0, 0, 3), (1, 0, 0), (0, 1, 0)), ("A", "P", "S", "I")),
        (((1, 0, 0), (0, 0, 3), (0, 1, 0)), ("R", "L", "S", "I")),
        (((1, 0, 0), (0, 1, 0), (0, 0, 3)), ("R", "L", "A", "P")),
    ],
)
def test_sagittal_coronal_and_axial_slices_are_laid_upright(tmp_path, columns, letters):
    affine = np.eye(4)
    affine[:3, :3] = columns
    image = open_image(
        phantom_images.write_image(tmp_path / "a.nii", np.zeros((4, 4, 4), np.int16), affine)
    )
    assert Plane.of(image).letters == letters


def test_all_slices_with_a_contour_are_there_from_rostral_to_caudal(small_subject, tmp_path):
    for name, axes in (("a.nii", (1, 1, 1)), ("b.nii", (1, 1, -1))):
        image = image_of(small_subject, tmp_path / name, axes=axes)
        panels = slice_panels(small_subject, image, every=1)
        assert len(panels) == len(small_subject.dura)
        heights = [float(p.title.split("z ")[1].split(" mm")[0]) for p in panels]
        assert heights == pytest.approx([-2.0 * i for i in range(31)], abs=0.051)
        shown = sum(len(p.points) for p in panels)
        assert shown == sum(len(r) for r in small_subject.roots.values())


def test_the_number_of_panels_follows_what_is_asked_for(small_subject, tmp_path):
    image = image_of(small_subject, tmp_path / "a.nii.gz")
    assert len(slice_panels(small_subject, image)) <= MOST_PANELS
    assert len(slice_panels(small_subject, image, every=10)) == 4
    assert [p.number for p in slice_panels(small_subject, image, slices=[3, 20, 3])] == [20, 3]


def test_a_contour_between_slices_says_how_far_it_is_off(small_subject, tmp_path):
    moved = replace(
        small_subject, dura=tuple(c + np.array([0, 0, 0.5]) for c in small_subject.dura[1:])
    )
    shape, affine = phantom_images.box_around(small_subject)
    image = open_image(
        phantom_images.write_image(tmp_path / "a.nii", np.zeros(shape, np.int16), affine)
    )
    assert "off the slice: 0.5000 mm" in slice_panels(moved, image)[1].title


def test_a_ganglion_stands_on_the_nearest_slice_and_says_how_far_it_is(subject, tmp_path):
    affine = phantom_images.tilted_affine((1, 1, 3), (-40, -40, -310))
    image = open_image(
        phantom_images.write_image(tmp_path / "a.nii", np.zeros((80, 80, 70), np.int16), affine)
    )
    panels, outside = ganglion_panels(subject, image)
    # Ganglia end at z = -300; those above z = -101.5 would lie beyond the image, and none does.
    assert (len(panels), outside) == (14, ())
    for panel in panels:
        key, place, away = panel.ganglion
        z = subject.ganglia[key][2]
        assert panel.number == round((z + 310) / 3)
        assert away == pytest.approx(abs(z + 310 - 3 * panel.number))
        assert f"out of plane: {away:.2f} mm" in panel.title
        np.testing.assert_allclose(
            place, [-subject.ganglia[key][0] + 40, 40 - subject.ganglia[key][1]]
        )


def test_ganglia_outside_the_image_are_named(subject, tmp_path):
    affine = phantom_images.tilted_affine((1, 1, 3), (-40, -40, -250))
    image = open_image(
        phantom_images.write_image(tmp_path / "a.nii", np.zeros((80, 80, 70), np.int16), affine)
    )
    panels, outside = ganglion_panels(subject, image)
    assert {k.level for k in outside} == {"L5", "S1", "S2"}
    assert len(panels) + len(outside) == 14


def test_one_window_for_all_panels_even_where_nothing_is_bright(small_subject, tmp_path):
    image = image_of(small_subject, tmp_path / "a.nii", paint=lambda s: np.zeros(s, np.int16))
    assert {p.limits for p in slice_panels(small_subject, image)} == {(0.0, 1.0)}


def test_an_image_that_does_not_contain_the_contours_is_refused(small_subject, tmp_path):
    image = image_of(small_subject, tmp_path / "a.nii")
    away = replace(
        small_subject, dura=tuple(c + np.array([0, 0, 12.0]) for c in small_subject.dura)
    )
    with pytest.raises(
        ImageError,
        match=r"contains the contours of sub-01, got \d+ of \d+ points outside, by up to 11\.0 mm",
    ):
        slice_panels(away, image)


def test_an_image_whose_slices_cut_the_contours_is_refused(small_subject, tmp_path):
    affine = phantom_images.tilted_affine((1, 1, 2), (-40, -45, -90), tilt_degrees=20)
    image = open_image(
        phantom_images.write_image(tmp_path / "a.nii", np.zeros((80, 90, 90), np.int16), affine)
    )
    with pytest.raises(ImageError, match=r"lie in its slices, got one that crosses 2\.\d of them"):
        check_contains(small_subject, image)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"slices": [1, 99]}, r"slices from 0 to 30, got \[99\]"), ({"every": 0}, "1 or more, got 0")],
)
def test_slices_that_are_not_there_are_refused(small_subject, tmp_path, options, message):
    with pytest.raises(ImageError, match=message):
        slice_panels(small_subject, image_of(small_subject, tmp_path / "a.nii"), **options)


def test_specimens_lie_where_these_tests_think():
    assert specimens.make_small_subject().dura[0][:, 2].max() == 0
