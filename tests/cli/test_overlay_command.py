"""``atlas overlay`` from files to a picture, and what it says when it cannot."""

from __future__ import annotations

import numpy as np
import phantom_images
import pytest
import specimens
from typer.testing import CliRunner

from atlas.cli import app

runner = CliRunner()


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fetched")
    person = specimens.make_small_subject()
    specimens.write_subject(folder / "markers", person)
    specimens.write_subject(folder / "markers", specimens.make_small_subject("sub-02"))
    shape, affine = phantom_images.box_around(person)
    voxels = phantom_images.painted(person, shape, affine)
    anat = folder / "rawdata" / "sub-01" / "anat"
    phantom_images.write_image(anat / "sub-01_CISS.nii.gz", voxels, affine)
    small = folder / "rawdata" / "sub-02" / "anat" / "sub-02_CISS.nii.gz"
    phantom_images.write_image(small, np.zeros((4, 4, 4), np.int16), affine)
    return folder


def run(*arguments):
    return runner.invoke(app, ["overlay", *map(str, arguments)])


def test_a_sheet_is_written_and_what_is_not_drawn_is_said(fetched, tmp_path):
    done = run(fetched, "sub-01", "-o", tmp_path / "a.png", "--slices", "3,15")
    assert done.exit_code == 0, done.output
    assert "ganglia are not drawn" in done.output
    assert f"written to {tmp_path / 'a.png'}" in done.output
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sub-09",), "expected a subject 'sub-09', got only sub-01, sub-02"),
        (("sub-02",), "expected an image that contains the contours of sub-02"),
        (("sub-01", "--slices", "a"), "--slices: expected whole numbers with commas, got 'a'"),
        (("sub-01", "--slices", "400"), "expected slices from 0 to 30, got [400]"),
        (("sub-01", "--images", "nowhere"), "expected rawdata/sub-01/anat/sub-01_CISS.nii.gz"),
    ],
)
def test_what_cannot_be_drawn_gets_one_message_and_exit_code_2(
    fetched, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    done = run(fetched, *arguments, "-o", tmp_path / "a.png")
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []
