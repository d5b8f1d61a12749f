"""Sheets of annotations over images: what the artists hold, and what is written."""

from __future__ import annotations

import numpy as np
import phantom_images
import pytest
import specimens

from analysis.figures.overlay_panels import ganglion_panels, slice_panels
from analysis.figures.overlays import (
    LEVEL_COLOURS,
    OUTLINES,
    SCALE_MM,
    draw_panel,
    overlay_figure,
    write_overlay,
)
from atlas.data.images import ImageError, open_image
from atlas.output.files import OutputError
from atlas.output.results import LIST


@pytest.fixture(scope="module")
def person():
    return specimens.make_small_subject()


@pytest.fixture(scope="module")
def image(person, tmp_path_factory):
    shape, affine = phantom_images.box_around(person)
    voxels = phantom_images.painted(person, shape, affine)
    path = tmp_path_factory.mktemp("image") / "sub-01_CISS.nii.gz"
    return open_image(phantom_images.write_image(path, voxels, affine))


@pytest.fixture
def out(tmp_path):
    """A place apart from what is read."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def fetched(person, tmp_path):
    """A fetched folder with marker files and both images."""
    place = tmp_path / "data"
    specimens.write_subject(place / "markers", person)
    anat = place / "rawdata" / "sub-01" / "anat"
    shape, affine = phantom_images.box_around(person)
    voxels = phantom_images.painted(person, shape, affine)
    phantom_images.write_image(anat / "sub-01_CISS.nii.gz", voxels, affine)
    affine = phantom_images.tilted_affine((1, 1, 3), (-40, -40, -240))
    voxels = np.ones((80, 80, 81), dtype=np.int16)
    phantom_images.write_image(anat / "sub-01_T2TSE.nii.gz", voxels, affine)
    return place


def texts(figure):
    own = " ".join(t.get_text() for t in figure.texts).split()
    return " ".join([*own, *(ax.get_title() for ax in figure.axes)])


def test_a_panel_holds_slice_outlines_points_and_letters(person, image):
    (panel,) = slice_panels(person, image, slices=[15])
    figure = overlay_figure([panel], person, [image])
    (ax,) = figure.axes
    np.testing.assert_array_equal(ax.images[0].get_array(), panel.grey)
    assert ax.images[0].get_clim() == panel.limits
    lines = {kind: [ln for ln in ax.lines if ln.get_color() == c] for kind, c in OUTLINES.items()}
    for kind, places in panel.outlines:
        (line,) = lines[kind]
        drawn = line.get_xydata()
        np.testing.assert_array_equal(drawn[:-1], places)
        np.testing.assert_array_equal(drawn[-1], places[0])
    drawn = {tuple(ln.get_xydata()[0]): ln for ln in ax.lines if len(ln.get_xdata()) == 1}
    assert len(drawn) == len(panel.points) > 0
    for key, place in panel.points:
        line = drawn[tuple(place)]
        assert line.get_color() == LEVEL_COLOURS[key.level]
        assert line.get_marker() == {"left": "o", "right": "s"}[key.side]
    letters = [t.get_text() for t in ax.texts if t.get_gid() == "direction"]
    assert letters == ["R", "L", "A", "P"]
    assert ax.get_aspect() == 1


@pytest.mark.slow
@pytest.mark.parametrize("axes", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_on_the_page_left_is_right_and_dorsal_is_down(person, tmp_path, axes):
    shape, affine = phantom_images.box_around(person, axes=axes)
    path = phantom_images.write_image(tmp_path / "a.nii", np.zeros(shape, np.int16), affine)
    (panel,) = slice_panels(person, open_image(path), slices=[15])
    figure = overlay_figure([panel], person, [panel.plane.image])
    (ax,) = figure.axes
    figure.canvas.draw()

    def on_page(point):
        (place,), _ = panel.plane.flat(np.array([point]))
        return ax.transData.transform(place)

    z = float(affine[2, 2] * 15 + affine[2, 3])
    across = on_page((5.0, 0, z)) - on_page((-5.0, 0, z))
    dorsal = on_page((0, 5.0, z)) - on_page((0, -5.0, z))
    assert across[0] > 0 and across[1] == pytest.approx(0, abs=1e-6)
    assert dorsal[1] < 0 and dorsal[0] == pytest.approx(0, abs=1e-6)
    (bar,) = [ln for ln in ax.lines if ln.get_gid() == "scale"]
    assert np.ptp(bar.get_xdata()) == pytest.approx(SCALE_MM)
    ends = ax.transAxes.inverted().transform(ax.transData.transform(bar.get_xydata()))
    assert (ends > 0).all() and (ends < [0.7, 0.2]).all()


def test_a_ganglion_is_ringed_at_its_place(subject, tmp_path):
    affine = phantom_images.tilted_affine((1, 1, 3), (-40, -40, -310))
    path = phantom_images.write_image(tmp_path / "a.nii", np.zeros((80, 80, 70), np.int16), affine)
    panels, _ = ganglion_panels(subject, open_image(path))
    ax = draw_panel(panels[0], overlay_figure(panels[:1], subject, [panels[0].plane.image]).axes[0])
    rings = [ln for ln in ax.lines if ln.get_markerfacecolor() == "none"]
    for ring in rings:
        np.testing.assert_array_equal(ring.get_xydata()[0], panels[0].ganglion[1])
    assert rings[-1].get_markeredgecolor() == LEVEL_COLOURS[panels[0].ganglion[0].level]


def test_the_sheet_says_how_to_read_it_and_whose_it_is(person, image):
    panels = slice_panels(person, image, every=8)
    figure = overlay_figure(panels, person, [image], notice="generated by formula")
    said = texts(figure)
    assert "sub-01: annotations over sub-01_CISS.nii.gz" in said
    assert "Letters at the borders are read off the image's affine" in said
    assert "percentile 1 to 99.5" in said
    assert "Cohort: generated by formula" in said
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend[:3] == ["dura", "cord", "L1"]
    assert len(figure.axes) == len(panels)


@pytest.mark.slow
def test_one_file_holds_everything_and_a_folder_a_sheet_an_image(fetched, out):
    assert write_overlay(fetched, "sub-01", out / "one.png", every=10) == []
    assert write_overlay(fetched / "markers", "sub-01", out / "sheets", every=10) == []
    assert sorted(p.name for p in (out / "sheets").iterdir()) == [
        LIST,
        "sub-01_CISS.png",
        "sub-01_T2TSE.png",
    ]
    assert (out / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_same_sheet_has_the_same_bytes(fetched, out):
    for name in ("a.png", "b.png"):
        write_overlay(fetched, "sub-01", out / name, slices=[15])
    assert (out / "a.png").read_bytes() == (out / "b.png").read_bytes()


def test_without_the_ganglia_image_the_rest_is_drawn_and_that_is_said(fetched, out):
    (fetched / "rawdata/sub-01/anat/sub-01_T2TSE.nii.gz").unlink()
    (line,) = write_overlay(fetched, "sub-01", out / "sheets", every=10)
    assert line.startswith("ganglia are not drawn: ")
    assert "sub-01_T2TSE.nii.gz" in line
    assert {p.name for p in (out / "sheets").iterdir()} == {LIST, "sub-01_CISS.png"}


@pytest.mark.slow
def test_images_may_stand_elsewhere(fetched, out):
    (fetched / "far").mkdir()
    (fetched / "rawdata").rename(fetched / "far" / "rawdata")
    with pytest.raises(ImageError, match=r"expected rawdata/sub-01/anat/sub-01_CISS\.nii\.gz"):
        write_overlay(fetched, "sub-01", out / "one.png")
    write_overlay(fetched, "sub-01", out / "one.png", images=fetched / "far", slices=[15])
    assert (out / "one.png").is_file()


def test_a_subject_that_is_not_there_is_refused(fetched, out):
    with pytest.raises(ImageError, match="expected a subject 'sub-04', got only sub-01"):
        write_overlay(fetched, "sub-04", out / "one.png")


def test_a_place_that_cannot_be_written_is_said(fetched, out):
    inside = fetched / "markers/sub-01/sub-01_dura_1.json"
    with pytest.raises(OutputError, match=r"lies in .*data, which is read"):
        write_overlay(fetched, "sub-01", inside, every=30)
    (out / "notes").write_text("mine")
    with pytest.raises(OutputError, match="expected a place for a folder, got a file"):
        write_overlay(fetched, "sub-01", out / "notes", every=30)


@pytest.mark.slow
@pytest.mark.shared
def test_the_real_contours_on_an_image_made_of_them(real_subject, tmp_path):
    affine = phantom_images.sub_03_affine()
    voxels = phantom_images.painted(real_subject, phantom_images.SUB_03_SHAPE, affine)
    path = phantom_images.write_image(tmp_path / "sub-03_CISS.nii", voxels, affine)
    panels = slice_panels(real_subject, open_image(path), slices=[2, 40, 79])
    assert [p.title for p in panels] == [
        f"slice {n}, z {z} mm\noff the slice: 0.0005 mm"
        for n, z in ((79, -351.6), (40, -429.6), (2, -505.6))
    ]
    # The share of the contour that is sac or cord is its polygon: area 133.1 mm² at the top.
    top = panels[0].grey
    area = (top > phantom_images.GREY["outside"]).sum() * 0.09
    assert area == pytest.approx(133.1, rel=0.01)
