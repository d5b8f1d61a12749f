"""Images: what is read of them, what is refused, and parameters of their acquisition."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import nibabel
import numpy as np
import phantom_images
import pytest
import specimens

from atlas.data import images
from atlas.data.dataset import read_dataset
from atlas.data.images import UNITS, ImageError, find_image, image_parameters, open_image
from atlas.provenance import Inputs, provenance


def small(path, *, shape=(6, 5, 4), affine=None):
    voxels = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    affine = phantom_images.tilted_affine((1, 1, 2), (0, 0, 0)) if affine is None else affine
    return phantom_images.write_image(path, voxels, affine), voxels


def test_voxels_go_to_lps_and_back_worked_by_hand(tmp_path):
    affine = phantom_images.tilted_affine((0.5, 0.5, 2), (10, 20, 30))
    image = open_image(small(tmp_path / "a.nii.gz", affine=affine)[0])
    # Voxel (2, 4, 1): RAS (11, 22, 32), LPS (-11, -22, 32).
    np.testing.assert_allclose(image.to_voxels(np.array([[-11, -22, 32.0]])), [[2, 4, 1]])
    assert image.voxel_mm == pytest.approx([0.5, 0.5, 2])
    assert image.slice_axis == 2


@pytest.mark.shared
def test_the_contours_of_sub_03_lie_in_the_planes_of_its_image(real_subject, tmp_path):
    voxels = np.zeros(phantom_images.SUB_03_SHAPE, dtype=np.int16)
    path = tmp_path / "sub-03_CISS.nii.gz"
    image = open_image(phantom_images.write_image(path, voxels, phantom_images.sub_03_affine()))
    assert path.stat().st_size < 1e6
    slices = []
    for contour in (*real_subject.dura, *real_subject.cord, *real_subject.roots.values()):
        numbers = image.to_voxels(contour)[:, 2]
        assert np.abs(numbers - np.round(numbers)).max() < 0.001
        slices += list(np.round(numbers))
    assert (min(slices), max(slices)) == (0, 79)


@pytest.mark.shared
@pytest.mark.parametrize(("degrees", "worst"), [(0.0, 0.006), (-0.1, 0.012)])
def test_another_tilt_does_not_fit_sub_03(real_subject, tmp_path, degrees, worst):
    affine = phantom_images.tilted_affine(
        phantom_images.SUB_03_EDGES_MM,
        phantom_images.SUB_03_ORIGIN_RAS,
        tilt_degrees=degrees,
    )
    image = open_image(small(tmp_path / "a.nii.gz", affine=affine)[0])
    within = [np.ptp(image.to_voxels(c)[:, 2]) for c in real_subject.dura]
    assert max(within) > worst


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slices_are_those_of_the_file_in_any_order(tmp_path, suffix):
    path, voxels = small(tmp_path / f"a{suffix}")
    image = open_image(path)
    for k in (0, 3, 1, 2):
        np.testing.assert_array_equal(image.slice(k), voxels[:, :, k])


def test_the_slice_axis_is_where_voxels_are_longest(tmp_path):
    affine = phantom_images.tilted_affine((3, 1, 1), (0, 0, 0))
    path, voxels = small(tmp_path / "a.nii.gz", affine=affine)
    image = open_image(path)
    assert image.slice_axis == 0
    np.testing.assert_array_equal(image.slice(5), voxels[5])


def test_a_slice_does_not_load_the_volume(tmp_path):
    path, _ = small(tmp_path / "a.nii.gz", shape=(300, 300, 60))
    image = open_image(path)
    image.slice(0)
    tracemalloc.start()
    try:
        image.slice(50)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A slice is 0.36 MB as float32, the volume 10.8 MB as it is stored.
    assert peak < 3e6


def test_scaled_values_and_other_units_are_what_the_header_says(tmp_path):
    affine = np.diag([-1e-3, -1e-3, 2e-3, 1])
    image = nibabel.Nifti1Image(np.full((3, 3, 3), 7, dtype=np.int16), affine)
    image.header.set_xyzt_units("meter")
    image.header.set_slope_inter(2.0, 1.0)
    image.to_filename(tmp_path / "a.nii.gz")
    opened = open_image(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(opened.to_lps[:3, :3], np.diag([1, 1, 2]), rtol=1e-6)
    assert (opened.slice(1) == 15).all()


def test_a_trailing_dimension_of_one_is_no_dimension(tmp_path):
    path, voxels = small(tmp_path / "a.nii.gz", shape=(6, 5, 4, 1))
    np.testing.assert_array_equal(open_image(path).slice(2), voxels[:, :, 2, 0])


# --- where it is ---


@pytest.mark.parametrize("place", [".", "markers", "markers/sub-03", "markers.zip", "rawdata"])
def test_an_image_is_found_inside_or_beside_a_dataset(tmp_path, place):
    path, _ = small(tmp_path / "rawdata" / "sub-03" / "anat" / "sub-03_CISS.nii.gz")
    (tmp_path / "markers" / "sub-03").mkdir(parents=True)
    (tmp_path / "markers.zip").touch()
    assert find_image(tmp_path / place, "sub-03", "CISS") == path.resolve()


def test_an_image_that_is_not_there_is_said_with_what_to_do(tmp_path):
    message = (
        r"expected rawdata/sub-03/anat/sub-03_CISS\.nii\.gz there or beside it, got none; fetch it "
        r"\(atlas fetch DIR --what images --subjects sub-03\)"
    )
    with pytest.raises(ImageError, match=message):
        find_image(tmp_path, "sub-03", "CISS")


def test_the_image_of_another_subject_is_refused(tmp_path):
    small(tmp_path / "rawdata" / "sub-03" / "anat" / "sub-04_CISS.nii.gz")
    message = r"sub-04_CISS.*: expected the CISS image of sub-03, got one named for sub-04"
    with pytest.raises(ImageError, match=message):
        find_image(tmp_path, "sub-03", "CISS")


# --- what it is not ---


@pytest.mark.parametrize(
    "content", [b"", b"no image at all" * 100, gzip.compress(b"x" * 1000, mtime=0)]
)
def test_what_is_not_nifti_is_refused(tmp_path, content):
    path = tmp_path / "sub-03_CISS.nii.gz"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"sub-03_CISS.nii.gz: expected a NIfTI image, got "):
        open_image(path)


def test_a_truncated_image_is_refused_where_it_ends(tmp_path):
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 999, (64, 64, 20)).astype(np.int16)
    path = phantom_images.write_image(tmp_path / "a.nii.gz", voxels, np.diag([1, 1, 2, 1.0]))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    image = open_image(path)
    np.testing.assert_array_equal(image.slice(0), voxels[:, :, 0])
    with pytest.raises(ImageError, match=r"expected voxels of slice 19, got .* may be truncated"):
        image.slice(19)


def test_an_image_without_a_place_or_of_another_shape_is_refused(tmp_path):
    nowhere = nibabel.Nifti1Image(np.zeros((3, 3, 3), dtype=np.int16), None)
    nowhere.to_filename(tmp_path / "a.nii")
    with pytest.raises(ImageError, match=r"says where it lies \(sform or qform\), got neither"):
        open_image(tmp_path / "a.nii")
    path, _ = small(tmp_path / "b.nii", shape=(3, 3, 3, 2))
    with pytest.raises(ImageError, match=r"expected three dimensions, got \(3, 3, 3, 2\)"):
        open_image(path)


def test_a_slice_that_is_not_there_is_refused(tmp_path):
    image = open_image(small(tmp_path / "a.nii.gz")[0])
    with pytest.raises(ImageError, match="expected a slice from 0 to 3, got 4"):
        image.slice(4)


def test_without_nibabel_the_message_names_what_to_install(tmp_path, monkeypatch):
    path, _ = small(tmp_path / "a.nii.gz")
    monkeypatch.setattr(images, "find_spec", lambda name: None)
    with pytest.raises(ImageError, match=r"nibabel; pip install 'lumbosacral-atlas\[images\]'"):
        open_image(path)


@pytest.mark.parametrize(
    ("offset", "code", "value", "message"),
    [
        (42, "<h", 32767, r"expected \d+ bytes of voxels as its header says"),
        (108, "<f", 16.0, "expected voxels behind the header|expected a NIfTI"),
        (292, "<f", 1e30, "expected voxels of the size of a person's image"),
        (70, "<h", 128, "expected one number a voxel"),
        (70, "<h", 12345, "expected a NIfTI"),
        (123, "<B", 7, "expected a NIfTI header"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path, offset, code, value, message):
    path, _ = small(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    struct.pack_into(code, content, offset, value)
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"a\.nii: ({message})"):
        open_image(path)


SIDECAR = {
    "Manufacturer": "UIH",
    "magneticfieldstrength": 3,
    "RepetitionTime": 0.0055,
    "EchoTime": 0.0023,
    "FlipAngle": 50,
    "SliceThickness": 2.0,
    "ProtocolName": "ciss3d",
    "PatientName": "somebody",
    "EchoTimes": [1, 2],
}


def with_sidecar(folder, content, *, name="sub-01_CISS"):
    path = folder / "rawdata" / "sub-01" / "anat" / f"{name}.nii.gz"
    phantom_images.write_image(path, np.zeros((2, 2, 2), dtype=np.int16), np.eye(4))
    if isinstance(content, str):
        path.with_name(f"{name}.json").write_text(content)
    elif content is not None:
        phantom_images.write_image(
            path, np.zeros((2, 2, 2), dtype=np.int16), np.eye(4), sidecar=content
        )


def test_the_chosen_fields_are_kept_as_given_and_no_other(tmp_path):
    with_sidecar(tmp_path, SIDECAR)
    found = image_parameters(tmp_path, ("sub-01", "sub-02"))
    assert found["subjects"] == {
        "sub-01": {
            "CISS": {
                "SequenceName": "ciss3d",
                "RepetitionTime": 0.0055,
                "EchoTime": 0.0023,
                "FlipAngle": 50,
                "SliceThickness": 2.0,
                "Manufacturer": "UIH",
                "MagneticFieldStrength": 3,
            }
        }
    }
    assert found["units"] == {k: u for k, u in UNITS.items() if u}


@pytest.mark.parametrize(
    "content",
    ["no json", "[1, 2]", '{"EchoTime": NaN}', "[" * 3000, '{"a": 1, "a": 2}', '{"a": 1, "A": 2}'],
)
def test_a_sidecar_that_is_no_json_object_is_named(tmp_path, content):
    with_sidecar(tmp_path, content)
    found = image_parameters(tmp_path, ("sub-01",))
    assert list(found) == ["unreadable"]
    assert list(found["unreadable"]) == ["rawdata/sub-01/anat/sub-01_CISS.json"]
    assert "expected" in found["unreadable"]["rawdata/sub-01/anat/sub-01_CISS.json"]


@pytest.mark.parametrize("content", [None, "{}", '{"EchoTime": [1]}', '{"EchoTime": 1e300}'])
def test_a_sidecar_that_says_nothing_of_use_says_nothing(tmp_path, content):
    with_sidecar(tmp_path, content)
    assert image_parameters(tmp_path, ("sub-01",)) == {}


def test_a_dataset_that_is_no_folder_has_no_images(tmp_path, monkeypatch):
    with_sidecar(tmp_path, SIDECAR)
    monkeypatch.chdir(tmp_path)
    assert image_parameters("specimens", ("sub-01",)) == {}


def test_parameters_reach_the_provenance(tmp_path):
    specimens.write_subject(tmp_path / "markers", specimens.make_small_subject())
    with_sidecar(tmp_path, SIDECAR)
    for place in (tmp_path, tmp_path / "markers"):
        found = provenance(Inputs.of(read_dataset(place)), (), anchor="dura-apex", seed=None)
        assert found["images"]["subjects"]["sub-01"]["CISS"]["EchoTime"] == 0.0023
