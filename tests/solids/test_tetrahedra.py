"""Tetrahedra fill solids, keep their walls, and are written."""

from __future__ import annotations

import builtins
import json
import re
import sys

import numpy as np
import pytest
import solid_shapes
import tube_shapes
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from typer.testing import CliRunner

from atlas.cli import app
from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.solids.solids import solids
from atlas.mesh.solids.tetrahedra import (
    QUALITY_COLUMNS,
    TetrahedraError,
    solids_document,
    tetrahedra,
    write_tetrahedra,
)
from atlas.mesh_files import MeshOptions, NamedShape, write_shape

CONDUCTIVITY = {"csf": 1.7, "cord": 0.3}


@pytest.fixture(scope="module")
def parts():
    return solids(tube_shapes.cylinders(), edge_mm=2.0)


@pytest.fixture(scope="module")
def filled(parts):
    pytest.importorskip("tetgen")
    return tetrahedra(parts)


def stiffness(points, cells, sigma):
    """P1 elements: K_ij = sigma V grad i . grad j, by a formula apart from the module's."""
    jacobian = np.linalg.inv(np.concatenate([np.ones((len(cells), 4, 1)), points[cells]], axis=2))
    gradient = jacobian[:, 1:, :].swapaxes(1, 2)
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    volume = np.linalg.det(edges) / 6
    assert (volume > 0).all()
    local = (sigma * volume)[:, None, None] * (gradient @ gradient.swapaxes(1, 2))
    rows, columns = np.repeat(cells, 4, axis=1), np.tile(cells, (1, 4))
    return coo_matrix((local.ravel(), (rows.ravel(), columns.ravel()))).tocsr()


@pytest.mark.slow
def test_every_region_is_filled_to_its_surface(parts, filled):
    rows = {row["region"]: row for row in filled.quality(parts)}
    assert set(rows) == {*parts, "all"}
    assert max(abs(row["surface_error"]) for row in rows.values()) < 1e-9
    assert all(set(row) == set(QUALITY_COLUMNS) for row in rows.values())


@pytest.mark.slow
def test_no_tetrahedron_is_inverted(filled):
    assert (filled.volumes_mm3 > 0).all()


def test_vertices_of_the_walls_stay(parts, filled):
    walls = parts.walls.vertices
    np.testing.assert_array_equal(filled.points[: len(walls)], walls)


def test_faces_are_shared_by_two_at_most(filled):
    cells = filled.tetrahedra
    faces = np.sort(
        np.concatenate([cells[:, k] for k in ([0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3])])
    )
    assert np.unique(faces, axis=0, return_counts=True)[1].max() == 2


def test_a_regular_tetrahedron_has_the_best_shape():
    from atlas.mesh.solids.tetrahedra import _dihedral_deg, _ratio

    corners = np.array([[[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]]])
    low, high = _dihedral_deg(corners)
    assert low[0] == pytest.approx(np.degrees(np.arccos(1 / 3)))
    assert high[0] == pytest.approx(low[0])
    assert _ratio(corners)[0] == pytest.approx(1)


def test_a_potential_stays_within_its_bounds_and_what_flows_in_flows_out(filled):
    names = filled.names
    sigma = np.array([CONDUCTIVITY.get(names[k], 0.08) for k in filled.labels.tolist()])
    points, cells = filled.points, filled.tetrahedra.astype(int)
    matrix = stiffness(points, cells, sigma)
    top = np.flatnonzero(np.isclose(points[:, 2], 0, atol=1e-9))
    bottom = np.flatnonzero(np.isclose(points[:, 2], points[np.unique(cells)][:, 2].min()))
    sac_end = np.flatnonzero(np.isclose(points[:, 2], -tube_shapes.HEIGHT))
    fixed = np.concatenate([top, sac_end])
    assert len(bottom) and len(top) > 20 and len(sac_end) > 20
    value = np.zeros(len(points))
    value[top] = 1
    free = np.setdiff1d(np.unique(cells), fixed)
    value[free] = spsolve(matrix[free][:, free], -(matrix[free] @ value))
    assert np.isfinite(value).all()
    assert value.min() > -1e-3
    assert value.max() < 1 + 1e-3
    current = matrix @ value
    assert current[top].sum() == pytest.approx(-current[sac_end].sum(), rel=1e-8)
    # Between the resistances of a sac of fluid alone and of cord alone.
    plain = np.pi * 81 / tube_shapes.HEIGHT
    assert 0.3 * plain < current[top].sum() < 1.7 * plain


