"""The file opens elsewhere: every rule of the layout, and models of others read back."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import populations
import pytest
import specimens
from statismo_checker import broken_rules, uncompressed

from atlas.build import build_atlas
from atlas.exchange.interchange import marginal, tube_cells
from atlas.exchange.statismo import ModelInfo, StatismoError, StatisticalModel, write_model
from atlas.exchange.statismo_reader import read_catalog, read_statismo
from atlas.hdf5.fields import DIGEST
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.model.fitting import fit_shape_model
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import align
from atlas.store import Settings, save_atlas

SETTINGS = Settings(root=7, dura=(9, 8), cord=(6, 8), weights="area")


@pytest.fixture(scope="module")
def built():
    return build_atlas(specimens.make_dataset(5), SETTINGS)


@pytest.fixture
def path(built, tmp_path):
    return save_atlas(built, tmp_path / "model.h5")


def covariance(model: StatisticalModel) -> np.ndarray:
    flat = model.modes.reshape(len(model.variance), -1)
    return flat.T * model.variance @ flat


def covariance_of(model: ShapeModel, span: slice = slice(None)) -> np.ndarray:
    flat = model.modes[:, span].reshape(model.n_modes, -1)
    return flat.T * model.variance @ flat


# --- the file ---


@pytest.mark.slow
def test_the_file_keeps_every_rule_of_the_layout_with_gzip_on(path):
    with h5py.File(path) as file:
        assert broken_rules(file) == []
        assert uncompressed(file) == []
        assert set(file["catalog"]) == {"dura", "cord"}
    assert read_catalog(path) == {
        "cord": ("/cord", "POLYGON_MESH_MODEL"),
        "dura": ("/dura", "POLYGON_MESH_MODEL"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("model/mean", lambda a: a.astype(float), "model/mean is float64"),
        ("model/pcaBasis", lambda a: a.astype(float), "model/pcaBasis is float64"),
        ("model/pcaBasis", lambda a: 2 * a, "not orthonormal"),
        ("model/pcaVariance", lambda a: a[::-1], "does not fall"),
        ("model/noiseVariance", lambda a: np.array([a]), "noiseVariance is float32 (1,)"),
        ("model/mean", lambda a: a.reshape(-1, 3).T.ravel(), "not interleaved"),
        ("representer/points", lambda a: a.astype(float), "points is float64"),
        ("representer/cells", lambda a: a.astype(np.uint32), "cells is uint32"),
        ("representer/cells", lambda a: a.astype(np.int64), "cells is int64"),
        ("representer/cells", lambda a: np.ascontiguousarray(a.T), "cells is int32"),
        ("representer/cells", lambda a: a + 1, "do not count from 0"),
        ("version/minorVersion", lambda _: np.int64(9), "minorVersion is int64"),
        ("version/minorVersion", lambda _: np.int32(8), "minorVersion is not 9"),
        ("modelinfo/build-time", lambda _: ["now"], "build-time is not a scalar string"),
        ("modelinfo/scores", lambda a: a.T, "scores is float32"),
    ],
)
@pytest.mark.parametrize("model", ["", "dura/"])
def test_the_checker_sees_each_rule_broken(path, model, name, change, message):
    with h5py.File(path, "r+") as file:
        before = file[model + name][()]
        del file[model + name]
        file[model + name] = change(before)
        assert any(message in rule for rule in broken_rules(file)), broken_rules(file)


def test_the_checker_sees_strings_and_groups_of_another_kind(path):
    with h5py.File(path, "r+") as file:
        del file["catalog/dura/modelPath"]
        file["catalog/dura/modelPath"] = ["/dura"]
        assert broken_rules(file) == ["catalog/dura: modelPath is not a scalar string"]
    with h5py.File(path, "r+") as file:
        file["representer"].attrs["datasetType"] = ["POLYGON_MESH"]
        assert "/: representer attribute datasetType is not a scalar string" in broken_rules(file)


def test_nothing_but_the_build_tells_the_time(built, path):
    with h5py.File(path) as file:
        for model in ("/", "/dura", "/cord"):
            info = file[model]["modelinfo"]
            for name in ("build-time", "modelBuilder-0/buildTime"):
                assert info[name][()].decode() == built.provenance["created"]


# --- the distribution ---


def test_the_statismo_model_is_the_distribution_of_the_atlas(built, path):
    assert not np.allclose(built.model.weights, 1)
    model = read_statismo(path)
    np.testing.assert_allclose(model.mean, built.model.mean, atol=1e-5)
    whole = covariance_of(built.model)
    np.testing.assert_allclose(covariance(model), whole, atol=1e-5 * whole.max())


@pytest.mark.parametrize("block", ["dura", "cord"])
def test_a_nested_model_is_the_marginal_of_its_block(built, path, block):
    model, span = read_statismo(path, f"/{block}"), built.model.scheme.span(block)
    np.testing.assert_allclose(model.mean, built.model.mean[span], atol=1e-5)
    part = covariance_of(built.model, span)
    np.testing.assert_allclose(covariance(model), part, atol=1e-5 * part.max())


def test_scores_give_the_subjects_back(built, path):
    for name in ("/", "/dura"):
        model = read_statismo(path, name)
        with h5py.File(path) as file:
            scores = file[name]["modelinfo/scores"][()]
        span = slice(None) if name == "/" else built.model.scheme.span("dura")
        shapes = model.mean + np.einsum(
            "ks,k,knj->snj", scores, np.sqrt(model.variance), model.modes
        )
        np.testing.assert_allclose(shapes, built.alignment.points[:, span], atol=1e-4)


def test_with_equal_weights_modes_are_those_of_the_atlas_signs_too():
    model = fit_shape_model(align(populations.posed_population(6)[0]))
    part = marginal(model)
    np.testing.assert_allclose(part.model.modes, model.modes, atol=1e-9)
    np.testing.assert_allclose(part.model.variance, model.variance)
    np.testing.assert_allclose(part.turn, np.eye(model.n_modes), atol=1e-9)


def test_uneven_noise_is_given_as_its_mean_and_said_so(built, tmp_path):
    noisy = replace(built, model=replace(built.model, noise=0.5))
    path = save_atlas(noisy, tmp_path / "noisy.h5")
    expected = (0.5 / built.model.weights).mean()
    assert read_statismo(path).noise == pytest.approx(expected, rel=1e-6)
    with h5py.File(path) as file:
        told = file["modelinfo/modelBuilder-0/parameters/noise"][()].decode()
    assert told.startswith("mean of ")


def test_cells_are_the_outward_walls_of_dura_and_cord(built, path):
    scheme, model = built.model.scheme, read_statismo(path)
    dura, cord = scheme.block("dura"), scheme.block("cord")
    assert len(model.cells) == sum(2 * (b.levels - 1) * b.around for b in (dura, cord))
    walls = (scheme.span("dura"), scheme.span("cord"))
    assert set(model.cells.ravel()) == {i for w in walls for i in range(w.start, w.stop)}
    for name in ("dura", "cord"):
        part = read_statismo(path, f"/{name}")
        np.testing.assert_array_equal(part.cells, tube_cells(scheme.block(name)))
        normals = Mesh(part.mean, part.cells).face_normals_mm2
        rings = part.mean.reshape(scheme.block(name).levels, -1, 3).mean(axis=1)
        middle = part.mean[part.cells].mean(axis=1)
        nearest = rings[np.abs(middle[:, None, 2] - rings[:, 2]).argmin(axis=1)]
        assert (np.einsum("ij,ij->i", normals, middle - nearest) > 0).all()


# --- models of others ---


def make_model(kind: str = "POLYGON_MESH") -> StatisticalModel:
    rng = np.random.default_rng(0)
    modes = np.linalg.qr(rng.normal(size=(15, 2)))[0].T.reshape(2, 5, 3).astype(np.float32)
    mean = rng.normal(size=(5, 3)).astype(np.float32)
    cells = {"POLYGON_MESH": [[0, 1, 2], [2, 3, 4]], "LINE_MESH": [[0, 1]], "POINT_SET": None}
    return StatisticalModel(mean, modes, np.array([4.0, 1.5]), 0.25, cells[kind], kind, mean + 1)


def assert_same(a: StatisticalModel, b: StatisticalModel) -> None:
    assert a.dataset_type == b.dataset_type and a.noise == b.noise
    for name in ("mean", "modes", "variance", "cells", "reference"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def write(path, model: StatisticalModel):
    with h5py.File(path, "w") as file:
        write_model(file, model, ModelInfo(np.zeros((len(model.variance), 0))))
    return path


@pytest.mark.parametrize("kind", ["POLYGON_MESH", "LINE_MESH", "POINT_SET"])
def test_reading_and_writing_again_is_the_identity(tmp_path, kind):
    first = write(tmp_path / "a.h5", make_model(kind))
    again = read_statismo(first)
    assert_same(again, make_model(kind))
    assert write(tmp_path / "b.h5", again).read_bytes() == first.read_bytes()


def test_a_basis_of_version_0_8_is_freed_of_its_standard_deviations(tmp_path):
    path = write(tmp_path / "old.h5", make_model())
    with h5py.File(path, "r+") as file:
        file["version/minorVersion"][()] = 8
        file["model/pcaBasis"][()] = file["model/pcaBasis"][()] * [2.0, 1.5**0.5]
        # Programs of that time wrote no digests.
        for part in ("version", "model", "representer"):
            del file[part].attrs[DIGEST]
    np.testing.assert_allclose(read_statismo(path).modes, make_model().modes, atol=1e-6)


def test_what_is_no_model_is_refused_with_its_path_and_reason(tmp_path):
    with pytest.raises(StatismoError, match=r"gone\.h5: expected a statistical model.*nothing"):
        read_statismo(tmp_path / "gone.h5")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(StatismoError, match=r"text\.h5: expected a statistical model in the"):
        read_statismo(text)
    for name, message in [
        ("model/mean", "no model/mean"),
        ("representer/cells", "no representer/cells in a POLYGON_MESH"),
        ("version", "no version"),
    ]:
        path = write(tmp_path / "broken.h5", make_model())
        with h5py.File(path, "r+") as file:
            del file[name]
        with pytest.raises(StatismoError, match=message):
            read_statismo(path)


def test_a_model_that_cannot_be_is_refused():
    good = make_model()
    with pytest.raises(StatismoError, match=r"dataset_type: expected one of .*got 'IMAGE'"):
        StatisticalModel(good.mean, good.modes, good.variance, dataset_type="IMAGE")
    with pytest.raises(StatismoError, match="cells: expected indices of 5 points from 0, got 1 to"):
        StatisticalModel(good.mean, good.modes, good.variance, 0, [[1, 2, 5]], "POLYGON_MESH")
    with pytest.raises(StatismoError, match=r"modes: expected an array of shape \(2, 5, 3\)"):
        StatisticalModel(good.mean, good.modes[:1], good.variance)
