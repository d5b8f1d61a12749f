"""An atlas for other programs: what they read is what the atlas holds."""

from __future__ import annotations

import csv
import json

import h5py
import numpy as np
import pandas as pd
import populations
import pytest
import specimens
from statismo_checker import broken_rules
from typer.testing import CliRunner

from atlas.build import build_atlas
from atlas.cli import app
from atlas.exchange.exports import EXPORTS, SUFFIXES, ExportError, export_atlas
from atlas.exchange.statismo_reader import read_statismo
from atlas.model.fitting import fit_shape_model
from atlas.output.files import OutputError
from atlas.procrustes.alignment import align
from atlas.store import Atlas, Settings, load_atlas, save_atlas


@pytest.fixture(scope="module")
def built():
    settings = Settings(root=7, dura=(9, 8), cord=(6, 8), weights="structure")
    return build_atlas(specimens.make_dataset(4), settings)


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


@pytest.mark.slow
def test_the_statismo_export_keeps_every_rule_and_holds_no_subject(built, tmp_path):
    path = export_atlas(built, "statismo", tmp_path / "out.h5")
    with h5py.File(path) as file:
        assert broken_rules(file) == []
        assert "atlas" not in file
    whole = read_statismo(save_atlas(built, tmp_path / "model.h5"))
    np.testing.assert_array_equal(read_statismo(path).modes, whole.modes)


def test_slicermorph_loads_the_gpa_folder_as_it_loads_its_own(built, tmp_path):
    """The steps of ``onLoadFromFile`` and ``initializeFromDataFrame`` of GPA.py."""
    folder = export_atlas(built, "slicermorph", tmp_path / "gpa")
    values = pd.read_csv(folder / "eigenvalues.csv", names=["Index", "Scores"])
    vectors = pd.read_csv(folder / "eigenvector.csv")
    mean = pd.read_csv(folder / "meanShape.csv")[["X", "Y", "Z"]].to_numpy()
    data = pd.read_csv(folder / "outputData.csv")
    columns = [name for name in data.columns if "LM " in name]
    points = data[columns].to_numpy().transpose()
    points = points.reshape(int(points.shape[0] / 3), 3, -1, order="C")
    np.testing.assert_array_equal(mean, built.model.mean)
    np.testing.assert_array_equal(np.moveaxis(points, 2, 0), built.alignment.completed)
    assert data.Sample_name.tolist() == list(built.alignment.landmarks.subject_ids)
    np.testing.assert_allclose(
        data.proc_dist, np.linalg.norm(built.alignment.points - mean, axis=(1, 2))
    )
    centred = built.alignment.points - built.alignment.points.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(data.centroid, np.linalg.norm(centred, axis=(1, 2)))
    log = json.loads((folder / "analysis.json").read_text())["GPALog"][0]
    assert log["Boas"] is True and log["ExcludedLM"] == []
    assert log["NumberLM"] == built.model.scheme.size
    assert built.provenance["created"] == f"{log['Date']}T{log['Time']}Z"
    for name in ("MeanShape", "Eigenvalues", "Eigenvectors", "OutputData", "PCScores"):
        assert (folder / log[name]).is_file()
    names = [name for name in vectors.columns if "PC " in name]
    assert list(values.Index) == names == [f"PC {k + 1}" for k in range(len(values))]


def test_slicermorph_modes_and_scores_rebuild_the_subjects(built, tmp_path):
    folder = export_atlas(built, "slicermorph", tmp_path / "gpa")
    vectors = pd.read_csv(folder / "eigenvector.csv", index_col=0)
    scores = pd.read_csv(folder / "pcScores.csv", index_col="Sample_name")
    values = pd.read_csv(folder / "eigenvalues.csv", header=None)[1]
    assert list(vectors.index[:4]) == ["LM 1_X", "LM 1_Y", "LM 1_Z", "LM 2_X"]
    basis = vectors.to_numpy()
    np.testing.assert_allclose(basis.T @ basis, np.eye(len(values)), atol=1e-12)
    np.testing.assert_allclose(scores.var(ddof=1), values, rtol=1e-9)
    shapes = built.model.mean.ravel() + scores.to_numpy() @ basis.T
    np.testing.assert_allclose(shapes, built.alignment.points.reshape(4, -1), atol=1e-8)
    names = rows(folder / "landmarks.csv")[1:]
    assert [n for _, n in names] == list(built.model.scheme.names)