@pytest.mark.slow
def test_a_largest_volume_is_kept_but_at_coarse_walls(parts, filled):
    fine = tetrahedra(parts, largest_mm3=1.0)

    def share_above(volumes):
        return volumes[volumes > 1].sum() / volumes.sum()

    assert share_above(filled.volumes_mm3) > 0.8
    assert share_above(fine.volumes_mm3) < 0.1
    assert len(fine.tetrahedra) > len(filled.tetrahedra)


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(parts, filled):
    again = tetrahedra(parts)
    assert again.points.tobytes() == filled.points.tobytes()
    assert again.tetrahedra.tobytes() == filled.tetrahedra.tobytes()


def test_without_tetgen_the_extra_is_named(parts, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **options):
        if name == "tetgen":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.delitem(sys.modules, "tetgen", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(TetrahedraError, match=r"pip install 'lumbosacral-atlas\[fem\]'"):
        tetrahedra(parts)


@pytest.mark.parametrize("options", [{"radius_edge": 1.0}, {"largest_mm3": 0}])
def test_options_out_of_range_are_refused(parts, options):
    with pytest.raises(TetrahedraError, match=r"expected at least 1\.2 and above 0 mm³"):
        tetrahedra(parts, **options)


@pytest.fixture(scope="module")
def shape():
    return NamedShape("cylinders", tube_shapes.cylinders(), "by formula", generated=True)


@pytest.fixture(scope="module")
def made(shape):
    return solids(shape.anatomy, edge_mm=1.5)


@pytest.mark.slow
def test_provenance_lists_findings_and_what_is_assumed_and_extrapolated(tmp_path, shape, made):
    options = MeshOptions(edge_mm=1.5, solids=True)
    write_shape(shape, tmp_path / "out", options)
    document = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert document["findings"] == made.rows()
    assert set(document["finding_columns"]) == set(document["findings"][0])
    assert document["assumed_mm"]["L5"] == [0.5, 0.5]
    stubs = {name: round(mm, 3) for name, mm in made.extrapolated_mm.items()}
    assert document["extrapolated_mm"] == stubs


def test_of_surfaces_nothing_was_decided():
    assert solids_document({"a": solid_shapes.box()}) == {}


def test_surfaces_are_not_filled(tmp_path):
    with pytest.raises(MeshFileError, match=r"x: expected solids .* got surfaces; add --solids"):
        write_tetrahedra({"a": solid_shapes.box()}, tmp_path, name="x", notice="")


@pytest.mark.slow
def test_tetrahedra_go_into_one_file_with_their_quality(tmp_path, shape):
    pytest.importorskip("tetgen")
    options = MeshOptions(edge_mm=1.5, formats=(), solids=True, tetrahedra=True)
    assert write_shape(shape, tmp_path / "out", options) == ("cylinders_tetrahedra.vtu",)
    document = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert document["files"] == ["cylinders_tetrahedra.vtu"]
    (whole,) = [r for r in document["tetrahedra"]["quality"] if r["region"] == "all"]
    head = (tmp_path / "out" / "cylinders_tetrahedra.vtu").read_text()[:20_000]
    assert f'NumberOfCells="{whole["tetrahedra"]}"' in head
    assert re.search(r"region \d+: cord", head)
    assert whole["volume_min_mm3"] > 0
    assert "AGPL" in document["tetrahedra"]["made_by"]


@pytest.mark.slow
def test_without_tetgen_the_extra_is_named_and_nothing_is_left(tmp_path, shape, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tetgen", None)
    options = MeshOptions(edge_mm=1.5, formats=(), solids=True, tetrahedra=True)
    with pytest.raises(TetrahedraError, match=r"pip install 'lumbosacral-atlas\[fem\]'"):
        write_shape(shape, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "asked", [("--tetrahedra",), ("--formats", "vtu"), ("--formats", "STL,VTU")]
)
def test_the_command_asks_for_tetrahedra_by_flag_or_format(tmp_path, monkeypatch, shape, asked):
    seen = []
    monkeypatch.setattr("atlas.shape_choice.choose_shape", lambda path, **_: shape)
    monkeypatch.setattr("atlas.mesh_files.write_shape", lambda *given: seen.append(given[2]) or ())
    arguments = ["mesh", str(tmp_path / "model.h5"), "-o", str(tmp_path / "out"), *asked]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert seen[0].solids
    assert seen[0].tetrahedra
    assert seen[0].formats == (() if asked[-1] == "vtu" else ("stl",))
