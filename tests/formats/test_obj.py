"""OBJ: every structure an object with a material, read back by trimesh."""

import numpy as np
import pytest
import solid_shapes
import trimesh

from atlas.mesh.formats.obj import write_obj


@pytest.fixture
def written(tmp_path):
    return write_obj(solid_shapes.body(), tmp_path / "mean.obj", notice="generated, not imaged")


def test_each_structure_comes_back_at_its_place_with_its_volume(written):
    scene = trimesh.load_scene(written[0], split_objects=True, group_material=False)
    for name, mesh in solid_shapes.body().items():
        read = scene.geometry[name]
        np.testing.assert_array_equal(read.bounds[0], mesh.vertices.min(axis=0))
        assert read.volume == pytest.approx(mesh.volume_mm3)


def test_places_hold_to_the_nanometre(tmp_path):
    mesh = solid_shapes.box((5.0312341, 53.6112349, -351.5712344))
    path, _ = write_obj({"cord": mesh}, tmp_path / "a.obj")
    rows = [x.split()[1:] for x in path.read_text().splitlines() if x.startswith("v ")]
    np.testing.assert_allclose(np.array(rows, float), mesh.vertices, atol=5.1e-7)


def test_files_say_frame_unit_and_notice_and_name_each_other(written):
    path, materials = written
    for file in written:
        first, second = file.read_text().splitlines()[:2]
        assert first == "# frame LPS (+x left, +y posterior, +z superior), unit mm"
        assert second == "# generated, not imaged"
    assert "mtllib mean.mtl" in path.read_text().splitlines()
    lines = materials.read_text().splitlines()
    names = [line.split()[1] for line in lines if line.startswith("newmtl")]
    assert names == ["dura", "cord", "root_L5_left", "root_L5_right"]
    assert [x for x in lines if x.startswith("d ")] == ["d 0.2200", *["d 1.0000"] * 3]
    assert {f"usemtl {name}" for name in names} <= set(path.read_text().splitlines())


def test_two_writes_give_the_same_bytes(tmp_path, written):
    (tmp_path / "again").mkdir()
    again = write_obj(
        solid_shapes.body(), tmp_path / "again" / "mean.obj", notice="generated, not imaged"
    )
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in written]
