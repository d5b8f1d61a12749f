"""NIfTI labels: left is left, volumes are the meshes', labels mean the same in every file."""

import importlib.util
import json

import cylinders
import nibabel
import numpy as np
import pytest
import solid_shapes

from atlas.mesh.formats import nifti
from atlas.mesh.formats.nifti import write_labels
from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.region_numbers import LABELS, labels_of
from atlas.mesh.surfaces.named_surfaces import surfaces


def read(path):
    image = nibabel.load(path)
    return image, np.asanyarray(image.dataobj)


def world(image, mask):
    return nibabel.affines.apply_affine(image.affine, np.argwhere(mask))


def test_left_is_left_and_dorsal_is_dorsal_in_ras(tmp_path):
    path, _ = write_labels(solid_shapes.body(), tmp_path / "a.nii.gz", voxel_mm=0.5)
    image, labels = read(path)
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    left, right = (world(image, labels == LABELS[f"root/L5/{s}"]) for s in ("left", "right"))
    assert left[:, 0].max() < 0 < right[:, 0].min()
    # The roots lie dorsal of the axis: posterior is negative in RAS.
    assert left[:, 1].max() < 0 and right[:, 1].max() < 0
    assert left[:, 2].min() >= -20 and left[:, 2].max() <= -10


def test_voxels_lie_where_the_mesh_does(tmp_path):
    path, _ = write_labels({"cord": solid_shapes.box((3, 4, 5), (6, 9, 7))}, tmp_path / "a.nii.gz")
    image, labels = read(path)
    places = world(image, labels == LABELS["cord"])
    np.testing.assert_allclose(places.min(axis=0), [-6, -9, 5], atol=0.3)
    np.testing.assert_allclose(places.max(axis=0), [-3, -4, 7], atol=0.3)
    assert image.header.get_zooms() == pytest.approx((0.3, 0.3, 0.3))
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
    np.testing.assert_array_equal(image.get_sform(), image.affine)


def test_fluid_is_what_the_dura_holds_less_cord_and_roots(tmp_path):
    _, labels = read(write_labels(solid_shapes.body(), tmp_path / "a.nii.gz", voxel_mm=0.5)[0])
    volumes = {n: (labels == LABELS[n]).sum() * 0.125 for n in ("csf", "cord", "root/L5/left")}
    assert volumes["cord"] == pytest.approx(4 * 4 * 29)
    assert volumes["root/L5/left"] == pytest.approx(10)
    assert volumes["csf"] == pytest.approx(12 * 10 * 40 - 4 * 4 * 29 - 20)


def test_the_cord_wins_over_a_root_and_a_root_over_the_fluid(tmp_path):
    meshes = {
        "root/L5/left": solid_shapes.box((0, 0, 0), (4, 4, 4)),
        "cord": solid_shapes.box((2, 0, 0), (6, 4, 4)),
        "dura": solid_shapes.box((0, 0, 0), (8, 4, 4)),
    }
    _, labels = read(write_labels(meshes, tmp_path / "a.nii.gz", voxel_mm=0.5)[0])
    for name, volume in (("root/L5/left", 32), ("cord", 64), ("csf", 32)):
        assert (labels == LABELS[name]).sum() * 0.125 == pytest.approx(volume)


@pytest.mark.slow
def test_every_structure_of_an_anatomy_keeps_its_volume_within_1_percent(tmp_path):
    meshes = surfaces(cylinders.make_anatomy())
    path, table = write_labels(meshes, tmp_path / "a.nii.gz", voxel_mm=0.3, notice="by formula")
    document = json.loads(table.read_text())
    assert document["notice"] == "by formula"
    entries = document["labels"]
    assert set(entries) == {"background", *meshes}
    for name, mesh in meshes.items():
        found = entries[name]
        assert found["volume_of_voxels_mm3"] == pytest.approx(mesh.volume_mm3, rel=0.01)
        assert found["volume_of_mesh_mm3"] == pytest.approx(mesh.volume_mm3, rel=1e-6)
    assert entries["cord"]["volume_mm3"] == entries["cord"]["volume_of_voxels_mm3"]
    _, labels = read(path)
    for name, entry in entries.items():
        if name != "background":
            volume = (labels == entry["label"]).sum() * 0.3**3
            assert volume == pytest.approx(entry["volume_mm3"], abs=1e-3)


def test_labels_tell_level_and_side_the_same_in_every_file():
    assert labels_of(["root/L1/left"]) == {"root/L1/left": 11}
    assert labels_of(["fat", "csf", "root/S2/left", "root/S2/right", "bone"]) == {
        "fat": 101,
        "csf": 1,
        "root/S2/left": 17,
        "root/S2/right": 27,
        "bone": 102,
    }
    assert len(set(LABELS.values())) == 16


def test_dura_and_fluid_together_are_refused():
    with pytest.raises(MeshFileError, match="dura and csf are the same label"):
        labels_of(["dura", "csf"])


def test_two_writes_give_the_same_bytes(tmp_path):
    one, two = (
        write_labels(solid_shapes.body(), tmp_path / f"{n}.nii.gz", voxel_mm=1.0) for n in "ab"
    )
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    # The time within a gzip stream: both were written in one second, later ones will not be.
    assert one[0].read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize(
    ("name", "voxel_mm", "message"),
    [
        ("a.nii", 0.3, "expected a name that ends in .nii.gz, got 'a.nii'"),
        ("a.nii.gz", 0.0, "expected voxels above 0 mm, got 0.0"),
        ("a.nii.gz", 0.01, r"expected at most 400,000,000 voxels, got 4,.* of 0.01 mm"),
    ],
)
def test_voxels_that_cannot_be_are_refused(tmp_path, name, voxel_mm, message):
    with pytest.raises(MeshFileError, match=message):
        write_labels(solid_shapes.body(), tmp_path / name, voxel_mm=voxel_mm)
    assert list(tmp_path.iterdir()) == []


def test_without_nibabel_the_message_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(nifti, "find_spec", lambda name: None)
    with pytest.raises(MeshFileError, match=r"nibabel.*pip install 'lumbosacral-atlas\[images\]'"):
        write_labels(solid_shapes.body(), tmp_path / "a.nii.gz")
    assert importlib.util.find_spec("nibabel") is not None
