"""Formats by name: what each writes, and what is refused."""

import cylinders
import pytest
import solid_shapes
import trimesh

from atlas.mesh.formats import FORMATS, MeshFileError, write_meshes
from atlas.mesh.formats.writing import known_formats


def test_every_format_writes_what_its_name_says(tmp_path):
    paths = write_meshes(
        solid_shapes.body(), tmp_path / "out", formats=FORMATS, anatomy=cylinders.make_anatomy()
    )
    assert sorted(paths) == sorted(p for p in (tmp_path / "out").rglob("*") if p.is_file())
    names = {path.name for path in paths}
    assert {
        *("dura.stl", "root_L5_left.stl", "dura.ply", "root_L5_left.vtp"),
        *("anatomy.obj", "anatomy.mtl", "anatomy.glb", "anatomy_labels.nii.gz"),
        *("anatomy_labels.json", "landmarks.mrk.json", "centrelines.csv", "centrelines.swc"),
    } <= names
    for suffix in ("stl", "ply", "vtp"):
        assert len([name for name in names if name.endswith(suffix)]) == 4


def test_surfaces_of_any_format_agree_in_volume_and_side(tmp_path):
    write_meshes(solid_shapes.body(), tmp_path, formats=("stl", "ply", "obj"))
    for suffix in ("stl", "ply"):
        left = trimesh.load_mesh(tmp_path / f"root_L5_left.{suffix}")
        assert left.volume == pytest.approx(10)
        assert left.bounds[0][0] == 3


def test_a_notice_that_does_not_fit_an_stl_is_left_to_the_other_formats(tmp_path):
    write_meshes(solid_shapes.body(), tmp_path, formats=("stl", "ply"), notice="long " * 30)
    assert b"long" not in (tmp_path / "cord.stl").read_bytes()[:80]
    assert b"long long" in (tmp_path / "cord.ply").read_bytes()
    write_meshes(solid_shapes.body(), tmp_path, notice="generated")
    assert b"generated" in (tmp_path / "cord.stl").read_bytes()[:80]


def test_names_are_understood_as_people_write_them():
    assert known_formats([" .STL", "nii.gz", "mrk.json", "stl"]) == ("stl", "nii", "mrk")


@pytest.mark.parametrize(("names", "got"), [(["stl", "step", "iges"], "step, iges"), ([], "none")])
def test_unknown_formats_are_refused_before_anything_is_written(tmp_path, names, got):
    known = "stl, ply, obj, glb, vtp, nii, mrk, csv, swc"
    with pytest.raises(MeshFileError, match=f"formats: expected some of {known}, got {got}$"):
        write_meshes(solid_shapes.body(), tmp_path / "out", formats=names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mrk", "csv", "swc"])
def test_formats_of_landmarks_want_the_anatomy(tmp_path, name):
    with pytest.raises(MeshFileError, match=f"{name}: expected the anatomy the meshes were made"):
        write_meshes(solid_shapes.body(), tmp_path, formats=(name,))
