"""Binary STL: round trips, equal bytes, and what a failed write leaves behind."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from atlas.mesh.formats import STL_NOTICE_BYTES, write_stl, write_surfaces
from atlas.mesh.surfaces.named_surfaces import Mesh, Surfaces


def pyramid(height: float = 1.0) -> Mesh:
    """Square pyramid at the place of a lumbar spine, outward; volume 4/3 height."""
    corners = np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0], [0, 0, height]])
    faces = [[0, 2, 1], [0, 3, 2], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
    return Mesh(corners + np.array([5.03, 53.61, -351.57]), faces)


def load(path) -> trimesh.Trimesh:
    return trimesh.load_mesh(path, file_type="stl", process=False)


def test_stl_keeps_every_triangle_in_order_to_single_precision(tmp_path):
    mesh = pyramid()
    write_stl(mesh, tmp_path / "p.stl", header="")
    read = load(tmp_path / "p.stl")
    expected = mesh.vertices[mesh.faces].astype(np.float32)
    np.testing.assert_array_equal(read.triangles, expected)
    # The stored normals; trimesh would compute its own if they disagreed with the winding.
    record = np.frombuffer((tmp_path / "p.stl").read_bytes()[84:], np.uint8).reshape(6, 50)
    normals = record[:, :12].copy().view("<f4")
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(normals[0], [0, 0, -1], atol=1e-6)


def test_closed_surface_is_closed_after_the_file(tmp_path):
    write_stl(pyramid(3.0), tmp_path / "p.stl", header="")
    read = trimesh.load_mesh(tmp_path / "p.stl")
    assert read.is_watertight
    assert read.volume == pytest.approx(4, rel=1e-4)


def test_header_states_frame_and_unit_before_the_notice(tmp_path):
    write_stl(pyramid(), tmp_path / "p.stl", header="solid work, synthetic")
    content = (tmp_path / "p.stl").read_bytes()
    assert content[:80].decode("ascii").rstrip() == "LPS mm SPACE=LPS solid work, synthetic"
    assert int.from_bytes(content[80:84], "little") == 6
    assert len(content) == 84 + 6 * 50


def test_two_writes_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_stl(pyramid(), tmp_path / name, header="atlas")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_degenerate_triangle_has_no_normal(tmp_path):
    line = Mesh([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]])
    write_stl(line, tmp_path / "line.stl", header="")
    assert np.frombuffer((tmp_path / "line.stl").read_bytes()[84:96], "<f4").tolist() == [0, 0, 0]


@pytest.mark.parametrize("header", ["x" * (STL_NOTICE_BYTES + 1), "µm"])
def test_header_that_does_not_fit_is_refused(tmp_path, header):
    with pytest.raises(ValueError, match=r"p\.stl: expected .* 63 ASCII characters, got \d+: "):
        write_stl(pyramid(), tmp_path / "p.stl", header=header)
    assert list(tmp_path.iterdir()) == []


def test_longest_header_fits(tmp_path):
    write_stl(pyramid(), tmp_path / "p.stl", header="x" * STL_NOTICE_BYTES)
    assert (tmp_path / "p.stl").stat().st_size == 84 + 6 * 50


def test_failed_write_leaves_the_last_good_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "p.stl"
    write_stl(pyramid(), target, header="good")
    before = target.read_bytes()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_stl(pyramid(2.0), target, header="bad")
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_each_surface_is_written_under_its_name(tmp_path):
    named = Surfaces(
        {"dura": pyramid(3), "cord": pyramid(2), "root/L5/left": pyramid(1)}, {"L5": (0.5, 0.5)}
    )
    folder = tmp_path / "new" / "mean"
    paths = write_surfaces(named, folder, header="atlas")
    assert [p.name for p in paths] == ["dura.stl", "cord.stl", "root_L5_left.stl"]
    assert sorted(folder.iterdir()) == sorted(paths)
    for path, mesh in zip(paths, named.values(), strict=True):
        assert load(path).volume == pytest.approx(mesh.volume_mm3, rel=1e-4)
