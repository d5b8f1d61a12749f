"""Our surfaces against meshes made by the test, at known offsets."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import specimens
import trimesh
from typer.testing import CliRunner

from atlas.cli import app
from atlas.compare import (
    CompareError,
    compare_dataset,
    compare_meshes,
    find_meshes,
    read_mesh,
)
from atlas.data.dataset import read_dataset
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.mesh.formats import write_stl
from atlas.mesh.surfaces.named_surfaces import Mesh, surfaces


def sphere(radius, centre=(0.0, 0.0, 0.0)):
    made = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return Mesh(made.vertices + np.asarray(centre), made.faces)


def compared(ours, theirs):
    return compare_meshes(ours, theirs, subject="sub-01", structure="dura", count=4000)


def test_a_surface_is_no_distance_from_itself():
    found = compared(sphere(10), sphere(10))
    np.testing.assert_allclose(found.ours_to_theirs_mm, 0, atol=1e-9)
    assert found.volume_ours_mm3 == found.volume_theirs_mm3


def test_spheres_one_in_another_are_apart_by_the_difference_of_radii():
    found = compared(sphere(10), sphere(10.5))
    # Facets of 4 subdivisions lie up to 0.03 mm inside the sphere.
    np.testing.assert_allclose(found.ours_to_theirs_mm, 0.5, atol=0.03)
    np.testing.assert_allclose(found.theirs_to_ours_mm, 0.5, atol=0.03)
    assert found.volume_theirs_mm3 / found.volume_ours_mm3 == pytest.approx(1.05**3, rel=1e-9)


def test_a_shifted_sphere_is_off_by_the_mean_of_the_shift_along_the_normal():
    found = compared(sphere(10), sphere(10, (0.2, 0.0, 0.0)))
    # |shift · normal| is uniform from 0 to the shift over a sphere: mean 1/2, RMS 1/√3, 95 %, max.
    expected = 0.2 * np.array([0.5, 1 / np.sqrt(3), 0.95, 1.0])
    np.testing.assert_allclose(found.ours_to_theirs_mm, expected, atol=0.004)
    np.testing.assert_allclose(found.theirs_to_ours_mm, expected, atol=0.004)


def test_what_one_surface_lacks_shows_in_one_direction_only():
    whole = sphere(10)
    part = Mesh(whole.vertices, whole.faces[whole.vertices[whole.faces].mean(axis=1)[:, 2] > 0])
    found = compared(part, whole)
    np.testing.assert_allclose(found.ours_to_theirs_mm, 0, atol=1e-9)
    assert found.theirs_to_ours_mm[3] == pytest.approx(10 * np.sqrt(2), rel=0.02)
    assert np.isnan(found.volume_ours_mm3)


EDGE_MM = 2.0


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr("atlas.compare.EDGE_MM", EDGE_MM)
    monkeypatch.setattr("atlas.compare.POINTS", 4000)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    subject = specimens.make_subject()
    specimens.write_subject(folder / "markers", subject)
    meshes = surfaces(
        subject_anatomy(read_dataset(folder / "markers").subjects[0]), edge_mm=EDGE_MM
    )
    roots = [m for name, m in meshes.items() if name.startswith("root/")]
    starts = np.cumsum([0, *(len(m.vertices) for m in roots)])
    joined = Mesh(
        np.concatenate([m.vertices for m in roots]),
        np.concatenate([m.faces + s for m, s in zip(roots, starts[:-1], strict=True)]),
    )
    theirs = {"Dura": meshes["dura"], "Cord": meshes["cord"], "Nerveroots": joined}
    (folder / "model/sub-01").mkdir(parents=True)
    for name, mesh in theirs.items():
        shift = np.array([0, 0, 0.25 if name == "Cord" else 0.0])
        moved = Mesh(mesh.vertices + shift, mesh.faces)
        write_stl(moved, folder / f"model/sub-01/sub-01_{name}.stl", header="made by a test")
    return folder


@pytest.mark.slow
def test_every_structure_is_compared_and_written(cohort, tmp_path):
    found, lost = compare_dataset(cohort, cohort / "model", tmp_path / "out")
    assert [c.structure for c in found] == ["dura", "cord", "roots", "roots_traced"]
    assert lost == ()
    dura, cord, roots, traced = found
    # Single precision of the STL is all there is between them.
    np.testing.assert_allclose(dura.ours_to_theirs_mm, 0, atol=1e-4)
    np.testing.assert_allclose(roots.theirs_to_ours_mm, 0, atol=1e-4)
    assert dura.volume_theirs_mm3 == pytest.approx(dura.volume_ours_mm3, rel=1e-6)
    assert roots.volume_theirs_mm3 == pytest.approx(roots.volume_ours_mm3, rel=1e-5)
    assert cord.ours_to_theirs_mm[3] == pytest.approx(0.25, abs=1e-3)
    assert 0 < cord.ours_to_theirs_mm[0] < 0.1
    # Traced roots are part of the whole ones; the bridge to the ganglion lies far from them.
    assert traced.ours_to_theirs_mm[2] < 0.05 < 5 < traced.theirs_to_ours_mm[3]
    rows = list(csv.DictReader((tmp_path / "out/comparison.csv").read_text().splitlines()))
    assert [r["structure"] for r in rows] == [c.structure for c in found]
    assert float(rows[1]["ours_to_theirs_max_mm"]) == pytest.approx(0.25, abs=1e-3)
    readme = (tmp_path / "out/README.md").read_text()
    assert "n = 1" in readme and "of an ASSUMED radius of 0.5 mm" in readme


def test_the_command_prints_a_row_a_structure_and_says_what_lacks(cohort, tmp_path):
    (tmp_path / "model").mkdir()
    name = "sub-01_Dura.stl"
    (tmp_path / "model" / name).write_bytes((cohort / "model/sub-01" / name).read_bytes())
    arguments = ["compare", cohort, tmp_path / "model", "-o", tmp_path / "out"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 1, result.output
    assert "0.00  0.00  0.00  0.00" in result.output
    assert "not compared: sub-01 cord: no mesh" in result.output


def test_a_subject_whose_roots_fold_is_said_and_left_out(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr("atlas.compare.EDGE_MM", 1.0)
    specimens.write_subject(tmp_path / "data", specimens.make_small_subject("sub-02"))
    (tmp_path / "sub-02_Dura.stl").write_bytes(
        (cohort / "model/sub-01/sub-01_Dura.stl").read_bytes()
    )
    models = tmp_path / "models"
    models.mkdir()
    (tmp_path / "sub-02_Dura.stl").rename(models / "sub-02_Dura.stl")
    found, lost = compare_dataset(tmp_path / "data", models, tmp_path / "out")
    assert found == ()
    assert lost[-1].startswith("sub-02: root/L1/left: expected bends wider than the tube")
    assert lost[-1] in (tmp_path / "out/README.md").read_text()


def test_names_are_read_liberally(tmp_path):
    for name in ("sub-01_Cord.stl", "sub_02_dura.STL", "sub-03nerveroots.stl", "notes.stl"):
        (tmp_path / name).touch()
    assert sorted(find_meshes(tmp_path)) == [
        ("sub-01", "cord"),
        ("sub-02", "dura"),
        ("sub-03", "roots"),
    ]


def test_no_mesh_of_any_subject_is_an_error(cohort, tmp_path):
    with pytest.raises(
        CompareError, match=r"expected meshes like sub-01_Cord.stl of sub-01, got 0"
    ):
        compare_dataset(cohort, tmp_path / "models", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"solid nothing\nendsolid\n", b"\x00" * 84, b"x" * 300])
def test_a_file_that_is_no_stl_is_named(tmp_path, content):
    (tmp_path / "sub-01_Cord.stl").write_bytes(content)
    with pytest.raises(CompareError, match=r"sub-01_Cord.stl: expected"):
        read_mesh(tmp_path / "sub-01_Cord.stl")


@pytest.mark.parametrize("text", [True, False])
def test_a_torn_stl_is_refused_and_logs_nothing(tmp_path, text, capfd):
    box = trimesh.creation.box((10, 20, 30))
    write = trimesh.exchange.stl.export_stl_ascii if text else trimesh.exchange.stl.export_stl
    content = write(box).encode() if text else write(box)
    path = tmp_path / "box.stl"
    path.write_bytes(content)
    assert len(read_mesh(path).vertices) == 8
    for torn in (content[: len(content) // 2], content[:-60]):
        path.write_bytes(torn)
        with pytest.raises(CompareError, match=r"box\.stl: expected an STL, got"):
            read_mesh(path)
    assert capfd.readouterr() == ("", "")


def test_an_stl_beyond_any_person_is_refused(tmp_path):
    path = tmp_path / "box.stl"
    path.write_bytes(trimesh.exchange.stl.export_stl(trimesh.creation.box((1e9, 1, 1))))
    with pytest.raises(CompareError, match=r"box\.stl: expected corners within 100000 mm"):
        read_mesh(path)