def test_csv_reads_back_to_the_bit(built, tmp_path):
    folder = export_atlas(built, "csv", tmp_path / "csv")
    model = built.model
    mean = rows(folder / "mean.csv")
    assert mean[0] == ["landmark", "x_mm", "y_mm", "z_mm"]
    assert [r[0] for r in mean[1:]] == list(model.scheme.names)
    np.testing.assert_array_equal(np.array([r[1:] for r in mean[1:]], float), model.mean)
    modes = rows(folder / "modes.csv")
    assert modes[2][:2] == [model.scheme.names[0], "y"]
    loads = np.array([r[2:] for r in modes[1:]], float)
    np.testing.assert_array_equal(loads.T.reshape(model.modes.shape), model.modes)
    variance = rows(folder / "variance.csv")
    assert variance[0] == ["mode", "variance_mm2", "share"]
    np.testing.assert_array_equal([float(r[1]) for r in variance[1:]], model.variance)
    names = pd.read_csv(folder / "names.csv")
    assert names.set_index("landmark").mirror["root/L5/left/3"] == "root/L5/right/3"
    scores = pd.read_csv(folder / "scores.csv", index_col="subject")
    np.testing.assert_allclose(scores, model.scores(built.alignment.points))


def test_npz_needs_no_pickle_and_reads_back_to_the_bit(built, tmp_path):
    path = export_atlas(built, "npz", tmp_path / "model.npz")
    with np.load(path, allow_pickle=False) as file:
        held = dict(file)
    for name in ("mean", "modes", "variance", "weights"):
        np.testing.assert_array_equal(held[name], getattr(built.model, name))
    assert tuple(held["names"]) == built.model.scheme.names
    assert json.loads(str(held["provenance"]))["created"] == built.provenance["created"]


@pytest.mark.slow
def test_a_group_with_missing_landmarks_leaves_no_hole_in_any_file(tmp_path):
    landmarks = populations.with_gaps(populations.posed_population(12)[0], 0.1)
    alignment = align(landmarks, weights="area")
    atlas = Atlas(fit_shape_model(alignment, bridged="missing"), alignment, Settings(), {})
    with h5py.File(save_atlas(atlas, tmp_path / "model.h5")) as file:
        assert broken_rules(file) == []
        assert file["modelinfo/build-time"][()] == b"unknown"
    data = pd.read_csv(export_atlas(atlas, "slicermorph", tmp_path / "gpa") / "outputData.csv")
    assert not data.isna().any(axis=None)
    scores = pd.read_csv(export_atlas(atlas, "csv", tmp_path / "csv") / "scores.csv")
    assert not scores.isna().any(axis=None)


@pytest.mark.parametrize("to", EXPORTS)
def test_the_same_atlas_gives_the_same_bytes_over_an_earlier_export(built, tmp_path, to):
    def content(place):
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        return {f.name: f.read_bytes() for f in files}

    out = tmp_path / f"out{SUFFIXES.get(to, '')}"
    first = content(export_atlas(built, to, out))
    assert content(export_atlas(built, to, out)) == first
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("to", ["csv", "slicermorph"])
def test_a_folder_that_is_no_export_is_left_alone(built, tmp_path, to):
    (tmp_path / "analysis.json").write_text("somebody's")
    with pytest.raises(OutputError, match=r"earlier result of `atlas export`.*got something else"):
        export_atlas(built, to, tmp_path)
    assert (tmp_path / "analysis.json").read_text() == "somebody's"


def test_the_atlas_itself_is_not_written_over(built, tmp_path):
    path = save_atlas(built, tmp_path / "model.h5")
    with pytest.raises(OutputError, match="got a file of `atlas build`; choose another place"):
        export_atlas(load_atlas(path), "statismo", path)
    with pytest.raises(OutputError, match="expected the name of a file, got a folder"):
        export_atlas(built, "npz", tmp_path)
    assert load_atlas(path).model.n_subjects == 4


def test_the_command_says_what_it_wrote_and_what_it_cannot(built, tmp_path):
    path = str(save_atlas(built, tmp_path / "model.h5"))
    runner = CliRunner()
    done = runner.invoke(app, ["export", path, "--to", "csv", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "written to" in done.output
    assert (tmp_path / "out" / "mean.csv").is_file()
    bad = runner.invoke(app, ["export", path, "--to", "matlab", "-o", str(tmp_path / "x")])
    assert bad.exit_code == 2
    assert "atlas: to: expected one of ('statismo', 'slicermorph', 'csv', 'npz')" in bad.output
    with pytest.raises(ExportError, match="got 'matlab'"):
        export_atlas(built, "matlab", tmp_path / "x")
